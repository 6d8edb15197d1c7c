"""NT-Xent: the normalised temperature-scaled cross-entropy of SimCLR, over given pairs."""

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from clmot.losses.reduce import mean_by_row, positives_and_negatives


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
