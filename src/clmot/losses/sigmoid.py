"""Sigmoid loss: each pair for itself is the same object or not."""

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from clmot.losses.reduce import mean_by_row


def sigmoid(
    similarity: Float[Tensor, "m k"],
    positive: Bool[Tensor, "m k"],
    negative: Bool[Tensor, "m k"],
    temperature: float = 0.1,
) -> Float[Tensor, " m"]:
    """Sigmoid loss of each anchor (SigLIP, Zhai et al. 2023), with a fixed temperature and a bias in closed form.

    ``-sum_p log sigma(s_ip/T + b_i) - sum_n log sigma(-s_in/T - b_i)`` over anchor i's pairs, divided by its number P
    of positives; with one positive it is SigLIP's. SigLIP learns b from -10, about the log odds of a positive among
    its 32 768 pairs a row; here ``b_i = log(P/N)`` is the log odds of anchor i's own P positives and N negatives. So
    embeddings that know nothing (cosine 0) start calibrated, and s/T is the log likelihood ratio that a pair is the
    same object, comparable between crowded and empty frames. Memory is m x k.

    Args:
        similarity: cosines of anchors (rows) and keys.
        positive: which keys are positives of an anchor.
        negative: which keys are negatives of an anchor.
        temperature: T (SigLIP's start value: 0.1).

    Returns:
        One loss an anchor; meaningless but finite, with finite gradient, where an anchor lacks positives or negatives.
    """
    rows, columns = positive.nonzero(as_tuple=True)
    positives = positive.sum(dim=1).clamp(min=1).to(similarity.dtype)
    bias = (positives / negative.sum(dim=1).clamp(min=1)).log()
    logits = similarity / temperature + bias[:, None]
    missed = mean_by_row(-F.logsigmoid(logits[rows, columns]), rows, len(logits))
    confused = -(F.logsigmoid(-logits) * negative).sum(dim=1) / positives
    return missed + confused
