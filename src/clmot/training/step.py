"""One training step."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric
from torch import nn

from clmot.config import Config
from clmot.losses.criterion import criterion
from clmot.models.attached import AttachedNetwork
from clmot.models.levels import STRIDE
from clmot.models.network import Network
from clmot.structures import Batch, LossTerms
from clmot.training.distributed import DistributedContext
from clmot.training.gradient_cache import cache_gradients, extra_negatives, mean_terms, split
from clmot.training.negative_queue import EmbeddingQueue


def train_step(
    fabric: Fabric,
    network: Network | AttachedNetwork,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    config: Config,
    rate: float,
    context: DistributedContext,
    queue: EmbeddingQueue | None = None,
) -> LossTerms:
    """Forward both views together, all losses, backward, clip, step; part by part where the batch is too large.

    Args:
        fabric: precision and devices.
        network: set up by Fabric; changed in place.
        optimizer: set up by Fabric; changed in place.
        batch: this process's views and boxes, on the network's device.
        config: the run's configuration.
        rate: learning rate of this step.
        context: the processes that take the step together.
        queue: earlier boxes to contrast with.

    Returns:
        The losses of this process, which average over processes to those of all.

    Raises:
        FloatingPointError: the loss or its gradient is not finite; nothing was changed.
    """
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad()
    parts = split(batch, config.train.accumulate)
    cache = cache_gradients(network, batch, parts, config.loss, context, queue) if len(parts) > 1 else None
    shares = context.count * len(parts)
    terms: list[LossTerms] = []
    for index, part in enumerate(parts):
        with fabric.no_backward_sync(network, enabled=part is not parts[-1]):  # type: ignore[arg-type]
            output = network(part.images, part.embedding_boxes, part.image_index)
            extra = None if cache else extra_negatives(output, part, config.loss, context, queue)
            mean_count = cache.mean_count if cache else context.mean
            contrast = cache.contrast(index, output.embeddings) if cache else None
            terms.append(
                criterion(output, part, config.loss, network.task_weights, STRIDE, extra, mean_count, contrast, shares)
            )
            fabric.backward(terms[-1].total / len(parts))
    mean = mean_terms(terms)
    norm = nn.utils.clip_grad_norm_(network.parameters(), config.train.gradient_clip)
    if not torch.isfinite(norm):
        losses = ", ".join(f"{name} {value.item():.3g}" for name, value in mean.parts.items())
        raise FloatingPointError(f"the gradient is not finite (losses: {losses})")
    optimizer.step()
    return mean
