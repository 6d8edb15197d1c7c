from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clmot.datasets.readers.assembly import ANY_CLASS, BoxRows, Frame, assemble, position_of
from clmot.errors import UserError
from clmot.io.mot_sequences import numbered_images
from clmot.structures import Dataset

FRAMES = [
    Frame(Path("b.png"), 40, 30, "b", 1),
    Frame(Path("a2.png"), 40, 30, "a", 2),
    Frame(Path("a1.png"), 40, 30, "a", 1),
]
NAMES = ("cat", "dog", "cow")
# frame, left, class, ignore, identity
ROWS = [
    (0, 5, 2, False, 7),
    (0, 3, 0, False, -2),
    (2, 1, ANY_CLASS, True, -1),
    (2, 1, 1, True, 4),
    (1, np.nan, 1, False, 5),
    (-1, 1, 1, False, 6),
    (0, 5, 2, False, 8),
]


def build(rows: list[tuple[float, ...]]) -> Dataset:
    frame, left, classes, ignore, identities = map(np.array, zip(*rows, strict=True))
    boxes = np.stack([left, left * 0, left + 4, left * 0 + 9], axis=1).astype(np.float32)
    columns = BoxRows(
        place=frame.astype(np.int64),
        boxes=boxes,
        classes=classes.astype(np.int64),
        ignore=ignore.astype(bool),
        identities=identities.astype(np.int64),
    )
    return assemble(FRAMES, columns, NAMES, Counter({"other": 2}))


@settings(deadline=None)
@given(st.permutations(ROWS))
def test_the_order_of_rows_changes_nothing(rows: list[tuple[float, ...]]) -> None:
    dataset = build(rows)
    assert dataset.classes == ("cat", "cow")  # no dog counts
    assert dataset.skipped == {"other": 2, "degenerate box": 1, "frame without image": 1}
    found = [
        (s.image.name, s.boxes[:, 0].tolist(), s.classes.tolist(), s.ignore.tolist(), s.identities.tolist())
        for s in dataset.samples
    ]
    assert found == [
        ("a1.png", [1, 1], [0, 0], [True, True], [-1, 4]),
        ("a2.png", [], [], [], []),
        ("b.png", [3, 5, 5], [0, 1, 1], [False] * 3, [-1, 7, 8]),
    ]


def test_no_rows() -> None:
    dataset = assemble(FRAMES, BoxRows.join([]), NAMES, Counter())
    assert [sample.boxes.shape for sample in dataset.samples] == [(0, 4)] * 3
    assert dataset.classes == NAMES


@given(st.lists(st.integers(0, 20)), st.lists(st.integers(0, 20), unique=True).map(sorted))
def test_position_of(keys: list[int], present: list[int]) -> None:
    expected = [present.index(key) if key in present else -1 for key in keys]
    assert position_of(np.array(keys, np.int64), present).tolist() == expected


def test_numbered_images(tmp_path: Path) -> None:
    for name in ("x_10.JPG", "x_9.png", ".x_1.jpg", "notes.txt"):
        (tmp_path / name).touch()
    assert {number: image.name for number, image in numbered_images(tmp_path).items()} == {9: "x_9.png", 10: "x_10.JPG"}
    (tmp_path / "y_10.jpg").touch()
    with pytest.raises(UserError, match=r"y_10\.jpg: frame 10 is x_10\.JPG already"):
        numbered_images(tmp_path)
    (tmp_path / "a.png").touch()
    with pytest.raises(UserError, match=r"a\.png: the name does not end in a frame number"):
        numbered_images(tmp_path)
    assert numbered_images(tmp_path / "none") == {}
