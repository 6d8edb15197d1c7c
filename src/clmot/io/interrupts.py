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


class Terminated(KeyboardInterrupt):
    """SIGTERM came, as from ``docker stop``, ``kill`` or a shutdown."""


@contextlib.contextmanager
def noted_interrupt() -> Iterator[list[type[KeyboardInterrupt]]]:
    """A list that gets what to raise at the first Ctrl-C or SIGTERM, so that no step is left half done.

    A second Ctrl-C interrupts at once. SIGTERM often comes twice, from a queue and from torchrun; it will be followed
    by SIGKILL if need be.
    """
    interrupted: list[type[KeyboardInterrupt]] = []
    first = 0.0

    def note(number: int, frame: object) -> None:
        nonlocal first
        now = time.monotonic()
        # torchrun passes on a Ctrl-C that the terminal has sent to its processes already: those are one
        if interrupted and now - first > 1 and number == signal.SIGINT:
            raise KeyboardInterrupt
        first = first or now
        interrupted.append(KeyboardInterrupt if number == signal.SIGINT else Terminated)

    with _handled(dict.fromkeys(_SIGNALS, note)):
        yield interrupted


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
