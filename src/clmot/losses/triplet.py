"""Triplet losses with margin: batch-all and batch-hard (Hermans et al. 2017).

The similarity s is the negative distance, or that and a constant; as published, of Euclidean distances.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


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
