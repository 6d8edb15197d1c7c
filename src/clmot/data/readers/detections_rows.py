"""Rows of a detector's output, in JSON or CSV, whichever tool wrote them.

- COCO results: ``bbox`` (left, top, width, height), ``score``, ``category_id``, ``image_id``;
- supervision's CSVSink and JSONSink: ``x_min``, ``y_min``, ``x_max``, ``y_max``, ``confidence``, ``class_id``,
  ``class_name`` where the model has names, ``tracker_id``;
- ultralytics' ``Results.to_json()``: ``box`` (``x1``, ``y1``, ``x2``, ``y2``, and more corners of oriented boxes),
  ``confidence``, ``name``, ``class``, ``track_id``.

Only COCO results always say which image a row is of. Supervision says what ``custom_data`` is given: an image's name
(`IMAGE_KEYS`) or a frame's number (`FRAME_KEYS`). Results of ultralytics do not know: their file is named after the
image, or holds them by image name (``{"a.jpg": [...]}``) or in the order of the images (``[[...], [...]]``).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from clmot.data.readers.detections_columns import SIDES, DetectedColumns, Place
from clmot.data.readers.json_stream import JsonStream, open_json
from clmot.errors import UserError
from clmot.io.text import read_text
from clmot.types import Float64Array, Int64Array


@dataclass(frozen=True, kw_only=True, eq=False)
class DetectedRows:
    """The n boxes of a file, in its order.

    Attributes:
        place: what `key` is.
        keys: the images that have boxes: names, frame numbers from 1 on, or positions in the file.
        image: int64 [n], position of each box's image in `keys`.
        boxes: float64 [n, 4], xyxy pixels; need not be finite.
        in_shares: the boxes are in shares of the image's size instead.
        classes: int64 [n], position in `names`.
        scores: float64 [n], as in the file; all 1 if there are none at all.
        identities: int64 [n], of a tracker; -1 for none.
        names: class names in order of first appearance.
    """

    place: Place
    keys: list[str | int]
    image: Int64Array
    boxes: Float64Array
    in_shares: bool
    classes: Int64Array
    scores: Float64Array
    identities: Int64Array
    names: list[str]


def read_detected_rows(file: Path) -> DetectedRows:
    """Read a CSV or JSON file of detections.

    Raises:
        UserError: the file cannot be read, or holds something else; a row lacks a box or image, or a value is no number
            (named by row).
    """
    columns = DetectedColumns(file)
    for batch in _batches(file):
        if len(batch.rows) == 1 or not columns.extend_usual(batch.rows, batch.image):
            for i, row in enumerate(batch.rows):
                columns.append(row, batch.image, batch.where(i))
    boxes, scores = np.asarray(columns.boxes).reshape(-1, 4), np.asarray(columns.scores)
    return DetectedRows(
        place=next(iter(columns.places), "image"),
        keys=[int(key) + 1 for key in columns.keys] if columns.from_zero else list(columns.keys),
        image=np.asarray(columns.image),
        boxes=boxes,
        # to_json(normalize=True): in pixels, all objects would lie within the first two of their images
        in_shares=columns.has_corners and bool(np.abs(boxes).max(initial=0) <= 2),
        classes=np.asarray(columns.classes),
        scores=np.ones(len(scores)) if np.isnan(scores).all() else scores,
        identities=np.asarray(columns.identities),
        names=list(columns.names),
    )


def is_detection(record: object) -> bool:
    """Whether an object has the keys of a detection of one of the tools."""
    if not isinstance(record, dict):
        return False
    keys = record.keys()
    return (
        {"image_id", "bbox", "score"} <= keys
        or set(SIDES) <= keys
        or ({"box", "confidence"} <= keys and isinstance(record["box"], dict))
    )


class _Batch(NamedTuple):
    """Rows that come one after the other.

    Attributes:
        rows: what stands there.
        image: that their place in the file says they are of, by name or number; None where they say so themselves.
        place: of the list that they are in, for messages, or of the only row.
        first: the number of the first in that list; None for the only row.
    """

    rows: list[Any]
    image: str | int | None
    place: str
    first: int | None = 0

    def where(self, i: int) -> str:
        """The place of the i-th of them in the file."""
        return self.place if self.first is None else f"{self.place}[{self.first + i}]"


def _batches(file: Path) -> Iterator[_Batch]:
    """All rows of a file, in its order."""
    if file.suffix.lower() == ".csv":
        reader = csv.DictReader(read_text(file).splitlines())
        for row in reader:
            yield _Batch([row], None, f"{file}:{reader.line_num}", None)
        return
    with open_json(file) as stream:
        if stream.peek() == "{":
            for key in stream.keys():
                yield from _list(stream, f"{file}: '{key}'", key)
        elif stream.peek() == "[":
            for batch in _list(stream, f"{file}: ", None):
                yield from _by_image(batch) if list in map(type, batch.rows) else (batch,)
        else:
            yield from _list(stream, f"{file}: the file", None)


def _by_image(batch: _Batch) -> Iterator[_Batch]:
    """Lists of rows, each of one image, and single rows among them."""
    for i, rows in enumerate(batch.rows):
        if isinstance(rows, list):
            yield _Batch(rows, (batch.first or 0) + i, batch.where(i))
        else:
            yield _Batch([rows], None, batch.where(i), None)


def _list(stream: JsonStream, name: str, image: str | int | None) -> Iterator[_Batch]:
    """The rows of the list that comes."""
    if stream.peek() != "[":
        raise UserError(f"{name} holds a {type(stream.value()).__name__}, expected a list of detections")
    first = 0
    for rows in stream.batches():
        yield _Batch(rows, image, name, first)
        first += len(rows)
