"""What has become of each video, in a folder that many processes share, also over a network.

Every process appends rows to a file of its own (JSON lines), which needs no lock: SQLite's do not hold on network
shares, and appends of several machines to one file tear there. The newest row of a video counts.
Work on a video begins with a claim (`clmot.apps.many.claims`).
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from clmot.apps.many.claims import LEASE, Attempt, Claims
from clmot.apps.many.video import Video
from clmot.errors import UserError, reason_of
from clmot.io.atomic import make_folder, write_whole_bytes

FOLDER = "manifest"
DONE, FAILED, ERROR, LOST, AGAIN = "done", "failed", "error", "lost", "again"
"""States of rows: finished; given up; an attempt that failed; one whose process ended; tried anew from here on."""
MOST_LOST = 5
"""Attempts whose process ended without a word after which a video is given up: it may be the reason."""


class Row(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What became of one attempt at a video.

    Attributes:
        name, key: the video, and the hash of its content and settings.
        state: of `DONE`, `FAILED`, `ERROR`, `LOST` and `AGAIN`.
        attempt: which one, from 1.
        at: Unix time.
        frames, undecodable, tracks, seconds: as of `clmot.apps.track.pipeline.TrackingResult`.
        error: why it failed, in one line.
        source: the video's origin.
        content, settings: hashes.
        files: the results' names in the folder.
        worker: machine and process.
    """

    name: str
    key: str
    state: str
    attempt: int = 0
    at: float = 0.0
    frames: int = 0
    undecodable: int = 0
    tracks: int = 0
    seconds: float = 0.0
    error: str = ""
    source: str = ""
    content: str = ""
    settings: str = ""
    files: tuple[str, ...] = ()
    worker: str = ""


class Manifest:
    """The manifest of a result folder.

    Args:
        out: the result folder.
        lease: seconds after which a claim that nobody touches is a dead process's.

    Attributes:
        folder: where it lies.
        rows: the newest row of each video, by name.
    """

    def __init__(self, out: Path, lease: float = LEASE) -> None:
        self.folder = out / FOLDER
        self.claims = Claims(self.folder / "claims", lease)
        self.rows: dict[str, Row] = {}
        self._attempts: dict[tuple[str, str], int] = {}  # the newest that was begun, beside those of `rows`
        self._verdicts: dict[tuple[str, str, int], str] = {}  # of older rows
        self._base: dict[tuple[str, str], int] = {}  # attempts that do not count any more
        self._read: dict[str, int] = {}
        self._mine: Path | None = None

    def make(self) -> None:
        """Make the folders.

        Raises:
            UserError: they cannot be made.
        """
        for name in ("rows", "claims", "work", "records"):
            make_folder(self.folder / name)

    def refresh(self, claims: bool = False) -> None:
        """Read what was appended since the last time; `claims`: and which attempts were begun.

        Raises:
            UserError: it cannot be read.
        """
        try:
            with os.scandir(self.folder / "rows") as files:
                grown = [each.name for each in files if each.stat().st_size > self._read.get(each.name, 0)]
            fresh = [row for name in grown for row in self._appended(name)]
            for row in sorted(fresh, key=lambda each: each.at):
                self._take(row)
            ended = {f"{row.name}.{row.key}.{row.attempt}" for row in self.rows.values()} if claims else set()
            for which, number in self.claims.newest(ended).items() if claims else ():
                self.begun(Attempt(*which, number))
        except FileNotFoundError as error:
            raise UserError(f"{self.folder.parent}: holds no manifest of many videos") from error
        except (OSError, ValueError) as error:
            raise UserError(f"{self.folder}: cannot be read: {reason_of(error)}") from error

    def _appended(self, name: str) -> list[Row]:
        start = self._read.get(name, 0)
        with (self.folder / "rows" / name).open("rb") as file:
            file.seek(start)
            text = file.read()
        end = text.rfind(b"\n") + 1  # what is behind is being written
        self._read[name] = start + end
        try:
            return _ROWS.decode_lines(text[:end])
        except msgspec.MsgspecError:
            rows = []
            for line in text[:end].splitlines():
                with contextlib.suppress(msgspec.MsgspecError):  # cut short by a full disk or a power cut
                    rows.append(_ROWS.decode(line))
            return rows

    def _take(self, row: Row) -> None:
        known = self.rows.get(row.name)
        # what is done stays done, also when an attempt that was taken for dead fails behind it
        stays = known is not None and known.key == row.key and known.state == DONE
        if not stays:
            self.rows[row.name] = row
        if row.state == AGAIN:
            self._base[row.name, row.key] = row.attempt
        older = row if stays else known
        if older is not None:
            if older.state != AGAIN:
                self._verdicts[older.name, older.key, older.attempt] = older.state
            self.begun(Attempt(older.name, older.key, older.attempt))

    def _verdict(self, name: str, key: str, number: int) -> str:
        row = self.rows.get(name)
        if row and row.attempt == number and row.key == key and row.state != AGAIN:
            return row.state
        return self._verdicts.get((name, key, number), "")

    def _newest(self, name: str, key: str) -> int:
        row = self.rows.get(name)
        return max(self._attempts.get((name, key), 0), row.attempt if row and row.key == key else 0)

    def append(self, row: Row) -> None:
        """Add a row; it is on the disk when this returns.

        Raises:
            UserError: it cannot be written; of it nothing is left.
        """
        if self._mine is None:
            host = re.sub(r"\W+", "-", platform.node() or "host")
            self._mine = self.folder / "rows" / f"{host}-{os.getpid()}-{uuid.uuid4().hex[:8]}.jsonl"
        line = msgspec.json.encode(row) + b"\n"
        try:
            with self._mine.open("ab", buffering=0) as file:
                before = file.tell()
                try:
                    if file.write(line) != len(line):
                        raise OSError(28, "No space left on device")
                    os.fsync(file.fileno())
                except OSError:
                    file.truncate(before)
                    raise
        except OSError as error:
            raise UserError(f"{self._mine}: cannot write the manifest: {reason_of(error)}") from error

    def next_attempt(self, video: Video, key: str, retries: int) -> Attempt | str:
        """The attempt to claim; or `DONE` or `FAILED`, or an empty text where another process is at it.

        What is to be given up is written down as such.

        Args:
            video: the video.
            key: of it, `Video.key`.
            retries: after how many attempts that fail one more is the last.
        """
        which, row = (video.name, key), self.rows.get(video.name)
        if row and row.key == key and row.state in (DONE, FAILED):
            return row.state
        newest, base = self._newest(*which), self._base.get(which, 0)
        if newest > base and not self._verdict(*which, newest) and not self.claims.is_dead(Attempt(*which, newest)):
            return ""
        errors = sum(self._verdict(*which, each) == ERROR for each in range(base + 1, newest + 1))
        lost = newest - base - errors
        if errors > retries or lost >= MOST_LOST:
            reason = row.error if row and row.error else f"its process ended {lost} times without a word"
            told = Row(video.name, key, FAILED, newest, time.time(), error=reason, source=video.origin)
            self.append(told)
            self.refresh()
            return FAILED
        return Attempt(*which, newest + 1)

    def claim(self, attempt: Attempt) -> bool:
        """Claim an attempt; False where another process was faster, or the video is done.

        Raises:
            UserError: the claim cannot be written.
        """
        won = self.claims.win(attempt)
        self.begun(attempt)
        self.refresh()
        row = self.rows.get(attempt.name)
        if won and row and row.key == attempt.key and row.state == DONE:
            self.claims.release(attempt)
            return False
        return won

    def begun(self, attempt: Attempt) -> None:
        """Take note of an attempt that this or another process has begun."""
        which = (attempt.name, attempt.key)
        self._attempts[which] = max(self._attempts.get(which, 0), attempt.number)

    def was_begun(self, name: str, key: str) -> bool:
        """Whether there was any attempt."""
        return self._newest(name, key) > 0

    def has_verdict(self, attempt: Attempt) -> bool:
        """Whether a row says what became of an attempt."""
        return self._verdict(attempt.name, attempt.key, attempt.number) != ""

    def was_cut_off(self, attempt: Attempt) -> bool:
        """Whether the attempt before failed through no fault of the video, so that what it left can be trusted."""
        return self._verdict(attempt.name, attempt.key, attempt.number - 1) != ERROR

    def running(self) -> list[Attempt]:
        """What is being worked on."""
        return [
            attempt
            for which in self._attempts
            if not self._verdict(*which, number := self._newest(*which)) and number > self._base.get(which, 0)
            if not self.claims.is_dead(attempt := Attempt(*which, number))
        ]

    def known_videos(self) -> dict[str, Video]:
        """What an earlier start knew of the sources, by origin."""
        try:
            content = (self.folder / "sources.jsonl").read_bytes()
            return {each.origin: each for each in _VIDEOS.decode_lines(content)}
        except (OSError, msgspec.MsgspecError):
            return {}

    def remember(self, videos: Sequence[Video], known: Mapping[str, Video]) -> None:
        """Keep what is known of the sources for the next start.

        Raises:
            UserError: it cannot be written.
        """
        merged = {**known, **{each.origin: each for each in videos}}
        if merged != known:
            own = self.folder / f"sources-{uuid.uuid4().hex[:8]}"  # others may be starting as well
            write_whole_bytes(own, msgspec.json.Encoder().encode_lines(list(merged.values())), "the list of the videos")
            own.replace(self.folder / "sources.jsonl")


_ROWS = msgspec.json.Decoder(Row)
_VIDEOS = msgspec.json.Decoder(Video)
