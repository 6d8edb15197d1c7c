"""Paths as callers give them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

Paths = str | Path | Sequence[str | Path]
"""One path or several."""


def as_paths(given: Paths) -> list[Path]:
    """One path or several as a list."""
    return [Path(path) for path in ([given] if isinstance(given, str | Path) else given)]
