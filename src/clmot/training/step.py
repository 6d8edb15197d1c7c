"""One training step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from clmot.config import Config
from clmot.losses.criterion import CONTRASTIVE, criterion
from clmot.models.attached import AttachedNetwork
from clmot.models.network import STRIDE, Network
from clmot.structures import Batch, LossTerms
from clmot.training.distributed import Processes
from clmot.training.negative_queue import EmbeddingQueue
from clmot.training.parts import further_boxes, look_ahead, mean_terms, split


def train_step(
    fabric: Fabric,
    network: Network | AttachedNetwork,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    config: Config,
    rate: float,
    processes: Processes,
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
        processes: that take the step together.
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
    outlook = look_ahead(network, batch, parts, config.loss, processes, queue) if len(parts) > 1 else None
    terms: list[LossTerms] = []
    for index, part in enumerate(parts):
        with fabric.no_backward_sync(network, enabled=part is not parts[-1]):  # type: ignore[arg-type]
            output = network(part.images, part.embedding_boxes, part.image_index)
            others = contrast = None
            counted: Callable[[Tensor], Tensor] = processes.mean
            if outlook is not None:
                counted, contrast = outlook.counted, outlook.embedding(index, output.embeddings)
            elif config.loss.objective in CONTRASTIVE:
                others = further_boxes(output, part, processes, queue)
            terms.append(criterion(output, part, config.loss, network.task_weights, STRIDE, others, counted, contrast))
            fabric.backward(terms[-1].total / len(parts))
    mean = mean_terms(terms)
    norm = nn.utils.clip_grad_norm_(network.parameters(), config.train.gradient_clip)
    if not torch.isfinite(norm):
        losses = ", ".join(f"{name} {value.item():.3g}" for name, value in mean.parts.items())
        raise FloatingPointError(f"the gradient is not finite (losses: {losses})")
    optimizer.step()
    return mean
