"""The queue of suspects, looked for in a thread of its own: that takes a pass over the video."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

from clmot.apps.report.appearance import read_appearance, visibility
from clmot.apps.report.measured import Measured
from clmot.apps.report.page import event_entry
from clmot.apps.report.results import Results
from clmot.apps.report.suspects import find_suspects
from clmot.errors import UserError, reason_of
from clmot.io.frame_source import FrameSource
from clmot.io.video import Frames

AT_ONCE = 20_000
"""Boxes up to which suspects are looked for without being asked for."""


_LONGEST_WAIT = 5.0


class _Stopped(Exception):
    """Nobody wants to know any more."""


class SuspectFinder:
    """Finds what looks wrong in results.

    Args:
        results: before all edits.
        source: their video; without it nothing is found.

    Attributes:
        found: as `event_entry`, with a key that stays the same; the worst first.
        state: ``none`` (no video), ``asked`` (waits to be asked for), ``looking``, ``ready`` or ``failed``.
        share: how much of the video was looked at.
        error: why it failed.
    """

    def __init__(self, results: Results, source: FrameSource | None) -> None:
        self._results, self._source = results, source
        self.found: list[dict[str, Any]] = []
        self.share, self.error = 0.0, ""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.state = "none" if source is None else "asked"
        if len(results.rows) <= AT_ONCE:
            self.start()

    def start(self) -> None:
        """Look for them, if nobody does yet."""
        if self.state == "asked":
            self.state = "looking"
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_LONGEST_WAIT)

    def _run(self) -> None:
        assert self._source is not None
        source = replace(self._source, decode=self._watched)
        try:
            appearance = read_appearance(self._results, source, progress=False)
            events = find_suspects(Measured(self._results, appearance, visibility(self._results)))
            keys = [f"{each.kind}:{each.frame}:{','.join(map(str, each.tracks))}" for each in events]
            self.found = [
                {**event_entry(each, self._results), "key": key} for each, key in zip(events, keys, strict=True)
            ]
            self.state = "ready"
        except _Stopped:
            pass
        except UserError as error:
            self.state, self.error = "failed", str(error)
        except Exception as error:  # a thread has nobody to raise to
            self.state, self.error = "failed", reason_of(error)

    def _watched(self) -> Frames:
        assert self._source is not None
        frames = self._source.decode()
        try:
            for count, item in enumerate(frames, 1):
                if self._stop.is_set():
                    raise _Stopped
                self.share = count / (self._source.length or count + 1)
                yield item
        finally:
            frames.close()
