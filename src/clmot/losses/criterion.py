"""All losses of a training step, weighed into one."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from clmot.config import LossConfig
from clmot.losses.contrastive import contrast_pairs, nt_xent
from clmot.losses.detection import heatmap_focal, l1_at_objects
from clmot.losses.targets import detection_targets
from clmot.types import Batch, LossTerms, OutputMaps


def criterion(
    maps: OutputMaps,
    embeddings: Tensor,
    batch: Batch,
    config: LossConfig,
    balance: Callable[[Tensor, Tensor], Tensor],
    stride: int,
) -> LossTerms:
    """The training loss: detection on both views, contrast between them.

    Args:
        maps: the network's output for the batch's images.
        embeddings: [m, d], unit vectors of the batch's boxes; those of ignored boxes do not count.
        batch: the boxes.
        config: weights and constants.
        balance: detection and embedding loss to the total (the network's learned task weights).
        stride: input pixels a cell of the maps.
    """
    shape = (maps.heatmap.shape[0], maps.heatmap.shape[1], maps.heatmap.shape[2], maps.heatmap.shape[3])
    targets = detection_targets(batch.boxes, batch.classes, batch.ignore, batch.image_index, shape, stride)
    where = (targets.image_index, slice(None), targets.row, targets.column)
    heatmap = heatmap_focal(maps.heatmap, targets.heatmap, targets.ignored)
    size = l1_at_objects(maps.size[where], targets.size)
    offset = l1_at_objects(maps.offset[where], targets.offset)
    detection = heatmap + config.size_weight * size + config.offset_weight * offset

    seen = ~batch.ignore
    positive, negative = contrast_pairs(
        batch.object_index[seen], batch.frame_index[seen], batch.sequence_index[seen], config.negatives
    )
    embedding = nt_xent(embeddings[seen], positive, negative, config.temperature)
    parts = {"heatmap": heatmap, "size": size, "offset": offset, "embedding": embedding}
    return LossTerms(total=balance(detection, embedding), parts={name: value.detach() for name, value in parts.items()})
