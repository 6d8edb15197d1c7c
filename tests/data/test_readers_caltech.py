from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from clmot.data.readers import read_dataset
from clmot.data.readers.caltech import read_caltech
from clmot.errors import UserError

FIELDS = ("id", "pos", "occl", "lock", "posv")
LABELS = ["person", "people", "person?", "person-fa"]


def thing(number: int, pos: list[float], occluded: int = 0, visible: list[float] | None = None) -> tuple[Any, ...]:
    return number, np.array([pos], float), occluded, 0, np.array([visible or [0, 0, 0, 0]], float)


FRAMES = [
    [],
    [thing(1, [1, 1, 8, 20]), thing(2, [5, 1, 20, 20]), thing(3, [9, 1, 8, 20]), thing(4, [20, 1, 8, 20])],
    [thing(1, [-3, 2, 8, 20])],
    # half of it visible, a twentieth, nothing (the visible part is all of it), not occluded whatever it says
    [
        thing(1, [2, 2, 8, 20], 1, [2, 2, 8, 10]),
        thing(1, [12, 2, 8, 20], 1, [12, 2, 8, 1]),
        thing(1, [22, 2, 8, 20], 1, [22, 2, 8, 20]),
        thing(1, [24, 2, 8, 20], 0, [24, 2, 1, 1]),
        thing(1, [26, 2, 8, 20], 1),
    ],
]


def write(root: Path, frames: list[Any] = FRAMES, images: str = "images/set00/V000/I{:05d}.jpg") -> Path:
    lists = np.empty((1, len(frames)), object)
    for i, things in enumerate(frames):
        array = np.empty((1, len(things)), [(name, object) for name in FIELDS])
        for j, each in enumerate(things):
            array[0, j] = each
        lists[0, i] = array if things else np.empty((0, 0))
        path = root / images.format(i)
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.zeros((24, 32, 3), np.uint8))
    labels = np.empty((1, len(LABELS)), object)
    labels[0] = LABELS
    file = root / "annotations/set00/V000.vbb"
    file.parent.mkdir(parents=True, exist_ok=True)
    video = {"nFrame": len(frames), "objLists": lists, "maxObj": 4, "objInit": [[1, 1, 1, 1]], "objLbl": labels}
    with file.open("wb") as opened:
        savemat(opened, {"A": video, "vers": 1.4})
    return file


def test_a_video(tmp_path: Path) -> None:
    file = write(tmp_path)
    for place in (tmp_path, tmp_path / "annotations", file.parent, file):
        dataset = read_dataset([place], identities=True)
        assert dataset.classes == ("person",)
        assert not dataset.skipped
        assert [(s.sequence, s.frame, s.image.name) for s in dataset.samples] == [
            ("set00/V000", i + 1, f"I{i:05d}.jpg") for i in range(4)
        ]
        empty, second, third, _ = dataset.samples
        assert len(empty.boxes) == 0
        # pixel 1 is the first
        np.testing.assert_array_equal(second.boxes, [[0, 0, 8, 20], [4, 0, 24, 20], [8, 0, 16, 20], [19, 0, 27, 20]])
        # a crowd, perhaps a person, none
        assert second.ignore.tolist() == [False, True, True, True]
        assert second.identities.tolist() == [1, 2, 3, 4]
        # beyond the image is kept
        np.testing.assert_array_equal(third.boxes, [[-4, 1, 4, 21]])


def test_occlusion(tmp_path: Path) -> None:
    write(tmp_path)
    for min_visibility, expected in ((0.1, [0, 1, 1, 0, 0]), (0.6, [1, 1, 1, 0, 0]), (0.0, [0, 0, 0, 0, 0])):
        assert read_dataset([tmp_path], min_visibility=min_visibility).samples[3].ignore.tolist() == expected


@pytest.mark.parametrize(
    "images",
    [
        "images/set00/V000/I{:05d}.png",
        "images/set00/V000/images/I{:05d}.jpg",
        "set00/V000/{}.png",
        "data/images/set00_V000_{}.png",
        "images/set00_V000_I{:05d}.jpg",
    ],
)
def test_usual_places_of_the_images(tmp_path: Path, images: str) -> None:
    write(tmp_path, images=images)
    # another video's
    cv2.imwrite(str(tmp_path / images.format(0).replace("V000", "V0001")).replace("V0001/", "x"), np.zeros((9, 9, 3)))
    assert [s.frame for s in read_dataset([tmp_path]).samples] == [1, 2, 3, 4]


def test_every_other_frame_extracted(tmp_path: Path) -> None:
    write(tmp_path)
    for frame in (0, 2):
        (tmp_path / f"images/set00/V000/I{frame:05d}.jpg").unlink()
    dataset = read_dataset([tmp_path])
    assert [s.frame for s in dataset.samples] == [2, 4]
    assert dataset.skipped == {"frame without image": 1}
    # an image behind the last annotated frame has nothing in it
    write(tmp_path, FRAMES[:3])
    assert [len(s.boxes) for s in read_dataset([tmp_path]).samples] == [0, 4, 1, 0]


@pytest.mark.parametrize("objects", [1, 2])
def test_a_single_frame(tmp_path: Path, objects: int) -> None:
    """MATLAB keeps no trace of a list around a single thing."""
    write(tmp_path, [[thing(1, [1, 1, 8, 20])] * objects])
    (sample,) = read_dataset([tmp_path]).samples
    assert len(sample.boxes) == objects


def test_faults_are_named(tmp_path: Path) -> None:
    file = write(tmp_path, [[], [thing(9, [1, 1, 8, 20])]])
    with pytest.raises(UserError, match=r"V000\.vbb: frame 1: id 9, but objLbl has 4 labels"):
        read_caltech(tmp_path)
    write(tmp_path, [[], [thing(1, [1, 1, 8])]])
    with pytest.raises(UserError, match=r"V000\.vbb: frame 1: expected numbers, four of them in pos and posv"):
        read_caltech(tmp_path)
    write(tmp_path)
    for image in (tmp_path / "images/set00/V000").iterdir():
        image.unlink()
    with pytest.raises(UserError, match="no images of its videos; extract them"):
        read_caltech(tmp_path)
    with file.open("wb") as opened:
        savemat(opened, {"B": 1})
    with pytest.raises(UserError, match=r"V000\.vbb: no struct A with objLists and objLbl"):
        read_caltech(file)
    file.write_bytes(b"vbb")
    with pytest.raises(UserError, match=r"V000\.vbb: not a readable MATLAB file"):
        read_caltech(file)
    file.unlink()
    with pytest.raises(UserError, match=r"no \.vbb files there"):
        read_caltech(tmp_path)
