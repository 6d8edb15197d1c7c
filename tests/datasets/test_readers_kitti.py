from pathlib import Path

import cv2
import numpy as np
import pytest

from clmot.datasets.readers import read_dataset
from clmot.datasets.readers.kitti import read_kitti
from clmot.errors import UserError

IN_SPACE = "2.0 1.8 4.4 -4.5 1.8 13.4 -2.1"
LABELS = f"""0 -1 DontCare -1 -1 -10.000000 219.31 188.49 245.50 218.56 -1000.0 -1000.0 -1000.0 -10.0 -1.0 -1.0 -1.0
0 2 Pedestrian 0 1 -2.523309 10.5 4.25 20 16 {IN_SPACE}
0 0 Van 0 0 -1.793451 1 2 11 9 {IN_SPACE}
2 2 Pedestrian 0 2 -2.523309 12 4 22 16 {IN_SPACE}
2 5 Cyclist 2 2 -2.523309 0 4 5 16 {IN_SPACE}
2 6 Cyclist 0 3 -2.523309 5 4 10 16 {IN_SPACE}
"""


def make_sequence(root: Path, labels: str = LABELS, name: str = "0000", frames: int = 3) -> Path:
    images = root / "image_02" / name
    images.mkdir(parents=True)
    for frame in range(frames):
        cv2.imwrite(str(images / f"{frame:06}.png"), np.zeros((24, 32, 3), np.uint8))
    (root / "label_02").mkdir(exist_ok=True)
    (root / "label_02" / f"{name}.txt").write_text(labels)
    return root


def test_sequence(tmp_path: Path) -> None:
    make_sequence(tmp_path / "training")
    for place in (tmp_path, tmp_path / "training"):
        dataset = read_dataset([place], identities=True)
        assert dataset.classes == ("Van", "Pedestrian", "Cyclist")
        assert not dataset.skipped
        first, second, third = dataset.samples
        assert [(s.sequence, s.frame, s.image.name) for s in dataset.samples] == [
            ("0000", 1, "000000.png"),
            ("0000", 2, "000001.png"),
            ("0000", 3, "000002.png"),
        ]
        assert (first.width, first.height) == (32, 24)
        # 0-based corners stay as they are; the DontCare region masks whatever is in it
        rows = zip(first.identities.tolist(), first.classes.tolist(), first.ignore.tolist(), strict=True)
        boxes = dict(zip(rows, first.boxes.tolist(), strict=True))
        assert boxes[0, 0, False] == [1, 2, 11, 9]
        assert boxes[2, 1, False] == [10.5, 4.25, 20, 16]
        assert sorted(first.ignore.tolist()) == [False, False, True]
        assert first.identities[first.ignore].tolist() == [-1]
        assert len(second.boxes) == 0
        # largely occluded and largely truncated: 1/16 visible; occlusion unknown counts as visible
        ignored = dict(zip(third.identities.tolist(), third.ignore.tolist(), strict=True))
        assert ignored == {2: False, 5: True, 6: False}


def test_visibility(tmp_path: Path) -> None:
    make_sequence(tmp_path)
    for least, counted in ((0.0, 5), (0.1, 4), (0.3, 3), (0.8, 2)):
        samples = read_dataset([tmp_path], min_visibility=least).samples
        assert sum(int((~sample.ignore).sum()) for sample in samples) == counted


def test_a_region_without_class_is_in_none(tmp_path: Path) -> None:
    make_sequence(tmp_path, "\n".join(LABELS.splitlines()[:1]))
    (sample, *_) = read_kitti(tmp_path).samples
    assert sample.ignore.tolist() == [True]


def test_missing_frames_do_not_shift_the_others(tmp_path: Path) -> None:
    make_sequence(tmp_path)
    (tmp_path / "image_02" / "0000" / "000000.png").unlink()
    dataset = read_dataset([tmp_path], identities=True)
    assert dataset.skipped == {"frame without image": 3}
    assert [(sample.frame, len(sample.boxes)) for sample in dataset.samples] == [(2, 0), (3, 3)]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (f"1 1 Bus 0 0 0 1 1 2 2 {IN_SPACE}", r":7: type is 'Bus', expected one of Car, Van"),
        (f"1 1 Car 0 0 0 1 1 2 {IN_SPACE}", r":7: 16 columns, expected 17 to 18: frame, track"),
        (f"1 1 Car 0 4 0 1 1 2 2 {IN_SPACE}", r":7: occluded is 4, expected -1 to 3"),
        (f"1 1 Car 0.5 0 0 1 1 2 2 {IN_SPACE}", r":7: truncated is 0\.5, expected -1 to 2"),
        (f"1 1 Car 0 0 0 a 1 2 2 {IN_SPACE}", r":7: left is 'a', expected a number"),
    ],
)
def test_faults_are_named(tmp_path: Path, row: str, message: str) -> None:
    make_sequence(tmp_path, LABELS + row)
    with pytest.raises(UserError, match=r"label_02/0000\.txt" + message):
        read_dataset([tmp_path])


def test_labels_without_images(tmp_path: Path) -> None:
    make_sequence(tmp_path)
    (tmp_path / "label_02" / "0001.txt").write_text(LABELS)
    # a partial download: what has images is read, the rest is counted
    dataset = read_dataset([tmp_path])
    assert {sample.sequence for sample in dataset.samples} == {"0000"}
    assert dataset.skipped == {"sequence that is not there": 1}
    make_sequence(
        tmp_path, LABELS.replace("\n0 ", "\n90 ").replace("\n2 ", "\n92 ").replace("0 -1", "90 -1", 1), "0002"
    )
    (tmp_path / "label_02" / "0001.txt").unlink()
    with pytest.raises(UserError, match=r"0002\.txt: frames 90 to 92, but the images of 0002 are frames 0 to 2"):
        read_dataset([tmp_path])


def test_single_images_of_kitti_object(tmp_path: Path) -> None:
    for folder in ("image_2", "label_2"):
        (tmp_path / "training" / folder).mkdir(parents=True)
    for name in ("000000", "000001"):
        cv2.imwrite(str(tmp_path / f"training/image_2/{name}.png"), np.zeros((24, 32, 3), np.uint8))
    labels = [line.split(" ", 2)[2] for line in LABELS.splitlines()]
    for name, text in (("000000", labels[0] + "\n" + labels[1]), ("000001", ""), ("000007", labels[1])):
        # truncated is a share here
        (tmp_path / f"training/label_2/{name}.txt").write_text(text.replace("Pedestrian 0 ", "Pedestrian 0.35 "))
    for place in (tmp_path, tmp_path / "training"):
        dataset = read_dataset([place])
        assert dataset.classes == ("Pedestrian",)
        assert dataset.skipped == {"image that is not there": 1}
        first, second = dataset.samples
        assert first.sequence != second.sequence
        assert first.boxes[~first.ignore].tolist() == [[10.5, 4.25, 20, 16]]
        assert first.ignore.sum() == 1
        assert len(second.boxes) == 0
    # 65 % of it in the image, of which it shows 75 %
    assert [read_kitti(tmp_path, min_visibility=v).samples[0].ignore.sum() for v in (0.48, 0.49)] == [1, 2]


def test_nothing_there(tmp_path: Path) -> None:
    make_sequence(tmp_path / "none", frames=0)
    with pytest.raises(UserError, match=r"0000\.txt: sequence 0000 not found"):
        read_kitti(tmp_path / "none")
    (tmp_path / "label_02").mkdir()
    with pytest.raises(UserError, match=r"no label_02/0000\.txt beside image_02/0000"):
        read_kitti(tmp_path)


def test_rows_with_a_score_are_boxes_of_a_detector(tmp_path: Path) -> None:
    rows = f"0 1 Car 0 0 -1.5 1 1 11 9 {IN_SPACE} 0.9\n1 1 Car 0 0 -1.5 1 1 11 9 {IN_SPACE} 0.5\n"
    make_sequence(tmp_path / "sequences", rows)
    assert [each.scores.tolist() for each in read_kitti(tmp_path / "sequences").samples] == [
        [pytest.approx(0.9)],
        [0.5],
        [],
    ]
    objects = tmp_path / "objects"
    for name in ("image_2", "label_2"):
        (objects / name).mkdir(parents=True)
    cv2.imwrite(str(objects / "image_2" / "a.png"), np.zeros((24, 32, 3), np.uint8))
    (objects / "label_2" / "a.txt").write_text(rows.split("\n")[1].removeprefix("1 1 "))
    assert read_kitti(objects).samples[0].scores.tolist() == [0.5]
