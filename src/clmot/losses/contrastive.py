"""Contrastive losses over given pairs: NT-Xent, and triplets with margin.

Rows of a similarity matrix are anchors, columns keys; masks say which keys are positives and negatives of an anchor.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.autograd.function import Function, once_differentiable
from torch.nn import functional as F


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


def nt_xent(
    similarity: Float[Tensor, "m k"],
    positive: Bool[Tensor, "m k"],
    negative: Bool[Tensor, "m k"],
    temperature: float = 0.1,
) -> Float[Tensor, " m"]:
    """Normalised temperature-scaled cross-entropy (Chen et al. 2020, eq. 1) of each anchor.

    For anchor i and positive p with cosine s: ``-log(exp(s_ip/T) / (exp(s_ip/T) + sum_n exp(s_in/T)))``, averaged over
    the positives of the anchor. Positives are few and handled as a list; memory is m x k.

    Args:
        similarity: cosines of anchors (rows) and keys.
        positive: which keys are positives of an anchor.
        negative: which keys are negatives of an anchor.
        temperature: T.

    Returns:
        One loss an anchor; meaningless but finite, with finite gradient, where an anchor lacks positives or negatives.
    """
    rows, columns = positive.nonzero(as_tuple=True)
    near, far = positives_and_negatives(similarity, rows, columns, negative, temperature)
    return mean_by_row(-F.logsigmoid(near - far[rows]), rows, len(similarity))


def negative_distance(cosines: Float[Tensor, "m k"]) -> Float[Tensor, "m k"]:
    """Negative Euclidean distances of unit vectors with these cosines: ``-sqrt(2 - 2 s)``.

    Equal vectors have no direction to be pushed in: there the gradient is zero.
    """
    return -(2 - 2 * cosines).clamp(min=1e-12).sqrt()


def triplet_all(
    similarity: Float[Tensor, "m k"],
    positive: Bool[Tensor, "m k"],
    negative: Bool[Tensor, "m k"],
    margin: float = 0.5,
) -> tuple[Float[Tensor, " m"], Int64[Tensor, " m"]]:
    """Every triplet of an anchor i, a positive p and a negative n: ``max(0, margin - s_ip + s_in)``.

    The batch-all loss is the mean over the active triplets (those above zero) of the whole batch; the many that are
    satisfied would drown the rest. The triplets are counted, never formed: a negative in c_n active triplets and a
    positive in c_p of them make ``sum_n c_n (margin + s_in) - sum_p c_p s_ip``. Memory is m x k.

    Args:
        similarity: of anchors (rows) and keys.
        positive: which keys are positives of an anchor.
        negative: which keys are negatives of an anchor.
        margin: by how much a negative should be farther away than a positive.

    Returns:
        Sum and number of each anchor's active triplets; both zero, with zero gradient, where it lacks positives or
        negatives.
    """
    rows, columns = positive.nonzero(as_tuple=True)
    each = positive.sum(dim=1)
    slots = int(each.max()) if len(rows) else 0
    slot = torch.arange(len(rows), device=rows.device) - (each.cumsum(dim=0) - each)[rows]
    near = similarity.new_full((len(similarity), slots), torch.inf)
    near = near.index_put((rows, slot), similarity[rows, columns]).sort(dim=1).values

    far = similarity + margin
    # c_n: positives with s_ip < margin + s_in. The r-th lowest positive is among them if c_n > r, hence c_p
    uses = torch.searchsorted(near.detach(), far.detach()) * negative
    histogram = uses.new_zeros(len(uses), slots + 1).scatter_add(1, uses, uses.new_ones(1, 1).expand_as(uses))
    used = histogram.flip(1).cumsum(dim=1).flip(1)[:, 1:]
    total = (uses * far).sum(dim=1) - (used * torch.where(near.isinf(), 0, near)).sum(dim=1)
    return total, uses.sum(dim=1)


def triplet_hard(
    similarity: Float[Tensor, "m k"],
    positive: Bool[Tensor, "m k"],
    negative: Bool[Tensor, "m k"],
    margin: float = 0.5,
) -> Float[Tensor, " m"]:
    """Each anchor's hardest triplet: ``max(0, margin - min_p s_ip + max_n s_in)``.

    Args:
        similarity: of anchors (rows) and keys.
        positive: which keys are positives of an anchor.
        negative: which keys are negatives of an anchor.
        margin: by how much a negative should be farther away than a positive.

    Returns:
        One loss an anchor; zero, with zero gradient, where an anchor lacks positives or negatives.
    """
    if not similarity.numel():
        return similarity.sum(dim=1)
    near = similarity.masked_fill(~positive, torch.inf).amin(dim=1)
    far = similarity.masked_fill(~negative, -torch.inf).amax(dim=1)
    return (margin - near + far).relu()


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
