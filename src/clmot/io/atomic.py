"""The one way to write: files and folders that appear under their name only when they are whole, and on the disk.

What is being written has another name, ``<path>.partial``. A kill, a full disk or a power cut at any moment leaves what
was there before.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from clmot.errors import UserError, reason_of
from clmot.io.locks import alone

Item = TypeVar("Item", contravariant=True)

_MANY = 64
"""Files above which one call that flushes all of the machine's is faster than one for each."""


def partial_of(path: Path) -> Path:
    """The name of a file or folder while it is written."""
    return path.with_name(f"{path.name}.partial")


def publish(path: Path) -> None:
    """Give what was written as `partial_of` its name, once it is on the disk; a folder in its place gives way.

    Raises:
        OSError: it cannot be brought there; what was there before stays.
    """
    partial, before = partial_of(path), path.with_name(f"{path.name}.before")
    files = [entry for entry in partial.rglob("*") if entry.is_file()] if partial.is_dir() else [partial]
    if len(files) > _MANY and hasattr(os, "sync"):
        os.sync()
    else:
        for file in files:
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
    if partial.is_dir() and path.is_dir():
        # a folder that holds something cannot be replaced: for a moment it has another name, but is there
        shutil.rmtree(before, ignore_errors=True)
        path.rename(before)
        try:
            partial.rename(path)
        except OSError:
            before.rename(path)
            raise
        shutil.rmtree(before, ignore_errors=True)
    else:
        partial.replace(path)
    # some systems cannot open a folder, and some disks not flush one
    with contextlib.suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextlib.contextmanager
def whole_file(path: Path, what: str) -> Iterator[Path]:
    """Write a file under another name that becomes its own at the end of the block.

    Args:
        path: the file; what was there before stays until then, and stays after an exception.
        what: it is, for messages: ``the report``.

    Yields:
        The name to write under; after an exception nothing of it is left.

    Raises:
        UserError: the file cannot be written: the block raised `OSError`, or it cannot get its name.
    """
    partial = partial_of(path)
    try:
        with alone(partial):
            try:
                yield partial
                publish(path)
            finally:
                with contextlib.suppress(OSError):
                    partial.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot write {what}: {reason_of(error)}") from error


@contextlib.contextmanager
def whole_folder(path: Path, what: str, *, replace: bool = False) -> Iterator[Path]:
    """Write a folder, and the folders above it, as `whole_file` does a file; what a killed run left goes first.

    Args:
        path: the folder, not there yet or empty.
        what: as of `whole_file`.
        replace: whether another may be there, which gives way.

    Raises:
        UserError: as of `whole_file` and `check_new`.
    """
    if not replace:
        check_new(path)
    path = path.absolute()
    partial = partial_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with alone(partial):
            if not replace:
                check_new(path)  # another process may have been faster
            try:
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir()
                yield partial
                publish(path)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise UserError(f"{path}: cannot write {what}: {reason_of(error)}") from error


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, unless it is there.

    Raises:
        UserError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot make the folder: {reason_of(error)}") from error


def holds_something(path: Path) -> bool:
    """Whether a file is there, or a folder with more in it than a killed run was about to write."""
    if not path.is_dir():
        return path.exists()
    return any(not entry.name.endswith((".partial", ".partial.lock")) for entry in path.iterdir())


def check_new(path: Path) -> None:
    """Check that a folder to write is not there yet, or empty.

    Raises:
        UserError: it holds something, or is a file.
    """
    if holds_something(path):
        raise UserError(f"{path}: is {'not empty' if path.is_dir() else 'a file'}; choose another folder or delete it")


def write_whole_text(path: Path, text: str, what: str, *, errors: str = "strict") -> None:
    """Write a text in UTF-8, all or nothing; arguments as of `whole_file`, and `errors` as of `str.encode`.

    Raises:
        UserError: the file cannot be written.
    """
    write_whole_bytes(path, text.encode("utf-8", errors), what)


def write_whole_json(path: Path, content: Mapping[str, Any], what: str) -> None:
    """Write JSON, all or nothing; numbers that are not finite become null. Arguments as of `whole_file`.

    Raises:
        UserError: the file cannot be written.
    """
    write_whole_text(path, json.dumps(_known(content), indent=2, ensure_ascii=False) + "\n", what)


def _known(value: Any) -> Any:
    """A value in which nothing is NaN or infinite, for which JSON has no word."""
    if isinstance(value, Mapping):
        return {key: _known(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_known(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_whole_bytes(path: Path, content: bytes, what: str) -> None:
    """Write bytes, all or nothing; arguments as of `whole_file`.

    Raises:
        UserError: the file cannot be written.
    """
    with whole_file(path, what) as partial:
        partial.write_bytes(content)


class WholeWriter:
    """What is written in a ``with`` block: closed after it, and given up after an exception inside it."""

    def close(self) -> None:
        """Finish the file and give it its name."""
        raise NotImplementedError

    def abort(self) -> None:
        """Stop; what was there before stays."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()


class GrowingText(WholeWriter, Generic[Item]):
    """A text written part by part over a long time.

    Meanwhile it is called `partial_of` its path, and what was written can be read there at once; `close` gives it its
    name. After `abort` it keeps the other name.

    Args:
        path: the file.
        what: it is, for messages: ``results``.
        text: whole lines of a part. Its attributes ``first`` and ``last``, where it has them, stand before and after
            all of them.
        keep: bytes that were written of it before, to go on after; what is behind them goes.

    Raises:
        UserError: the file cannot be written, or is shorter than that; so do the methods.
    """

    def __init__(self, path: Path, what: str, text: Callable[[Item], str], keep: int | None = None) -> None:
        self._path, self._what, self._text = path, what, text
        self._lock = contextlib.ExitStack()
        with self._named():
            self._lock.enter_context(alone(partial_of(path)))
            self._file = partial_of(path).open("w" if keep is None else "r+", encoding="utf-8", newline="\n")
            if keep is None:
                self._file.write(getattr(text, "first", ""))
            elif self._file.seek(0, os.SEEK_END) < keep:
                raise UserError(f"{partial_of(path)}: has lost rows that were written; delete it, and begin again")
            else:
                self._file.truncate(self._file.seek(keep))

    def written(self) -> int:
        """How many bytes are on the disk for certain."""
        with self._named():
            self._file.flush()
            os.fsync(self._file.fileno())
            return os.fstat(self._file.fileno()).st_size

    def write(self, part: Item) -> None:
        """Append a part."""
        with self._named():
            self._file.write(self._text(part))
            self._file.flush()

    def close(self) -> None:
        """Finish the file and give it its name."""
        if not self._file.closed:
            with self._named():
                self._file.write(getattr(self._text, "last", ""))
                self._file.close()
                publish(self._path)
                self._lock.close()

    def abort(self) -> None:
        """Stop; what was written keeps its other name, and what was there before stays."""
        with contextlib.suppress(OSError), self._lock:  # a full disk would hide the exception under way
            self._file.close()

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(f"{self._path}: cannot write {self._what}: {reason_of(error)}") from error
