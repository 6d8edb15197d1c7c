"""Commands that are ended, or whose disk fails, at every moment at which they touch the disk; then they run again.

The moments are what Python tells its audit hooks: each file opened to write, each name given, taken away or made below
the results' folder. At one of them the process is killed (``SIGKILL``), told to end (``SIGTERM``), or the call fails as
on a full, read-only or forbidden disk. Moments are found out by one run, so each can be tried: none is left to chance.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import logging
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from campaign.table import Kind
from clmot.cli import main
from clmot.config import Config
from clmot.models.network import Network
from clmot.synthetic import write_scenes
from clmot.training.checkpoint import save_checkpoint

COMMANDS = {
    "track": "track {clip} --out {out} --boxes gt --model {run} --explain",
    "track many": "track {clips} --out {out} --boxes gt --model {run} --workers 1",
    "refine": "refine {results} --out {out} --smooth",
    "convert-results": "convert-results {results} --to cvat --out {out}.xml",
    "data convert": "data convert {clip} --to coco --out {out}",
    "count": "count {results} --line 10,10,100,100 --out {out}",
    "data frames": "data frames {clip} --out {out}",
    "detect": "detect {clip} --model {run} --out {out}",
    "export": "export {run} --to onnx --out {out}.onnx",
    "tune": "tune gt {clip} --out {out} --trials 2 --jobs 1",
    "train": "train {stills} --out {out} --steps 2 train.batch_size=2 model.image_size=[128,96]",
    "gallery": "gallery enrol {out}.safetensors {clip}/img1 --name Ada --model {run}",
}
"""The cheapest call of each command whose results take time to make."""

FAULTS: dict[str, int] = {
    "killed": -signal.SIGKILL,
    "terminated": -signal.SIGTERM,
    "disk full": errno.ENOSPC,
    "read-only": errno.EROFS,
    "permission denied": errno.EACCES,
}
_EVENTS = {"os.rename", "os.mkdir", "os.link", "os.symlink", "os.truncate"}
_GOING = {errno.ENOSPC: {"os.remove", "os.rmdir", "os.truncate"}}
"""What a full disk still lets one do."""


@dataclasses.dataclass
class Run:
    """How a command ended, what it said, and how many moments it had."""

    code: int
    said: str
    moments: int


def prepare(folder: Path) -> dict[str, Path]:
    """What the commands read."""
    write_scenes(folder / "scenes", still_frames=4, still_sequences=1, clips=2, clip_frames=6, size=(160, 96), seed=3)
    clips = sorted(each for each in (folder / "scenes" / "clips").iterdir() if each.is_dir())
    small = {"encoder": "resnet10t", "encoder_options": {"channels": [8, 8, 16, 16]}, "width": 8, "stripes": 2}
    config = Config().updated({"model": {"image_size": [128, 96], **small}})
    torch.manual_seed(0)
    save_checkpoint(folder / "run", 1, config, Network(config.model).state_dict(), None)
    truth = np.loadtxt(clips[0] / "gt" / "gt.txt", delimiter=",", ndmin=2)[:, :7]
    results = folder / f"{clips[0].name}.txt"
    np.savetxt(results, np.pad(truth, ((0, 0), (0, 3)), constant_values=-1), "%g", delimiter=",")
    stills = next(each for each in (folder / "scenes" / "stills").iterdir() if each.is_dir())
    return {
        "clip": clips[0],
        "clips": folder / "scenes" / "clips",
        "stills": stills,
        "run": folder / "run",
        "results": results,
    }


def run(line: str, out: Path, places: dict[str, Path], fault: int = 0, moment: int = -1) -> Run:
    """Run a command in a process of its own.

    Args:
        line: the command.
        out: where its results go; moments are counted below the folder it is in.
        places: as of `prepare`.
        fault: one of `FAULTS`.
        moment: at which it happens; -1: never. A disk that fails goes on failing.
    """
    notes = Path(tempfile.mkdtemp())
    process = os.fork()
    if not process:
        code = 70
        try:
            code = _inside([word.format(**places, out=out) for word in line.split()], out.parent, notes, fault, moment)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    ended, began = (0, 0), time.monotonic()
    while not ended[0]:
        time.sleep(0.01)
        ended = os.waitpid(process, os.WNOHANG)
        if time.monotonic() - began > 300:
            os.kill(process, signal.SIGKILL)
    said = (notes / "said").read_text(errors="replace") if (notes / "said").exists() else ""
    moments = (notes / "moments").stat().st_size if (notes / "moments").exists() else 0
    shutil.rmtree(notes)
    return Run(os.waitstatus_to_exitcode(ended[1]), said, moments)


def _inside(words: list[str], below: Path, notes: Path, fault: int, moment: int) -> int:
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
        main(words)
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def contents(out: Path) -> dict[str, bytes]:
    """What a user finds: files under their final names."""
    found = {}
    for file in sorted(out.parent.rglob("*")):
        name = str(file.relative_to(out.parent))
        if file.is_file() and ".partial" not in name and ".before" not in name and ".lock" not in name:
            found[name] = file.read_bytes()
    return found


def at_every_moment(
    seed: int, until: float, only: Iterable[str] = (), faults: Iterable[str] = tuple(FAULTS), most: int = 10**6
) -> list[Kind]:
    """One row for each command and fault, of all moments or as many as there is time for.

    Args:
        seed: of the order of the moments.
        until: `time.monotonic` at which to end.
        only: the commands; none for all.
        faults: of `FAULTS`.
        most: moments of each command and fault.
    """
    kinds = []
    with tempfile.TemporaryDirectory() as folder:
        places = prepare(Path(folder) / "inputs")
        names = [name for name in COMMANDS if not only or name in only]
        for name in names:
            kinds += _command(name, Path(folder) / "work", places, seed, until, faults, most)
    return kinds


@contextlib.contextmanager
def _fresh(work: Path) -> Iterator[Path]:
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    yield work / "out"


def _command(
    name: str, work: Path, places: dict[str, Path], seed: int, until: float, faults: Iterable[str], most: int
) -> list[Kind]:
    line, kinds = COMMANDS[name], []
    quiet = []
    for _ in range(2):
        with _fresh(work) as out:
            whole = run(line, out, places)
            if whole.code:
                kind = Kind(f"{name}: uninterrupted", 1)
                kind.fail(f"exit code {whole.code}: {whole.said[-300:]}")
                return [kind.done()]
            quiet.append(contents(out))
    same = {file for file in quiet[0] if quiet[0][file] == quiet[1].get(file)}
    for fault in faults:
        kind = Kind(f"{name}: {fault}")
        order = list(range(whole.moments))
        random.Random(f"{seed} {name} {fault}").shuffle(order)
        for tried, moment in enumerate(order[:most]):
            if time.monotonic() > until:
                kind.note = f"{tried} of {whole.moments} moments: no time for more"
                break
            with _fresh(work) as out:
                kind.attempts += 1
                for what in _wrong(line, out, places, FAULTS[fault], moment, quiet[0], same):
                    kind.fail(f"moment {moment}: {what}")
        kinds.append(kind.done())
    return kinds


def _wrong(
    line: str, out: Path, places: dict[str, Path], fault: int, moment: int, whole: dict[str, bytes], same: set[str]
) -> Iterator[str]:
    """What is wrong after a fault, and after the command ran again."""
    ended = run(line, out, places, fault, moment)
    if "Traceback" in ended.said:
        yield f"a traceback: {ended.said[-500:]!r}"
    if fault > 0:
        lines = [each for each in ended.said.splitlines() if each.startswith("clmot: ")]
        if ended.code not in (0, 2) or (ended.code == 2) != (len(lines) == 1):
            yield f"exit code {ended.code} and {len(lines)} lines: {ended.said[-500:]!r}"
    yield from (f"afterwards {each}" for each in _halves(contents(out), whole, same))
    again = run(line, out, places)
    for option in ("--resume", "--overwrite"):
        if again.code and f"{option}" in again.said:
            again = run(f"{line} {option}", out, places)
    if again.code and ended.code not in (0, 2) and "is not empty" in again.said:
        yield f"cannot run again: {again.said[-300:]!r}"
    if again.code and ("is not empty" in again.said or "exists" in again.said or "is there" in again.said):
        shutil.rmtree(out)  # as the message says
        again = run(line, out, places)
    if again.code:
        yield f"the second run ends with {again.code}: {again.said[-400:]!r}"
    found = contents(out)
    if missing := whole.keys() - found.keys():
        yield f"the second run lacks {sorted(missing)}"
    yield from (f"the second run {each}" for each in _halves(found, whole, same))


def _halves(found: dict[str, bytes], whole: dict[str, bytes], same: set[str]) -> Iterator[str]:
    """Files that are not what an undisturbed run writes: what is the same each time to the letter, others by form."""
    for name, content in found.items():
        if name in same:
            if content != whole[name]:
                yield f"leaves {name} with {len(content)} of {len(whole[name])} bytes, or others"
        elif name.endswith(".json"):
            try:
                json.loads(content)
            except ValueError:
                yield f"leaves {name} that is no JSON ({len(content)} bytes)"
        elif not content and whole.get(name):
            yield f"leaves {name} empty"
