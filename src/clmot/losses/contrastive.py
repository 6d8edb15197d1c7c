"""Contrast: which boxes are positives and negatives of each other, and the NT-Xent loss over them."""

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


def contrast_pairs(
    object_index: Int64[Tensor, " m"],
    frame_index: Int64[Tensor, " m"],
    sequence_index: Int64[Tensor, " m"],
    negatives: Literal["frame", "sequences"] = "sequences",
) -> tuple[Bool[Tensor, "m m"], Bool[Tensor, "m m"]]:
    """Who is a positive and who is a negative of whom: the one place that decides it.

    Positive: the same object of the same frame, seen in the other view. Negative: another object of the same frame
    and, with ``sequences``, every object of another sequence. Boxes in two different frames of one sequence are
    neither, because they may show the same object.

    Returns:
        The masks of positives and negatives, rows for anchors. No box is a pair with itself.
    """
    same_frame = frame_index[:, None] == frame_index
    same_object = same_frame & (object_index[:, None] == object_index)
    itself = torch.eye(len(object_index), dtype=torch.bool, device=object_index.device)
    negative = same_frame & ~same_object
    if negatives == "sequences":
        negative = negative | (sequence_index[:, None] != sequence_index)
    return same_object & ~itself, negative


def nt_xent(
    embeddings: Float[Tensor, "m d"],
    positive: Bool[Tensor, "m m"],
    negative: Bool[Tensor, "m m"],
    temperature: float = 0.1,
) -> Float[Tensor, ""]:
    """Normalised temperature-scaled cross-entropy (Chen et al. 2020, eq. 1) over given pairs.

    For anchor i and positive p with cosine s: ``-log(exp(s_ip/T) / (exp(s_ip/T) + sum_n exp(s_in/T)))``, averaged over
    the positives of an anchor and then over the anchors that have a positive and a negative. Memory is m x m.

    Args:
        embeddings: unit vectors.
        positive: mask of positives, rows for anchors.
        negative: mask of negatives, rows for anchors.
        temperature: T.

    Returns:
        The loss; zero (with zero gradient) if no anchor has both a positive and a negative.
    """
    similarity = embeddings @ embeddings.T / temperature
    anchors = positive.any(dim=1) & negative.any(dim=1)
    # -inf on rows without negatives would make NaN gradients; those rows are not counted anyway
    others = similarity.masked_fill(~negative, torch.finfo(similarity.dtype).min).logsumexp(dim=1, keepdim=True)
    loss = (torch.logaddexp(similarity, others) - similarity) * positive
    each = loss.sum(dim=1) / positive.sum(dim=1).clamp(min=1)
    return (each * anchors).sum() / anchors.sum().clamp(min=1)
