"""Cameras and streams that drop out, and come back."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable

from clmot.errors import UserError
from clmot.io.reading import PATIENCE, Reading
from clmot.io.video import Frames

_FIRST_WAIT = 0.5
_LONGEST_WAIT = 30.0
_DEFAULT_FRAME_RATE = 25.0

_log = logging.getLogger(__name__)


def stay_connected(
    connect: Callable[[Reading], Frames],
    reading: Reading,
    *,
    frame_rate: float | None,
    endless: bool = True,
    patience: float = PATIENCE,
) -> Frames:
    """The frames of a camera, whose connection is made again whenever it drops out, after longer and longer waits.

    Numbers and times go on as if the frames had been there that were missed meanwhile.

    Args:
        connect: makes the generator of the frames of one connection, and tells their times.
        reading: is told the times of all of them.
        frame_rate: frames a second, by which missed frames are counted.
        endless: the stream has no end of its own: where frames end without an error, it has dropped out.
        patience: seconds without a picture after which it is given up.

    Raises:
        UserError: it cannot be reached at first, or no more for so long.
    """
    reading.restart()
    number, seconds, wait = 0, 0.0, _FIRST_WAIT
    seen: float | None = None
    while not reading.stopped:
        own = Reading(reading.name)
        fresh, why = True, "it ended"
        missed = lost = 0
        shift = 0.0
        try:
            with contextlib.closing(connect(own)) as frames:
                for index, image in frames:
                    now = own.seconds(index) or 0.0
                    if fresh and seen is not None:
                        away = time.monotonic() - seen
                        missed = number + max(1, round(away * (frame_rate or _DEFAULT_FRAME_RATE))) - index
                        shift = seconds + away - now
                        wait = _FIRST_WAIT
                        _log.warning("%s: is back after %.1f s, with frame %d", reading.name, away, index + missed)
                    fresh = False
                    number, seconds, seen = index + missed, now + shift, time.monotonic()
                    reading.lose(own.lost - lost, "frames")
                    lost = own.lost
                    reading.note(number, seconds)
                    yield number, image
            if not endless:
                return
        except UserError as error:
            if seen is None:
                raise
            why = str(error)
        if seen is None:
            raise UserError(f"{reading.name}: ended before its first picture")
        away = time.monotonic() - seen
        if away >= patience:
            raise UserError(
                f"{reading.name}: no picture for {away:.0f} s after frame {number} ({why}); given up (--reconnect says "
                "after how many seconds)"
            )
        if not fresh:
            _log.warning("%s: has dropped out after frame %d (%s); trying again", reading.name, number, why)
        reading.wait(min(wait, patience - away))
        wait = min(2 * wait, _LONGEST_WAIT)
