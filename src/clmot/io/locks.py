"""One process at a time: locks of the system, which a kill releases."""

from __future__ import annotations

import contextlib
import errno
import functools
import inspect
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ParamSpec, TypeVar

from clmot.errors import UserError

_Given = ParamSpec("_Given")
_Made = TypeVar("_Made")

_HELD = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)


@contextlib.contextmanager
def alone(path: Path, *, wait: bool = False, held: str = "another process is writing it") -> Iterator[None]:
    """Write a file or folder in the block, which no other process does that asks for this.

    What is locked is ``<path>.lock``, which is gone after the block; one that a kill left is of no account. Where it
    cannot be made, or the disk knows no locks, there is none: what is written then says what is wrong.

    Args:
        path: need not be there.
        wait: for the other process, where there is one.
        held: what to say of `path` where that is not to be waited for.

    Raises:
        UserError: another process holds the lock.
    """
    path = path.absolute()
    file = path.with_name(f"{path.name}.lock")
    handle = -1
    try:
        while handle < 0:
            handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
            _lock(handle, wait)
            if not _is(handle, file):  # whoever held it took it away meanwhile
                os.close(handle)
                handle = -1
    except OSError as error:
        if handle >= 0 and error.errno in _HELD:
            os.close(handle)
            raise UserError(f"{path}: {held}; wait for that, or choose another place") from error
    try:
        yield
    finally:
        if handle >= 0:
            with contextlib.suppress(OSError):
                os.unlink(file)
            os.close(handle)


def fills_alone(function: Callable[_Given, _Made]) -> Callable[_Given, _Made]:
    """A function that writes its folder ``out`` `alone`; of several processes that train together, the first asks."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*arguments: _Given.args, **options: _Given.kwargs) -> _Made:
        if os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) != "0":
            return function(*arguments, **options)
        out = Path(signature.bind(*arguments, **options).arguments["out"])
        with contextlib.suppress(OSError):
            out.absolute().parent.mkdir(parents=True, exist_ok=True)
        with alone(out):
            return function(*arguments, **options)

    return call


def _is(handle: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(file))
    except FileNotFoundError:
        return False


def _lock(handle: int, wait: bool) -> None:
    try:
        import fcntl
    except ImportError:  # on Windows
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
