from pathlib import Path

import cv2
import numpy as np
import pytest

from clmot.datasets.readers import read_dataset
from clmot.datasets.readers.visdrone import read_visdrone
from clmot.errors import UserError

ANNOTATIONS = """1,0,0,0,32,6,0,0,0,0
1,7,0,8,10,12,1,1,0,0
1,8,-3,8,9,12,1,4,1,1
2,7,2,8,10,12,1,1,0,2
2,9,12,8,10,12,1,11,0,0
2,10,14,8,10,12,0,9,0,0
"""


def make_sequence(root: Path, text: str = ANNOTATIONS, name: str = "uav0000013_00000_v", frames: int = 3) -> Path:
    images = root / "sequences" / name
    images.mkdir(parents=True)
    for frame in range(1, frames + 1):
        cv2.imwrite(str(images / f"{frame:07}.jpg"), np.zeros((24, 32, 3), np.uint8))
    (root / "annotations").mkdir(exist_ok=True)
    (root / "annotations" / f"{name}.txt").write_bytes(text.encode())
    return root


def test_sequence(tmp_path: Path) -> None:
    dataset = read_dataset([make_sequence(tmp_path)], identities=True)
    assert dataset.classes == ("pedestrian", "car")  # others, and the bus with score 0, do not count
    assert not dataset.skipped
    first, second, third = dataset.samples
    assert [(s.sequence, s.frame, s.image.name) for s in dataset.samples] == [
        ("uav0000013_00000_v", 1, "0000001.jpg"),
        ("uav0000013_00000_v", 2, "0000002.jpg"),
        ("uav0000013_00000_v", 3, "0000003.jpg"),
    ]
    by_identity = {
        int(identity): (box.tolist(), dataset.classes[kind], bool(ignore))
        for identity, box, kind, ignore in zip(first.identities, first.boxes, first.classes, first.ignore, strict=True)
    }
    # pixels count from 0, and boxes may extend beyond the image; a region to ignore is no object
    assert by_identity[7] == ([0, 8, 10, 20], "pedestrian", False)
    assert by_identity[8] == ([-3, 8, 6, 20], "car", False)
    assert by_identity[-1][0] == [0, 0, 32, 6]
    assert by_identity[-1][2]
    assert dict(zip(second.identities.tolist(), second.ignore.tolist(), strict=True)) == {7: False, -1: True, 10: True}
    assert len(third.boxes) == 0


def test_visibility(tmp_path: Path) -> None:
    make_sequence(tmp_path)
    for least, counted in ((0.1, 3), (0.3, 2), (0.8, 1)):
        samples = read_dataset([tmp_path], min_visibility=least).samples
        assert sum(int((~sample.ignore).sum()) for sample in samples) == counted


def test_rows_as_they_come(tmp_path: Path) -> None:
    lines = ANNOTATIONS.splitlines()
    make_sequence(tmp_path / "a")
    # another order, blanks, CRLF, a byte order mark, no line end after the last row
    text = "\ufeff" + "\r\n".join(line.replace(",", ", ") for line in reversed(lines))
    make_sequence(tmp_path / "b", text)
    for a, b in zip(read_visdrone(tmp_path / "a").samples, read_visdrone(tmp_path / "b").samples, strict=True):
        for name in ("boxes", "classes", "ignore", "identities"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_faulty_boxes_are_skipped_and_counted(tmp_path: Path) -> None:
    # boxes without height are known in the published annotation
    make_sequence(tmp_path, ANNOTATIONS + "1,5,4,4,10,0,1,4,0,0\n1,6,nan,4,10,5,1,4,0,0\n9,6,1,4,10,5,1,4,0,0\n")
    assert read_dataset([tmp_path]).skipped == {"degenerate box": 2, "frame without image": 1}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,5,4,4,10,5,1,12,0,0", r":7: category is 12, expected 0 to 11"),
        ("1,5,4,4,10,5,1,4,0,3", r":7: occlusion is 3, expected -1 to 2"),
        ("1,5,4,4,10,5,1,4,0", r":7: 9 columns, expected 10: frame, id, left"),
        ("1,5,4,four,10,5,1,4,0,0", r":7: top is 'four', expected a number"),
        ("1.5,5,4,4,10,5,1,4,0,0", r":7: frame is 1\.5, expected a whole number"),
        ("inf,5,4,4,10,5,1,4,0,0", r":7: frame is inf, expected a whole number"),
    ],
)
def test_faults_are_named(tmp_path: Path, row: str, message: str) -> None:
    make_sequence(tmp_path, ANNOTATIONS + row)
    with pytest.raises(UserError, match=r"uav0000013_00000_v\.txt" + message):
        read_dataset([tmp_path])


def test_missing_images(tmp_path: Path) -> None:
    make_sequence(tmp_path)
    (tmp_path / "annotations" / "uav1.txt").write_text(ANNOTATIONS)
    # a partial download: what has images is read, the rest is counted
    dataset = read_dataset([tmp_path])
    assert {sample.sequence for sample in dataset.samples} == {"uav0000013_00000_v"}
    assert dataset.skipped == {"sequence that is not there": 1}
    (tmp_path / "annotations" / "uav1.txt").unlink()
    make_sequence(tmp_path, "90,7,2,8,10,12,1,1,0,2", "uav2")
    with pytest.raises(UserError, match=r"uav2\.txt: frames 90 to 90, but the images of .* are frames 1 to 3"):
        read_dataset([tmp_path])
    with pytest.raises(UserError, match="no annotations/<sequence>"):
        read_visdrone(tmp_path / "sequences")


def test_single_images_of_visdrone_det(tmp_path: Path) -> None:
    for folder in ("images", "annotations"):
        (tmp_path / folder).mkdir()
    cv2.imwrite(str(tmp_path / "images/0000001_d.jpg"), np.zeros((24, 32, 3), np.uint8))
    (tmp_path / "annotations/0000001_d.txt").write_text("-3,8,9,12,1,4,1,1,\n0,0,32,6,0,0,0,0\n")
    (tmp_path / "annotations/0000002_d.txt").write_text("1,2,3,4,1,4,1,1\n")
    dataset = read_dataset([tmp_path])
    assert dataset.classes == ("car",)
    assert dataset.skipped == {"image that is not there": 1}
    (sample,) = dataset.samples
    assert sample.boxes[~sample.ignore].tolist() == [[-3, 8, 6, 20]]
    assert sample.boxes[sample.ignore].tolist() == [[0, 0, 32, 6]]
