"""What is found out about a source while its frames are read: when they were taken, and which are missing."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict

from clmot.errors import UserError, plural

LARGEST_SHARE = 0.5
"""A source fails when more than this share of its frames cannot be decoded."""

PATIENCE = 60.0
"""Seconds without a picture after which a camera is given up."""

_REMEMBERED = 4096
"""Frames whose time is known; those who read run a few frames behind the decoder."""

_log = logging.getLogger(__name__)


class Reading:
    """The time stamps of a source's frames, and the count of those that cannot be decoded; each pass starts afresh.

    Args:
        name: the source, for messages.

    Attributes:
        lost: frames of this pass that could not be decoded. Their numbers are left out.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.restart()

    def restart(self) -> None:
        """Another pass begins."""
        self.lost = 0
        self._read = 0
        self._stop = threading.Event()
        self._seconds: OrderedDict[int, float] = OrderedDict()

    def stop(self) -> None:
        """Whoever takes the frames wants no more of this pass."""
        self._stop.set()

    @property
    def stopped(self) -> bool:
        """Whether no more frames are wanted."""
        return self._stop.is_set()

    def wait(self, seconds: float) -> None:
        """Do nothing for a while, or until no more frames are wanted."""
        self._stop.wait(seconds)

    def note(self, number: int, seconds: float | None) -> None:
        """A frame has been decoded, which was taken so many seconds after the first (None: nobody knows)."""
        self._read += 1
        if seconds is not None:
            self.stamp(number, seconds)

    def stamp(self, number: int, seconds: float) -> None:
        """A frame was taken so many seconds after the first."""
        self._seconds[number] = seconds
        if len(self._seconds) > _REMEMBERED:
            self._seconds.popitem(last=False)

    def seconds(self, number: int) -> float | None:
        """When one of the last frames was taken, in seconds after the first one; None where the source does not say."""
        return self._seconds.get(number)

    def lose(self, frames: int, why: str) -> None:
        """Some frames could not be decoded; the log says why of the first of a pass."""
        if frames > 0 and not self.lost:
            _log.warning("%s: %s; what cannot be decoded is left out, other frames keep their numbers", self.name, why)
        self.lost += max(0, frames)

    def check(self) -> None:
        """Whether enough of the frames could be decoded, at the end of a pass; the log says how many could not.

        Raises:
            UserError: more than `LARGEST_SHARE` of them could not.
        """
        total = self.lost + self._read
        if self.lost > 1:
            _log.warning("%s: %d of %s cannot be decoded", self.name, self.lost, plural(total, "frame"))
        if self.lost > LARGEST_SHARE * total:
            raise UserError(
                f"{self.name}: {self.lost} of {plural(total, 'frame')} cannot be decoded; copy or record it again"
            )
