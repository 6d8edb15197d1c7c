import copy
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from clmot.datasets.readers import read_dataset
from clmot.datasets.readers.bdd100k import read_bdd100k
from clmot.errors import UserError

VIDEO = "b1c66a42-6f7d68ca"


def label(identity: str, left: float, category: str = "car", **attributes: Any) -> dict[str, Any]:
    return {
        "id": identity,
        "category": category,
        "attributes": {"occluded": False, "truncated": False, "crowd": False, **attributes},
        "box2d": {"x1": left, "y1": 4, "x2": left + 9, "y2": 15},
    }


FRAMES: list[dict[str, Any]] = [
    {
        "name": f"{VIDEO}-0000002.jpg",
        "videoName": VIDEO,
        "frameIndex": 1,
        "labels": [label("00091078", 2), label("00091080", 8, "pedestrian", crowd=True)],
    },
    {
        "name": f"{VIDEO}-0000001.jpg",
        "videoName": VIDEO,
        "frameIndex": 0,
        "labels": [label("00091078", 1), label("00091079", 7, "pedestrian"), label("00091081", 9, "other vehicle")],
    },
    {"name": f"{VIDEO}-0000003.jpg", "videoName": VIDEO, "frameIndex": 2, "labels": None},
]


def make_video(root: Path, frames: Any = FRAMES, split: str = "train", video: str = VIDEO) -> Path:
    images = root / "images" / "track" / split / video
    images.mkdir(parents=True)
    for frame in (1, 2, 3):
        cv2.imwrite(str(images / f"{VIDEO}-{frame:07}.jpg"), np.zeros((24, 32, 3), np.uint8))
    labels = root / "labels" / "box_track_20" / split
    labels.mkdir(parents=True, exist_ok=True)
    (labels / f"{video}.json").write_text(json.dumps(frames))
    return root


@pytest.mark.parametrize("place", [".", "labels/box_track_20", "labels/box_track_20/train"])
def test_video(tmp_path: Path, place: str) -> None:
    make_video(tmp_path)
    for path in (tmp_path / place, tmp_path / "labels" / "box_track_20" / "train" / f"{VIDEO}.json"):
        dataset = read_dataset([path], identities=True)
        assert dataset.classes == ("pedestrian", "car")
        first, second, third = dataset.samples
        assert [(s.sequence, s.frame, s.image.name) for s in dataset.samples] == [
            (VIDEO, 1, f"{VIDEO}-0000001.jpg"),
            (VIDEO, 2, f"{VIDEO}-0000002.jpg"),
            (VIDEO, 3, f"{VIDEO}-0000003.jpg"),
        ]
        assert (first.width, first.height) == (32, 24)
        # x2 and y2 are the last pixels inside; distractors and crowds are ignored
        by_left = {box[0]: i for i, box in enumerate(first.boxes.tolist())}
        np.testing.assert_array_equal(first.boxes[by_left[1]], [1, 4, 11, 16])
        assert first.ignore[[by_left[1], by_left[7], by_left[9]]].tolist() == [False, False, True]
        assert second.ignore[second.boxes[:, 0] == 8].tolist() == [True]
        # the car is one object through the video, and nothing else is
        car = first.identities[by_left[1]]
        assert second.identities[second.boxes[:, 0] == 2].tolist() == [car]
        assert (np.concatenate([first.identities, second.identities]) == car).sum() == 2
        assert len(third.boxes) == 0


def test_both_splits_and_the_older_layout(tmp_path: Path) -> None:
    make_video(tmp_path)
    frames = copy.deepcopy(FRAMES)
    for i, frame in enumerate(frames):
        frame["index"] = frame.pop("frameIndex")
        for each in frame["labels"] or []:
            each["attributes"] = {"Crowd": each["attributes"]["crowd"]}
        frame["name"] = f"{VIDEO}-{i + 1:07}.jpg"
    make_video(tmp_path, {"frames": frames}, "val", "other")
    samples = read_dataset([tmp_path]).samples
    assert {sample.sequence: int(sample.ignore.sum()) for sample in samples if sample.ignore.any()} == {
        VIDEO: 1,
        "other": 1,
    }
    assert len(samples) == 6


def test_faulty_boxes_are_skipped_and_counted(tmp_path: Path) -> None:
    frames = copy.deepcopy(FRAMES)
    frames[0]["labels"][0]["box2d"]["x2"] = 0
    frames[1]["labels"][0]["box2d"]["y1"] = float("nan")
    assert read_dataset([make_video(tmp_path, frames)]).skipped == {"degenerate box": 2}


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ((), {}, r"expected a list of frames"),
        ((1,), 7, r"frames\[1\]: expected object, got int"),
        ((1, "name"), None, r"frames\[1\]\.name: expected str, got null"),
        ((1, "frameIndex"), "1", r"frames\[1\]\.frameIndex: expected int \| null, got str"),
        ((1, "frameIndex"), 1, r"frames\[1\]\.frameIndex is 1, which .*-0000002\.jpg has already"),
        ((1, "labels"), 7, r"frames\[1\]\.labels: expected array \| null, got int"),
        ((1, "labels", 2), 7, r"frames\[1\]\.labels\[2\]: expected object, got int"),
        ((1, "labels", 2, "category"), "cat", r"frames\[1\]\.labels\[2\]\.category is 'cat', expected one of ped"),
        ((1, "labels", 2, "box2d"), None, r"frames\[1\]\.labels\[2\]\.box2d: expected object, got null"),
        ((1, "labels", 2, "box2d", "x1"), "1", r"frames\[1\]\.labels\[2\]\.box2d\.x1: expected float, got str"),
    ],
)
def test_faults_are_named(tmp_path: Path, place: tuple[Any, ...], value: Any, message: str) -> None:
    frames: Any = {"": copy.deepcopy(FRAMES)}
    target, key = frames, ""
    for step in place:
        target, key = target[key], step
    target[key] = value
    make_video(tmp_path, frames[""])
    with pytest.raises(UserError, match=rf"{VIDEO}\.json: " + message):
        read_dataset([tmp_path])


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no labels/box_track_20/train/<video>\.json"):
        read_bdd100k(tmp_path)
    make_video(tmp_path)
    (tmp_path / "images").rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=rf"\.json: video {VIDEO} not found"):
        read_dataset([tmp_path])
    (tmp_path / "elsewhere").rename(tmp_path / "images")
    labels = tmp_path / "labels" / "box_track_20" / "train" / f"{VIDEO}.json"
    labels.with_name("b2.json").write_text(labels.read_text())
    dataset = read_dataset([tmp_path])
    assert {sample.sequence for sample in dataset.samples} == {VIDEO}
    assert dataset.skipped["video that is not there"] == 1
    labels.with_name("b2.json").unlink()
    (tmp_path / "labels" / "box_track_20" / "train" / f"{VIDEO}.json").write_text("[")
    with pytest.raises(UserError, match="not valid JSON"):
        read_dataset([tmp_path])
