"""A tracker that goes on where another source, or an earlier run, ended, and over the breaks of a camera."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from clmot.errors import UserError, reason_of
from clmot.io.frame_choice import frames_in
from clmot.io.reading import PATIENCE
from clmot.structures import Image, TrackedFrame
from clmot.tracking import serialization as saved
from clmot.tracking.adapters import AnyDetections
from clmot.tracking.class_votes import ClassVotes
from clmot.tracking.decisions import Decisions
from clmot.tracking.tracker import Tracker

_VOTES = "votes"
"""What the votes' arrays in a state are called before a dot."""
_LEAST = 1e-3
"""Seconds between two frames at least."""
_REMEMBERED = 1000
"""Frames before the newest whose decisions may still be told, when a track of then gets its id."""


class ContinuedTracker:
    """Gives a tracker frames that are numbered by their source, of which it may have seen another one before.

    While a camera is away, nobody can see its objects, so no track ends for want of being seen: a break counts as half
    of `TrackerConfig.lost_seconds` at most. A restart after more than a minute (`PATIENCE`) is none.

    Inside a ``with`` block, whose end writes the state, however the block ends.

    Args:
        tracker: at its beginning.
        live: the source is a camera.
        file: state to go on from where the file exists, and to be written at the end; None for neither.
        model: fingerprint of what gives the embeddings; empty where nothing does.
        votes: association is across classes, and the class of each track is voted on; None for neither.

    Raises:
        UserError: the file is no tracker state, or one of a tracker that keeps other things, or of another model; its
            folder cannot be made; or the camera's motion is that of one source.
    """

    def __init__(
        self,
        tracker: Tracker,
        live: bool = False,
        file: Path | None = None,
        model: str = "",
        votes: ClassVotes | None = None,
    ) -> None:
        self._tracker, self._file, self._model, self._votes = tracker, file, model, votes
        self._most = max(1, tracker.config.lost_frames // 2) if live else None
        self._clock = self._number = 0
        self._seconds: float | None = None
        self._time = 0.0
        self._numbers: dict[int, int] = {}
        if file is None:
            return
        if tracker.config.camera == "file":
            raise UserError(f"{file}: a state is for many sources, tracker.camera=file for the frame numbers of one")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{file}: cannot write the tracker state: {reason_of(error)}") from error
        if not file.exists():
            return
        _, state = saved.read_state(file, model)
        with saved.named(file):
            self._restore_parts(state)
            self._clock, self._time = int(state["clock"][0]), float(state["clock.time"][0])
        if live:
            away = time.time() - file.stat().st_mtime
            step = max(1, frames_in(away, tracker.config.frame_rate))
            missed = (step if away > PATIENCE else self._no_more_than_a_break(step)) - 1
            self._clock, self._time = self._clock + missed, self._time + missed / tracker.config.frame_rate

    def update(
        self,
        detections: AnyDetections,
        image: Image | None,
        number: int,
        seconds: float | None = None,
        explain: bool = False,
    ) -> TrackedFrame:
        """As `Tracker.update`, with the source's own frame number, here, in what is returned and in `explained`.

        Where the source says when its frames were taken, so much time passes for the tracker: a pause in a video of
        variable frame rate is as long for it as it was.
        """
        detections = self._votes.hide(detections) if self._votes else detections
        rate, step = self._tracker.config.frame_rate, number - self._number
        passed = step / rate
        if self._number:
            if seconds is not None and self._seconds is not None:
                passed = max(seconds - self._seconds, _LEAST)
                step = max(1, round(passed * rate))
            if self._no_more_than_a_break(step) < step:
                step = self._no_more_than_a_break(step)
                passed = step / rate
        clock = self._clock + step
        self._time += passed
        # the first frame tells whether the state is of such embeddings
        with saved.named(self._file) if self._file and not self._number else contextlib.nullcontext():
            tracked = self._tracker.update(detections, image, frame=clock, time=self._time, explain=explain)
        tracked = self._votes.count(tracked) if self._votes else tracked
        if explain:
            self._numbers[clock] = number
        self._clock, self._number, self._seconds = clock, number, seconds
        return tracked if clock == number else dataclasses.replace(tracked, frame=number)

    def explained(self) -> Decisions:
        """As `Tracker.explained`."""
        decisions = self._tracker.explained()
        clocks = np.array(list(self._numbers), np.int64)
        at = clocks.searchsorted(decisions.frame).clip(max=max(len(clocks) - 1, 0))
        numbers = np.array(list(self._numbers.values()), np.int64)
        kept = int(decisions.frame.max(initial=0)) - _REMEMBERED
        self._numbers = {clock: number for clock, number in self._numbers.items() if clock > kept}
        return dataclasses.replace(decisions, frame=numbers.take(at)) if len(clocks) else decisions

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """As `Tracker.state`, and where in its source it is: `restore` goes on in the middle of it."""
        seconds = np.nan if self._seconds is None else self._seconds
        return self._parts() | {"place": np.array([self._clock, self._number, self._time, seconds], np.float64)}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from where `state` was taken, with the same source."""
        state = dict(state)
        clock, number, self._time, seconds = state.pop("place").tolist()
        self._restore_parts(state)
        self._clock, self._number = int(clock), int(number)
        self._seconds = None if np.isnan(seconds) else seconds

    def _parts(self) -> dict[str, npt.NDArray[Any]]:
        votes = self._votes.state() if self._votes else {}
        return self._tracker.state() | {f"{_VOTES}.{name}": value for name, value in votes.items()}

    def _restore_parts(self, state: dict[str, npt.NDArray[Any]]) -> None:
        voted = {name: state.pop(f"{_VOTES}.{name}") for name in ("track", "sums") if f"{_VOTES}.{name}" in state}
        if self._votes:
            self._votes.restore(voted)
        elif voted:
            raise ValueError("it was written with --vote-classes")
        self._tracker.restore(state)

    def __enter__(self) -> ContinuedTracker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None and self._number:
            saved.write_state(self._file, self._tracker.config, self._parts(), self._model)

    def _no_more_than_a_break(self, step: int) -> int:
        return step if self._most is None else min(step, self._most)
