"""Cosines of boxes with each other and with further boxes."""

from typing import Any

from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import Function, once_differentiable


def cosines(anchors: Float[Tensor, "m d"], keys: Float[Tensor, "k d"]) -> Float[Tensor, "m k"]:
    """Cosines of unit vectors.

    Where anchors and keys are one and the same tensor E, the gradient is formed as ``(G + G^T) E``: one large product
    instead of two, and products are most of a contrastive loss's time.
    """
    if anchors is keys:
        return _SelfSimilarity.apply(anchors)  # type: ignore[no-any-return]
    return anchors @ keys.T


class _SelfSimilarity(Function):
    @staticmethod
    def forward(ctx: Any, embeddings: Tensor) -> Tensor:
        ctx.save_for_backward(embeddings)
        return embeddings @ embeddings.T

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (embeddings,) = ctx.saved_tensors
        return (gradient + gradient.T) @ embeddings  # type: ignore[no-any-return]
