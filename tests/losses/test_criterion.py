import dataclasses
import typing

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from clmot.config import LossConfig
from clmot.losses.contrast_masks import ContrastiveSet, contrast_pairs, contrastive_set
from clmot.losses.contrastive import nt_xent
from clmot.losses.criterion import criterion
from clmot.losses.targets import detection_targets
from clmot.models.task_weights import TaskWeights
from clmot.structures import Batch, OutputMaps, TrainingOutput

SHAPE = (4, 1, 12, 16)
OBJECTIVES = typing.get_args(typing.get_type_hints(LossConfig)["objective"])
CONTRASTIVE = ["nt_xent", "triplet", "triplet_hard"]


def scene(ignored: tuple[int, ...] = (), known: bool = True) -> Batch:
    """Two frames of two sequences in two views each, three objects a frame; one of six identities unknown."""
    generator = torch.Generator().manual_seed(0)
    left_top = torch.rand(12, 2, generator=generator) * torch.tensor([40.0, 25.0])
    boxes = torch.cat([left_top, left_top + 10 + 10 * torch.rand(12, 2, generator=generator)], dim=1)
    ignore = torch.zeros(12, dtype=torch.bool)
    ignore[list(ignored)] = True
    identities = torch.tensor([0, 1, 2, 0, 1, 2, 3, 4, -1, 3, 4, -1]) if known else torch.full((12,), -1)
    return Batch(
        images=torch.zeros(4, 3, 48, 64, dtype=torch.uint8),
        boxes=boxes,
        classes=torch.zeros(12, dtype=torch.int64),
        ignore=ignore,
        image_index=torch.arange(4).repeat_interleave(3),
        object_index=torch.arange(3).repeat(4),
        frame_index=torch.tensor([7, 9]).repeat_interleave(6),
        sequence_index=torch.tensor([0, 1]).repeat_interleave(6),
        identities=identities,
    )


def without_boxes() -> Batch:
    batch = scene()
    packed = {name: value[:0] for name, value in vars(batch).items() if name != "images"}
    return dataclasses.replace(batch, **packed)


def outputs(boxes: int = 12, seed: int = 1) -> TrainingOutput:
    generator = torch.Generator().manual_seed(seed)
    v, _, h, w = SHAPE
    maps = OutputMaps(
        torch.randn(SHAPE, generator=generator).requires_grad_(),
        torch.randn(v, 4, h, w, generator=generator).requires_grad_(),
        torch.randn(v, 2, h, w, generator=generator).requires_grad_(),
        (),
    )
    embeddings = F.normalize(torch.randn(boxes, 8, generator=generator), dim=1).requires_grad_()
    return TrainingOutput(maps, embeddings, torch.randn(boxes, 5, generator=generator).requires_grad_())


def leaves(output: TrainingOutput) -> list[Tensor]:
    return [*output.maps[:3], output.embeddings, output.logits]


def add(detection: Tensor, embedding: Tensor, has_embedding: Tensor) -> Tensor:
    return 100 * detection + embedding


def test_total_is_the_weighted_sum_of_its_parts():
    config = LossConfig(size_weight=0.3)
    terms = criterion(outputs(), scene(), config, add, 4)
    parts = {name: value.item() for name, value in terms.parts.items()}
    detection = parts["heatmap"] + 0.3 * parts["size"] + parts["offset"]
    assert terms.total.item() == pytest.approx(100 * detection + parts["embedding"], rel=1e-5)


def test_maps_that_say_the_targets_leave_almost_no_loss():
    batch, output = scene(), outputs()
    targets = detection_targets(batch.boxes, batch.classes, batch.ignore, batch.image_index, SHAPE, 4)
    size, offset = torch.zeros(4, 4, *SHAPE[2:]), torch.zeros(4, 2, *SHAPE[2:])
    size[targets.image_index, :, targets.row, targets.column] = targets.size
    offset[targets.image_index, :, targets.row, targets.column] = targets.offset
    heatmap = torch.where(targets.heatmap == 1, 20.0, -20.0)
    output = output._replace(maps=OutputMaps(heatmap, size, offset, ()))
    parts = criterion(output, batch, LossConfig(), add, 4).parts
    assert max(parts[name].item() for name in ("heatmap", "size", "offset")) < 1e-6


@pytest.mark.parametrize("views", ["both", "first"])
def test_views_that_count_for_detection(views):
    """A change to the maps of a view changes the detection loss, or (as published) that of the first views only."""
    output, config = outputs(), LossConfig(detection_views=views)
    before = criterion(output, scene(), config, add, 4).parts
    for view in range(4):
        changed = [value.detach().clone() for value in output.maps[:3]]
        for value in changed:
            value[view] += 1
        after = criterion(output._replace(maps=OutputMaps(*changed, ())), scene(), config, add, 4).parts
        differs = [bool(before[name] != after[name]) for name in ("heatmap", "size", "offset")]
        assert differs == [views == "both" or view % 2 == 0] * 3


@pytest.mark.parametrize("objective", [name for name in OBJECTIVES if name != "none"])
def test_embeddings_of_ignored_boxes_do_not_count(objective):
    output, batch, config = outputs(), scene(ignored=(0, 5)), LossConfig(objective=objective)
    before = criterion(output, batch, config, add, 4).parts["embedding"]
    changed = [value.detach().clone() for value in (output.embeddings, output.logits)]
    for value in changed:
        value[[0, 5]] = F.normalize(torch.arange(value.shape[1]).float(), dim=0)
    assert criterion(TrainingOutput(output.maps, *changed), batch, config, add, 4).parts["embedding"] == before
    assert criterion(TrainingOutput(output.maps, *changed), scene(), config, add, 4).parts["embedding"] != before


PARTS = (slice(0, 1), slice(1, 3), slice(5, 8))
"""Of several lengths; what lies between them is contrasted with the whole only."""


def test_half_of_the_contrast_is_of_each_part_by_itself():
    output, batch = outputs()._replace(parts=PARTS), scene()

    def embedding(of, contrast, objective="nt_xent"):
        return criterion(of, batch, LossConfig(contrast=contrast, objective=objective), add, 4).parts["embedding"]

    for objective in CONTRASTIVE:
        whole = embedding(output, "whole", objective)
        assert whole == embedding(output._replace(parts=()), "parts", objective)
        if objective != "triplet":  # which counts triplets, not anchors
            pieces = [F.normalize(output.embeddings[:, part], dim=1) for part in PARTS]
            alone = [embedding(output._replace(embeddings=piece), "whole", objective) for piece in pieces]
            expected = (whole + torch.stack(alone).mean()) / 2
            torch.testing.assert_close(embedding(output, "parts", objective), expected)


def test_contrast_is_the_mean_over_anchors_with_positives_and_negatives():
    output, batch = outputs(), scene(ignored=(0, 5), known=False)
    chosen = contrastive_set(output.embeddings, batch)
    masks = contrast_pairs(chosen.labels, chosen.labels)
    each = nt_xent(chosen.embeddings @ chosen.embeddings.T, *masks, 0.1)
    # the partners of the two ignored boxes have no positive left
    counted = masks[0].any(dim=1)
    assert counted.sum() == 8
    embedding = criterion(output, batch, LossConfig(), add, 4).parts["embedding"]
    torch.testing.assert_close(embedding, each[counted].mean().detach())


@pytest.mark.parametrize("objective", CONTRASTIVE)
def test_a_box_without_negatives_teaches_nothing(objective):
    """Alone in its frame it has its other view to be like, and nobody to be unlike."""
    config = LossConfig(objective=objective, negatives="frame")
    alone, nobody = scene(ignored=(7, 8, 10, 11), known=False), scene(ignored=tuple(range(6, 12)), known=False)
    expected = criterion(outputs(), nobody, config, add, 4).parts["embedding"]
    assert expected > 0
    if objective == "nt_xent":  # as published: its two boxes count beside the other six, with a loss of zero
        expected = expected * 6 / 8
    torch.testing.assert_close(criterion(outputs(), alone, config, add, 4).parts["embedding"], expected)


def test_mixed_supervision_changes_the_contrast():
    embedding = {
        known: criterion(outputs(), scene(known=known), LossConfig(negatives="frame"), add, 4).parts["embedding"]
        for known in (True, False)
    }
    assert embedding[True] == embedding[False], "within one frame objects say what identities say"
    batch = scene()
    # the two frames are of one sequence now, and person 0 is in both
    shared = torch.where(batch.identities == 3, 0, batch.identities)
    batch = dataclasses.replace(batch, sequence_index=batch.sequence_index * 0, identities=shared)
    mixed = criterion(outputs(), batch, LossConfig(), add, 4).parts["embedding"]
    free = dataclasses.replace(batch, identities=torch.full((12,), -1))
    assert mixed != criterion(outputs(), free, LossConfig(), add, 4).parts["embedding"]


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(
    "batch",
    [
        without_boxes(),
        scene(ignored=tuple(range(12))),
        scene(ignored=tuple(range(1, 12)), known=False),
        dataclasses.replace(scene(known=False), object_index=torch.full((12,), -1)),
    ],
    ids=["no objects", "all ignored", "one object", "none matched"],
)
def test_nothing_to_learn_from_is_a_finite_zero_with_finite_gradients(objective, batch):
    output, weights = outputs(len(batch.boxes)), TaskWeights()
    terms = criterion(output, batch, LossConfig(objective=objective), weights, 4)
    terms.total.backward()
    assert torch.isfinite(terms.total)
    assert terms.parts.get("embedding", 0) == 0
    if batch.ignore.all():
        assert terms.parts["size"] == terms.parts["offset"] == 0
    for value in leaves(output):
        assert value.grad is None or torch.isfinite(value.grad).all()
    assert not output.embeddings.grad.any() if output.embeddings.grad is not None else not output.logits.grad.any()
    assert weights.embedding.grad == 0, "the weight of a loss that is not there would drift"
    assert weights.detection.grad != 0


def test_objective_none_teaches_detection_as_the_others_do():
    output, weights = outputs(), TaskWeights()
    terms = criterion(output, scene(), LossConfig(objective="none"), weights, 4)
    terms.total.backward()
    assert set(terms.parts) == {"heatmap", "size", "offset"}
    none = [value.grad for value in output.maps[:3]]
    other = outputs()
    criterion(other, scene(), LossConfig(), weights, 4).total.backward()
    torch.testing.assert_close(none, [value.grad for value in other.maps[:3]])
    assert not output.embeddings.grad.any()


def test_a_classifying_objective_without_classifier_is_an_error():
    with pytest.raises(ValueError, match="classifier"):
        criterion(outputs()._replace(logits=None), scene(), LossConfig(objective="identity"), add, 4)


def half(batch: Batch, output: TrainingOutput, views: slice) -> tuple[Batch, TrainingOutput]:
    """The part of a batch that one of two processes sees."""
    chosen = (batch.image_index >= views.start) & (batch.image_index < views.stop)
    packed = {name: value[chosen] for name, value in vars(batch).items() if name != "images"}
    part = dataclasses.replace(batch, images=batch.images[views], **packed)
    part = dataclasses.replace(part, image_index=part.image_index - views.start)
    maps = OutputMaps(*(value[views] for value in output.maps[:3]), ())
    return part, TrainingOutput(maps, output.embeddings[chosen], output.logits[chosen])


@pytest.mark.parametrize("detached", [False, True])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_mean_over_two_processes_is_the_loss_of_the_whole(objective, detached):
    """Unequal halves, each contrasting with the other's boxes and dividing by the mean of both counts."""
    config = LossConfig(objective=objective)
    batch = scene(ignored=(1, 8, 9), known=objective in ("identity", "instance"))
    whole, parted = outputs(), outputs()
    expected = criterion(whole, batch, config, add, 4)
    expected.total.backward()

    halves = [half(batch, parted, views) for views in (slice(0, 2), slice(2, 4))]
    keys = [contrastive_set(output.embeddings, part) for part, output in halves]
    if detached:
        keys = [ContrastiveSet(boxes.embeddings.detach(), boxes.labels) for boxes in keys]

    def run(process_mean):
        return [
            criterion(output, part, config, add, 4, others=others, process_mean=process_mean)
            for (part, output), others in zip(halves, keys[::-1], strict=True)
        ]

    counts: list[Tensor] = []
    run(lambda values: counts.append(values) or values)
    assert not torch.equal(*counts)
    mean = torch.stack(counts).mean(dim=0)
    terms = run(lambda values: mean)

    total = (terms[0].total + terms[1].total) / 2
    torch.testing.assert_close(total, expected.total)
    for name, value in expected.parts.items():
        torch.testing.assert_close((terms[0].parts[name] + terms[1].parts[name]) / 2, value)
    total.backward()
    for first, second in zip(leaves(parted), leaves(whole), strict=True):
        if first.grad is second.grad is None:
            continue  # nothing depends on the logits of objectives that do not classify
        if first is parted.embeddings and detached and objective in CONTRASTIVE:
            # pushes by the other half's anchors are missing
            assert not torch.allclose(first.grad, second.grad)
        else:
            torch.testing.assert_close(first.grad, second.grad)
