"""Which track got which detection, stage after stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clmot.structures import BoolArray, Int64Array
from clmot.tracking.assignment import assign

if TYPE_CHECKING:
    from clmot.tracking.explanation import Explainer

PairCosts = tuple[Int64Array, Int64Array, npt.NDArray[np.floating[Any]]]
"""Pairs as rows of tracks and of detections, and what each costs."""


class Matches:
    """Which track has which detection so far.

    Attributes:
        match: int64 [n], detection of each track, -1 for none.
        free: bool [m], which detections are left.
        nearest: int64 [k], tracks that were given the nearest detection.
    """

    nearest = np.empty(0, np.int64)

    def __init__(self, tracks: int, found: int, explainer: Explainer | None = None) -> None:
        self._explainer = explainer
        self.match = np.empty(tracks, np.int64)
        self.match.fill(-1)
        self.free = np.ones(found, np.bool_)

    def left(self, tracks: int, found: int) -> tuple[Int64Array, Int64Array]:
        """Those of the first so many tracks and detections that are unmatched."""
        return (self.match[:tracks] < 0).nonzero()[0], self.free[:found].nonzero()[0]

    def add(self, stage: int, pairs: PairCosts, limit: float) -> None:
        """Make the best of the pairs, all of which are of tracks and detections that are left."""
        if self._explainer is not None:
            self._explainer.compare(stage, *pairs, limit)
        self._make(pairs, limit)

    def _make(self, pairs: PairCosts, limit: float) -> None:
        row, column, cost = pairs
        if not len(row):
            return
        chosen = assign(row, column, cost, limit)
        if len(chosen):
            column = column.take(chosen)
            self.match[row.take(chosen)] = column
            self.free[column] = False

    def add_some(self, stage: int, pairs: PairCosts, usable: BoolArray, limit: float) -> None:
        """Make the best of those pairs that are usable and still left."""
        row, column, cost = pairs
        if not len(row):
            return
        if self._explainer is not None:
            there = (usable & (self.match.take(row) < 0) & self.free.take(column)).nonzero()[0]
            self._explainer.compare(stage, row.take(there), column.take(there), cost.take(there), limit)
        those = (usable & (cost < limit)).nonzero()[0]
        if len(those):
            row, column, cost = row.take(those), column.take(those), cost.take(those)
            left = ((self.match.take(row) < 0) & self.free.take(column)).nonzero()[0]
            self._make((row.take(left), column.take(left), cost.take(left)), limit)
