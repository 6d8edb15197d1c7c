"""Annotations in batches say what they say one by one."""

import math
from collections.abc import Callable
from itertools import chain
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clmot.data.readers.coco_records import AnnotationColumns
from clmot.errors import UserError

COLUMNS = ("ltwh", "image", "category", "ignore", "identity", "score")

NUMBERS = st.floats(allow_nan=False) | st.integers(-5, 5) | st.sampled_from([10**400, -(10**400), 2**63])
IDS = st.integers(0, 3) | st.sampled_from(["a", "1"])
USUAL = st.fixed_dictionaries(
    {"image_id": IDS, "category_id": IDS, "bbox": st.lists(NUMBERS, min_size=4, max_size=4)},
    optional={
        "iscrowd": st.sampled_from([0, 1, True, None]),
        "ignore": st.sampled_from([0, 1]),
        "track_id": st.none() | st.integers(-3, 2**63),
        "instance_id": st.none() | st.integers(-3, 9),
        "score": st.none() | NUMBERS,
    },
)
ODD = st.sampled_from(
    [
        7,
        None,
        {},
        {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3]},
        {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, "4"]},
        {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, True]},
        {"image_id": 1, "category_id": 1, "bbox": [1, 2, None, 4]},
        {"image_id": 1, "category_id": 1, "bbox": "1234"},
        {"image_id": True, "category_id": 1, "bbox": [1, 2, 3, 4]},
        {"image_id": 1, "category_id": 1.0, "bbox": [1, 2, 3, 4]},
        {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "track_id": "7"},
        {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "track_id": False},
        {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "instance_id": 1.5},
        {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": "high"},
    ]
)


def contents(columns: AnnotationColumns) -> list[object]:
    # a number that is not one equals no other
    values = [[None if math.isnan(value) else value for value in getattr(columns, name)] for name in COLUMNS]
    return [*values, list(columns.image_ids.items()), list(columns.category_ids.items())]


def fault_of(add: Callable[[Any], None], *arguments: Any) -> str | None:
    """What adding annotations finds wrong."""
    try:
        for argument in arguments:
            add(argument)
    except UserError as error:
        return str(error)
    return None


@given(st.lists(st.lists(USUAL, max_size=4) | st.lists(USUAL | ODD, max_size=4), max_size=3))
@example([[{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "track_id": -7}]])
def test_a_batch_is_its_annotations(batches: list[list[object]]) -> None:
    together, alone = AnnotationColumns("a.json: annotations"), AnnotationColumns("a.json: annotations")
    fault = fault_of(alone._append, *chain.from_iterable(batches))
    assert fault_of(together.extend, *batches) == fault
    assert contents(together) == contents(alone)
    if fault:
        assert fault.startswith(f"a.json: annotations[{len(alone.score)}]")


def test_what_is_as_usual_is_not_looked_at_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(AnnotationColumns, "_append")
    columns = AnnotationColumns("a.json: annotations")
    columns.extend([{"image_id": 5, "category_id": 1, "bbox": [1, 2, 3.5, 4], "iscrowd": number} for number in (0, 1)])
    columns.extend([{"image_id": 3, "category_id": 1, "bbox": [1, 2, 3, 4], "track_id": 8, "score": 0.5}])
    assert contents(columns) == [
        [1, 2, 3.5, 4, 1, 2, 3.5, 4, 1, 2, 3, 4],
        [0, 0, 1],
        [0, 0, 0],
        [0, 1, 0],
        [-1, -1, 8],
        [1, 1, 0.5],
        [(5, 0), (3, 1)],
        [(1, 0)],
    ]
