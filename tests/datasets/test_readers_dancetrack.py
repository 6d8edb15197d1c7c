"""DanceTrack and SportsMOT are laid out like MOTChallenge, and its reader reads them."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from clmot.datasets.readers import FORMATS, read_dataset
from clmot.datasets.readers.motchallenge import FORMAT


def make_sequence(folder: Path, digits: int, rows: str | None, newline: str = "\n") -> None:
    (folder / "img1").mkdir(parents=True)
    for frame in (1, 2, 3):
        cv2.imwrite(str(folder / "img1" / f"{frame:0{digits}}.jpg"), np.zeros((24, 32, 3), np.uint8))
    (folder / "seqinfo.ini").write_text(
        f"[Sequence]\nname={folder.name}\nimDir=img1\nframeRate=20\nseqLength=3\nimWidth=32\nimHeight=24\nimExt=.jpg\n"
    )
    if rows is not None:
        (folder / "gt").mkdir()
        (folder / "gt" / "gt.txt").write_bytes(rows.replace("\n", newline).encode())


@pytest.mark.parametrize(
    ("name", "digits", "rows"),
    [
        ("dancetrack0001", 8, "1,0,6,5,10,12,1,1,1\n2,0,7,5,10,12,1,1,1\n1,1,16,5,10,12,1,1,1\n3,1,15,5,10,12,1,1,1"),
        (
            "v_-6Os86HzwCs_c001",
            6,
            "1, 0, 6, 5, 10, 12, 1, 1, 1\n2, 0, 7, 5, 10, 12, 1, 1, 1\n"
            "1, 1, 16, 5, 10, 12, 1, 1, 1\n3, 1, 15, 5, 10, 12, 1, 1, 1\n",
        ),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_ground_truth_sorted_by_track(tmp_path: Path, name: str, digits: int, rows: str, newline: str) -> None:
    make_sequence(tmp_path / "train" / name, digits, rows, newline)
    make_sequence(tmp_path / "test" / "no_labels", digits, None)
    assert next(each for each in FORMATS if each.matches(tmp_path)) is FORMAT
    dataset = read_dataset([tmp_path], identities=True)
    assert dataset.classes == ("person",)
    assert not dataset.skipped
    assert [(s.sequence, s.frame, s.identities.tolist()) for s in dataset.samples] == [
        (name, 1, [0, 1]),
        (name, 2, [0]),
        (name, 3, [1]),
    ]
    np.testing.assert_array_equal(dataset.samples[0].boxes, [[5, 4, 15, 16], [15, 4, 25, 16]])
    assert not any(sample.ignore.any() for sample in dataset.samples)
