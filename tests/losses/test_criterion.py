import math

import pytest
import torch
from torch.nn import functional as F

from clmot.config import LossConfig
from clmot.losses.contrastive import contrast_pairs, nt_xent
from clmot.losses.criterion import criterion
from clmot.losses.targets import detection_targets
from clmot.models.task_weights import TaskWeights
from clmot.types import Batch, OutputMaps

SHAPE = (4, 1, 12, 16)


def scene(ignored: tuple[int, ...] = ()) -> Batch:
    """Two frames of two sequences in two views each, three objects a frame."""
    generator = torch.Generator().manual_seed(0)
    left_top = torch.rand(12, 2, generator=generator) * torch.tensor([40.0, 25.0])
    ignore = torch.zeros(12, dtype=torch.bool)
    ignore[list(ignored)] = True
    return Batch(
        images=torch.zeros(4, 3, 48, 64, dtype=torch.uint8),
        boxes=torch.cat([left_top, left_top + 10 + 10 * torch.rand(12, 2, generator=generator)], dim=1),
        classes=torch.zeros(12, dtype=torch.int64),
        ignore=ignore,
        image_index=torch.arange(4).repeat_interleave(3),
        object_index=torch.arange(3).repeat(4),
        frame_index=torch.tensor([7, 9]).repeat_interleave(6),
        sequence_index=torch.tensor([0, 1]).repeat_interleave(6),
    )


def outputs(seed: int = 1) -> tuple[OutputMaps, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    v, _, h, w = SHAPE
    maps = OutputMaps(
        torch.randn(SHAPE, generator=generator),
        torch.randn(v, 4, h, w, generator=generator),
        torch.randn(v, 2, h, w, generator=generator),
        (),
    )
    return maps, F.normalize(torch.randn(12, 8, generator=generator), dim=1)


def add(detection: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
    return 100 * detection + embedding


def test_total_is_the_weighted_sum_of_its_parts():
    maps, embeddings = outputs()
    config = LossConfig(size_weight=0.3, offset_weight=2.0)
    terms = criterion(maps, embeddings, scene(), config, add, 4)
    parts = {name: value.item() for name, value in terms.parts.items()}
    detection = parts["heatmap"] + 0.3 * parts["size"] + 2.0 * parts["offset"]
    assert terms.total.item() == pytest.approx(100 * detection + parts["embedding"], rel=1e-5)


def test_maps_that_say_the_targets_leave_almost_no_loss():
    batch, (_, embeddings) = scene(), outputs()
    targets = detection_targets(batch.boxes, batch.classes, batch.ignore, batch.image_index, SHAPE, 4)
    size, offset = torch.zeros(4, 4, *SHAPE[2:]), torch.zeros(4, 2, *SHAPE[2:])
    size[targets.image_index, :, targets.row, targets.column] = targets.size
    offset[targets.image_index, :, targets.row, targets.column] = targets.offset
    heatmap = torch.where(targets.heatmap == 1, 20.0, -20.0)
    parts = criterion(OutputMaps(heatmap, size, offset, ()), embeddings, batch, LossConfig(), add, 4).parts
    assert max(parts[name].item() for name in ("heatmap", "size", "offset")) < 1e-6


def test_both_views_count():
    """A change to the maps of either view of a frame changes the detection loss."""
    maps, embeddings = outputs()
    before = criterion(maps, embeddings, scene(), LossConfig(), add, 4).parts
    for view in range(4):
        changed = [value.clone() for value in maps[:3]]
        for value in changed:
            value[view] += 1
        after = criterion(OutputMaps(*changed, ()), embeddings, scene(), LossConfig(), add, 4).parts
        assert all(before[name] != after[name] for name in ("heatmap", "size", "offset"))


def test_embeddings_of_ignored_boxes_do_not_count():
    maps, embeddings = outputs()
    batch = scene(ignored=(0, 5))
    before = criterion(maps, embeddings, batch, LossConfig(), add, 4).parts["embedding"]
    changed = embeddings.clone()
    changed[[0, 5]] = F.normalize(torch.ones(2, 8), dim=1)
    assert criterion(maps, changed, batch, LossConfig(), add, 4).parts["embedding"] == before
    seen = ~batch.ignore
    index = (batch.object_index[seen], batch.frame_index[seen], batch.sequence_index[seen])
    torch.testing.assert_close(before, nt_xent(embeddings[seen], *contrast_pairs(*index), 0.1))


def test_a_batch_without_objects_is_finite():
    maps, _ = outputs()
    empty = torch.zeros(0, dtype=torch.int64)
    batch = Batch(
        images=scene().images,
        boxes=torch.zeros(0, 4),
        classes=empty,
        ignore=empty.bool(),
        image_index=empty,
        object_index=empty,
        frame_index=empty,
        sequence_index=empty,
    )
    terms = criterion(maps, torch.zeros(0, 8), batch, LossConfig(), TaskWeights(), 4)
    assert torch.isfinite(terms.total)
    assert terms.parts["embedding"] == terms.parts["size"] == 0


def test_task_weights_by_the_formula_and_learned():
    weights = TaskWeights()
    total = weights(torch.tensor(3.0), torch.tensor(2.0))
    expected = 0.5 * (math.exp(1.85) * 3 + math.exp(1.05) * 2 - 1.85 - 1.05)
    assert total.item() == pytest.approx(expected, rel=1e-6)
    total.backward()
    assert all(parameter.grad is not None and parameter.grad != 0 for parameter in weights.parameters())
