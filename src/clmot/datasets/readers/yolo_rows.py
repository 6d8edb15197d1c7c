"""The rows of YOLO label files: a class and, in shares of the image's size, a box or a polygon.

After the class, a row holds one of

- centre x, centre y, width, height;
- a polygon ``x1 y1 x2 y2 x3 y3 ...`` (segments; oriented boxes are its case of four corners): its extent is the box;
- a box and key points, which are passed over; only ``kpt_shape`` in data.yaml tells it from a polygon;

and then, as ultralytics' ``save_txt`` appends them, a confidence, a track number, or both in this order; CVAT appends a
track number. Nothing in a file says which it is, so `RowForm` looks at all files of a data set together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clmot.errors import UserError
from clmot.io.text import read_lines
from clmot.structures import BoolArray, Float32Array, Float64Array, Int64Array

LARGEST_SHARE = 10.0
"""Beyond it a share of an image's size must be in pixels: boxes extend beyond the image, but not by ten images."""
MOST_CLASSES = 100_000
"""Numbers beyond it are no classes; names are made for all below the highest."""
_LARGEST_WHOLE = 2**53
"""Beyond it float64 skips whole numbers."""
_LARGEST_IMAGE = 1e6
"""Pixels a side."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelRows:
    """The n rows of a label file.

    Attributes:
        line: int64 [n], the row's line in the file, 1-based.
        class_id: int64 [n].
        count: int64 [n], how many values follow the class, key points left out; at least 4.
        values: float64 [n, largest count], those values as they stand there, in front.
    """

    line: Int64Array
    class_id: Int64Array
    count: Int64Array
    values: Float64Array

    @property
    def last(self) -> Float64Array:
        """Float64 [n], the last value of each row."""
        return np.asarray(self.values[np.arange(len(self.count)), self.count - 1])


def read_label_file(file: Path, key_points: int = 0) -> LabelRows | None:
    """The rows of a label file; None if there is no such file.

    Args:
        file: ``<image>.txt``.
        key_points: how many values of key points follow each box.

    Raises:
        UserError: the file cannot be read, or a row (named by its line) is not of numbers, does not begin with a class
            number, or is too short.
    """
    if not file.is_file():
        return None
    rows: list[list[float]] = []
    lines: list[int] = []
    for line, content in read_lines(file):
        words = content.split()
        try:
            row = list(map(float, words))
        except ValueError:
            raise UserError(f"{file}:{line}: '{content[:60]}' is not a row of numbers with blanks between") from None
        if not (row[0].is_integer() and 0 <= row[0] < MOST_CLASSES):
            raise UserError(f"{file}:{line}: class is {words[0]}, expected a whole number from 0 to {MOST_CLASSES - 1}")
        if len(row) < 5 + key_points:
            raise UserError(
                f"{file}:{line}: {len(row)} columns, expected class, x_center, y_center, width, height"
                + (f" and {key_points} values of key points" if key_points else "")
            )
        del row[5 : 5 + key_points]
        rows.append(row)
        lines.append(line)
    count = np.array([len(row) for row in rows], np.int64)
    longest = count.max(initial=5)
    if (count < longest).any():
        rows = [row + [np.nan] * (longest - len(row)) for row in rows]
    table = np.array(rows, np.float64).reshape(len(rows), longest)
    return LabelRows(
        line=np.array(lines, np.int64), class_id=table[:, 0].astype(np.int64), count=count - 1, values=table[:, 1:]
    )


class RowForm:
    """How a data set's rows end, found out from all of them.

    A single value too many is a track number if it is a whole number in every such row, and either is above 1
    somewhere or never comes twice in a file; else it is a confidence. Two values too many may as well be a point of a
    polygon: they are a confidence and a track number if somewhere the last of them is a whole number above 1, which no
    share of an image is.
    """

    def __init__(self, files: Iterable[LabelRows], *, polygons: bool) -> None:
        """Look at the rows of each file; without `polygons`, rows are boxes throughout."""
        self._polygons = polygons
        any_single, any_pair, whole, unique, largest_single, largest_of_pair = False, False, True, True, 0.0, 0.0
        for rows in files:
            if (rows.count == 4).all():
                continue
            singles, pairs = rows.last[rows.count % 2 == 1], rows.last[_may_end_in_pair(rows)]
            any_single |= len(singles) > 0
            any_pair |= len(pairs) > 0
            whole &= bool(_is_whole(singles).all())
            unique &= len(np.unique(singles)) == len(singles)
            largest_single = max(largest_single, singles.max(initial=0, where=_is_whole(singles)))
            largest_of_pair = max(largest_of_pair, pairs.max(initial=0, where=_is_whole(pairs)))
        self._tracks = any_single and whole and (largest_single > 1 or unique)
        self._scores = any_single and not self._tracks
        self._pairs = any_pair and (not polygons or largest_of_pair > 1)

    @property
    def is_of_video(self) -> bool:
        """Whether rows hold track numbers, or confidences of a detector, whose images may be the frames of a video."""
        return self._tracks or self._scores or self._pairs

    def scores(self, rows: LabelRows) -> Float32Array:
        """The confidence of each row of one file, float32 [n]; 1 where it has none."""
        single = (rows.count % 2 == 1) & self._scores
        pair = self._pair(rows)
        scores = np.where(single, rows.last, 1.0)
        scores[pair] = rows.values[pair, rows.count[pair] - 2]
        return scores.astype(np.float32)

    def parse(self, rows: LabelRows, file: Path) -> tuple[Float64Array, Int64Array]:
        """The rows of one file as boxes.

        Returns:
            float64 [n, 4], left, top, right and bottom in shares of the image; int64 [n], track numbers, -1 for none.

        Raises:
            UserError: a track number comes twice, or a box is in pixels.
        """
        single = rows.count % 2 == 1
        pair = self._pair(rows)
        tracked = pair | (single & self._tracks)
        identity = np.where(tracked, rows.last, -1).astype(np.int64)
        _check_unique(rows.line[identity >= 0], identity[identity >= 0], file)
        count = rows.count - np.where(pair, 2, single)
        center, size = rows.values[:, 0:2], rows.values[:, 2:4]
        boxes = np.concatenate([center - size / 2, center + size / 2], axis=1)
        if self._polygons:
            for i in np.flatnonzero(count > 4):
                points = rows.values[i, : count[i]].reshape(-1, 2)
                boxes[i] = [*points.min(axis=0), *points.max(axis=0)]
        _check_shares(boxes, rows.line, file)
        return boxes, identity

    def _pair(self, rows: LabelRows) -> BoolArray:
        """Which rows end in a confidence and a track number."""
        return np.asarray(_may_end_in_pair(rows) & _is_whole(rows.last) & self._pairs)


def _may_end_in_pair(rows: LabelRows) -> BoolArray:
    return np.asarray((rows.count % 2 == 0) & (rows.count >= 6))


def _is_whole(values: Float64Array) -> BoolArray:
    return np.asarray((np.abs(values) <= _LARGEST_WHOLE) & (values == np.floor(values)))


def _check_shares(boxes: Float64Array, lines: Int64Array, file: Path) -> None:
    """Raises UserError, with the line, for the first box that no share of an image can be."""
    # what is no number, or larger than any image, is a degenerate box
    largest = np.abs(boxes).max(axis=1, initial=0)
    wrong = (largest > LARGEST_SHARE) & (largest < _LARGEST_IMAGE)
    if wrong.any():
        i = int(np.argmax(wrong))
        raise UserError(
            f"{file}:{lines[i]}: the box goes from {boxes[i, :2].tolist()} to {boxes[i, 2:].tolist()}; expected shares "
            "of the image (x_center and width divided by its width, y_center and height by its height), not pixels"
        )


def _check_unique(lines: Int64Array, identity: Int64Array, file: Path) -> None:
    """Raises UserError, with the line, for the first track number that comes a second time."""
    _, first, inverse = np.unique(identity, return_index=True, return_inverse=True)
    repeats = np.flatnonzero(first[inverse] != np.arange(len(identity)))
    if len(repeats):
        i = repeats[0]
        raise UserError(
            f"{file}:{lines[i]}: track {identity[i]} is in line {lines[first[inverse][i]]} already; an object has one "
            "box in an image"
        )
