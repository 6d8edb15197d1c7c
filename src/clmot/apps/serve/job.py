"""Tracking that was started in the page: `clmot track` in a process of its own, and the boxes that it has written."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from clmot.apps.serve.boxes_wire import packed
from clmot.apps.serve.media import MediaMaker, Stills
from clmot.apps.serve.state import State
from clmot.config.tracker import PRESETS
from clmot.errors import readable, require
from clmot.io.atomic import partial_of
from clmot.io.class_names import read_class_names
from clmot.io.frame_source import FrameSource
from clmot.io.mot_text import parse_mot_table, to_mot_rows
from clmot.shipped import DEFAULT
from clmot.tracking.postprocess.track_table import Rows

_DEFAULT_RATE = 30.0
_WAIT = 20.0
_TOLD = 8192


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be tracked, and how; as the options of `clmot track`."""

    source: str
    model: str = DEFAULT
    conf: float | None = None
    classes: str = ""
    preset: str = ""
    every: int = 1
    fast: bool = False

    def options(self) -> list[str]:
        """The options of the command line.

        Raises:
            UserError: one of them cannot be.
        """
        require(not self.preset or self.preset in PRESETS, f"there is no preset '{self.preset}'")
        require(1 <= self.every <= 1000, "every so many frames: give a number from 1 to 1000")
        require(self.conf is None or 0 <= self.conf < 1, "the least score is a number from 0 to 1")
        return [
            *([f"--conf={self.conf}"] if self.conf is not None else []),
            *([f"--classes={self.classes}"] if self.classes.strip() else []),
            *([f"--preset={self.preset}"] if self.preset else []),
            *([f"--every={self.every}"] if self.every > 1 else []),
            *(["--fast"] if self.fast else []),
        ]


class Job:
    """One run of `clmot track`, whose boxes can be seen while it goes on.

    Args:
        source: what is tracked.
        model: run or file.
        wanted: how.
        out: a folder that is not there yet.

    Raises:
        UserError: as `Wanted.options`.
    """

    def __init__(self, source: FrameSource, model: str, wanted: Wanted, out: Path) -> None:
        options = wanted.options()
        self.source, self.out = source, out
        self._file, self._read, self._rest = out / f"{source.name}.txt", 0, b""
        self._parts: list[Rows] = []
        self._rows: Rows | None = None
        self._lock = threading.Lock()
        self._said = tempfile.TemporaryFile()
        command = [sys.executable, "-m", "clmot", "track", source.origin, "--model", model, "--out", str(out)]
        # in a folder as this process is in one: what it is called by is relative to that
        self._process = subprocess.Popen(
            [*command, "--explain", *options], stdin=subprocess.DEVNULL, stdout=self._said, stderr=self._said
        )
        nothing = np.ones(1, np.int64)
        self.media = MediaMaker(source, out.parent / ".serve", nothing, source.frame_rate or _DEFAULT_RATE)
        self.stills = Stills(source, lambda: self.media.made)

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Have it finish its files and end."""
        if self.running:
            self._process.terminate()

    def close(self) -> None:
        """Be done with it."""
        self.stop()
        try:
            self._process.wait(_WAIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.media.close()
        self._said.close()

    def error(self) -> str:
        """Why it failed, in its own words; nothing where it did not."""
        code = self._process.poll()
        if code is None or self._file.exists():
            return ""
        lines = self._lines()
        told = next((line for line in reversed(lines) if line.startswith("clmot: ")), lines[-1] if lines else "")
        return told.removeprefix("clmot: ") or f"tracking ended with code {code}"

    def _lines(self) -> list[str]:
        """What it said last; read at a place, as it goes on writing where the file stands."""
        if self._said.closed:
            return []
        handle = self._said.fileno()
        told = os.pread(handle, _TOLD, max(0, os.fstat(handle).st_size - _TOLD)).decode(errors="replace")
        return [readable(line) for line in told.splitlines() if line.strip()]

    def _found(self) -> Rows | None:
        """The boxes so far, ordered by frame."""
        with self._lock:
            file = next((each for each in (partial_of(self._file), self._file) if each.exists()), None)
            if file is not None:
                try:
                    with file.open("rb") as opened:
                        opened.seek(self._read)
                        new = opened.read()
                except OSError:  # it just got its name
                    new = b""
                self._read += len(new)
                lines, cut, self._rest = (self._rest + new).rpartition(b"\n")
                if cut:
                    self._add(lines.decode())
            return self._rows

    def _add(self, text: str) -> None:
        rows = to_mot_rows(*parse_mot_table(text, self._file))
        n = len(rows)
        part = Rows(
            frame=rows.frame,
            track_id=rows.identity,
            order=np.zeros(n, np.int64),
            row=np.full(n, -1, np.int64),
            xyxy=rows.boxes,
            score=rows.confidence.astype(np.float32),
            class_id=np.maximum(rows.class_id - 1, 0),
            embedding=np.empty((n, 0), np.float32),
        )
        self._rows = part if self._rows is None else Rows.join([self._rows, part])

    def progress(self) -> dict[str, Any]:
        """How far it is."""
        rows = self._found()
        last = int(rows.frame[-1]) if rows is not None and len(rows) else 0
        return {
            "running": self.running,
            "name": readable(self.source.name),
            "frame": last,
            "tracks": 0 if rows is None else len(np.unique(rows.track_id)),
            "length": self.source.length,
            "said": "".join(self._lines()[-1:]) if not last else "",
            "error": self.error(),
        }

    def summary(self) -> dict[str, Any]:
        """As of a session, without tracks."""
        named = read_class_names(self._file)
        return {
            "name": readable(self.source.name),
            "live": True,
            "file": readable(str(self._file)),
            "first": 1,
            "last": self.source.length or 1,
            "step": 1,
            "rate": self.source.frame_rate or _DEFAULT_RATE,
            "classes": list(map(readable, named)) or ["object"],
            "tracks": [],
        }

    def window(self, first: int, last: int) -> bytes:
        """As of a session."""
        rows = self._found()
        if rows is None:
            return packed([])
        mine = rows.take(slice(*rows.frame.searchsorted([first, last + 1])))
        mine = mine.take(np.lexsort((mine.frame, mine.track_id)))
        return packed(State.of_rows(mine, ["object"], 1).between(first, last))

    def crop(self, track: int, frame: int) -> bytes | None:
        """As of a session; there are none yet."""
        return None
