"""The learned balance of detection and embedding."""

import torch
from torch import Tensor, nn


class TaskWeights(nn.Module):
    """Learned balance of detection and embedding by their uncertainty (Kendall et al. 2018; FairMOT's start values).

    ``0.5 (exp(-s_det) L_det + exp(-s_emb) L_emb + s_det + s_emb)``
    """

    def __init__(self) -> None:
        super().__init__()
        self.detection = nn.Parameter(torch.tensor(-1.85))
        self.embedding = nn.Parameter(torch.tensor(-1.05))

    def forward(self, detection: Tensor, embedding: Tensor, has_embedding: Tensor | bool = True) -> Tensor:
        """Two scalar losses to one.

        Args:
            detection: loss of the detection heads.
            embedding: loss of the embedding.
            has_embedding: whether there was anything to teach the embedding. Otherwise its weight rests: with a loss
                of 0 for want of pairs it would grow without end.
        """
        detected = torch.exp(-self.detection) * detection + self.detection
        embedded = torch.exp(-self.embedding) * embedding + self.embedding
        present = torch.as_tensor(has_embedding, device=embedded.device)
        return 0.5 * (detected + torch.where(present, embedded, 0))
