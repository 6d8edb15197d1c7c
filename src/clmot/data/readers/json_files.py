"""JSON annotation files: loading, and values of the right type."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from clmot.errors import UserError
from clmot.io.text import read_text


def load_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        UserError: it cannot be read or is not JSON (with the line).
    """
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}: not valid JSON: {error.msg}") from error
    except RecursionError as error:
        raise UserError(f"{path}: not a JSON text file") from error


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
