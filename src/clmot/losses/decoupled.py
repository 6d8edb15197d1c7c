"""Decoupled contrastive learning: NT-Xent whose denominator leaves the positive out."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from clmot.losses.reduce import mean_by_row, positives_and_negatives


def decoupled(
    similarity: Float[Tensor, "m k"],
    positive: Bool[Tensor, "m k"],
    negative: Bool[Tensor, "m k"],
    temperature: float = 0.1,
) -> Float[Tensor, " m"]:
    """Decoupled contrastive loss of each anchor (Yeh et al. 2022, L_DC).

    For anchor i and positive p with cosine s: ``-s_ip/T + log sum_n exp(s_in/T)``, averaged over the positives of the
    anchor. The positive is not part of the sum, so that its gradient does not fade as it is learned, which is what
    costs NT-Xent most with few negatives. Unlike NT-Xent it has no lower bound of 0. Memory is m x k.

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
    far = torch.where(negative.any(dim=1), far, 0)
    return mean_by_row(far[rows] - near, rows, len(similarity))
