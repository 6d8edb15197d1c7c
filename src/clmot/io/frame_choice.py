"""Frames of a sequence: which take part (all, a half, every n-th), and how many a duration is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from clmot.errors import UserError
from clmot.structures import BoolArray, Int64Array

Part = Literal["all", "first-half", "second-half"]


def half_length(length: int) -> int:
    """Frames in the first half of a sequence of n, as FairMOT halves MOT17 (`clmot.datasets.splits`): floor(n / 2)."""
    return length // 2


def frames_in(seconds: float, frame_rate: float) -> int:
    """How many frames a duration is: the nearest whole number, and one at least, unless the duration is zero."""
    return max(1, round(seconds * frame_rate)) if seconds else 0


@dataclass(frozen=True, kw_only=True)
class FrameChoice:
    """A choice of frames; frame numbers stay those of the whole sequence.

    Attributes:
        every: frames 1, 1 + every, 1 + 2 every, ...
        part: all of them, or those in the first or second half of the sequence (`half_length`).
        last: no frames after this one; None for no such limit.

    Raises:
        UserError: `every` is less than 1.

    Examples:
        >>> scores = clmot.evaluate("tracked", "MOT17/val", frames=clmot.FrameChoice(part="second-half"))
    """

    every: int = 1
    part: Part = "all"
    last: int | None = None

    def __post_init__(self) -> None:
        if self.every < 1:
            raise UserError(f"--every must be >= 1, got {self.every}")

    def __bool__(self) -> bool:
        """False where every frame takes part."""
        return self != FrameChoice()

    def keeps(self, frame: Int64Array, length: int | None) -> BoolArray:
        """Which of these 1-based frames of a sequence of that length take part, bool like `frame`.

        Raises:
            ValueError: halves are asked for, and the length is unknown.
        """
        kept = (frame - 1) % self.every == 0
        if self.last is not None:
            kept = kept & (frame <= self.last)
        if self.part == "all":
            return np.asarray(kept)
        if length is None:
            raise ValueError("a sequence of unknown length has no halves")
        in_first = frame <= half_length(length)
        return np.asarray(kept & (in_first if self.part == "first-half" else ~in_first))
