"""Gradient caching: a step in several parts, where memory is short, with the loss and gradients of the whole batch.

Gao et al. 2021, "Scaling deep contrastive learning batch size under memory limited setup". All parts are computed once
without gradients. This gives the counts that losses are divided by, and all embeddings; the gradient of the whole
contrastive loss at each embedding is cached. Then each part is computed with gradients, and the cached ones flow back
through it. Batch normalisation alone sees a part at a time.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from clmot.config import LossConfig
from clmot.losses.contrast_masks import ContrastiveSet, contrastive_set
from clmot.losses.criterion import CONTRASTIVE, embedding_loss, loss_sums
from clmot.models.attached import AttachedNetwork
from clmot.models.levels import STRIDE
from clmot.models.network import Network
from clmot.structures import Batch, LossTerms, TrainingOutput
from clmot.training.distributed import DistributedContext
from clmot.training.negative_queue import EmbeddingQueue


class GradientCache(NamedTuple):
    """What is known of a step before its parts are computed with gradients.

    Attributes:
        counts: float [4], means over parts and processes of what heatmap, size, offset and embedding losses count.
        total: the contrastive loss summed over all anchors; None where boxes are not compared.
        gradients: [m, d] for the embeddings of each part.
    """

    counts: Tensor
    total: Tensor | None
    gradients: tuple[Tensor, ...]

    def mean_count(self, counts: Tensor) -> Tensor:
        """What to divide by in place of a part's own counts."""
        return self.counts.to(counts)

    def contrast(self, part: int, embeddings: Tensor) -> tuple[Tensor, Tensor] | None:
        """Sum and count of the embedding loss of a part: the value of the whole, the gradient of this part's share.

        The loss of a step is the mean over its parts, which divides one part's gradient by the number of parts.
        """
        if self.total is None:
            return None
        share = (embeddings * self.gradients[part]).sum() * len(self.gradients)
        return self.total + share - share.detach(), self.counts[3]


def split(batch: Batch, parts: int) -> list[Batch]:
    """A batch in parts of as many frames each."""
    views = len(batch.images) // parts
    return [batch.of_views(slice(first, first + views)) for first in range(0, len(batch.images), views)]


def cache_gradients(
    network: Network | AttachedNetwork,
    batch: Batch,
    parts: list[Batch],
    config: LossConfig,
    context: DistributedContext,
    queue: EmbeddingQueue | None,
) -> GradientCache:
    """Compute all parts once without gradients; the network's buffers and the random numbers stay as they were."""
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    devices = [batch.images.device] if batch.images.is_cuda else []
    counts, embeddings, slices = [], [], ()
    with torch.no_grad(), torch.random.fork_rng(devices=devices):
        for part in parts:
            output = network(part.images, part.embedding_boxes, part.image_index)
            counts.append(torch.stack([count.double() for _, count in loss_sums(output, part, config, STRIDE)]))
            embeddings.append(output.embeddings)
            slices = output.parts
        for buffer, before in buffers:
            buffer.copy_(before)
    mean = torch.stack(counts).mean(dim=0)
    total: Tensor | None = None
    gradients: tuple[Tensor, ...] = ()
    if config.objective in CONTRASTIVE:
        whole = TrainingOutput(None, torch.cat(embeddings).requires_grad_(), None, slices)
        total, count = embedding_loss(whole, batch, config, extra_negatives(whole, batch, config, context, queue))
        (gradient,) = torch.autograd.grad(total, whole.embeddings)
        mean[3] = count
        total, gradients = total.detach(), torch.split(gradient, [len(each) for each in embeddings])
    return GradientCache(context.mean(mean), total, gradients)


def extra_negatives(
    output: TrainingOutput,
    batch: Batch,
    config: LossConfig,
    context: DistributedContext,
    queue: EmbeddingQueue | None,
) -> ContrastiveSet | None:
    """What a process's boxes are contrasted with beside each other: boxes of other processes, and the queue's."""
    if config.objective not in CONTRASTIVE:
        return None
    others = context.gather_others(contrastive_set(output.embeddings, batch))
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
