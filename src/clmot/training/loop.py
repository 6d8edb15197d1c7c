"""One training step."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric
from torch import nn

from clmot.config import Config
from clmot.detectors.heads import AttachedNetwork
from clmot.losses.criterion import criterion
from clmot.losses.pairs import Contrasted, contrasted
from clmot.models.network import STRIDE, Network
from clmot.training.processes import Processes
from clmot.training.queue import EmbeddingQueue
from clmot.types import Batch, LossTerms, TrainingOutput

CONTRASTIVE = ("nt_xent", "decoupled", "sigmoid", "triplet", "triplet_hard")
"""Objectives that compare boxes with each other."""


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
    terms: list[LossTerms] = []
    for part in parts:
        with fabric.no_backward_sync(network, enabled=part is not parts[-1]):  # type: ignore[arg-type]
            output = network(part.images, part.embedding_boxes, part.image_index)
            others = further_boxes(output, part, processes, queue) if config.loss.objective in CONTRASTIVE else None
            terms.append(criterion(output, part, config.loss, network.task_weights, STRIDE, others, processes.mean))
            fabric.backward(terms[-1].total / len(parts))
    mean = mean_terms(terms)
    norm = nn.utils.clip_grad_norm_(network.parameters(), config.train.gradient_clip)
    if not torch.isfinite(norm):
        losses = ", ".join(f"{name} {value.item():.3g}" for name, value in mean.parts.items())
        raise FloatingPointError(f"the gradient is not finite (losses: {losses})")
    optimizer.step()
    return mean


def split(batch: Batch, parts: int) -> list[Batch]:
    """A batch in parts of as many frames each."""
    views = len(batch.images) // parts
    return [batch.take(slice(first, first + views)) for first in range(0, len(batch.images), views)]


def further_boxes(
    output: TrainingOutput, batch: Batch, processes: Processes, queue: EmbeddingQueue | None
) -> Contrasted | None:
    """What a process's boxes are contrasted with beside each other: boxes of other processes, and remembered ones."""
    others = processes.others(contrasted(output.embeddings, batch))
    if queue is None:
        return others
    remembered = queue.remembered()
    return remembered if others is None else others.and_then(remembered)


def mean_terms(terms: list[LossTerms]) -> LossTerms:
    """The mean of the losses of several parts, without gradient."""

    def mean(values: list[torch.Tensor]) -> torch.Tensor:
        return torch.stack(values).mean(dim=0).detach()

    names = terms[0].parts
    parts = {name: mean([term.parts[name] for term in terms]) for name in names}
    return LossTerms(mean([term.total for term in terms]), parts)
