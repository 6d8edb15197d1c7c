"""Reductions over the positives and negatives of each anchor, shared by the contrastive losses."""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.autograd.function import Function, once_differentiable


def mean_by_row(values: Float[Tensor, " p"], rows: Int64[Tensor, " p"], count: int) -> Float[Tensor, " m"]:
    """Mean of the values that belong to each of `count` rows; 0 for a row without any."""
    total = values.new_zeros(count).index_add(0, rows, values)
    return total / rows.bincount(minlength=count).clamp(min=1)


def pair_weights(positive: Bool[Tensor, "m k"], scores: Float[Tensor, " m"]) -> Float[Tensor, " m"]:
    """How much each anchor counts: the mean over its positives of the lesser of both scores; 0 without positives.

    Both views of a box show one object or none, and do so together: the chance of a pair is the lesser chance, not the
    product. As a negative every box counts in full, for the background behind a false box is another thing too.

    Args:
        positive: which of k keys are positives of m anchors; the first m keys are the anchors.
        scores: of the anchors, in (0, 1]; all other keys (of known identity) count in full.
    """
    rows, columns = positive.nonzero(as_tuple=True)
    of_keys = torch.cat([scores, scores.new_ones(positive.shape[1] - len(scores))])
    return mean_by_row(torch.minimum(scores[rows], of_keys[columns]), rows, len(scores))


def positives_and_negatives(
    similarity: Float[Tensor, "m k"],
    rows: Int64[Tensor, " p"],
    columns: Int64[Tensor, " p"],
    negative: Bool[Tensor, "m k"],
    temperature: float,
) -> tuple[Float[Tensor, " p"], Float[Tensor, " m"]]:
    """What softmax losses need of a similarity matrix: ``s/T`` of the positives, ``log sum_n exp(s_n/T)`` of each row.

    Equal to indexing and a masked `torch.logsumexp`, with two m x k matrices for both directions together instead of
    seven.

    Args:
        similarity: of m anchors and k keys.
        rows: anchor of each of p positives.
        columns: key of each positive; none of them is a negative of its anchor.
        negative: which keys are negatives of an anchor.
        temperature: T.

    Returns:
        Logits of the positives, and the logarithms; for a row without negatives the type's lowest number, with zero
        gradient (-inf would make NaN gradients).
    """
    logits: tuple[Tensor, Tensor] = _PositivesAndNegatives.apply(similarity, rows, columns, negative, temperature)
    return logits


class _PositivesAndNegatives(Function):
    @staticmethod
    def forward(
        ctx: Any, similarity: Tensor, rows: Tensor, columns: Tensor, negative: Tensor, temperature: float
    ) -> tuple[Tensor, Tensor]:
        lowest = torch.finfo(similarity.dtype).min
        weights = similarity / temperature
        positives = weights[rows, columns]
        weights.masked_fill_(~negative, -torch.inf)
        top = weights.amax(dim=1, keepdim=True).clamp(min=lowest) if weights.numel() else weights.sum(1, keepdim=True)
        total = weights.sub_(top).exp_().sum(dim=1, keepdim=True)
        total = torch.where(total > 0, total, 1)
        ctx.save_for_backward(weights, total, rows, columns)
        ctx.temperature = temperature
        return positives, (total.log() + top).squeeze(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, positives: Tensor, negatives: Tensor) -> tuple[Tensor, None, None, None, None]:
        weights, total, rows, columns = ctx.saved_tensors
        gradient = weights * (negatives[:, None] / (total * ctx.temperature))
        gradient[rows, columns] = positives / ctx.temperature
        return gradient, None, None, None, None
