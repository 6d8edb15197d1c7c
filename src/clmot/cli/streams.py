"""Standard output and error that may be full, or have nobody who reads them."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from clmot.errors import UserError, reason_of


class _Stream:
    """A text stream whose reader may leave without an error: what comes after that goes nowhere, and work goes on.

    Args:
        stream: the stream.
        name: of it, for messages; empty where nobody could be told of another error either.
    """

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream, self._name = stream, name

    def write(self, text: str) -> int:
        """As of a text stream.

        Raises:
            UserError: it cannot be written.
        """
        with self._guarded():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """As of a text stream.

        Raises:
            UserError: it cannot be written.
        """
        with self._guarded():
            self._stream.flush()

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._silence()
            if self._name and not isinstance(error, BrokenPipeError):
                raise UserError(f"{self._name}: cannot be written: {reason_of(error)}") from error

    def _silence(self) -> None:
        with contextlib.suppress(OSError):
            # what is still in the buffer goes there too, when Python ends
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)
        self._stream = open(os.devnull, "w")  # noqa: SIM115: until the process ends

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def guarded_streams() -> Iterator[None]:
    """Guard standard output and error in this block."""
    before = sys.stdout, sys.stderr
    names = ("standard output", "")
    sys.stdout, sys.stderr = (stream and _Stream(stream, name) for stream, name in zip(before, names, strict=True))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
