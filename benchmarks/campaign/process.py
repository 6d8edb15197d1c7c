"""Commands in processes of their own, whose disk can fail at a moment that is told by number.

The moments are what Python tells its audit hooks: each file opened to write, each name given, taken away or made below
the results' folder.
"""

from __future__ import annotations

import dataclasses
import errno
import logging
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from campaign.commands import FUNCTIONS
from clmot import UserError
from clmot.cli import main

FAULTS: dict[str, int] = {
    "killed": -signal.SIGKILL,
    "terminated": -signal.SIGTERM,
    "disk full": errno.ENOSPC,
    "read-only": errno.EROFS,
    "permission denied": errno.EACCES,
}
SIGNALS = ("killed", "terminated")
_EVENTS = {"os.rename", "os.mkdir", "os.link", "os.symlink", "os.truncate"}
_GOING = {errno.ENOSPC: {"os.remove", "os.rmdir", "os.truncate"}}
"""What a full disk still lets one do."""


@dataclasses.dataclass
class Run:
    """How a command ended, what it said, how many moments it had, and how long it took."""

    code: int
    said: str
    moments: int
    seconds: float


class Started(NamedTuple):
    """A command under way."""

    process: int
    notes: Path
    began: float
    at: float
    fault: int


def run(name: str, line: str, out: Path, places: dict[str, Path], fault: int = 0, moment: float = -1) -> Run:
    """Run a command in a process of its own.

    Args:
        name: of `COMMANDS`.
        line: the command.
        out: where its results go; moments are counted below the folder it is in.
        places: as of `prepare`.
        fault: one of `FAULTS`.
        moment: at which it happens; -1: never; of a signal also the seconds after which it is sent, as a float. A disk
            that fails goes on failing.
    """
    return finish(start(name, line, out, places, fault, moment))


def start(name: str, line: str, out: Path, places: dict[str, Path], fault: int = 0, moment: float = -1) -> Started:
    """Begin what `run` does; arguments as of that."""
    notes = Path(tempfile.mkdtemp())
    at, moment = (moment, -1) if isinstance(moment, float) else (1e9, moment)
    process = os.fork()
    if not process:
        code = 70
        try:
            places = {**places, "out": out}
            words = [re.sub(r"{(\w+)}", lambda found: str(places[found[1]]), word) for word in line.split()]
            call = FUNCTIONS.get(name, lambda words, _: main(words))
            code = _inside(lambda: call(words, places), out.parent, notes, fault, int(moment))
        except Exception:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return Started(process, notes, time.monotonic(), at, fault)


def finish(started: Started) -> Run:
    """Wait for its end."""
    process, notes, began, at, fault = started
    ended = (0, 0)
    while not ended[0]:
        time.sleep(0.01)
        ended = os.waitpid(process, os.WNOHANG)
        if not ended[0] and time.monotonic() - began > at:
            os.kill(process, -fault)
            at = 1e9
        if not ended[0] and time.monotonic() - began > 300:
            os.kill(process, signal.SIGKILL)
    said = (notes / "said").read_text(errors="replace") if (notes / "said").exists() else ""
    moments = (notes / "moments").stat().st_size if (notes / "moments").exists() else 0
    shutil.rmtree(notes)
    return Run(os.waitstatus_to_exitcode(ended[1]), said, moments, time.monotonic() - began)


def _inside(call: Callable[[], None], below: Path, notes: Path, fault: int, moment: int) -> int:
    os.setpgid(0, 0)
    said = os.open(notes / "said", os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(said, 1)
    os.dup2(said, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
    for handler in logging.root.handlers[:]:
        logging.root.removeHandler(handler)
    told = os.open(notes / "moments", os.O_WRONLY | os.O_CREAT, 0o600)
    root, count, home = os.fspath(below), 0, os.getpid()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if event == "open":
            path, _, flags = arguments
            touches = isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))
        elif event in _EVENTS or event in ("os.remove", "os.rmdir"):
            path, touches = arguments[0], True
        else:
            return
        if not (touches and isinstance(path, str | os.PathLike) and os.fspath(path).startswith(root)):
            return
        if os.getpid() != home:
            return
        os.write(told, b".")
        if count >= moment >= 0 and (fault > 0 or count == moment):
            count += 1
            if fault < 0:
                os.kill(os.getpid(), -fault)
            elif event not in _GOING.get(fault, ()):
                raise OSError(fault, os.strerror(fault), os.fspath(path))
            return
        count += 1

    sys.addaudithook(hook)
    try:
        call()
    except SystemExit as stop:
        return int(stop.code or 0)
    except UserError as error:
        print(f"clmot: {error}", file=sys.stderr)
        return 2
    return 0
