"""Tracks as tables for people and spreadsheets: a row a box, with time, class name, score and speed."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Literal

from clmot.structures import TrackedFrame

Form = Literal["csv", "json"]

COLUMNS = ("frame", "seconds", "track", "class", "score", "left", "top", "right", "bottom", "speed")
"""Boxes in pixels from the left upper corner (0, 0), speed in pixels a second."""

SPEED_SECONDS = 0.5
"""Speeds are means over this time, or since the track began."""


class TrackTable:
    """Makes the rows of a table, frame by frame.

    Args:
        form: of the text.
        classes: class names.
        seconds: of a frame number.

    Attributes:
        first: text before the rows.
        last: text after them.
    """

    def __init__(self, form: Form, classes: Sequence[str], seconds: Callable[[int], float]) -> None:
        self._form, self._classes, self._seconds = form, classes, seconds
        self._seen: dict[int, deque[tuple[float, float, float]]] = {}
        self._empty = True
        self.first, self.last = ("[", "\n]\n") if form == "json" else (",".join(COLUMNS) + "\n", "")

    def __call__(self, tracked: TrackedFrame) -> str:
        """The rows of the next frame."""
        seconds, found = self._seconds(tracked.frame), tracked.detections
        columns = (tracked.track_id.tolist(), found.class_id.tolist(), found.score.tolist(), found.xyxy.tolist())
        rows = []
        for track, class_id, score, (left, top, right, bottom) in zip(*columns, strict=True):
            speed = self._speed(track, seconds, (left + right) / 2, (top + bottom) / 2)
            name = self._classes[class_id] if class_id < len(self._classes) else str(class_id + 1)
            box = [round(side, 2) for side in (left, top, right, bottom)]
            rows.append([tracked.frame, round(seconds, 3), track, name, round(score, 4), *box, round(speed, 1)])
        return self._text(rows)

    def _speed(self, track: int, seconds: float, x: float, y: float) -> float:
        seen = self._seen.setdefault(track, deque())
        seen.append((seconds, x, y))
        while len(seen) > 2 and seconds - seen[1][0] > SPEED_SECONDS - 1e-6:
            seen.popleft()
        before, old_x, old_y = seen[0]
        return math.hypot(x - old_x, y - old_y) / (seconds - before) if seconds > before else 0.0

    def _text(self, rows: Sequence[Sequence[Any]]) -> str:
        if self._form == "json":
            records = [json.dumps(dict(zip(COLUMNS, row, strict=True)), ensure_ascii=False) for row in rows]
            text = "".join(f"{',' * (index > 0 or not self._empty)}\n{each}" for index, each in enumerate(records))
            self._empty = self._empty and not records
            return text
        lines = io.StringIO()
        csv.writer(lines, lineterminator="\n").writerows(rows)
        return lines.getvalue()
