"""Whitening of an embedding: what changes within an object counts less than what tells objects apart."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from clmot.models.embedding_pool import StripePool, unit_length

SHRINKAGE = 1.0
"""How much of the mean variance is added to that of every direction: there are more directions than people to tell
them by."""


class WhitenedPool(nn.Module):
    """Embedding pooling and within-class covariance normalisation: centred, whitened, shortened, of unit length.

    Training sees the plain embedding, all that is pooled. The whitening is fitted after training (`fit`), without a
    gradient step, and makes of it the embedding that is used. Before, it is a random projection, which keeps cosines
    roughly.

    Args:
        plain: the pooling, to unit vectors [m, D].
        dimension: d, length of the embedding in use.

    Attributes:
        is_fitted: whether there is a whitening. Files hold centre and matrix alone: a fitted one has a centre.
    """

    centre: Tensor
    matrix: Tensor

    def __init__(self, plain: StripePool, dimension: int) -> None:
        super().__init__()
        self.plain = plain
        self.register_buffer("centre", torch.zeros(plain.dimension))
        self.register_buffer("matrix", torch.randn(plain.dimension, dimension) / dimension**0.5)
        self.is_fitted = False
        self.register_load_state_dict_post_hook(_tell_if_fitted)  # type: ignore[no-untyped-call]

    def forward(
        self, maps: tuple[Tensor, ...], boxes: Float[Tensor, "m 4"], image_index: Int64[Tensor, " m"]
    ) -> Float[Tensor, "m d"]:
        """As the plain pooling, whitened."""
        plain: Tensor = self.plain(maps, boxes, image_index)
        with torch.autocast(plain.device.type, enabled=False):
            return unit_length((plain.float() - self.centre.float()) @ self.matrix.float(), dim=1)

    def pass_through(self) -> None:
        """Be the plain pooling, of its length."""
        self.centre.zero_()
        self.is_fitted = False
        self.matrix = torch.eye(len(self.matrix), device=self.matrix.device)

    def fit(self, centre: Float[Tensor, " D"], within: Float[Tensor, "D D"], overall: Float[Tensor, "D D"]) -> None:
        """Fit the whitening of the plain embedding.

        Args:
            centre: the mean embedding.
            within: covariance of the embeddings of one object, at several times or in several views, around their mean.
                (Whitening by the covariance of all embeddings would take from the training data what tells its objects
                apart.)
            overall: covariance of all embeddings; where the embedding in use is shorter than the plain one, the
                directions in which it is largest after whitening are kept.

        Source: Hatch et al., "Within-class covariance normalization for SVM-based speaker recognition", 2006; shrunk
        towards the identity.
        """
        matrix = whitening(within)
        length = self.matrix.shape[1]
        if length < len(matrix):
            _, directions = torch.linalg.eigh(matrix @ overall.double() @ matrix)
            matrix = matrix @ directions[:, -length:]
        self.centre.copy_(centre)
        self.matrix.copy_(F.pad(matrix, (0, length - matrix.shape[1])))
        self.is_fitted = True

    def go_on(self, metric: Float[Tensor, "d d"]) -> None:
        """Multiply the embedding in use with a matrix, on top of what was fitted."""
        self.matrix.copy_((self.matrix.double().cpu() @ metric.double()).to(self.matrix.device))


def _tell_if_fitted(pool: WhitenedPool, _: object) -> None:
    pool.is_fitted = bool(pool.centre.any())


def whitening(covariance: Tensor) -> Tensor:
    """The inverse square root of a shrunk covariance, its mean eigenvalue one."""
    values: Tensor
    vectors: Tensor
    values, vectors = torch.linalg.eigh(covariance.double())
    scale = (values.clamp(min=0) + SHRINKAGE * values.mean().clamp(min=1e-12)).rsqrt()
    return vectors * (scale / scale.mean()) @ vectors.T
