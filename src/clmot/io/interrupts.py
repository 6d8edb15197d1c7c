"""Work that Ctrl-C does not cut in two."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def undivided() -> Iterator[None]:
    """Let Ctrl-C (and SIGTERM) wait for the end of the block, so that what it writes is there as a whole or not at all.

    In other threads than the main one, which no signal interrupts, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    before = {number: signal.signal(number, lambda number, _: waiting.append(number)) for number in _SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            # None is a handler that was not set from Python, and cannot be put back from here
            signal.signal(each, signal.SIG_DFL if handler is None else handler)
        for number in waiting:
            signal.raise_signal(number)


@contextlib.contextmanager
def noted_interrupt() -> Iterator[list[float]]:
    """A list that gets an item at the first Ctrl-C, so that no step is left half done; the second one interrupts."""
    interrupted: list[float] = []

    def note(number: int, frame: object) -> None:
        now = time.monotonic()
        # torchrun passes on a Ctrl-C that the terminal has sent to its processes already: those are one
        if interrupted and now - interrupted[0] > 1:
            raise KeyboardInterrupt
        interrupted.append(now)

    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)


class Terminated(KeyboardInterrupt):
    """SIGTERM came, as from ``docker stop``, ``kill`` or a shutdown."""


@contextlib.contextmanager
def termination_as_interrupt() -> Iterator[None]:
    """Let SIGTERM raise `Terminated` in the block: what is done at Ctrl-C is done then too.

    Processes that are forked in the block end at once, as they would without it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    process = os.getpid()

    def stop(number: int, _: object) -> None:
        if os.getpid() == process:
            raise Terminated
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)
