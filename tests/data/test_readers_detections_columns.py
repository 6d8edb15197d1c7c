"""Rows of a detector in batches say what they say one by one."""

import copy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clmot.data.readers.detections_columns import DetectedColumns
from clmot.errors import UserError

COCO = {"image_id": 3, "category_id": 1, "bbox": [1.5, 2, 3, 4], "score": 0.5}
SUPERVISION = {
    "x_min": 1.0,
    "y_min": 2.5,
    "x_max": 3,
    "y_max": 4,
    "class_id": 0,
    "confidence": 0.5,
    "tracker_id": 4,
    "class_name": "person",
    "frame_number": 0,
}
ULTRALYTICS = {"name": "dog", "class": 3, "confidence": 0.25, "box": {"x1": 1.0, "y1": 2.0, "x2": 3.0, "y2": 4.0}}
KEYS = sorted({*COCO, *SUPERVISION, *ULTRALYTICS, "frame_index", "file_name"})
SIDES = [1.0, float("inf"), -float("inf"), float("nan"), 1e308, 10**400, -2]
VALUES = st.sampled_from(
    [
        "",
        None,
        "a",
        "7",
        0,
        1,
        -3,
        2**53 + 1,
        10**400,
        True,
        1.0,
        2.5,
        float("nan"),
        [1, 2, 3, 4],
        [1.0],
        {},
        [0, 0, 0, "1"],
    ]
) | st.lists(st.sampled_from(SIDES), min_size=4, max_size=4)


@st.composite
def batches(draw: st.DrawFn) -> list[object]:
    """Rows of one kind, of which some are changed."""
    rows: list[object] = [copy.deepcopy(draw(st.shared(st.sampled_from([COCO, SUPERVISION, ULTRALYTICS]))))] * draw(
        st.integers(1, 4)
    )
    rows = copy.deepcopy(rows)
    for _ in range(draw(st.integers(0, 2))):
        key, value = draw(st.sampled_from(KEYS)), draw(VALUES)
        chosen = rows if draw(st.booleans()) else [draw(st.sampled_from(rows))]
        for row in chosen:
            row[key] = value
            if draw(st.integers(0, 3)) == 0:
                del row[key]
    if draw(st.integers(0, 5)) == 0:
        rows.append(draw(VALUES))
    return rows


def contents(columns: DetectedColumns) -> list[object]:
    numbers = (columns.image, columns.classes, columns.identities, columns.boxes, columns.scores)
    arrays = [np.asarray(each).tobytes() for each in numbers[:3]] + [repr(list(each)) for each in numbers[3:]]
    named = (columns.places, list(columns.keys.items()), list(columns.names), columns.from_zero, columns.has_corners)
    return [*arrays, *named]


def one_by_one(columns: DetectedColumns, rows: list[object], given: str | int | None) -> str | None:
    """What adding rows one by one finds wrong."""
    try:
        for row in rows:
            columns.append(row, given, "row")
    except UserError as error:
        return str(error)
    return None


@example([[SUPERVISION, {key: value for key, value in SUPERVISION.items() if key != "class_name"}]], None)
@example([[SUPERVISION | {"class_name": name} for name in ("a", "")]], None)
@example([[COCO | {"image_id": name} for name in ("a", "")]], None)
@given(st.lists(batches(), max_size=3), st.none() | st.sampled_from(["a.jpg", 2]))
def test_a_batch_is_its_rows(parts: list[list[object]], image: str | int | None) -> None:
    together, alone = DetectedColumns(Path("a.json")), DetectedColumns(Path("a.json"))
    for rows in parts:
        before = contents(together)
        added = together.extend_usual(rows, image)
        if not added:
            assert contents(together) == before
            if one_by_one(together, rows, image):
                return
        fault = one_by_one(alone, rows, image)
        assert fault is None
        assert contents(together) == contents(alone)


@pytest.mark.parametrize(
    ("rows", "image"),
    [
        ([COCO, COCO | {"image_id": "b", "bbox": [1, 2, 3, 4]}], None),
        ([SUPERVISION, SUPERVISION | {"frame_number": 7}], None),
        ([SUPERVISION | {"tracker_id": "", "class_name": None}] * 2, None),
        ([{"bbox": [1, 2, 3, 4]}] * 2, "a.jpg"),
        ([{"bbox": [1, 2, 3, 4]}] * 2, 4),
    ],
    ids=["COCO", "supervision", "supervision without names", "by image", "in the order of images"],
)
def test_what_tools_write_is_not_looked_at_one_by_one(rows: list[object], image: str | int | None) -> None:
    together, alone = DetectedColumns(Path("a.json")), DetectedColumns(Path("a.json"))
    assert together.extend_usual(rows, image)
    assert one_by_one(alone, rows, image) is None
    assert contents(together) == contents(alone)
