"""One training step."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric
from torch import nn

from clmot.config import Config
from clmot.losses.criterion import criterion
from clmot.models.network import STRIDE, Network
from clmot.types import Batch, LossTerms


def train_step(
    fabric: Fabric, network: Network, optimizer: torch.optim.Optimizer, batch: Batch, config: Config, rate: float
) -> LossTerms:
    """Forward both views together, all losses, backward, clip, step.

    Args:
        fabric: precision and devices.
        network: set up by Fabric; changed in place.
        optimizer: set up by Fabric; changed in place.
        batch: views and boxes, on the network's device.
        config: the run's configuration.
        rate: learning rate of this step.

    Raises:
        FloatingPointError: the loss or its gradient is not finite; nothing was changed.
    """
    for group in optimizer.param_groups:
        group["lr"] = rate
    maps, embeddings = network(batch.images, batch.boxes, batch.image_index)
    terms = criterion(maps, embeddings, batch, config.loss, network.task_weights, STRIDE)
    optimizer.zero_grad()
    fabric.backward(terms.total)
    norm = nn.utils.clip_grad_norm_(network.parameters(), config.train.gradient_clip)
    if not torch.isfinite(norm):
        losses = ", ".join(f"{name} {value.item():.3g}" for name, value in terms.parts.items())
        raise FloatingPointError(f"the gradient is not finite (losses: {losses})")
    optimizer.step()
    return terms
