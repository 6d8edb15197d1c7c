"""Plans: the lines and zones of a scene as a file, drawn in `clmot serve` or written by hand."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np

from clmot.apps.count.geometry import Shape, checked_shape
from clmot.datasets.readers.json_files import load_json
from clmot.errors import readable, require
from clmot.io.atomic import write_whole_json

EXPECTED = '{"lines": {NAME: [[x, y], [x, y]]}, "zones": {NAME: [[x, y], [x, y], [x, y], ...]}}, in pixels'
_Shapes = dict[str, list[tuple[float, float]]]


class _Plan(msgspec.Struct, forbid_unknown_fields=True):
    lines: _Shapes = {}
    zones: _Shapes = {}


def plan_beside(results: Path) -> Path:
    """Where the plan of a results file is looked for and drawn: ``NAME.plan.json``."""
    return results.with_name(f"{results.stem}.plan.json")


def read_plan(path: Path) -> list[Shape]:
    """Lines and zones of a plan; `EXPECTED` is its form.

    Raises:
        UserError: it cannot be read, is no plan, has nothing in it, or one of its shapes is none.
    """
    plan = load_json(path, _Plan, EXPECTED)
    shapes = []
    for kind, named in (("lines", plan.lines), ("zones", plan.zones)):
        for name, points in named.items():
            told = f"{path}: {kind}.{readable(name)}"
            require((len(points) == 2) == (kind == "lines"), f"{told}: has {len(points)} points; expected {EXPECTED}")
            shapes.append(checked_shape(readable(name), np.array(points, np.float64), told))
    names = [shape.name for shape in shapes]
    twice = [name for name in names if names.count(name) > 1]
    require(not twice, f"{path}: two lines or zones are called {twice[:1]}")
    require(bool(shapes), f"{path}: has no line and no zone; expected {EXPECTED}")
    return shapes


def write_plan(path: Path, shapes: Iterable[Shape]) -> None:
    """Write a plan whole.

    Raises:
        UserError: it cannot be written.
    """
    parts: dict[str, dict[str, list[list[float]]]] = {"lines": {}, "zones": {}}
    for shape in shapes:
        parts["lines" if len(shape.points) == 2 else "zones"][shape.name] = shape.points.tolist()
    write_whole_json(path, parts, "the plan")
