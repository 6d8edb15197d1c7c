from pathlib import Path

import cv2
import numpy as np
import pytest

from clmot.data.readers import read_dataset
from clmot.data.readers.hieve import FORMAT, read_hieve
from clmot.errors import UserError

LABELS = """0,1,-3,4,10,12,1,-1,-1,-1
0,2,9,4,10,12,0,-1,-1,-1
2,1,5,4,10,12,1,-1,-1,-1
"""


def make_video(root: Path, labels: str = LABELS, first: int = 0, place: str = "images/1") -> Path:
    (root / place).mkdir(parents=True)
    for frame in range(first, first + 3):
        cv2.imwrite(str(root / place / f"{frame:06}.jpg"), np.zeros((24, 32, 3), np.uint8))
    (root / "labels" / "track1").mkdir(parents=True, exist_ok=True)
    (root / "labels" / "track1" / "1.txt").write_text(labels)
    return root


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("place", ["images/1", "videos/1"])
def test_video(tmp_path: Path, first: int, place: str) -> None:
    dataset = read_dataset([make_video(tmp_path, first=first, place=place)], identities=True)
    assert dataset.classes == ("person",)
    assert not dataset.skipped
    start, middle, end = dataset.samples
    # labels count frames from 0, whatever the images do
    assert [(s.sequence, s.frame, int(s.image.stem)) for s in dataset.samples] == [
        ("1", i + 1, i + first) for i in range(3)
    ]
    np.testing.assert_array_equal(start.boxes, [[-3, 4, 7, 16], [9, 4, 19, 16]])
    assert start.ignore.tolist() == [False, True]
    assert start.identities.tolist() == [1, 2]
    assert len(middle.boxes) == 0
    assert end.identities.tolist() == [1]


def test_faults_are_named(tmp_path: Path) -> None:
    make_video(tmp_path, LABELS + "0,3,5,4,10,12,1,-1,-1")
    with pytest.raises(UserError, match=r"track1/1\.txt:4: 9 columns, expected 10: frame, id, left"):
        read_dataset([tmp_path])
    (tmp_path / "images" / "1" / "000000.jpg").rename(tmp_path / "images" / "1" / "000007.jpg")
    (tmp_path / "images" / "1" / "000001.jpg").unlink()
    with pytest.raises(UserError, match=r"images/1: the first image is number 2, expected 0 or 1"):
        read_dataset([tmp_path])
    (tmp_path / "images").rename(tmp_path / "pictures")
    with pytest.raises(UserError, match=r"1\.txt: no frames of the video; extract them: ffmpeg -i .*videos/1\.mp4"):
        read_dataset([tmp_path])
    with pytest.raises(UserError, match=r"no labels/track1/<video>\.txt"):
        read_hieve(tmp_path / "pictures")


def test_matches_labels_of_videos_only(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "1.txt").touch()
    assert not FORMAT.matches(tmp_path)  # a YOLO folder looks like that
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "1.mp4").touch()
    assert FORMAT.matches(tmp_path)
