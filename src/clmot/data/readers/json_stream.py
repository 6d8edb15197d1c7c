"""JSON files read piece by piece: of a list with a million records, a few hundred are in memory at a time."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from clmot.errors import UserError, reason_of

_CHUNK = 1 << 20
_BATCH = 1 << 16
"""Characters that are taken at once as several values of a list."""

_border = re.compile(r"[ \t\n\r]*,[ \t\n\r]*").match
_blanks = re.compile(r"[ \t\n\r]*").match


@contextmanager
def open_json(path: Path) -> Iterator[JsonStream]:
    """Open a JSON file to be read value by value.

    Raises:
        UserError: it cannot be read or is no text; and what `JsonStream` raises.
    """
    try:
        with path.open(encoding="utf-8-sig") as file, _garbage_left():
            yield JsonStream(file, path)
    except OSError as error:
        raise UserError(f"{path}: cannot read annotations: {reason_of(error)}") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path}: not a JSON text file") from error


@contextmanager
def _garbage_left() -> Iterator[None]:
    """Without the garbage collector: it would look through each batch of records, in which there are no cycles."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class JsonStream:
    """A place in a JSON text, before a value that can be taken whole (`value`) or entered (`keys`, `items`, `values`).

    Of a list with many records, `batches` is the fast way.

    In each step of `keys` and `items` the value that comes must be taken, or entered and walked through to its end.

    Raises:
        UserError: the text is not valid JSON as far as it was read (with the line).
    """

    def __init__(self, file: IO[str], path: Path) -> None:
        """Start at the beginning of an open file; `path` is what messages name."""
        self._file, self._path = file, path
        self._decode = json.JSONDecoder().raw_decode
        self._text, self._at = "", 0
        self._lines_before = 0
        self._at_end = False
        self._depth = 0
        self._not_in_batches = ""

    def peek(self) -> str:
        """The character that the next value begins with, or what else comes; empty at the end of the file."""
        character = self._text[self._at : self._at + 1]
        if character > " ":
            return character
        while True:
            self._at = _blanks(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text) or not self._read_on():
                return self._text[self._at : self._at + 1]

    def value(self) -> Any:
        """Take the next value, whatever it is."""
        self.peek()
        while True:
            try:
                value, end = self._decode(self._text, self._at)
            except json.JSONDecodeError as error:
                # it may go on behind what has been read
                if self._read_on():
                    continue
                raise self._fault(error.msg, error.pos) from error
            # so may a number, as "12." and "12e+" do
            if len(self._text) - end > 3 or not self._read_on():
                self._at = end
                self._check_end()
                return value

    def keys(self) -> Iterator[str]:
        """Enter the object that comes: a step before the value of each of its keys."""
        for _ in self._steps("{", "}"):
            if self.peek() != '"':
                raise self._fault("Expecting property name enclosed in double quotes", self._at)
            key = self.value()
            self._skip(":")
            yield key

    def items(self) -> Iterator[int]:
        """Enter the list that comes: a step before each of its values, by position."""
        return self._steps("[", "]")

    def values(self) -> Iterator[Any]:
        """Take the values of the list that comes, one by one."""
        return (self.value() for _ in self.items())

    def batches(self) -> Iterator[list[Any]]:
        """Take the values of the list that comes, some at a time if they are objects; each batch has at least one."""
        border = ""
        for _ in self.items():
            values = self._values_before(border) if border else []
            if not values:
                values = [self.value()]
                between = _border(self._text, self._at)
                border = f"}}{between[0]}{{" if between else ""
            yield values

    def _values_before(self, border: str) -> list[Any]:
        """Take the values from here to the last border between two objects; none where that border is not one.

        The border may lie within a value. But a text that is a whole list with a bracket put behind the border has
        no value open there: what follows cannot change that.
        """
        if self._text is self._not_in_batches:
            return []
        end = self._text.rfind(border, self._at, self._at + _BATCH) + 1
        values: list[Any] = []
        if end:
            with suppress(json.JSONDecodeError):
                values, length = self._decode(f"[{self._text[self._at : end]}]", 0)
        if values:
            # the list itself may have ended before
            self._at += length - 2
            return values
        # not to be tried again at each value of this text
        self._not_in_batches = self._text
        return []

    def _steps(self, opening: str, closing: str) -> Iterator[int]:
        self._skip(opening)
        self._depth += 1
        number = 0
        if self.peek() != closing:
            yield number
            while self.peek() == ",":
                self._at += 1
                number += 1
                yield number
        self._skip(closing, "',' delimiter")
        self._depth -= 1
        self._check_end()

    def _check_end(self) -> None:
        """Nothing comes behind the outermost value."""
        if self._depth == 0 and self.peek():
            raise self._fault("Extra data", self._at)

    def _skip(self, character: str, expected: str | None = None) -> None:
        if self.peek() != character:
            raise self._fault(f"Expecting {expected or repr(character)}", self._at)
        self._at += 1

    def _read_on(self) -> bool:
        """Replace the text that is done with by what follows; False where the file has ended already."""
        if self._at_end:
            return False
        # by as much again, so that a long value is not tried too often
        chunk = self._file.read(max(_CHUNK, len(self._text) - self._at))
        self._at_end = not chunk
        self._lines_before += self._text.count("\n", 0, self._at)
        self._text = self._text[self._at :] + chunk
        self._at = 0
        return True

    def _fault(self, what: str, at: int) -> UserError:
        line = self._lines_before + self._text.count("\n", 0, at) + 1
        return UserError(f"{self._path}:{line}: not valid JSON: {what}")
