"""Edits on the disk as they are made: lines that are only ever appended, so that a kill at any moment loses none."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import msgspec

from clmot.apps.serve.edits import AnyEdit, read_edit
from clmot.apps.serve.history import History
from clmot.errors import UserError, reason_of

_FORMAT = 1


class Journal:
    """The edits of one results file, in ``<name>.edits.jsonl`` beside it.

    The first line says which results they are of, each other one is an edit. What was torn off in writing the last line
    is dropped.

    Args:
        results: MOTChallenge text.

    Raises:
        UserError: the journal cannot be read, is of other results, or has a line that is no edit.
    """

    def __init__(self, results: Path) -> None:
        self.path = results.with_name(f"{results.stem}.edits.jsonl")
        self._head = {"clmot edits": _FORMAT, "of": results.name, "sha256": _digest(results)}
        self.edits: list[AnyEdit] = []
        self._whole = 0
        """Bytes of the whole lines."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise UserError(f"{self.path}: cannot read the edits: {reason_of(error)}") from error
        self._whole = content.rfind(b"\n") + 1
        lines = content[: self._whole].split(b"\n")[:-1]
        for number, line in enumerate(lines, 1):
            if number == 1:
                self._check_head(line)
            else:
                try:
                    self.edits.append(read_edit(line))
                except UserError as error:
                    raise UserError(f"{self.path}:{number}: {error}; delete this line and those after it") from error

    def _check_head(self, line: bytes) -> None:
        try:
            head: Any = json.loads(line)
        except ValueError:
            head = None
        if not isinstance(head, dict) or head.get("clmot edits") != _FORMAT:
            raise UserError(f"{self.path}:1: not edits of this version of clmot serve; move the file away")
        if head.get("sha256") != self._head["sha256"]:
            raise UserError(f"{self.path}: has edits of another {head.get('of')}, which was replaced; move one of them")

    def replayed(self, history: History) -> History:
        """A history with all these edits made.

        Raises:
            UserError: one of them cannot be made.
        """
        for number, edit in enumerate(self.edits, 2):
            try:
                history.do(edit)
            except UserError as error:
                raise UserError(f"{self.path}:{number}: {error}; delete this line and those after it") from error
        return history

    def append(self, edit: AnyEdit) -> None:
        """Write an edit; when this returns, it is on the disk.

        Raises:
            UserError: it cannot be written; it is not there then.
        """
        head = b"" if self._whole else json.dumps(self._head).encode() + b"\n"
        line = head + msgspec.json.encode(edit) + b"\n"
        try:
            with self.path.open("r+b" if self.path.exists() else "xb") as file:
                file.truncate(self._whole)  # what was torn off, now or in an earlier life
                file.seek(self._whole)
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):  # what is not known to be there must not be found there
                os.truncate(self.path, self._whole)
            raise UserError(f"{self.path}: cannot write the edit: {reason_of(error)}") from error
        self._whole += len(line)
        self.edits.append(edit)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
