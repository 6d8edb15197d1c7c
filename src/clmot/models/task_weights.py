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

    def forward(self, detection: Tensor, embedding: Tensor) -> Tensor:
        """Two scalar losses to one."""
        weighed = torch.exp(-self.detection) * detection + torch.exp(-self.embedding) * embedding
        return 0.5 * (weighed + self.detection + self.embedding)
