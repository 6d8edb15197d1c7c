"""Loss curves from a training log."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clmot.errors import UserError, reason_of
from clmot.visualize.figures import new_figure, save_figure

_NOT_CURVES = ("step", "epoch", "time", "seconds", "elapsed", "eta")
"""Where and when a line was written, by the beginnings of the names."""
_COLUMNS = 3
_LOG_SCALE_RATIO = 30.0
"""Curves whose largest value is this many times the smallest are drawn on a logarithmic axis; not so the learning rate,
whose schedule is read on a linear one."""


def loss_curves(log: Path, picture: Path) -> None:
    """Draw every quantity of a training log over the steps: small panels, raw values faint, smoothed values on top.

    Args:
        log: JSON lines, each an object with ``step`` and named numbers (``total``, ``heatmap``, ...). Where a resumed
            run wrote a step again, the later line counts. A last line cut short by a kill is passed over.
        picture: the PNG to write; it appears under its name only when it is whole.

    Raises:
        UserError: the log cannot be read, a line other than the last is not such an object, there is nothing to draw,
            or the picture cannot be written.
    """
    curves = read_curves(log)
    if not curves:
        raise UserError(f"{log}: no logged numbers to draw")
    columns = min(_COLUMNS, len(curves))
    rows = math.ceil(len(curves) / columns)
    figure = new_figure((4 * columns, 2.6 * rows))
    for index, (name, (steps, values)) in enumerate(curves.items()):
        axes = figure.add_subplot(rows, columns, index + 1)
        axes.plot(steps, values, color="tab:blue", alpha=0.3, linewidth=0.8, marker="." if len(steps) == 1 else "")
        axes.plot(steps, smooth(values), color="tab:blue", linewidth=1.6)
        axes.set_title(name.replace("_", " "), fontsize=10)
        axes.grid(alpha=0.25)
        axes.tick_params(which="both", labelsize=8)
        known = values[np.isfinite(values)]
        wide = len(known) and known.min() > 0 and known.max() > _LOG_SCALE_RATIO * known.min()
        if wide and name != "learning_rate":
            axes.set_yscale("log")
        if index >= len(curves) - columns:
            axes.set_xlabel("step", fontsize=9)
    save_figure(figure, picture, "the loss curves")


def read_curves(log: Path) -> dict[str, tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]]:
    """Name to steps int64 [n] (ascending) and values float64 [n] of every number in a training log.

    Raises:
        UserError: as `loss_curves`, except that an empty log has no curves.
    """
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise UserError(f"{log}: cannot read the training log: {reason_of(error)}") from error
    curves: dict[str, dict[int, float]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            step = int(entry["step"])
        except (ValueError, TypeError, KeyError) as error:
            if number == len(lines):
                break
            raise UserError(f'{log}:{number}: expected a JSON object with a "step", got {line[:60]!r}') from error
        for name, value in entry.items():
            if not name.startswith(_NOT_CURVES) and isinstance(value, int | float) and not isinstance(value, bool):
                curves.setdefault(name, {})[step] = value
    return {
        name: (np.array(sorted(values), np.int64), np.array([values[step] for step in sorted(values)], np.float64))
        for name, values in curves.items()
    }


def smooth(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Centred moving average over a tenth of the curve; values that are not finite are left out of it."""
    window = min(len(values), max(1, len(values) // 10) | 1)
    known = np.isfinite(values)
    kernel = np.ones(window)
    total = np.convolve(np.where(known, values, 0), kernel, "same")
    count = np.convolve(known, kernel, "same")
    return np.asarray(np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0.5))
