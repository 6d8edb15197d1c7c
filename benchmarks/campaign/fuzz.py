"""Every entrance is given files that were valid once; nothing but `clmot.UserError` may come of it.

Each entrance runs in a process of its own with 1 GB to grow by, so that a crash of a decoder is one failure and not
the end; a call that takes over ten seconds is one as well.
"""

from __future__ import annotations

import json
import logging
import os
import random
import resource
import signal
import tempfile
import time
import traceback
import warnings
import zlib
from collections.abc import Iterable
from pathlib import Path

import torch  # noqa: F401 before memory is limited

from campaign.entrances import entrances
from campaign.files import Entrance
from campaign.mutate import mutated
from campaign.table import Kind, Table
from clmot import UserError

MEMORY, SECONDS = 1 << 30, 10
_MOST = 25
"""Failures after which an entrance has had enough."""


def fuzz(
    executions: int, seed: int, keep: Path | None = None, only: Iterable[str] = (), table: Table | None = None
) -> list[Kind]:
    """One row for each entrance.

    Args:
        executions: in all, shared out.
        seed: of everything.
        keep: a folder for the files that failed.
        only: parts of names of entrances; none for all.
        table: that gets the rows.
    """
    table, kinds = table or Table(), []
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        every = [each for each in entrances(Path(folder)) if not only or any(part in each.name for part in only)]
        whole = sum(each.share for each in every)
        for each in every:
            kind = table.kind(f"fuzz: {each.name}")
            _fuzz(each, max(20, round(executions * each.share / whole)), seed, kind, keep)
            kinds.append(kind.done())
            table.save()
    return kinds


def changed(entrance: Entrance, seed: int, number: int) -> bytes:
    """The content of one attempt; attempt 0 is the valid file, which must be read."""
    random_of = random.Random(f"{entrance.name} {seed} {number}")
    return mutated(entrance.content, entrance.kind, random_of) if number else entrance.content


def _fuzz(entrance: Entrance, count: int, seed: int, kind: Kind, keep: Path | None) -> None:
    at, seen = 0, set[str]()
    with tempfile.NamedTemporaryFile() as notes:
        while at < count and len(kind.failures) < _MOST:
            process = os.fork()
            if not process:
                _attempts(entrance, at, count, seed, Path(notes.name), seen)
            status = _wait(process, Path(notes.name))
            lines = [json.loads(line) for line in Path(notes.name).read_text().splitlines()]
            last = next((line["at"] for line in reversed(lines) if "at" in line), at)
            found = [(line["at"], line["what"]) for line in lines if "what" in line]
            if status:
                found.append((last, f"process ended by {status}"))
            for number, what in found:
                if (key := what.split(" | ")[0]) not in seen:
                    seen.add(key)
                    kind.fail(f"seed {seed}:{number}: {what}")
                    if keep:
                        keep.mkdir(parents=True, exist_ok=True)
                        name = f"{zlib.crc32(entrance.name.encode()):08x}-{number}{entrance.file.suffix}"
                        (keep / name).write_bytes(changed(entrance, seed, number))
            at = last + 1
            os.truncate(notes.name, 0)
    kind.attempts += min(at, count)
    entrance.file.write_bytes(entrance.content)


def _wait(process: int, notes: Path) -> str:
    """How the process ended, empty for well; it is killed when its alarm goes unheard in some library."""
    size, since = -1, time.monotonic()
    while True:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            ended = os.waitstatus_to_exitcode(status)
            return "" if not ended else (f"signal {-ended}" if ended < 0 else f"exit code {ended}")
        time.sleep(0.02)
        if (now := notes.stat().st_size) != size:
            size, since = now, time.monotonic()
        elif time.monotonic() - since > 30 * SECONDS:
            os.kill(process, signal.SIGKILL)


def _attempts(entrance: Entrance, at: int, count: int, seed: int, notes: Path, seen: set[str]) -> None:
    """Attempts from one on, noted as they are made; never returns."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    # threads of decoders reserve addresses that they never use
    limit = used + MEMORY * (4 if entrance.name.startswith("video") else 1)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    known = set(seen)
    with notes.open("a", buffering=1) as told:
        for number in range(at, count):
            told.write(f'{{"at": {number}}}\n')
            entrance.file.write_bytes(changed(entrance, seed, number))
            what, began = "", time.process_time()
            try:
                entrance.read(entrance.file)
            except UserError as error:
                if not number:
                    what = f"the valid file is refused: {error}"
                elif len(str(error).splitlines()) != 1:
                    what = f"a message of {len(str(error).splitlines())} lines | {str(error)[:200]!r}"
            except BaseException as error:
                what = _told(error)
            if (took := time.process_time() - began) > SECONDS:
                what = f"takes over {SECONDS} s | {took:.0f} s of processor time"
            if what and what.split(" | ")[0] not in known:
                known.add(what.split(" | ")[0])
                told.write(json.dumps({"at": number, "what": what}) + "\n")
    os._exit(0)


def _told(error: BaseException) -> str:
    """What was raised and where; the same fault has the same text up to the bar."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [each for each in frames if "/clmot/" in each.filename] or list(frames)
    place = f"{own[-1].filename.rpartition('/clmot/')[2]}:{own[-1].lineno} {own[-1].name}"
    return f"{type(error).__name__} in {place} | {str(error)[:160]}"
