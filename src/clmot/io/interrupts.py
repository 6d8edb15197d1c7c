"""Work that Ctrl-C does not cut in two."""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PATIENCE = 10.0
"""Seconds that a thread may take to come back to Python after a signal."""


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
    first, command = 0.0, signal.getsignal(signal.SIGINT)

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal first
        now = time.monotonic()
        # torchrun passes on a Ctrl-C that the terminal has sent to its processes already: those are one
        if interrupted and now - first > 1 and number == signal.SIGINT:
            if isinstance(command, Command):
                command(number, frame)
            raise KeyboardInterrupt
        first = first or now
        interrupted.append(KeyboardInterrupt if number == signal.SIGINT else Terminated)

    with _handled(dict.fromkeys(_SIGNALS, note)):
        yield interrupted


class Command:
    """What signals do to a command while it runs, and to its process until that has ended.

    Attributes:
        came: the number of the first signal, 0 before it.
        over: nobody is left to catch what is raised.
        code: that the process ends with.
    """

    def __init__(self) -> None:
        self.came, self.over, self.code = 0, False, 1
        self._since, self._process = 0.0, os.getpid()

    def __call__(self, number: int, _: object) -> None:
        """Raise the first signal as `KeyboardInterrupt` or `Terminated`; Ctrl-C a second later ends at once."""
        if os.getpid() != self._process:  # processes forked from this one end as they would without it
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        elif not self.came:
            self.came, self._since = number, time.monotonic()
            if self.over:
                self.leave()
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
        # one Ctrl-C may come twice, as from those who start commands (torchrun, uv)
        elif number == signal.SIGINT and time.monotonic() - self._since > 1:
            self.leave("ended at once")

    def watch(self, signals: int) -> None:
        """End the process where its main thread does not see a signal, or a second one, for it is not in Python.

        Args:
            signals: a file descriptor that gets their numbers.
        """
        first, waiting = 0.0, False
        while True:
            ready, _, _ = select.select([signals], [], [], _PATIENCE if waiting else None)
            number = os.read(signals, 1)[0] if ready else 0
            again = number == signal.SIGINT and first > 0 and time.monotonic() - first > 1
            missed = waiting and not ready and not self.came
            handler: object = signal.getsignal(signal.SIGINT)
            if (again or missed) and handler is self:
                self.leave("ended at once" if again else "interrupted")
            waiting = number in _SIGNALS or (waiting and number > 0)
            first = first or time.monotonic() * waiting

    def again(self, lost: Any) -> None:
        """Let a signal come again that was raised where nothing can be, as in a library's callback; Python's hook."""
        if self.came and isinstance(lost.exc_value, KeyboardInterrupt):
            number, self.came = self.came, 0
            threading.Timer(0.1, os.kill, [os.getpid(), number]).start()
        else:
            sys.__unraisablehook__(lost)

    def leave(self, line: str = "interrupted") -> None:
        """Say so and end this process, whatever else it is doing."""
        first, torchrun = os.environ.get("LOCAL_RANK", "0") == "0", "TORCHELASTIC_RUN_ID" in os.environ
        if first:
            os.write(2, f"clmot: {line}\n".encode())
        # Lightning kills the first process when one that it started fails
        os._exit((143 if self.came == signal.SIGTERM else 130) if first or torchrun else 0)

    def end(self) -> None:
        """End the process: Python, tidying up, would let signals through, and has a code of its own (-2) for some."""
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(AttributeError, OSError):  # there is none, or nobody who reads it
                stream.flush()
        os._exit(self.code)


@contextlib.contextmanager
def interruptible() -> Iterator[Command]:
    """Let the first Ctrl-C or SIGTERM raise `KeyboardInterrupt` or `Terminated` in the block.

    What others have made of it on its way (modules that are being loaded raise errors of their own) is told by `came`.
    """
    command = signal.getsignal(signal.SIGINT)
    if isinstance(command, Command):
        yield command
        return
    with _handled(dict.fromkeys(_SIGNALS, command := Command())):
        yield command


def whole_process() -> Command:
    """`interruptible` for the rest of this process, to its very end."""
    command = Command()
    for number in _SIGNALS:
        signal.signal(number, command)
    atexit.register(command.end)  # the first to come is the last to go
    sys.unraisablehook = command.again
    if hasattr(signal, "pthread_sigmask"):  # Windows has no such pipes
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        threading.Thread(target=command.watch, args=(reader,), daemon=True).start()
    return command


@contextlib.contextmanager
def out_of_reach() -> Iterator[None]:
    """Keep Ctrl-C, which a terminal sends to all, from the processes started in the block, from their first moment on.

    Who started them decides what becomes of them. Where a thread's signals cannot be blocked (Windows) they get it.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker  # which would let them through again when it starts

    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """End this process when the one that started it has ended, however that was."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    import multiprocessing  # which commands that start no processes need not load

    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
