"""What people say of tracks, their names above all, as a file beside results: ``NAME.names.json``."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clmot.errors import readable
from clmot.io.atomic import write_whole_json

Attributes = Mapping[int, Mapping[str, str]]
"""By track and attribute; what a track is called is its attribute ``name``."""
NAME = "name"


def read_attributes(results: Path) -> dict[int, dict[str, str]]:
    """What is said of the tracks of a results file; nothing where nobody says, or what is there cannot be read."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        content = json.loads(_beside(results).read_text(encoding="utf-8"))
        return {int(track): texts(told if isinstance(told, dict) else {NAME: told}) for track, told in content.items()}
    return {}


def write_attributes(results: Path, attributes: Attributes) -> None:
    """Write it, a track that only has a name as its name; without any there is no file.

    Raises:
        UserError: it cannot be written.
    """
    told = {str(track): each[NAME] if {*each} == {NAME} else dict(each) for track, each in sorted(attributes.items())}
    if told:
        write_whole_json(_beside(results), told, "the names of tracks")
    else:
        _beside(results).unlink(missing_ok=True)


def texts(told: Mapping[str, Any]) -> dict[str, str]:
    """The attributes that are texts with something in them."""
    return {readable(name): readable(text) for name, text in told.items() if isinstance(text, str) and text.strip()}


def _beside(results: Path) -> Path:
    return results.with_name(f"{results.stem}.names.json")
