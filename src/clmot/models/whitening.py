"""A metric for embeddings: what changes within an object counts less than what tells objects apart."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

SHRINKAGE = 1.0
"""How much of the mean variance is added to that of every direction: there are more directions than people to tell
them by."""


class WhitenedReadOut(nn.Module):
    """A read-out whose embeddings are, in use, those of a metric learned after it: centred, whitened, of unit length.

    Training goes on the plain embedding, and is followed by `fit`. Before, nothing is changed.

    Args:
        read_out: maps, boxes and their images to unit vectors [m, d].
        dimension: d.
    """

    centre: Tensor
    matrix: Tensor

    def __init__(self, read_out: nn.Module, dimension: int) -> None:
        super().__init__()
        self.read_out = read_out
        self.register_buffer("centre", torch.zeros(dimension))
        self.register_buffer("matrix", torch.eye(dimension))

    def forward(
        self, maps: tuple[Tensor, ...], boxes: Float[Tensor, "m 4"], image_index: Int64[Tensor, " m"]
    ) -> Float[Tensor, "m d"]:
        """As the read-out; with the metric outside of training."""
        plain: Tensor = self.read_out(maps, boxes, image_index)
        if self.training:
            return plain
        with torch.autocast(plain.device.type, enabled=False):
            return F.normalize((plain.float() - self.centre.float()) @ self.matrix.float(), dim=1)

    def forget(self) -> None:
        """Be the plain read-out again."""
        self.centre.zero_()
        self.matrix.copy_(torch.eye(len(self.matrix)))

    def fit(self, centre: Float[Tensor, " d"], within: Float[Tensor, "d d"]) -> None:
        """Learn the metric.

        Args:
            centre: the mean embedding.
            within: covariance of the embeddings of one object around their mean.

        Source: Hatch et al., "Within-class covariance normalization for SVM-based speaker recognition", 2006; shrunk
        towards the identity.
        """
        values, vectors = torch.linalg.eigh(within.double())
        scale = (values.clamp(min=0) + SHRINKAGE * values.mean().clamp(min=1e-12)).rsqrt()
        self.centre.copy_(centre)
        self.matrix.copy_(vectors * (scale / scale.mean()) @ vectors.T)
