"""Work that Ctrl-C does not cut in two."""

from __future__ import annotations

import contextlib
import signal
import threading
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
