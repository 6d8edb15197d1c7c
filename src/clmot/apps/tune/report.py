"""What a search for constants came to."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from clmot.apps.tune.search import Tuning


def changed(tuning: Tuning) -> dict[str, tuple[Any, Any]]:
    """The constants in which the best differ from those that the search started from: before and after."""
    before, after = dataclasses.asdict(tuning.base), dataclasses.asdict(tuning.best)
    return {name: (before[name], after[name]) for name in before if before[name] != after[name]}


def changes_line(changes: Mapping[str, tuple[Any, Any]]) -> str:
    """``high_score 0.5 -> 0.35, ...``."""
    return ", ".join(f"{name} {old} -> {new}" for name, (old, new) in changes.items()) or "nothing"
