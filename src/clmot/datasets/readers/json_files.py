"""JSON annotation files: loading, and values of the right type."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from clmot.errors import UserError
from clmot.io.text import decode_text, read_bytes

_OTHER_TOOLS = {
    b'"rectanglelabels"': "Label Studio's JSON-MIN: export JSON or COCO there",
    b'"shape_attributes"': "of the VGG Image Annotator: export COCO there",
    b'"coordinates"': "CreateML's JSON: export COCO",
    b'"geometryType"': "of Supervisely: export COCO or YOLO there",
    b'"data_row"': "of Labelbox: convert it to COCO",
}
"""Tools whose JSON is not read, by a key that nobody else has."""


def load_json(path: Path, kind: Any = Any, expected: str = "") -> Any:
    """The content of a JSON file; numbers may be NaN and Infinity, as Python writes them.

    Args:
        path: the file.
        kind: the type of the content, as msgspec takes it: keys that it does not have are passed over unread.
        expected: what the file is, for the message where all of it is something else.

    Raises:
        UserError: it cannot be read, is not JSON (with the line), or is of another type (with the path in it, such as
            ``$.annotations[3].bbox``).
    """
    content = read_bytes(path)
    try:
        try:
            return msgspec.json.decode(content, type=kind)
        except msgspec.ValidationError:
            raise
        except (msgspec.DecodeError, UnicodeDecodeError):
            # not JSON to the letter: in another encoding, with NaN, or at fault, in a line that json knows
            return msgspec.convert(json.loads(decode_text(content, path)), kind)
    except msgspec.ValidationError as error:
        fault = _fault(error, path, "$")
        whole = " - at " not in str(error) and expected
        raise UserError(f"{fault}; expected {expected}{_tool_of(content)}") if whole else fault from error
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}: not valid JSON: {error.msg}") from error
    except (RecursionError, ValueError) as error:  # nested without end, or a number of thousands of digits
        raise UserError(f"{path}: not a JSON text file") from error


def _tool_of(content: bytes) -> str:
    """What the file is, where another tool's JSON tells."""
    head = content[:100_000]
    return next((f"; this is {name}" for mark, name in _OTHER_TOOLS.items() if mark in head), "")


def as_kind(value: Any, kind: Any, path: Path, place: str) -> Any:
    """A value of a JSON file as one of a type.

    Args:
        value: what `load_json` gave.
        kind: the type, as of `load_json`.
        path: the file, for messages.
        place: of the value in it, such as ``$.annotations[3]``.

    Raises:
        UserError: it is of another type (with the path in the file).
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _fault(error, path, place) from error


def _fault(error: msgspec.ValidationError, path: Path, place: str) -> UserError:
    what, _, inside = str(error).replace("`", "").partition(" - at $")
    return UserError(f"{path}: {place}{inside}: {what[0].lower()}{what[1:]}")


def numbers(values: object, count: int, where: str) -> list[float]:
    """A list of so many numbers; null, which stands for one that is not finite, becomes NaN.

    Raises:
        UserError: it is something else; `where` names the file and field.
    """
    if isinstance(values, list | tuple) and len(values) == count:
        if {*map(type, values)} == {float}:
            return list(values)
        found = [float("nan") if value is None else value for value in values]
        if all(isinstance(value, int | float) and not isinstance(value, bool) for value in found):
            # of a whole number, any size is valid JSON
            with suppress(OverflowError):
                return [float(value) for value in found]
    raise UserError(f"{where} is {str(values)[:60]}, expected {count} numbers")
