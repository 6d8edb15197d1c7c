"""Boxes count by their scores: against loops, the law of one unsure box, and bit for bit where all scores are 1."""

import dataclasses
import math
import typing

import pytest
import torch
from data_builders import views_of
from torch.nn import functional as F

from clmot.config import LossConfig
from clmot.losses.contrast_masks import contrast_pairs, contrastive_set
from clmot.losses.contrastive import negative_distance, nt_xent, triplet_all, triplet_hard
from clmot.losses.criterion import criterion
from clmot.losses.detection import heatmap_focal
from clmot.losses.targets import detection_targets, gaussian_radius
from clmot.structures import Batch, OutputMaps, TrainingOutput

SHAPE = (4, 2, 16, 20)
OBJECTIVES = typing.get_args(typing.get_type_hints(LossConfig)["objective"])


def scene(seed: int = 0, ignored: tuple[int, ...] = (3,), scores: torch.Tensor | None = None) -> Batch:
    """Two frames of two sequences in two views, five objects a frame, some of them on top of each other."""
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(20, 2, generator=generator) * torch.tensor([50.0, 40.0])
    boxes = torch.cat([corner, corner + 10 + 20 * torch.rand(20, 2, generator=generator)], dim=1)
    ignore = torch.zeros(20, dtype=torch.bool)
    ignore[list(ignored)] = True
    return Batch(
        images=torch.zeros(4, 3, 64, 80, dtype=torch.uint8),
        boxes=boxes,
        classes=torch.randint(0, 2, (20,), generator=generator),
        ignore=ignore,
        image_index=torch.arange(4).repeat_interleave(5),
        object_index=torch.arange(5).repeat(4),
        frame_index=torch.tensor([7, 9]).repeat_interleave(10),
        sequence_index=torch.tensor([0, 1]).repeat_interleave(10),
        identities=torch.full((20,), -1),
        **({} if scores is None else {"scores": scores}),
    )


def random_scores(seed: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    scores = 0.2 + 0.8 * torch.rand(20, generator=generator)
    scores[::4] = 1
    return scores


def outputs(seed: int = 1) -> TrainingOutput:
    generator = torch.Generator().manual_seed(seed)
    v, c, h, w = SHAPE
    maps = OutputMaps(
        torch.randn(v, c, h, w, generator=generator),
        torch.randn(v, 4, h, w, generator=generator),
        torch.randn(v, 2, h, w, generator=generator),
        (),
    )
    embeddings = F.normalize(torch.randn(20, 8, generator=generator), dim=1)
    return TrainingOutput(maps, embeddings, torch.randn(20, 5, generator=generator))


def add(detection, embedding, has_embedding):
    return detection + embedding


def targets_of(batch: Batch, with_scores: bool = True):
    scores = batch.scores if with_scores else None
    return detection_targets(batch.boxes, batch.classes, batch.ignore, batch.image_index, SHAPE, 4, scores)


class LoopBox(typing.NamedTuple):
    inside: tuple[float, float, float, float]
    x: int
    y: int
    radius: int
    score: float
    ignore: bool

    def covers(self, u: int, v: int) -> bool:
        left, top, right, bottom = self.inside
        return left <= u + 0.5 < right and top <= v + 0.5 < bottom

    def gaussian(self, u: int, v: int) -> float:
        if self.ignore or max(abs(u - self.x), abs(v - self.y)) > self.radius:
            return 0.0
        sigma = (2 * self.radius + 1) / 6
        return math.exp(-((u - self.x) ** 2 + (v - self.y) ** 2) / (2 * sigma**2))


def loop_boxes(batch: Batch, image: int) -> list[LoopBox]:
    found = []
    for row in (batch.image_index == image).nonzero()[:, 0].tolist():
        left, top, right, bottom = (batch.boxes[row] / 4).tolist()
        left, top = max(left, 0.0), max(top, 0.0)
        right, bottom = min(right, float(SHAPE[3])), min(bottom, float(SHAPE[2]))
        sides = [torch.tensor([float(math.ceil(side))]) for side in (right - left, bottom - top)]
        x, y = min(int((left + right) / 2), SHAPE[3] - 1), min(int((top + bottom) / 2), SHAPE[2] - 1)
        radius = int(gaussian_radius(*sides))
        score, ignore = batch.scores[row].item(), bool(batch.ignore[row])
        found.append(LoopBox((left, top, right, bottom), x, y, radius, score, ignore))
    return found


def loop_weight(boxes: list[LoopBox], u: int, v: int) -> float:
    """What a cell of the heatmap counts."""
    highest = max((box.gaussian(u, v) for box in boxes), default=0.0)
    if highest > 0:
        return max(box.score for box in boxes if box.gaussian(u, v) >= highest - 1e-9)
    return math.prod(0 if box.ignore else box.score for box in boxes if box.covers(u, v))


def test_weights_of_the_heatmap_equal_the_loop():
    batch = scene(scores=random_scores())
    targets = targets_of(batch)
    weight = targets.weight.masked_fill(targets.ignored, 0)
    expected = torch.tensor(
        [
            [[loop_weight(boxes, u, v) for u in range(SHAPE[3])] for v in range(SHAPE[2])]
            for boxes in (loop_boxes(batch, image) for image in range(SHAPE[0]))
        ]
    )
    assert ((expected > 0) & (expected < 1)).sum() > 100
    torch.testing.assert_close(weight, expected)


def test_detection_losses_equal_the_loop():
    batch, output = scene(scores=random_scores()), outputs()
    heat = targets_of(batch).heatmap
    focal, count = 0.0, 0
    for image in range(SHAPE[0]):
        boxes = loop_boxes(batch, image)
        for c in range(SHAPE[1]):
            for v in range(SHAPE[2]):
                for u in range(SHAPE[3]):
                    p = 1 / (1 + math.exp(-output.maps.heatmap[image, c, v, u].item()))
                    t = heat[image, c, v, u].item()
                    loss = (1 - p) ** 2 * math.log(p) if t == 1 else (1 - t) ** 4 * p**2 * math.log(1 - p)
                    focal -= loop_weight(boxes, u, v) * loss
                    count += t == 1
    size = weights = 0.0
    for row in (~batch.ignore).nonzero()[:, 0].tolist():
        image, score = int(batch.image_index[row]), batch.scores[row].item()
        whole = batch.boxes[row] / 4
        part = whole.clamp(min=0).minimum(torch.tensor([SHAPE[3], SHAPE[2]] * 2))
        centre = (part[:2] + part[2:]) / 2
        u, v = (min(int(place), limit - 1) for place, limit in zip(centre, (SHAPE[3], SHAPE[2]), strict=True))
        said = output.maps.size[image, :, v, u]
        size += score * (said - torch.cat([centre - whole[:2], whole[2:] - centre])).abs().sum().item()
        weights += 4 * score
    parts = criterion(output, batch, LossConfig(), add, 4).parts
    assert parts["heatmap"].item() == pytest.approx(focal / count, rel=1e-5)
    assert parts["size"].item() == pytest.approx(size / weights, rel=1e-5)


@pytest.mark.parametrize("score", [0.1, 0.5, 0.9])
def test_an_unsure_box_is_so_many_parts_object_and_the_rest_ignored(score):
    output = outputs()

    def loss(scores: float, ignore: bool) -> torch.Tensor:
        alone = scene(ignored=(0,) if ignore else (), scores=torch.full((20,), float(scores)))
        alone = dataclasses.replace(
            alone, **{name: value[:1] for name, value in vars(alone).items() if name != "images"}
        )
        targets = targets_of(alone)
        return heatmap_focal(output.maps.heatmap, targets.heatmap, targets.ignored, weight=targets.weight)[0]

    expected = score * loss(1, False) + (1 - score) * loss(1, True)
    torch.testing.assert_close(loss(score, False), expected)
    assert loss(1, False) != loss(1, True)


@pytest.mark.parametrize("views", ["both", "first"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_scores_of_one_change_no_bit(objective, views):
    """The plain means, written down as they are without scores."""
    batch, output, config = scene(), outputs(), LossConfig(objective=objective, detection_views=views)
    batch = dataclasses.replace(batch, identities=torch.arange(20) % 6 - 1)
    terms = criterion(output, batch, config, add, 4)
    if views == "both":
        targets = targets_of(batch, with_scores=False)
        focal, count = heatmap_focal(output.maps.heatmap, targets.heatmap, targets.ignored)
        assert torch.equal(terms.parts["heatmap"], focal / count)
        where = (targets.image_index, slice(None), targets.row, targets.column)
        for name, said in (("size", output.maps.size), ("offset", output.maps.offset)):
            error = (said[where] - getattr(targets, name)).abs()
            assert torch.equal(terms.parts[name], error.sum() / error.numel())
    if objective == "none":
        return
    if objective in ("identity", "instance"):
        identities = batch.identities.masked_fill(batch.ignore, -1)
        each = F.cross_entropy(output.logits, identities, reduction="none", ignore_index=-1)
        expected = each.sum() / (identities >= 0).sum()
    else:
        each, positive, negative = each_anchor(objective, output, batch, config)
        if objective == "triplet":
            expected = each[0].sum() / each[1].sum()
        else:
            counted = positive.any(dim=1) & negative.any(dim=1)
            expected = (each * counted).sum() / counted.sum()
    assert torch.equal(terms.parts["embedding"], expected)


def each_anchor(objective, output, batch, config):
    chosen = contrastive_set(output.embeddings, batch)
    masks = contrast_pairs(chosen.labels, chosen.labels, config.negatives)
    similarity = chosen.embeddings @ chosen.embeddings.T
    if objective == "triplet":
        return triplet_all(negative_distance(similarity), *masks), *masks
    if objective == "triplet_hard":
        return triplet_hard(negative_distance(similarity), *masks), *masks
    return nt_xent(similarity, *masks, config.temperature), *masks


@pytest.mark.parametrize("objective", ["nt_xent", "triplet", "triplet_hard"])
def test_contrast_equals_the_loop_over_anchors(objective):
    """Each anchor counts by the lesser score of it and its positives; the two views' scores differ here."""
    config = LossConfig(objective=objective)
    batch, output = scene(scores=random_scores()), outputs()
    each, positive, negative = each_anchor(objective, output, batch, config)
    losses, counts = each if objective == "triplet" else (each, torch.ones(len(each)))
    scores = batch.scores[~batch.ignore].tolist()
    total = weights = 0.0
    for i, score in enumerate(scores):
        partners = positive[i].nonzero()[:, 0].tolist()
        if partners and negative[i].any():
            weight = sum(min(score, scores[p]) for p in partners) / len(partners)
            total += weight * losses[i].item()
            weights += weight * counts[i].item()
    embedding = criterion(output, batch, config, add, 4).parts["embedding"]
    assert embedding.item() == pytest.approx(total / weights, rel=1e-5)


def test_identity_losses_are_weighted_means():
    batch, output = scene(scores=random_scores()), outputs()
    batch = dataclasses.replace(batch, identities=torch.arange(20) % 6 - 1)
    known = ~batch.ignore & (batch.identities >= 0)
    each = F.cross_entropy(output.logits[known], batch.identities[known], reduction="none")
    expected = (each * batch.scores[known]).sum() / batch.scores[known].sum()
    embedding = criterion(output, batch, LossConfig(objective="identity"), add, 4).parts["embedding"]
    torch.testing.assert_close(embedding, expected)


def test_detection_on_first_views_takes_their_scores():
    batch, output = scene(scores=random_scores()), outputs()
    alone = views_of(batch, slice(0, None, 2))
    maps = OutputMaps(*(value[::2] for value in output.maps[:3]), ())
    expected = criterion(TrainingOutput(maps, output.embeddings[:10], None), alone, LossConfig(), add, 4).parts
    parts = criterion(output, batch, LossConfig(detection_views="first"), add, 4).parts
    for name in ("heatmap", "size", "offset"):
        torch.testing.assert_close(parts[name], expected[name])
