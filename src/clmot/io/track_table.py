"""Tracks as tables for people and spreadsheets: a row a box, with time, class name, score and speed."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from clmot.io.csv_text import csv_text
from clmot.row_data import as_lists
from clmot.structures import TrackedFrame

Form = Literal["csv", "json"]

COLUMNS = ("frame", "seconds", "track", "class", "score", "left", "top", "right", "bottom", "speed")
"""Boxes in pixels from the left upper corner (0, 0), speed in pixels a second. Behind them what else the first objects
have (`Detections.data`: key points, corners of oriented boxes): nested lists, in CSV written as in JSON.
"""

SPEED_SECONDS = 0.5
"""Speeds are means over this time, or since the track began."""


class TrackTable:
    """Makes the rows of a table, frame by frame.

    Args:
        form: of the text.
        classes: class names.
        seconds: of a frame number.
        names: what tracks are called; with any there is a column of it, empty for the others.

    Attributes:
        first: text before the rows.
    """

    def __init__(
        self,
        form: Form,
        classes: Sequence[str],
        seconds: Callable[[int], float],
        names: Mapping[int, str] | None = None,
    ) -> None:
        self._form, self._classes, self._seconds, self._names = form, classes, seconds, names or {}
        self._seen: dict[int, deque[tuple[float, float, float]]] = {}
        self._columns: tuple[str, ...] = ()
        self.first = "[" if form == "json" else ""

    def __call__(self, tracked: TrackedFrame) -> str:
        """The rows of the next frame."""
        seconds, found = self._seconds(tracked.frame), tracked.detections
        data = as_lists(found.data)
        columns = (tracked.track_id.tolist(), found.class_id.tolist(), found.score.tolist(), found.xyxy.tolist())
        rows = []
        for row, (track, class_id, score, (left, top, right, bottom)) in enumerate(zip(*columns, strict=True)):
            speed = self._speed(track, seconds, (left + right) / 2, (top + bottom) / 2)
            name = self._classes[class_id] if class_id < len(self._classes) else str(class_id + 1)
            box = [round(side, 2) for side in (left, top, right, bottom)]
            known = [tracked.frame, round(seconds, 3), track, name, round(score, 4), *box, round(speed, 1)]
            more = {"name": self._names.get(track, "")} if self._names else {}
            more |= {each: values[row] for each, values in data.items()}
            rows.append(dict(zip(COLUMNS, known, strict=True)) | more)
        return self._text(rows) if rows else ""

    @property
    def last(self) -> str:
        """Text after the rows."""
        return "\n]\n" if self._form == "json" else "" if self._columns else ",".join(COLUMNS) + "\n"

    def _speed(self, track: int, seconds: float, x: float, y: float) -> float:
        seen = self._seen.setdefault(track, deque())
        seen.append((seconds, x, y))
        while len(seen) > 2 and seconds - seen[1][0] > SPEED_SECONDS - 1e-6:
            seen.popleft()
        before, old_x, old_y = seen[0]
        return math.hypot(x - old_x, y - old_y) / (seconds - before) if seconds > before else 0.0

    def _text(self, rows: Sequence[dict[str, Any]]) -> str:
        begun, self._columns = bool(self._columns), self._columns or tuple(rows[0])
        if self._form == "json":
            records = (json.dumps(row, ensure_ascii=False) for row in rows)
            return "".join(f"{',' * (begun or index > 0)}\n{each}" for index, each in enumerate(records))
        # which columns there are is known with the first rows
        columns = self._columns
        cells = ([row.get(each, "") for each in columns] for row in rows)
        lines = ([json.dumps(each) if isinstance(each, list) else each for each in row] for row in cells)
        return csv_text([*([] if begun else [columns]), *lines])
