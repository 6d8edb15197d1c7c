"""One training step."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric
from torch import nn

from clmot.config import Config
from clmot.losses.contrast_masks import contrastive_set
from clmot.losses.criterion import CONTRASTIVE, criterion
from clmot.models.attached import AttachedNetwork
from clmot.models.levels import STRIDE
from clmot.models.network import Network
from clmot.structures import Batch, LossTerms
from clmot.training.distributed import DistributedContext
from clmot.training.optim import LARGEST_GRADIENT


def train_step(
    fabric: Fabric,
    network: Network | AttachedNetwork,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    config: Config,
    rate: float,
    context: DistributedContext,
) -> LossTerms:
    """Forward both views together, all losses, backward, clip, step.

    Args:
        fabric: precision and devices.
        network: set up by Fabric; changed in place.
        optimizer: set up by Fabric; changed in place.
        batch: this process's views and boxes, on the network's device.
        config: the run's configuration.
        rate: learning rate of this step.
        context: the processes that take the step together.

    Returns:
        The losses of this process, which average over processes to those of all.

    Raises:
        FloatingPointError: the loss or its gradient is not finite; nothing was changed.
    """
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad()
    output = network(batch.images, batch.boxes, batch.image_index)
    others = None
    if config.loss.objective in CONTRASTIVE:
        others = context.gather_others(contrastive_set(output.embeddings, batch))
    terms = criterion(
        output, batch, config.loss, network.task_weights, STRIDE, others, context.mean, processes=context.count
    )
    fabric.backward(terms.total)
    norm = nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT[config.train.optimizer])
    if not torch.isfinite(norm):
        losses = ", ".join(f"{name} {value.item():.3g}" for name, value in terms.parts.items())
        raise FloatingPointError(f"the gradient is not finite (losses: {losses})")
    optimizer.step()
    return LossTerms(terms.total.detach(), terms.parts)
