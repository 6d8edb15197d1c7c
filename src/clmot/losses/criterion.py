"""All losses of a training step, weighed into one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from clmot.config import LossConfig
from clmot.losses.contrast_masks import ContrastiveSet, contrast_mask, contrast_pairs, contrastive_set
from clmot.losses.contrastive import cosines, negative_distance, nt_xent, pair_weights, triplet_all, triplet_hard
from clmot.losses.detection import heatmap_focal, l1_at_objects
from clmot.losses.targets import detection_targets
from clmot.structures import Batch, LossTerms, TrainingOutput

CONTRASTIVE = ("nt_xent", "triplet", "triplet_hard")
"""Objectives that compare boxes with each other."""


def _alone(counts: Tensor) -> Tensor:
    return counts


def criterion(
    output: TrainingOutput,
    batch: Batch,
    config: LossConfig,
    balance: Callable[[Tensor, Tensor, Tensor], Tensor],
    stride: int,
    others: ContrastiveSet | None = None,
    process_mean: Callable[[Tensor], Tensor] = _alone,
    processes: int = 1,
) -> LossTerms:
    """The training loss: detection on the views, and what teaches the embedding.

    Every term is a sum divided by a count. Where there is nothing to count (no objects, no pairs, objective ``none``)
    it is a finite zero; so are its gradients, which exist for every output in any case, as distributed training needs.

    A box of score s (`Batch.scores`) has s times the loss, and counts as s boxes except for the heatmap. With all
    scores 1 nothing changes, to the bit.

    Args:
        output: of the network for the batch; embeddings of ignored boxes do not count.
        batch: the boxes.
        config: objective, weights and constants.
        balance: detection loss, embedding loss and whether there was anything to teach the embedding, to the total
            (the network's task weights).
        stride: input pixels a cell of the maps.
        others: boxes of other processes to contrast with.
        process_mean: mean of the counts, float [4], over all training processes. With it the mean of the losses over
            these is the loss of all boxes together. Called once.
        processes: how many there are.

    Raises:
        ValueError: the objective needs an identity classifier and the network has none.
    """
    terms = [*_detection_losses(output, batch, config, stride), embedding_loss(output, batch, config, others)]
    counts = process_mean(torch.stack([count.to(total.dtype) for total, count in terms]))
    # where nobody has an object, the heatmap's sum is that of one (Law and Deng, "CornerNet", 2018), over all processes
    divisors = torch.where(counts > 0, counts, 1 / processes)
    heatmap, size, offset, embedding = (total / divisor for (total, _), divisor in zip(terms, divisors, strict=True))
    detection = heatmap + config.size_weight * size + offset
    parts = {} if output.maps is None else {"heatmap": heatmap, "size": size, "offset": offset}
    if config.objective != "none":
        parts["embedding"] = embedding
    total = balance(detection, embedding, counts[3] > 0)
    return LossTerms(total=total, parts={name: value.detach() for name, value in parts.items()})


def _detection_losses(
    output: TrainingOutput, batch: Batch, config: LossConfig, stride: int
) -> list[tuple[Tensor, Tensor]]:
    """Sum and count of the heatmap, size and offset loss; zeros where no detector is trained."""
    if output.maps is None:
        nothing = output.embeddings.new_zeros(())
        return [(nothing, nothing)] * 3
    heatmap, size, offset = output.maps.heatmap, output.maps.size, output.maps.offset
    boxes, classes, ignore, image_index = batch.boxes, batch.classes, batch.ignore, batch.image_index
    scores = batch.scores
    if config.detection_views == "first":
        first = image_index % 2 == 0
        heatmap, size, offset = heatmap[::2], size[::2], offset[::2]
        boxes, classes, ignore, image_index = boxes[first], classes[first], ignore[first], image_index[first] // 2
        scores = scores[first]
    shape = (heatmap.shape[0], heatmap.shape[1], heatmap.shape[2], heatmap.shape[3])
    targets = detection_targets(boxes, classes, ignore, image_index, shape, stride, scores)
    where = (targets.image_index, slice(None), targets.row, targets.column)
    return [
        heatmap_focal(heatmap, targets.heatmap, targets.ignored, weight=targets.weight),
        l1_at_objects(size[where], targets.size, targets.scores),
        l1_at_objects(offset[where], targets.offset, targets.scores),
    ]


def embedding_loss(
    output: TrainingOutput, batch: Batch, config: LossConfig, others: ContrastiveSet | None
) -> tuple[Tensor, Tensor]:
    """Sum and count of what teaches the embedding, boxes weighted by their scores (`pair_weights`).

    Args:
        output: of the network for the batch; the maps are not looked at.
        batch: the boxes.
        config: objective, temperature, margin and choice of negatives.
        others: further boxes to contrast with.

    Raises:
        ValueError: the objective needs an identity classifier and the network has none.
    """
    if config.objective == "none":
        return output.embeddings.sum() * 0, output.embeddings.new_zeros(())
    if config.objective in ("identity", "instance"):
        if output.logits is None:
            raise ValueError(f"objective {config.objective} needs the network's identity classifier")
        identities = batch.identities.masked_fill(batch.ignore, -1)
        weights = batch.scores * (identities >= 0)
        each = F.cross_entropy(output.logits, identities, reduction="none", ignore_index=-1)
        return (each * weights).sum(), weights.sum()
    anchors = contrastive_set(output.embeddings, batch)
    keys = anchors if others is None else anchors.and_then(others)
    positive, negative = contrast_pairs(anchors.labels, keys.labels, config.negatives)
    weights = pair_weights(positive, batch.scores[contrast_mask(batch)])

    def contrast(ours: Tensor, theirs: Tensor) -> tuple[Tensor, Tensor]:
        return _contrast(cosines(ours, theirs), positive, negative, weights, config)

    total, count = contrast(anchors.embeddings, keys.embeddings)
    if config.contrast == "whole" or not output.parts:
        return total, count
    parts = ((F.normalize(each.embeddings[:, part], dim=1) for each in (anchors, keys)) for part in output.parts)
    totals, counts = zip(*(contrast(*part) for part in parts), strict=True)
    return (total + torch.stack(totals).mean(dim=0)) / 2, (count + torch.stack(counts).mean(dim=0)) / 2


def _contrast(
    similarity: Tensor, positive: Tensor, negative: Tensor, weights: Tensor, config: LossConfig
) -> tuple[Tensor, Tensor]:
    """Sum and count of a contrastive objective over anchors.

    Args:
        similarity: [m, k], cosines of anchors and keys.
        positive: bool [m, k].
        negative: bool [m, k].
        weights: [m], of the anchors.
        config: objective, temperature, margin and choice of negatives.
    """
    if config.objective.startswith("triplet"):
        similarity = negative_distance(similarity)
    if config.objective == "triplet":
        each, active = triplet_all(similarity, positive, negative)
        # in double precision, which counts any number of triplets exactly
        return (each * weights).sum(), (active * weights.double()).sum()
    if config.objective == "triplet_hard":
        each = triplet_hard(similarity, positive, negative)
    else:
        each = nt_xent(similarity, positive, negative, config.temperature)
    # as published, NT-Xent's mean over a frame's boxes includes one that is alone there: its loss, -log(1), is zero
    if not (config.objective == "nt_xent" and config.negatives == "frame"):
        weights = weights * negative.any(dim=1)
    return (each * weights).sum(), weights.sum()
