"""Detection losses: focal on the heatmap, L1 at object centres."""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F


def heatmap_focal(
    logits: Float[Tensor, "v classes h w"],
    target: Float[Tensor, "v classes h w"],
    ignored: Bool[Tensor, "v h w"],
    alpha: float = 2.0,
    beta: float = 4.0,
    weight: Float[Tensor, "v h w"] | None = None,
) -> tuple[Float[Tensor, ""], Int64[Tensor, ""]]:
    """Penalty-reduced focal loss (CornerNet eq. 1, CenterNet eq. 1): its sum, and the number of objects to divide by.

    Cells with target 1 are positive; all others are negative, the less so the nearer their target is to 1. A `weight`
    multiplies the loss of a cell but leaves the number of objects alone: the background's loss is most of the sum, and
    should weigh as much beside unsure objects as beside sure ones.
    """
    probability = logits.sigmoid()
    positive = target == 1
    hit = (1 - probability) ** alpha * F.logsigmoid(logits)
    miss = (1 - target) ** beta * probability**alpha * F.logsigmoid(-logits)
    counted = (~ignored if weight is None else weight.masked_fill(ignored, 0))[:, None]
    return -(torch.where(positive, hit, miss) * counted).sum(), positive.sum()


def l1_at_objects(
    prediction: Float[Tensor, "n k"], target: Float[Tensor, "n k"], weight: Float[Tensor, " n"] | None = None
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Absolute error: its sum, and the number of values to divide by, both weighted; zero gradient without objects."""
    weight = target.new_ones(len(target)) if weight is None else weight
    return ((prediction - target).abs() * weight[:, None]).sum(), weight.sum() * target.shape[1]
