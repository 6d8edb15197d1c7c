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
        self._null: TextIO | None = None

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
        self.close()
        self._stream = self._null = open(os.devnull, "w")  # until `close`

    def close(self) -> None:
        """Let go of where the text goes; the stream itself stays open."""
        if self._null is not None:
            self._null.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def guarded_streams() -> Iterator[None]:
    """Guard standard output and error in this block."""
    before = sys.stdout, sys.stderr
    names = ("standard output", "")
    guarded = [stream and _Stream(stream, name) for stream, name in zip(before, names, strict=True)]
    sys.stdout, sys.stderr = guarded
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        for stream in filter(None, guarded):
            stream.close()
