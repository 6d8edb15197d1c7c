"""Figures of a comparison: scores, paired differences, and the label budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from clmot.apps.bench.measures import ASSOCIATION
from clmot.apps.bench.methods import OURS
from clmot.apps.bench.plan import Plan
from clmot.apps.bench.statistics import Row, difference, is_measured, seed_means
from clmot.visualize.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN = ("rank-1", "TPR@FAR=0.1", ASSOCIATION, "IDF1")
_BUDGET = ("rank-1", "TPR@FAR=0.1", "IDF1")


def figures(plan: Plan, rows: Mapping[str, Row]) -> Iterator[tuple[str, tuple[str, Figure]]]:
    """Name, and caption and figure, of all that there is something to draw for.

    Args:
        plan: what was compared.
        rows: what was measured, by method or reference.
    """
    ours = rows.get(OURS, {})
    shown = [metric for metric in _SHOWN if is_measured(rows, metric)]
    if shown:
        yield "scores", ("Means over seeds and sequences; dots are seeds.", _bars(rows, shown))
    shown = [metric for metric in shown if is_measured({OURS: ours}, metric)]
    if shown and len(rows) > 1:
        yield "differences", ("Paired differences to ours, with 95 % intervals.", _forest(rows, ours, shown))
    budget = [method for method in plan.methods if method.share is not None and method.name in rows]
    if budget and ours and shown:
        yield "label-budget", ("By share of the identities known in training; at 0 it is ours.", _budget(plan, rows))


def _bars(rows: Mapping[str, Row], metrics: Sequence[str]) -> Figure:
    figure, panels = _panels(metrics, list(rows))
    for axes, metric in zip(panels, metrics, strict=True):
        for place, row in enumerate(rows.values()):
            values = seed_means(row, metric)
            if len(values):
                axes.barh(place, values.mean(), color="tab:blue", alpha=0.5)
                axes.plot(values, np.full(len(values), place), ".", color="tab:orange")
        axes.set_title(metric, fontsize=10)
    return figure


def _forest(rows: Mapping[str, Row], ours: Row, metrics: Sequence[str]) -> Figure:
    others = {name: row for name, row in rows.items() if name != OURS}
    figure, panels = _panels(metrics, list(others))
    for axes, metric in zip(panels, metrics, strict=True):
        axes.axvline(0, color="tab:gray", linewidth=1)
        for place, row in enumerate(others.values()):
            found = difference(row, ours, metric)
            if found:
                axes.plot(found.value, place, "o", color="tab:blue")
                if found.interval:
                    axes.plot(found.interval, (place, place), color="tab:blue")
        axes.set_title(f"{metric} - ours", fontsize=10)
    return figure


def _budget(plan: Plan, rows: Mapping[str, Row]) -> Figure:
    metrics = [metric for metric in _BUDGET if is_measured(rows, metric)]
    figure = new_figure((3.6 * len(metrics), 3))
    curves: dict[str, dict[float, Row]] = {}
    for method in plan.methods:
        if method.share is not None and method.name in rows:
            base = method.name.rpartition(", ")[0]
            curves.setdefault(base, {0.0: rows[OURS]})[method.share] = rows[method.name]
    for axes, metric in zip(figure.subplots(1, len(metrics), squeeze=False)[0], metrics, strict=True):
        for base, points in curves.items():
            known = {share: means for share, row in points.items() if len(means := seed_means(row, metric))}
            shares = sorted(known)
            middle = [known[share].mean() for share in shares]
            ends = [[known[share].min() for share in shares], [known[share].max() for share in shares]]
            (line,) = axes.plot([100 * share for share in shares], middle, marker="o", label=base)
            axes.fill_between([100 * share for share in shares], *ends, color=line.get_color(), alpha=0.2)
        # 0, 1, 5, 10 and 100 per cent apart from each other
        axes.set_xscale("symlog", linthresh=1)
        axes.set_xlabel("% of identities", fontsize=9)
        axes.set_title(metric, fontsize=10)
        axes.legend(fontsize=8)
    return figure


def _panels(metrics: Sequence[str], rows: Sequence[str]) -> tuple[Figure, list[Any]]:
    figure = new_figure((2 + 2.4 * len(metrics), 1 + 0.3 * len(rows)))
    panels = list(figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0])
    panels[0].set_yticks(range(len(rows)), rows)
    panels[0].set_ylim(len(rows) - 0.5, -0.5)
    return figure, panels
