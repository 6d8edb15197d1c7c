"""What the rows of a detector's output say, in columns; ``detections_rows`` describes the tools and their keys."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from types import NoneType
from typing import Any, Literal

import numpy as np

from clmot.data.readers.json_files import numbers
from clmot.errors import UserError

IMAGE_KEYS = ("file_name", "filename", "image_name", "image_path", "image", "path", "source", "image_id")
"""What the image of a row may be called."""

FRAME_KEYS = ("frame_index", "frame_idx", "frame_number", "frame_id", "frame")
"""What the frame number of a row may be called."""

COUNTED_FROM_ZERO = ("frame_index", "frame_idx")
"""Frame numbers of these names count from 0; others do if there is a frame 0."""

SIDES = ("x_min", "y_min", "x_max", "y_max")

Place = Literal["image", "frame", "order"]
"""Rows say which image they are of by its name, by a frame number, or by the order of the images (from 0)."""

_CLASS_KEYS = ("class_name", "name", "class_id", "class", "category_id")
_SCORE_KEYS = ("confidence", "score")
_IDENTITY_KEYS = ("tracker_id", "track_id")

_Record = dict[str, Any]
_LARGEST_WHOLE = 2.0**53


class DetectedColumns:
    """Rows in columns, in their order: as objects, a million would take a gigabyte.

    Attributes:
        places: how rows say which image they are of: one way, none where there is no row.
        keys: the images that have boxes, each with its number in `image`.
        names: the classes, each with its number in `classes`.
        from_zero: frame numbers count from 0.
        has_corners: some boxes are as ultralytics has them, perhaps in shares of the image's size.
        image: int64.
        boxes: left, top, right and bottom, float64; need not be finite.
        classes: int64.
        scores: float64, NaN where there is none.
        identities: int64, -1 where there is none.
    """

    def __init__(self, file: Path) -> None:
        """Start without rows; a file of ultralytics is named after its image."""
        self._file = file
        self.places: set[Place] = set()
        self.keys: dict[str | int, int] = {}
        self.names: dict[str, int] = {}
        self.from_zero = self.has_corners = False
        self.image, self.classes, self.identities = array("q"), array("q"), array("q")
        self.boxes, self.scores = array("d"), array("d")

    def append(self, row: Any, given: str | int | None, where: str) -> None:
        """Add a row.

        Args:
            row: what stands there.
            given: the image that it is of, if its place in the file says so: the name, or the number in their order.
            where: its place in the file, for messages.

        Raises:
            UserError: it is no object, lacks a box or image, or a value is no number.
        """
        if not isinstance(row, dict):
            raise UserError(f"{where} is {row!r:.60}, expected an object")
        place, key, name = _place(row, given, self._file, where)
        if self.places - {place}:
            raise UserError(f"{where}: names its {place}, rows before it do not; every row must name its image alike")
        self.places.add(place)
        self.from_zero |= place == "frame" and (name in COUNTED_FROM_ZERO or key == 0)
        self.has_corners |= "box" in row
        self.image.append(self.keys.setdefault(key, len(self.keys)))
        self.boxes.extend(_box(row, where))
        self.classes.append(self.names.setdefault(_class_name(row), len(self.names)))
        self.scores.append(_number(row, _SCORE_KEYS, where))
        identity = _number(row, _IDENTITY_KEYS, where)
        self.identities.append(max(int(identity), -1) if abs(identity) <= _LARGEST_WHOLE else -1)

    def extend_usual(self, rows: Sequence[Any], given: str | int | None) -> bool:
        """Add rows that are all alike without looking at each, which is several times as fast.

        Args:
            rows: what stands there.
            given: as of `append`, for all of them.

        Returns:
            Whether they are added; none of them is where one may be at fault or says what it says in its own way.
        """
        if {*map(type, rows)} != {dict} or "box" in rows[0]:
            return False
        # with the same keys in all, the first row tells which of them say what
        if {*map(len, rows)} != {len(rows[0])} or set().union(*rows) != rows[0].keys():
            return False
        try:
            place, name, keys = _usual_place(rows, given)
            boxes = _usual_boxes(rows)
            _, scores = _column(rows, _SCORE_KEYS, {float, int})
            _, identities = _column(rows, _IDENTITY_KEYS, {int})
            _, classes = _column(rows, _CLASS_KEYS, {str}, {int})
            score = array("d", scores or [float("nan")] * len(rows))
        except (_Unusual, OverflowError):
            return False
        if self.places - {place} or (identities and not -1 <= min(identities) <= max(identities) <= _LARGEST_WHOLE):
            return False
        self.places.add(place)
        self.from_zero |= place == "frame" and (name in COUNTED_FROM_ZERO or 0 in keys)
        self.image += array("q", [self.keys.setdefault(key, len(self.keys)) for key in keys])
        self.boxes += boxes
        classes = classes or ["object"] * len(rows)
        number = {value: self.names.setdefault(str(value), len(self.names)) for value in dict.fromkeys(classes)}
        self.classes += array("q", [number[value] for value in classes])
        self.scores += score
        self.identities += array("q", identities or [-1] * len(rows))
        return True


class _Unusual(Exception):
    """Rows that are to be looked at one by one."""


def _usual_place(rows: Sequence[_Record], given: str | int | None) -> tuple[Place, str, list[Any]]:
    """How rows say which images they are of, the key that says so, and which they are."""
    if given is not None:
        return ("order" if isinstance(given, int) else "image"), "", [given] * len(rows)
    name, keys = _column(rows, IMAGE_KEYS, {str, int})
    if name:
        return "image", name, keys
    name, keys = _column(rows, FRAME_KEYS, {int})
    if not name or min(keys) < 0:
        raise _Unusual
    return "frame", name, keys


def _usual_boxes(rows: Sequence[_Record]) -> array[float]:
    """Left, top, right and bottom of rows."""
    if "bbox" in rows[0]:
        boxes = [row["bbox"] for row in rows]
        if {*map(type, boxes)} != {list} or {*map(len, boxes)} != {4}:
            raise _Unusual
    elif all(side in rows[0] for side in SIDES):
        boxes = [[row[side] for side in SIDES] for row in rows]
    else:
        raise _Unusual
    sides = list(chain.from_iterable(boxes))
    if not {*map(type, sides)} <= {float, int}:
        raise _Unusual
    table = np.array(sides, np.float64).reshape(-1, 4)
    if "bbox" in rows[0]:
        with np.errstate(over="ignore", invalid="ignore"):
            table[:, 2:] += table[:, :2]
    return array("d", table.tobytes())


def _column(rows: Sequence[_Record], names: tuple[str, ...], *kinds: set[type]) -> tuple[str, list[Any]]:
    """The first of some keys that is not empty, and its values, of types that go together; nothing where none is."""
    for name in names:
        if name in rows[0]:
            values = [row[name] for row in rows]
            types = {*map(type, values)}
            if types == {NoneType} or (types == {str} and not any(values)):
                continue
            if not any(types <= kind for kind in kinds) or (str in types and "" in values):
                raise _Unusual
            return name, values
    return "", []


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
    name = _first_present(record, _CLASS_KEYS)
    return str(record[name]) if name else "object"


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
    """The first of some keys whose value is not empty."""
    for name in names:
        if record.get(name) not in (None, ""):
            return name
    return None
