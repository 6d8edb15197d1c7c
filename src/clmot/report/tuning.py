"""What a search for constants came to: which of them mattered, and how the search went."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clmot.report.figures import new_figure, save_figure
from clmot.tuning.judge import TITLES
from clmot.tuning.search import Trial, Tuning

if TYPE_CHECKING:
    pass

_GROUPS = 5
_SHOWN = 12
_SCATTERED = 4


def importance(trials: Sequence[Trial]) -> dict[str, float]:
    """Share of the variance of the value that each constant explains by itself, the largest first.

    Trials are sorted into at most five groups of alike values of a constant; the share is epsilon squared, which is 0
    on average where a constant has no effect (Kelley, "An unbiased correlation ratio measure", 1935). A constant counts
    among the trials that it was proposed in; one with fewer than ten of them, or of one value, is left out.
    """
    shares = {}
    for name in dict.fromkeys(name for trial in trials for name in trial.chosen):
        having = [trial for trial in trials if name in trial.chosen]
        group = _groups([trial.chosen[name] for trial in having])
        if len(having) >= 2 * _GROUPS and group.max() > 0:
            shares[name] = _epsilon_squared(group, np.array([trial.value for trial in having]))
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def importance_picture(tuning: Tuning, picture: Path) -> bool:
    """Draw which constants mattered, and the values of those that did most; False if there are too few trials to tell.

    Raises:
        UserError: the picture cannot be written.
    """
    shares = importance(tuning.trials)
    if not shares:
        return False
    names = list(shares)[:_SHOWN]
    figure = new_figure((11, 0.8 + 0.34 * max(len(names), 8)))
    halves: Any = figure.subfigures(1, 2, width_ratios=(1, 1.1))
    left, right = halves
    axes = left.subplots()
    axes.barh(names[::-1], [max(shares[name], 0) for name in names[::-1]], color="tab:blue")
    axes.set_xlabel(f"share of the variance of {TITLES[tuning.metric]}")
    axes.grid(axis="x", alpha=0.25)
    panels = right.subplots(2, _SCATTERED // 2, sharey=True, squeeze=False)
    for panel, name in zip(panels.flat, names[:_SCATTERED], strict=False):
        having = [trial for trial in tuning.trials if name in trial.chosen]
        # the words of switches and choices in one order, whichever was tried first
        chosen = sorted(having, key=lambda trial: trial.chosen[name])
        panel.plot(
            [_label(trial.chosen[name]) for trial in chosen],
            [trial.value for trial in chosen],
            linestyle="",
            marker=".",
            alpha=0.6,
        )
        panel.set_title(name.replace("_", " "), fontsize=9)
        panel.grid(alpha=0.25)
        panel.tick_params(labelsize=8)
    for panel in panels.flat[len(names[:_SCATTERED]) :]:
        panel.set_visible(False)
    save_figure(figure, picture)
    return True


def history_picture(tuning: Tuning, picture: Path) -> None:
    """Draw the value of every trial, the best so far and where the search started from.

    Raises:
        UserError: the picture cannot be written.
    """
    figure = new_figure((8, 3.6))
    axes = figure.add_subplot()
    number = np.arange(1, len(tuning.trials) + 1)
    value = np.array([trial.value for trial in tuning.trials])
    axes.plot(number, value, linestyle="", marker=".", color="tab:blue", alpha=0.6, label="trial")
    best = np.maximum.accumulate(np.maximum(value, tuning.base_value))
    axes.plot(number, best, color="tab:orange", drawstyle="steps-post", label="best")
    axes.axhline(tuning.base_value, color="grey", linestyle="--", linewidth=1, label="default")
    axes.set_xlabel("trial")
    axes.set_ylabel(TITLES[tuning.metric])
    axes.grid(alpha=0.25)
    axes.legend()
    save_figure(figure, picture)


def changed(tuning: Tuning) -> dict[str, tuple[Any, Any]]:
    """The constants in which the best differ from those that the search started from: before and after."""
    before, after = dataclasses.asdict(tuning.base), dataclasses.asdict(tuning.best)
    return {name: (before[name], after[name]) for name in before if before[name] != after[name]}


def changes_line(changes: Mapping[str, tuple[Any, Any]]) -> str:
    """``high_score 0.5 -> 0.35, ...``."""
    return ", ".join(f"{name} {old} -> {new}" for name, (old, new) in changes.items()) or "nothing"


def _groups(values: Sequence[Any]) -> npt.NDArray[np.intp]:
    """The number of each value's group: a value each, or ranges with about as many trials each."""
    different, index = np.unique(np.array(values), return_inverse=True)
    if len(different) <= _GROUPS:
        return np.asarray(index, np.intp)
    # equal values stay together
    first = np.searchsorted(np.sort(index), index)
    return np.asarray(np.unique(first * _GROUPS // len(values), return_inverse=True)[1], np.intp)


def _epsilon_squared(group: npt.NDArray[np.intp], value: npt.NDArray[np.float64]) -> float:
    n, groups = len(value), int(group.max()) + 1
    around = ((value - value.mean()) ** 2).sum()
    if around == 0 or n <= groups:
        return 0.0
    means = np.bincount(group, value) / np.bincount(group)
    within = ((value - means[group]) ** 2).sum()
    return float(1 - within / (n - groups) / (around / (n - 1)))


def _label(value: Any) -> Any:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else value
