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
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from clmot.data.readers.json_files import numbers
from clmot.data.readers.json_stream import JsonStream, open_json
from clmot.data.readers.table import read_text
from clmot.errors import UserError
from clmot.types import Float64Array, Int64Array

IMAGE_KEYS = ("file_name", "filename", "image_name", "image_path", "image", "path", "source", "image_id")
"""What the image of a row may be called."""

FRAME_KEYS = ("frame_index", "frame_idx", "frame_number", "frame_id", "frame")
"""What the frame number of a row may be called."""

COUNTED_FROM_ZERO = ("frame_index", "frame_idx")
"""Frame numbers of these names count from 0; others do if there is a frame 0."""

SIDES = ("x_min", "y_min", "x_max", "y_max")

Place = Literal["image", "frame", "order"]
"""Rows say which image they are of by its name, by a frame number, or by the order of the images (from 0)."""

_Record = dict[str, Any]
_LARGEST_WHOLE = 2.0**53


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
    names: dict[str, int] = {}
    keys: dict[str | int, int] = {}
    # columns of numbers: as objects, a million rows would take a gigabyte
    image, classes, identities = array("q"), array("q"), array("q")
    boxes, scores = array("d"), array("d")
    places: set[Place] = set()
    from_zero = has_corners = False
    for where, given, record in _records(file):
        place, key, name = _place(record, given, file, where)
        places.add(place)
        if len(places) > 1:
            raise UserError(f"{where}: names its {place}, rows before it do not; every row must name its image alike")
        from_zero |= place == "frame" and (name in COUNTED_FROM_ZERO or key == 0)
        has_corners |= "box" in record
        image.append(keys.setdefault(key, len(keys)))
        boxes.extend(_box(record, where))
        classes.append(names.setdefault(_class_name(record), len(names)))
        scores.append(_number(record, ("confidence", "score"), where))
        identity = _number(record, ("tracker_id", "track_id"), where)
        identities.append(int(identity) if abs(identity) <= _LARGEST_WHOLE else -1)
    table, score = np.asarray(boxes).reshape(-1, 4), np.asarray(scores)
    # to_json(normalize=True): in pixels, all objects would lie within the first two of their images
    in_shares = has_corners and bool(np.abs(table).max(initial=0) <= 2)
    return DetectedRows(
        place=next(iter(places), "image"),
        keys=[int(key) + 1 for key in keys] if from_zero else list(keys),
        image=np.asarray(image),
        boxes=table,
        in_shares=in_shares,
        classes=np.asarray(classes),
        scores=np.ones(len(score)) if np.isnan(score).all() else score,
        identities=np.maximum(np.asarray(identities), -1),
        names=list(names),
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


def _records(file: Path) -> Iterator[tuple[str, str | int | None, _Record]]:
    """Each row: its place in the file for messages, the image that its place says it is of, and the row."""
    if file.suffix.lower() == ".csv":
        reader = csv.DictReader(read_text(file).splitlines())
        for row in reader:
            yield f"{file}:{reader.line_num}", None, row
        return
    # a path takes its time to become text
    name = str(file)
    with open_json(file) as stream:
        if stream.peek() == "{":
            for key in stream.keys():
                yield from _rows(stream, f"{name}: '{key}'", key)
        elif stream.peek() == "[":
            for i in stream.items():
                where = f"{name}: [{i}]"
                if stream.peek() == "[":
                    yield from _rows(stream, where, i)
                else:
                    yield where, None, _row(stream, where)
        else:
            yield from _rows(stream, f"{name}: the file", None)


def _rows(stream: JsonStream, name: str, key: str | int | None) -> Iterator[tuple[str, str | int | None, _Record]]:
    """The rows of a list, which are of one image if there is a `key`."""
    if stream.peek() != "[":
        raise UserError(f"{name} holds a {type(stream.value()).__name__}, expected a list of detections")
    for i in stream.items():
        where = f"{name}[{i}]"
        yield where, key, _row(stream, where)


def _row(stream: JsonStream, where: str) -> _Record:
    row = stream.value()
    if not isinstance(row, dict):
        raise UserError(f"{where} is {row!r:.60}, expected an object")
    return row


def _place(record: _Record, given: str | int | None, file: Path, where: str) -> tuple[Place, str | int, str]:
    """How a row says which image it is of, which it is, and the key that says so."""
    if given is not None:
        return ("order" if isinstance(given, int) else "image"), given, ""
    if name := _first_present(record, IMAGE_KEYS):
        key = record[name]
        if isinstance(key, bool) or not isinstance(key, str | int):
            raise UserError(f"{where}.{name} is {str(key)[:60]!r}, expected a name or number")
        return "image", key, name
    if name := _first_present(record, FRAME_KEYS):
        number = _number(record, (name,), where)
        if not number.is_integer() or number < 0:
            raise UserError(f"{where}.{name} is {record[name]!r}, expected a whole number >= 0")
        return "frame", int(number), name
    if "box" in record:
        return "image", file.stem, ""
    raise UserError(
        f"{where} does not say which image it is of; let the sink write it: "
        "sink.append(detections, custom_data={'frame_number': ...}) or {'image': ...}"
    )


def _box(record: _Record, where: str) -> list[float]:
    """Left, top, right, bottom."""
    if "bbox" in record:
        left, top, width, height = numbers(record["bbox"], 4, f"{where}.bbox")
        return [left, top, left + width, top + height]
    if isinstance(record.get("box"), dict):
        # two corners, or the four of an oriented box
        corners = record["box"]
        xs, ys = ([_number(corners, (key,), f"{where}.box") for key in corners if key[:1] == axis] for axis in "xy")
        if len(xs) >= 2 and len(ys) >= 2:
            return [min(xs), min(ys), max(xs), max(ys)]
    elif all(side in record for side in SIDES):
        return [_number(record, (side,), where) for side in SIDES]
    raise UserError(f"{where} has no box: expected bbox, {', '.join(SIDES)}, or box with x1, y1, x2, y2")


def _class_name(record: _Record) -> str:
    name = _first_present(record, ("class_name", "name", "class_id", "class", "category_id"))
    return str(record[name]) if name else "object"


def _number(record: _Record, names: tuple[str, ...], where: str) -> float:
    """The first of some keys that is there, as a number; NaN where none is, or it is empty."""
    name = _first_present(record, names)
    if name is None:
        return float("nan")
    try:
        if isinstance(record[name], str | int | float) and not isinstance(record[name], bool):
            return float(record[name])
    except ValueError:
        pass
    raise UserError(f"{where}.{name} is {str(record[name])[:60]!r}, expected a number")


def _first_present(record: _Record, names: tuple[str, ...]) -> str | None:
    """The first of some keys whose value is not empty."""
    for name in names:
        if record.get(name) not in (None, ""):
            return name
    return None
