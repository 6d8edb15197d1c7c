"""Rows of a detector's output, in JSON or CSV, whichever tool wrote them.

- COCO results: ``bbox`` (left, top, width, height), ``score``, ``category_id``, ``image_id``;
- supervision's CSVSink and JSONSink: ``x_min``, ``y_min``, ``x_max``, ``y_max``, ``confidence``, ``class_id``,
  ``class_name`` where the model has names, ``tracker_id``;
- ultralytics' ``Results.to_json()``: ``box`` (``x1``, ``y1``, ``x2``, ``y2``, and more corners of oriented boxes),
  ``confidence``, ``name``, ``class``, ``track_id``.

Only COCO results always say which image a row is of. Supervision says what ``custom_data`` is given: an image's name
or a frame's number. Results of ultralytics do not know: their file is named after the image, or holds them by image
name (``{"a.jpg": [...]}``) or in the order of the images (``[[...], [...]]``).
"""

from __future__ import annotations

import csv
import itertools
import json
import re
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from clmot.datasets.readers.json_files import load_json, numbers
from clmot.errors import UserError
from clmot.io.text import read_text

SIDES = ("x_min", "y_min", "x_max", "y_max")
_IMAGE_KEYS = ("file_name", "filename", "image_name", "image_path", "image", "path", "source", "image_id")
_FRAME_KEYS = ("frame_index", "frame_idx", "frame_number", "frame_id", "frame")
_COUNTED_FROM_ZERO = ("frame_index", "frame_idx")
"""Frame numbers of these names count from 0; others do if there is a frame 0."""
_CLASS_KEYS = ("class_name", "name", "class_id", "class", "category_id")
_SCORE_KEYS = ("confidence", "score")
_IDENTITY_KEYS = ("tracker_id", "track_id")
_LARGEST_WHOLE = 2.0**53

Place = Literal["image", "frame", "order"]
"""Rows say which image they are of by its name, by a frame number, or by the order of the images (from 0)."""
_Record = dict[str, Any]


class DetectedRows:
    """The n boxes of a CSV or JSON file, in its order.

    Attributes:
        place: what `keys` are.
        keys: the images that have boxes: names, frame numbers from 1 on, or positions in the file.
        image: int64 [n], position of each box's image in `keys`.
        boxes: float64 [n, 4], xyxy pixels; need not be finite.
        in_shares: the boxes are in shares of the image's size instead.
        classes: int64 [n], position in `names`.
        scores: float64 [n], as in the file; all 1 if there are none at all.
        identities: int64 [n], of a tracker; -1 for none.
        names: class names in order of first appearance.

    Raises:
        UserError: the file cannot be read, or holds something else; a row lacks a box or image, or a value is no number
            (named by row).
    """

    def __init__(self, file: Path) -> None:
        places: set[Place] = set()
        keys: dict[str | int, int] = {}
        names: dict[str, int] = {}
        from_zero = has_corners = False
        # lists of Python numbers would take three times the memory
        image, classes, identities = array("q"), array("q"), array("q")
        boxes, scores = array("d"), array("d")
        for row, given, where in _rows(file):
            if not isinstance(row, dict):
                raise UserError(f"{where} is {row!r:.60}, expected an object")
            place, key, name = _place(row, given, file, where)
            if places - {place}:
                raise UserError(
                    f"{where}: names its {place}, rows before it do not; every row must name its image alike"
                )
            places.add(place)
            from_zero |= place == "frame" and (name in _COUNTED_FROM_ZERO or key == 0)
            has_corners |= "box" in row
            image.append(keys.setdefault(key, len(keys)))
            boxes.extend(_box(row, where))
            label = _first_present(row, _CLASS_KEYS)
            classes.append(names.setdefault(str(row[label]) if label else "object", len(names)))
            scores.append(_number(row, _SCORE_KEYS, where))
            identity = _number(row, _IDENTITY_KEYS, where)
            identities.append(max(int(identity), -1) if abs(identity) <= _LARGEST_WHOLE else -1)
        self.place: Place = next(iter(places), "image")
        self.keys: list[str | int] = [int(key) + 1 for key in keys] if from_zero else list(keys)
        self.image, self.classes, self.identities = np.asarray(image), np.asarray(classes), np.asarray(identities)
        self.boxes, self.scores = np.asarray(boxes).reshape(-1, 4), np.asarray(scores)
        if np.isnan(self.scores).all():
            self.scores = np.ones(len(scores))
        # to_json(normalize=True): in pixels, all objects would lie within the first two of their images
        self.in_shares = has_corners and bool(np.abs(self.boxes).max(initial=0) <= 2)
        self.names = list(names)


def first_detection(head: str) -> _Record | None:
    """The first detection in the beginning of a JSON text: in a list, a list of lists, or an object of lists."""
    for brace in itertools.islice(re.finditer(r"\{", head), 3):
        try:
            found = json.JSONDecoder().raw_decode(head, brace.start())[0]
        except (ValueError, RecursionError):
            continue
        keys = found.keys()
        of_ultralytics = {"box", "confidence"} <= keys and isinstance(found["box"], dict)
        if {"image_id", "bbox", "score"} <= keys or set(SIDES) <= keys or of_ultralytics:
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


def _place(record: _Record, given: str | int | None, file: Path, where: str) -> tuple[Place, str | int, str]:
    """How a row says which image it is of, which it is, and the key that says so."""
    if given is not None:
        return ("order" if isinstance(given, int) else "image"), given, ""
    if name := _first_present(record, _IMAGE_KEYS):
        key = record[name]
        if isinstance(key, bool) or not isinstance(key, str | int):
            raise UserError(f"{where}.{name} is {str(key)[:60]!r}, expected a name or number")
        return "image", key, name
    if name := _first_present(record, _FRAME_KEYS):
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


def _number(record: _Record, names: tuple[str, ...], where: str) -> float:
    """The first of some keys that is there, as a number; NaN where none is, or it is empty."""
    name = _first_present(record, names)
    if name is None:
        return float("nan")
    try:
        if isinstance(record[name], str | int | float) and not isinstance(record[name], bool):
            return float(record[name])
    except (ValueError, OverflowError):
        pass
    raise UserError(f"{where}.{name} is {str(record[name])[:60]!r}, expected a number")


def _first_present(record: _Record, names: tuple[str, ...]) -> str | None:
    for name in names:
        if record.get(name) not in (None, ""):
            return name
    return None
