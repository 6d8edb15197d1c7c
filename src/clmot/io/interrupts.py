"""Work that Ctrl-C does not cut in two."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def _handled(handlers: Mapping[int, Callable[[int, FrameType | None], object]]) -> Iterator[None]:
    """Let handlers take signals in the block; in other threads than the main one, which no signal interrupts, none."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            # None is a handler that was not set from Python, and cannot be put back from here
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextlib.contextmanager
def undivided() -> Iterator[None]:
    """Let Ctrl-C (and SIGTERM) wait for the end of the block, so that what it writes is there as a whole or not at all.

    In other threads than the main one this does nothing.
    """
    waiting: list[int] = []
    try:
        with _handled(dict.fromkeys(_SIGNALS, lambda number, _: waiting.append(number))):
            yield
    finally:
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

    with _handled({signal.SIGINT: note}):
        yield interrupted


class Terminated(KeyboardInterrupt):
    """SIGTERM came, as from ``docker stop``, ``kill`` or a shutdown."""


@contextlib.contextmanager
def termination_as_interrupt() -> Iterator[None]:
    """Let SIGTERM raise `Terminated` in the block: what is done at Ctrl-C is done then too.

    Processes that are forked in the block end at once, as they would without it.
    """
    process = os.getpid()

    def stop(number: int, _: object) -> None:
        if os.getpid() == process:
            raise Terminated
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    with _handled({signal.SIGTERM: stop}):
        yield
