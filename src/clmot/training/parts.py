"""A step in several parts, where memory is short: what each part must know of the others, so that the loss is one.

Losses are sums divided by counts, and boxes are contrasted with those of the other parts. So all parts are looked at
once without gradients: this gives the counts, and the embeddings, at which the whole contrast says what it wants of
each (Gao et al. 2021, "Scaling deep contrastive learning batch size under memory limited setup"). Every part then does
its share. Batch normalisation alone sees a part at a time.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from clmot.config import LossConfig
from clmot.losses.contrast_masks import Contrasted, contrasted
from clmot.losses.criterion import CONTRASTIVE, embedding_loss, loss_sums
from clmot.models.attached import AttachedNetwork
from clmot.models.network import STRIDE, Network
from clmot.structures import Batch, LossTerms, TrainingOutput
from clmot.training.distributed import Processes
from clmot.training.negative_queue import EmbeddingQueue


class Contrast(NamedTuple):
    """What the contrast of all boxes of a step says.

    Attributes:
        total: sum over all anchors.
        wanted: [m, d], its gradient for the embeddings of a part.
    """

    total: Tensor
    wanted: Tensor


class Outlook(NamedTuple):
    """What is known of a step before its parts are computed with gradients.

    Attributes:
        counts: float [4], means over parts and processes of what heatmap, size, offset and embedding losses count.
        contrasts: of each part; None where boxes are not compared.
    """

    counts: Tensor
    contrasts: list[Contrast] | None

    def counted(self, counts: Tensor) -> Tensor:
        """What to divide by in place of a part's own counts."""
        return self.counts.to(counts)

    def embedding(self, part: int, embeddings: Tensor) -> tuple[Tensor, Tensor] | None:
        """Sum and count of the embedding loss of a part: the value of the whole, the gradient of this part's share.

        The loss of a step is the mean over its parts, which takes one part's gradient by the number of parts.
        """
        if self.contrasts is None:
            return None
        total, wanted = self.contrasts[part]
        share = (embeddings * wanted).sum() * len(self.contrasts)
        return total + share - share.detach(), self.counts[3]


def split(batch: Batch, parts: int) -> list[Batch]:
    """A batch in parts of as many frames each."""
    views = len(batch.images) // parts
    return [batch.take(slice(first, first + views)) for first in range(0, len(batch.images), views)]


def look_ahead(
    network: Network | AttachedNetwork,
    batch: Batch,
    parts: list[Batch],
    config: LossConfig,
    processes: Processes,
    queue: EmbeddingQueue | None,
) -> Outlook:
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
    mean, contrasts = torch.stack(counts).mean(dim=0), None
    if config.objective in CONTRASTIVE:
        whole = TrainingOutput(None, torch.cat(embeddings).requires_grad_(), None, slices)
        total, count = embedding_loss(whole, batch, config, further_boxes(whole, batch, processes, queue))
        (wanted,) = torch.autograd.grad(total, whole.embeddings)
        mean[3] = count
        contrasts = [Contrast(total.detach(), each) for each in torch.split(wanted, [len(each) for each in embeddings])]
    return Outlook(processes.mean(mean), contrasts)


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
