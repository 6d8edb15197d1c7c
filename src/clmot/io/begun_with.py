"""A folder belongs to the settings that it was begun with: a run that goes on there goes on with the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clmot.errors import UserError


def read_json(file: Path) -> dict[str, Any]:
    """The object in a file that `clmot.io.atomic.write_whole_json` wrote.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{file}: cannot be read; delete it to begin anew") from error


def check_same(before: Any, settings: Mapping[str, Any], file: Path) -> None:
    """Check that a file was begun with the settings of now.

    Args:
        before: as the file has them.
        settings: values that JSON knows.
        file: for the message.

    Raises:
        UserError: it was begun with others; names the first that differs.
    """
    now = json.loads(json.dumps(settings))  # as it comes back from a file
    if before != now:
        changed = _first_difference(before, now, "").removeprefix("config.")
        raise UserError(f"{file}: was begun with another {changed}; choose another --out, or delete that folder")


def _first_difference(before: Any, now: Any, path: str) -> str:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*before, *now]:
            if before.get(key) != now.get(key):
                return _first_difference(before.get(key), now.get(key), f"{path}.{key}".lstrip("."))
    return f"{path} ({before!r}, now {now!r})"
