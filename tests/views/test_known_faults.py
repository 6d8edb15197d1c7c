"""Faults of FairMOT's and CL-MOT's data code: from ground truth on disk to a training batch, none of them is here."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from clmot.config import DataConfig, DetectConfig, ViewsConfig
from clmot.datasets.readers import read_dataset
from clmot.structures import Batch, Dataset
from clmot.views.labels import with_labels
from clmot.views.loader import make_loader

WIDTH, HEIGHT = 320, 160
SIZE = (320, 160)
STILL = ViewsConfig(mirror=0, rotate=0, shift=0, scale=(1, 1), aspect=0)
"""Views that show the frame as it is."""


def sequence(folder: Path, rows: list[str], frames: int = 3) -> Path:
    (folder / "s/img1").mkdir(parents=True)
    (folder / "s/gt").mkdir()
    for frame in range(1, frames + 1):
        image = np.random.default_rng(frame).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"s/img1/{frame:06d}.jpg"), image)
    (folder / "s/gt/gt.txt").write_text("\n".join(rows) + "\n")
    return folder


def row(frame: int, identity: int, left: float, top: float = 20, width: float = 20, height: float = 60) -> str:
    """A row of a box in 0-based pixels, which the file counts from 1."""
    return f"{frame},{identity},{left + 1},{top + 1},{width},{height},1,1,1"


def batch_of(dataset: Dataset) -> Batch:
    """Each frame once, as it is."""
    loader = make_loader(dataset, DataConfig(workers=0), STILL, SIZE, batch_size=len(dataset.samples), steps=1)
    return next(iter(loader))


def lefts(batch: Batch, frame: int) -> list[float]:
    """Left sides of a frame's boxes in its first view, ascending."""
    chosen = (batch.frame_index == frame - 1) & (batch.image_index % 2 == 0)
    return sorted(batch.boxes[chosen, 0].round().tolist())


def test_an_empty_frame_is_a_frame_without_objects_and_shifts_nothing(tmp_path):
    dataset = read_dataset([sequence(tmp_path, [row(1, 1, 10), row(1, 2, 50), row(3, 1, 30)])])
    batch = batch_of(dataset)
    assert len(batch.images) == 6
    assert [lefts(batch, frame) for frame in (1, 2, 3)] == [[10, 50], [], [30]]
    # boxes are those of the image that they are said to lie in
    for view in range(6):
        assert len(set(batch.frame_index[batch.image_index == view].tolist())) <= 1


def test_identity_minus_one_is_nobody_and_shifts_no_other_identity(tmp_path):
    folder = sequence(tmp_path, [row(1, 8, 10), row(1, -1, 40), row(1, -1, 90), row(1, 5, 120), row(2, 5, 130)])
    dataset, count = with_labels(read_dataset([folder], identities=True), "known")
    assert count == 2
    first, second = dataset.samples
    by_left = dict(zip(first.boxes[:, 0].tolist(), first.identities.tolist(), strict=True))
    assert by_left[40] == by_left[90] == -1
    assert by_left[120] == second.identities[0] != by_left[10] >= 0
    batch = batch_of(dataset)
    assert lefts(batch, 1) == [10, 40, 90, 120]


@pytest.mark.parametrize(
    "fault", ["1,3,nan,20,20,60,1,1,1", "1,3,70,20,0,60,1,1,1", "1,3,70,20,20,-60,1,1,1", "1,3,70,20,inf,60,1,1,1"]
)
def test_nan_and_degenerate_boxes_are_left_out_counted_and_shift_no_labels(tmp_path, fault):
    folder = sequence(tmp_path, [row(1, 1, 10), fault, row(1, 7, 120), row(2, 7, 130)], frames=2)
    dataset = read_dataset([folder], identities=True)
    assert dataset.skipped == {"degenerate box": 1}
    first = dataset.samples[0]
    assert dict(zip(first.boxes[:, 0].tolist(), first.identities.tolist(), strict=True)) == {10: 1, 120: 7}
    batch = batch_of(dataset)
    assert torch.isfinite(batch.boxes).all()
    assert lefts(batch, 1) == [10, 120]


def test_boxes_beyond_the_image_are_not_clipped(tmp_path):
    folder = sequence(tmp_path, [row(1, 1, -10, 119, 30, 80), row(1, 2, WIDTH - 10, -20)], frames=1)
    dataset = read_dataset([folder])
    expected = np.array([[-10, 119, 20, 199], [WIDTH - 10, -20, WIDTH + 10, 40]], np.float32)
    np.testing.assert_array_equal(dataset.samples[0].boxes, expected)
    batch = batch_of(dataset)
    found = batch.boxes[batch.image_index == 0].numpy()
    np.testing.assert_allclose(found[np.argsort(found[:, 0])], expected, atol=1e-3)


def test_more_boxes_than_decoding_keeps_are_all_trained_on(tmp_path):
    many = 2 * DetectConfig().max_detections + 1
    rng = np.random.default_rng(0)
    rows = [row(1, i, *rng.uniform(1, (WIDTH - 20, HEIGHT - 60)).round(2), 12, 30) for i in range(1, many + 1)]
    batch = batch_of(read_dataset([sequence(tmp_path, [*rows, row(2, 1, 10)], frames=2)]))
    counts = torch.bincount(batch.image_index[batch.frame_index == 0], minlength=4)
    assert sorted(counts.tolist()) == [0, 0, many, many]
    assert lefts(batch, 2) == [10]


def test_ground_truth_sorted_by_frame_or_by_identity_is_the_same(tmp_path):
    rng = np.random.default_rng(1)
    rows = [row(frame, identity, float(rng.integers(1, 250))) for frame in (1, 2, 3) for identity in range(1, 12)]
    keys = {"frame": lambda i: i, "identity": lambda i: (i % 11, i // 11), "text": lambda i: rows[i]}
    found = {}
    for name, key in keys.items():
        (tmp_path / name).mkdir()
        ordered = [rows[i] for i in sorted(range(len(rows)), key=key)]
        found[name] = read_dataset([sequence(tmp_path / name, ordered)], identities=True)
    for one, *others in zip(*(dataset.samples for dataset in found.values()), strict=True):
        assert len(one.boxes) == 11
        for other in others:
            np.testing.assert_array_equal(one.boxes, other.boxes)
            np.testing.assert_array_equal(one.identities, other.identities)
    first, *rest = (batch_of(dataset) for dataset in found.values())
    for other in rest:
        assert all(torch.equal(value, getattr(other, name)) for name, value in vars(first).items())
