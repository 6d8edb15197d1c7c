"""What is searched: which constants of the association, between which ends, and when they matter at all.

Left out are constants that follow from the video (``frame_rate``) or from the scene (``camera``): these are what they
were set to.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any, Protocol

from clmot.config.tracker import TrackerConfig

Values = dict[str, Any]
"""Fields of `TrackerConfig` and what was chosen for them."""


class Chooser(Protocol):
    """What chooses; an Optuna trial is one."""

    def suggest_float(self, name: str, low: float, high: float, *, step: float) -> float:
        """One of low, low + step, ... high."""

    def suggest_int(self, name: str, low: int, high: int) -> int:
        """One of low ... high."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices."""


def choose(
    chooser: Chooser,
    base: TrackerConfig,
    held: AbstractSet[str] = frozenset(),
    *,
    embeddings: bool = True,
) -> TrackerConfig:
    """A point of the space.

    Args:
        chooser: is asked for every constant that matters, given those chosen before.
        base: what is not searched.
        held: fields that keep their value of `base`.
        embeddings: whether the detections have any.
    """
    values: Values = {}

    def number(name: str, low: float, high: float, step: float = 0.05) -> float:
        if name in held:
            return float(getattr(base, name))
        values[name] = round(chooser.suggest_float(name, low, high, step=step), 9)
        return float(values[name])

    def whole(name: str, low: int, high: int) -> None:
        if name not in held:
            values[name] = chooser.suggest_int(name, low, high)

    def switch(name: str) -> None:
        if name not in held:
            values[name] = chooser.suggest_categorical(name, [False, True])

    embeddings = embeddings and base.appearance
    association = base.association if embeddings else "overlap"
    if "association" not in held:
        if embeddings:
            association = chooser.suggest_categorical("association", ["fused", "gated", "overlap"])
        values["association"] = association

    high = number("high_score", 0.1, 0.9)
    number("low_score", 0.05, 0.9)
    number("new_track_score", 0.1, 0.95)
    number("new_track_overlap", 0.3, 1.0)
    if association == "fused":
        number("appearance_threshold", 0.1, 1.2)
        number("appearance_weight", 0.9, 1.0, 0.01)
        number("lost_overlap_weight", 0.0, 0.6, 0.05)
    else:
        number("motion_only_iou_threshold", 0.3, 0.95)
        number("direction_weight", 0.0, 0.5)
        switch("height_overlap")
    switch("fuse_score")

    number("iou_threshold", 0.0, 0.95)
    number("recovery_iou_threshold", 0.0, 0.9, 0.1)
    if embeddings:
        number("mean_subtraction", 0.0, 10.0, 1.0)
    switch("observation_reupdate")
    whole("confirm_frames", 1, 4)
    number("lost_seconds", 0.25, 5.0, 0.25)

    # what lies beyond means the same as the border, and says what it means
    if "low_score" in values:
        values["low_score"] = min(values["low_score"], high)
    if "new_track_score" in values:
        values["new_track_score"] = max(values["new_track_score"], high)
    return replace(base, **values)


class Near:
    """Chooses what lies nearest to a configuration: where a search starts from.

    Attributes:
        chosen: by name.
    """

    def __init__(self, config: TrackerConfig) -> None:
        self._config = config
        self.chosen: Values = {}

    def suggest_float(self, name: str, low: float, high: float, *, step: float) -> float:
        """The nearest step."""
        value = min(max(getattr(self._config, name), low), high)
        self.chosen[name] = round(low + step * round((value - low) / step), 9)
        return float(self.chosen[name])

    def suggest_int(self, name: str, low: int, high: int) -> int:
        """The nearest number."""
        self.chosen[name] = min(max(getattr(self._config, name), low), high)
        return int(self.chosen[name])

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """The value itself."""
        self.chosen[name] = getattr(self._config, name)
        return self.chosen[name]
