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
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clmot.datasets.readers.detections_columns import SIDES, DetectedColumns, Place
from clmot.datasets.readers.json_files import load_json
from clmot.errors import UserError
from clmot.io.text import read_text
from clmot.structures import Float64Array, Int64Array


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
    for row, given, where in _rows(file):
        columns.append(row, given, where)
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


def first_detection(head: str) -> dict[str, Any] | None:
    """The first detection in the beginning of a JSON text: in a list, a list of lists, or an object of lists."""
    for brace in itertools.islice(re.finditer(r"\{", head), 3):
        try:
            found = json.JSONDecoder().raw_decode(head, brace.start())[0]
        except json.JSONDecodeError:
            continue
        if is_detection(found):
            # in an object of lists, rows that name their image are annotations of a COCO file
            return found if head.startswith("[") or "box" in found else None
    return None


def _rows(file: Path) -> Iterator[tuple[Any, str | int | None, str]]:
    """Each row of a file, the image that its place in the file says it is of (by name or number), and that place."""
    if file.suffix.lower() == ".csv":
        reader = csv.DictReader(read_text(file).splitlines())
        for row in reader:
            yield row, None, f"{file}:{reader.line_num}"
        return
    content = load_json(file)
    if isinstance(content, dict):
        for key, rows in content.items():
            for i, row in enumerate(_list(rows, f"{file}: '{key}'")):
                yield row, key, f"{file}: '{key}'[{i}]"
        return
    for i, row in enumerate(_list(content, f"{file}: the file")):
        if isinstance(row, list):
            for j, each in enumerate(row):
                yield each, i, f"{file}: [{i}][{j}]"
        else:
            yield row, None, f"{file}: [{i}]"


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise UserError(f"{name} holds a {type(value).__name__}, expected a list of detections")
    return value
