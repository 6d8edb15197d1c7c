"""Who works on what, among processes that share a folder and nothing else.

A claim is a file whose exclusive creation only one process can win, named by video, content, settings and attempt. It
is touched every few seconds; untouched for the time of a lease, or of a process of this machine that is no more, it is
a dead one's, and the next attempt can be claimed. Claims of what is done stay, so that nobody can win them again.
"""

from __future__ import annotations

import contextlib
import os
import platform
import time
import uuid
from collections.abc import Collection
from pathlib import Path

import msgspec

from clmot.errors import UserError, reason_of

LEASE = 120.0
"""Seconds; network file systems may tell of a touch a minute late."""


class Attempt(msgspec.Struct, frozen=True):
    """One attempt at a video: its name, the hash of its content and settings, and a number from 1."""

    name: str
    key: str
    number: int

    @property
    def file(self) -> str:
        """The name of what belongs to it."""
        return f"{self.name}.{self.key}.{self.number}"


class _Holder(msgspec.Struct, frozen=True):
    """Machine (or container) and process, and when that began."""

    machine: str
    process: int
    began: str


class Claims:
    """The claims in a folder.

    Args:
        folder: of them.
        lease: seconds after which a claim that nobody touches is a dead process's.
    """

    def __init__(self, folder: Path, lease: float = LEASE) -> None:
        self.folder, self.lease = folder, lease

    def newest(self, known: Collection[str] = ()) -> dict[tuple[str, str], int]:
        """By name and key, the number of the newest attempt whose file is not known already."""
        found: dict[tuple[str, str], int] = {}
        for file in set(os.listdir(self.folder)).difference(known):
            name, *rest = file.rsplit(".", 2)
            # else left by a file system or another program
            if len(rest) == 2 and rest[1].isdecimal() and int(rest[1]) > found.get((name, rest[0]), 0):
                found[name, rest[0]] = int(rest[1])
        return found

    def win(self, attempt: Attempt) -> bool:
        """Claim an attempt; False where another process was faster.

        Raises:
            UserError: the claim cannot be written.
        """
        path = self.folder / attempt.file
        try:
            with path.open("xb", buffering=0) as file, contextlib.suppress(OSError):
                # on a full disk it stays empty, and its lease counts
                file.write(msgspec.json.encode(_Holder(_machine(), os.getpid(), _began(os.getpid()))))
        except FileExistsError:
            return False
        except OSError as error:
            raise UserError(f"{path}: cannot claim a video: {reason_of(error)}") from error
        return True

    def touch(self, attempt: Attempt) -> None:
        """Say that the holder is alive."""
        with contextlib.suppress(OSError):
            os.utime(self.folder / attempt.file)

    def release(self, attempt: Attempt) -> None:
        """Give an attempt back that came to nothing through no fault of the video."""
        with contextlib.suppress(OSError):
            (self.folder / attempt.file).unlink()

    def is_held(self, attempt: Attempt) -> bool:
        """Whether no other process has taken the video over since it was claimed."""
        following = Attempt(attempt.name, attempt.key, attempt.number + 1)
        return (self.folder / attempt.file).exists() and not (self.folder / following.file).exists()

    def is_silent(self, attempt: Attempt) -> bool:
        """Whether a claim was not touched for the time of the lease."""
        try:
            return self._now() - (self.folder / attempt.file).stat().st_mtime > self.lease
        except OSError:
            return False

    def is_dead(self, attempt: Attempt) -> bool:
        """Whether the holder is gone, or has given it back, as far as that can be told."""
        path, holder = self.folder / attempt.file, None
        try:
            path.stat()
            with contextlib.suppress(msgspec.MsgspecError):
                holder = msgspec.json.decode(path.read_bytes(), type=_Holder)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        if holder and holder.machine == _machine() and holder.began:
            return _began(holder.process) != holder.began
        return self.is_silent(attempt)

    def _now(self) -> float:
        """The time on the clock that stamps the files here, which may be another machine's."""
        file = self.folder.parent / f"clock-{uuid.uuid4().hex[:8]}"
        try:
            file.touch()
            now = file.stat().st_mtime
            file.unlink()
        except OSError:
            return time.time()
        return now


def _machine() -> str:
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    return f"{platform.node()} {uuid.getnode()}"


def _began(process: int) -> str:
    """When a process began, as the kernel counts; empty where there is none, or nobody says."""
    with contextlib.suppress(OSError, IndexError):
        fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]
    return ""
