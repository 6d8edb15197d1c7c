"""How far a run over many videos is: `clmot status`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clmot.apps.many.manifest import DONE, FAILED, Manifest, Row
from clmot.errors import plural

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


def read_status(out: str | Path) -> Status:
    """The state of a result folder.

    Raises:
        UserError: it holds no manifest.

    Examples:
        >>> print(clmot.status("archive"))  # doctest: +SKIP
    """
    manifest = Manifest(Path(out))
    manifest.refresh(claims=True)
    sizes = {each.name: each.size for each in manifest.known_videos().values()}
    now, first = time.time(), time.time()
    done = frames = undecodable = recent_frames = recent_bytes = 0
    left = sum(sizes.values())
    failures = []
    for name, row in manifest.rows.items():  # there may be many: once
        if row.state == DONE:
            done, frames, undecodable = done + 1, frames + row.frames, undecodable + row.undecodable
            first = min(first, row.at - row.seconds)
            if now - row.at < _RECENT:
                recent_frames, recent_bytes = recent_frames + row.frames, recent_bytes + sizes.get(name, 0)
        elif row.state == FAILED:
            failures.append(row)
        else:
            continue
        left -= sizes.get(name, 0)
    passed = max(1e-9, min(_RECENT, now - first))
    running = [attempt.name for attempt in manifest.running()]
    return Status(
        videos=len(sizes.keys() | manifest.rows.keys()),
        done=done,
        failed=len(failures),
        running=len(running),
        frames=frames,
        undecodable=undecodable,
        frames_per_second=recent_frames / passed,
        megabytes_per_second=recent_bytes / passed / 1e6,
        seconds_left=left * passed / recent_bytes if recent_bytes else None,
        failures=tuple(failures),
        hands=tuple(running),
    )


def tell_failed(failed: Sequence[Row], most: int = 20) -> str:
    """Which videos were given up and why, a line each; empty where none was."""
    if not failed:
        return ""
    lines = [f"{plural(len(failed), 'video')} failed (--retry-failed tries them again):"]
    lines += [f"  {row.name}: {row.error}" for row in failed[:most]]
    lines += [f"  and {len(failed) - most} more; clmot status --failed names all"] if len(failed) > most else []
    return "\n".join(lines)
