"""Tracking scores, and the rows that they are made from."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class RowCounts:
    """Rows of ground truth or of results.

    Attributes:
        rows: how many there are.
        scored: how many of them the scores are made from.
        left_out: how many are not, by reason.
    """

    rows: int
    scored: int
    left_out: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class ScoredRows:
    """What scores are made from.

    Attributes:
        rules: name of the benchmark whose rules decided.
        truth: rows of ground truth.
        results: rows of results.
    """

    rules: str
    truth: RowCounts
    results: RowCounts


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Tracking scores: percentages as such (HOTA, DetA, AssA, MOTA, MOTP, IDF1), counts as numbers (IDSW, MT, ML, ...).

    Attributes:
        combined: metric name to value over all sequences (and classes) together.
        sequences: sequence name to metric name to value, over its classes together.
        classes: class name to the scores of that class alone; empty where there is one class.
        intervals: metric name to the ends of the 95 % interval of its combined value; empty if not asked for.
        rows: by sequence, whose rules decided what counts, and how many rows they left out; empty where unknown.

    Examples:
        >>> scores = clmot.evaluate("tracked", "MOT17/val")
        >>> hota = scores.combined["HOTA"]
    """

    combined: dict[str, float]
    sequences: dict[str, dict[str, float]]
    classes: dict[str, Scores] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    rows: dict[str, ScoredRows] = field(default_factory=dict, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """The form written as JSON: ``{"combined": {...}, "sequences": {name: {...}}}``, and the rest if there is."""
        content: dict[str, Any] = {"combined": self.combined, "sequences": self.sequences}
        if self.classes:
            content["classes"] = {name: scores.as_dict() for name, scores in self.classes.items()}
        if self.intervals:
            content["intervals"] = {name: list(ends) for name, ends in self.intervals.items()}
        if self.rows:
            content["rows"] = {name: asdict(rows) for name, rows in self.rows.items()}
        return content
