"""The identity classifier of supervised training."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class IdentityClassifier(nn.Module):
    """Logits of every identity, from the embedding scaled by ``sqrt(2) ln(n - 1)`` (FairMOT; AdaCos' fixed scale).

    Learned with the network and saved with it; tracking does not use it.

    Args:
        dimension: length of the embedding.
        identities: n.
    """

    def __init__(self, dimension: int, identities: int) -> None:
        super().__init__()
        self.scale = math.sqrt(2) * math.log(max(identities - 1, 2))
        self.linear = nn.Linear(dimension, identities)

    def forward(self, embeddings: Float[Tensor, "m d"]) -> Float[Tensor, "m identities"]:
        """Unit vectors to logits, float32."""
        with torch.autocast(embeddings.device.type, enabled=False):
            return F.linear(self.scale * embeddings.float(), self.linear.weight.float(), self.linear.bias.float())
