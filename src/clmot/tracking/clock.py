"""The time of a video, as its tracker lives through it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from clmot.io.frame_choice import frames_in


class Clock:
    """Tells how long ago things were, whether frames come with times or with numbers only.

    Args:
        frame_rate: frames a second, where numbers are all there is.

    Attributes:
        seconds: of the newest frame.
        updates: how many frames there were.
        step: the shortest time between two of them so far.
    """

    def __init__(self, frame_rate: float) -> None:
        self._rate = frame_rate
        self.reset()

    def reset(self) -> None:
        """The next frame is the first of a video."""
        self.seconds, self.updates, self.step = 0.0, 0, 1 / self._rate

    def at(self, frames: int, time: float | None) -> float:
        """The seconds of a frame that comes so many frames after the newest, if it does not tell its time.

        Raises:
            ValueError: it tells one that is not finite, or no later than the newest frame's.
        """
        if time is None:
            return self.seconds + frames / self._rate
        if not math.isfinite(time) or (self.updates and time <= self.seconds):
            raise ValueError(f"time {time:g} s comes after {self.seconds:g} s; times are finite and must grow")
        return float(time)

    def go(self, seconds: float) -> float:
        """A frame is taken; returns the seconds since the one before, of the first frame those of a frame."""
        passed = seconds - self.seconds if self.updates else 1 / self._rate
        if self.updates:
            self.step = min(self.step, passed) if self.updates > 1 else passed
        self.seconds, self.updates = seconds, self.updates + 1
        return passed

    def life(self, seconds: float, frames: int = 0) -> float:
        """How long a track may be unseen that is kept for so many seconds and then some frames.

        It is a whole number of frames, one at least unless the seconds are 0, and half of one for jitter. A frame is
        the shortest time between two so far.
        """
        return (frames_in(seconds, round(1 / self.step, 9)) + frames + 0.5) * self.step

    def state(self) -> npt.NDArray[Any]:
        """All that it knows; `restore` takes it back."""
        return np.array([self.seconds, self.updates, self.step])

    def restore(self, state: npt.NDArray[Any]) -> None:
        """Go on from where `state` was taken.

        Raises:
            ValueError: it has another shape.
        """
        self.seconds, updates, self.step = state.tolist()
        self.updates = int(updates)
