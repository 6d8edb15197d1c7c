"""A sequence of frames that can be read again and again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from clmot.errors import UserError
from clmot.io.frame_choice import FrameChoice
from clmot.io.prefetch import prefetch
from clmot.io.reading import Reading
from clmot.io.video import Frames
from clmot.io.video_headers import credible_frame_rate

_LIVE_END = 2.0
"""Seconds that the end of a live stream is waited for."""

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class FrameSource:
    """A sequence of frames, read each time it is iterated, by a thread that runs a few frames ahead.

    Closing the iterator (``contextlib.closing``) stops the thread. Frames that cannot be decoded are left out, counted
    and logged; where they are more than half of all, the last one is followed by a `UserError`.

    Attributes:
        name: what to call its results.
        frame_rate: frames a second, None where the source does not say.
        length: how many frames there are, None where unknown (cameras); for videos as their header says.
        live: a camera, which does not wait: frames that the consumer is too slow for are dropped, and their numbers
            with them.
        decode: makes the generator of frames; of live sources it takes what `clmot.io.live.stay_connected` does.
        origin: the file, folder or address it comes from.
        images: by frame number, the files that the frames are in; empty for videos.
        reading: when the frames were taken, and how many could not be decoded, as far as they have been read.
    """

    name: str
    frame_rate: float | None
    length: int | None
    live: bool = False
    decode: Callable[..., Frames]
    origin: str = ""
    images: Mapping[int, Path] = field(default_factory=dict)
    reading: Reading = field(default_factory=lambda: Reading("source"), compare=False)

    def __iter__(self) -> Frames:
        return self.ahead(4)

    def ahead(self, frames: int) -> Frames:
        """The frames, read by a thread that runs so many of them ahead."""
        return self.prefetched(self.decode(), frames, drop_oldest=self.live)

    def prefetched(
        self, items: Generator[Item, None, None], size: int, *, drop_oldest: bool = False
    ) -> Generator[Item, None, None]:
        """Items made of the source's frames, by a thread that runs so many of them ahead (`clmot.io.prefetch`)."""
        return prefetch(
            items,
            size=size,
            drop_oldest=drop_oldest,
            on_stop=self.reading.stop if self.live else None,
            longest_wait=_LIVE_END if self.live else None,
        )

    def at_rate(self, frame_rate: float) -> FrameSource:
        """The same source at another frame rate than it says; a recording's time stamps then follow from it.

        Raises:
            UserError: the frame rate is not a positive number.
        """
        if credible_frame_rate(frame_rate) is None:
            raise UserError(f"{self.name}: a frame rate of {frame_rate:g} frames/s is not possible")
        if self.live:
            return replace(self, frame_rate=frame_rate, decode=partial(self.decode, frame_rate=frame_rate))
        return replace(
            self, frame_rate=frame_rate, decode=partial(_stamped_anew, self.decode, frame_rate, self.reading)
        )

    def patient(self, seconds: float) -> FrameSource:
        """The same source, which ends with an error after so many seconds without a picture, if it is live.

        Raises:
            UserError: the seconds are negative or no number.
        """
        if not seconds >= 0:
            raise UserError(f"--reconnect must be >= 0 seconds, got {seconds:g}")
        return replace(self, decode=partial(self.decode, patience=seconds)) if self.live else self

    def only(self, choice: FrameChoice) -> FrameSource:
        """The same source with some of its frames, which keep their numbers.

        Raises:
            UserError: halves are asked for, and nobody knows how long it is.
        """
        if choice.part != "all" and self.length is None:
            raise UserError(f"{self.name}: --frames {choice.part} needs a source whose length is known")
        kept = None
        if self.length is not None:
            kept = int(choice.keeps(np.arange(1, self.length + 1), self.length).sum())
        return replace(self, length=kept, decode=partial(_chosen, self.decode, choice, self.length))


def _stamped_anew(decode: Callable[[], Frames], frame_rate: float, reading: Reading) -> Frames:
    with contextlib.closing(decode()) as frames:
        for number, image in frames:
            reading.stamp(number, (number - 1) / frame_rate)
            yield number, image


def _chosen(decode: Callable[[], Frames], choice: FrameChoice, length: int | None) -> Frames:
    with contextlib.closing(decode()) as frames:
        for number, image in frames:
            if choice.last is not None and number > choice.last:
                return
            if choice.keeps(np.array(number), length):
                yield number, image
