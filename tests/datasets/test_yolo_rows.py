"""Rows of YOLO label files, whatever numbers they hold."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clmot.datasets.readers.yolo_rows import RowForm, read_label_file

number = st.floats(0, 1).map(lambda value: round(value, 4))


def parsed(folder: Path, rows: list[list[float]]) -> tuple[list[list[float]], list[int]]:
    path = folder / "a.txt"
    path.write_text("".join(" ".join(map(str, row)) + "\n" for row in rows))
    found = read_label_file(path)
    assert found is not None
    boxes, identities = RowForm([found], polygons=True).parse(found, path)
    return boxes.tolist(), identities.tolist()


@given(st.lists(st.lists(st.tuples(number, number), min_size=3, max_size=9), max_size=4))
def test_polygons_are_never_taken_for_tracks(
    tmp_path_factory: pytest.TempPathFactory, polygons: list[list[tuple[float, float]]]
) -> None:
    rows = [[0, *(value for point in polygon for value in point)] for polygon in polygons]
    expected = [[*map(min, zip(*polygon, strict=True)), *map(max, zip(*polygon, strict=True))] for polygon in polygons]
    assert parsed(tmp_path_factory.mktemp("yolo"), rows) == (expected, [-1] * len(polygons))


@given(st.lists(st.tuples(st.integers(0, 9), number, number, number, number), max_size=5))
def test_center_and_size_are_those_of_the_row(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[float]]
) -> None:
    boxes, identities = parsed(tmp_path_factory.mktemp("yolo"), rows)
    assert identities == [-1] * len(rows)
    for (left, top, right, bottom), (_, *expected) in zip(boxes, rows, strict=True):
        found = [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]
        np.testing.assert_allclose(found, expected, atol=1e-9)
