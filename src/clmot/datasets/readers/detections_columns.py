"""What the rows of a detector's output say, in columns; ``detections_rows`` describes the tools and their keys."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any, Literal

from clmot.datasets.readers.json_files import numbers
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
    """Rows in columns, in their order.

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
