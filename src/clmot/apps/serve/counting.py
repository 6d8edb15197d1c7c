"""Lines and zones of the page: the file that `clmot count` takes them from, and what is counted there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from clmot.apps.count.count import LEFT, count_tracks
from clmot.apps.count.geometry import Shape
from clmot.apps.count.plan import plan_beside, read_plan, write_plan
from clmot.apps.report.results import Results
from clmot.apps.serve.edits import Outline
from clmot.apps.serve.state import State
from clmot.errors import UserError, reason_of
from clmot.structures import Float64Array


class PlanFile:
    """The plan beside results, which says what the journal of edits says, and is followed where a person changed it.

    Args:
        results: MOTChallenge text.
    """

    def __init__(self, results: Path) -> None:
        self.path = plan_beside(results)

    def write(self, shapes: Mapping[str, Float64Array]) -> None:
        """Have the file hold these lines and zones; without any there is none.

        Raises:
            UserError: it cannot be written.
        """
        try:
            if shapes:
                write_plan(self.path, _shapes(shapes))
            else:
                self.path.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(f"{self.path}: cannot be removed: {reason_of(error)}") from error

    def edits(self, shapes: Mapping[str, Float64Array]) -> Iterator[Outline]:
        """What makes these lines and zones those of the file, where there is one.

        Raises:
            UserError: it is no plan.
        """
        if not self.path.is_file():
            return
        there = {shape.name: shape.points for shape in read_plan(self.path)}
        yield from (Outline(name=name) for name in shapes if name not in there)
        for name, points in there.items():
            if name not in shapes or not np.array_equal(shapes[name], points):
                yield Outline(name=name, points=tuple((x, y) for x, y in points.tolist()))


def counted(state: State, results: Results) -> dict[str, Any]:
    """What is counted at the shapes of a state.

    Args:
        state: with the tracks.
        results: as of `count_tracks`.

    Returns:
        As of `Counts.totals`, and ``events``: by shape, the frames of crossings to the right and to the left, or those
        in which visits begin and end, each ascending.
    """
    counts = count_tracks(state.tracks, results, _shapes(state.shapes))
    events: dict[str, tuple[list[int], list[int]]] = {name: ([], []) for name in state.shapes}
    for crossing in counts.crossings:
        events[crossing.line][crossing.direction == LEFT].append(crossing.frame)
    for visit in counts.visits:
        events[visit.zone][0].append(visit.first)
        events[visit.zone][1].append(visit.last)
    return {"events": {name: [sorted(each) for each in both] for name, both in events.items()}, **counts.totals()}


def _shapes(shapes: Mapping[str, Float64Array]) -> list[Shape]:
    return [Shape(name=name, points=points) for name, points in shapes.items()]
