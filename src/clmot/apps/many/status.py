"""How far a run over many videos is: `clmot status`."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clmot.apps.many.manifest import DONE, FAILED, Manifest, Row

_RECENT = 600.0
"""Seconds over which the rate is told, or since the first video if that is less."""


@dataclass(frozen=True)
class Status:
    """Counts and rates of a result folder.

    Attributes:
        videos: how many are known.
        done, failed, running: how many of them are so.
        frames: that were tracked.
        undecodable: frames that could not be read.
        frames_per_second, megabytes_per_second: in the last minutes; zero where nothing was finished then.
        seconds_left: as the sizes of the videos that are left tell; None where nobody knows.
        failures: rows of those that were given up.
        hands: names of those in hand.
    """

    videos: int
    done: int
    failed: int
    running: int
    frames: int
    undecodable: int
    frames_per_second: float
    megabytes_per_second: float
    seconds_left: float | None
    failures: tuple[Row, ...]
    hands: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Values that JSON knows."""
        failures = {row.name: row.error for row in self.failures}
        return {**vars(self), "failures": failures, "hands": list(self.hands)}

    def __str__(self) -> str:
        """A few lines for people."""
        left = self.videos - self.done - self.failed
        lines = [
            f"{self.done:,} of {self.videos:,} videos done, {self.running:,} in hand, {self.failed:,} failed, "
            f"{left - self.running:,} waiting",
            f"{self.frames:,} frames"
            + (f", {self.undecodable:,} more cannot be decoded" if self.undecodable else "")
            + (f", {self.frames_per_second:.1f} frames/s lately" if self.frames_per_second else ""),
        ]
        if left and self.seconds_left is not None:
            minutes = round(self.seconds_left / 60)
            lines.append(f"about {minutes // 60}:{minutes % 60:02} hours left")
        return "\n".join(lines)


def read_status(out: Path) -> Status:
    """The state of a result folder.

    Raises:
        UserError: it holds no manifest.
    """
    manifest = Manifest(out)
    manifest.refresh(claims=True)
    sizes = {each.name: each.size for each in manifest.known_videos().values()}
    rows = manifest.rows
    states = Counter(row.state for row in rows.values())
    done = [row for row in rows.values() if row.state == DONE]
    now = time.time()
    first = min((row.at - row.seconds for row in done), default=now)
    recent = [row for row in done if now - row.at < _RECENT]
    passed = max(1e-9, min(_RECENT, now - first))
    speed = sum(sizes.get(row.name, 0) for row in recent) / passed
    left = sum(size for name, size in sizes.items() if name not in rows or rows[name].state not in (DONE, FAILED))
    running = [attempt.name for attempt in manifest.running()]
    return Status(
        videos=len(sizes.keys() | rows.keys()),
        done=states[DONE],
        failed=states[FAILED],
        running=len(running),
        frames=sum(row.frames for row in done),
        undecodable=sum(row.undecodable for row in done),
        frames_per_second=sum(row.frames for row in recent) / passed,
        megabytes_per_second=speed / 1e6,
        seconds_left=left / speed if speed else None,
        failures=tuple(row for row in rows.values() if row.state == FAILED),
        hands=tuple(running),
    )
