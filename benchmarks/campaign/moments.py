"""Commands that are ended, or whose disk fails, at every moment at which they touch the disk; then they run again.

The moments are what Python tells its audit hooks: each file opened to write, each name given, taken away or made below
the results' folder. At one of them the process is killed (``SIGKILL``), told to end (``SIGTERM``), or the call fails as
on a full, read-only or forbidden disk. Moments are found out by one run, so each can be tried: none is left to chance.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import av
import safetensors.numpy
import torch
from torch.utils._pytree import tree_flatten_with_path

from campaign.commands import COMMANDS, prepare
from campaign.process import FAULTS, SIGNALS, run
from campaign.table import Kind, Table


def contents(out: Path) -> dict[str, bytes]:
    """What a user finds: files under their final names."""
    found = {}
    for file in sorted(out.parent.rglob("*")):
        name = str(file.relative_to(out.parent))
        passing = any(each in name for each in (".partial", ".before", ".lock", "manifest/rows", "manifest/claims"))
        if file.is_file() and not passing:
            found[name] = file.read_bytes()
    return found


def at_every_moment(
    seed: int,
    until: float,
    only: Iterable[str] = (),
    faults: Iterable[str] = tuple(FAULTS),
    most: Mapping[str, int] | None = None,
    table: Table | None = None,
) -> list[Kind]:
    """One row for each command and fault, of all moments or as many as there is time for.

    Args:
        seed: of the order of the moments.
        until: `time.monotonic` at which to end.
        only: the commands; none for all.
        faults: of `FAULTS`.
        most: by fault, moments of each command: each at which it touches the disk, once, and where there are fewer and
            the fault is a signal, random times besides. By default the former.
        table: what was tried before is not tried again.
    """
    table = table or Table()
    names = [name for name in COMMANDS if not only or name in only]
    with tempfile.TemporaryDirectory() as folder:
        places = prepare(Path(folder) / "inputs")
        for share in (0.1, 0.3, 0.6, 1) if most else (1,):  # some of each command first
            for name in names:
                some = {fault: round(share * count) for fault, count in (most or {}).items()}
                _command(name, Path(folder) / "work", places, seed, until, faults, some, table)
    return [each for each in table.kinds if each.name.partition(":")[0] in names]


@contextlib.contextmanager
def fresh(work: Path) -> Iterator[Path]:
    """A new folder, and where results are to go in it."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    yield work / "out"


def _command(
    name: str,
    work: Path,
    places: dict[str, Path],
    seed: int,
    until: float,
    faults: Iterable[str],
    most: Mapping[str, int],
    table: Table,
) -> None:
    kinds = {fault: table.kind(f"{name}: {fault}") for fault in faults}
    if time.monotonic() > until or (most and all(len(kinds[each].tried) >= most.get(each, 0) for each in kinds)):
        return
    line, quiet = COMMANDS[name], []
    for _ in range(2):
        with fresh(work) as out:
            whole = run(name, line, out, places)
            if whole.code:
                table.kind(f"{name}: uninterrupted").fail(f"exit code {whole.code}: {whole.said[-300:]}")
                return
            quiet.append(contents(out))
    same = {file for file in quiet[0] if quiet[0][file] == quiet[1].get(file)}
    for fault, kind in kinds.items():
        random_of = random.Random(f"{seed} {name} {fault}")
        order: list[float] = list(range(whole.moments))
        random_of.shuffle(order)
        if fault in SIGNALS:
            order += [random_of.random() for _ in range(most.get(fault, 0) - len(order))]
        for number, moment in enumerate(order[: most.get(fault)]):
            if number in kind.tried:
                continue
            kind.note = "" if time.monotonic() < until else f"of {whole.moments} moments: no time for more"
            if kind.note:
                break
            kind.tried.append(number)
            when = moment * whole.seconds if isinstance(moment, float) else moment
            with fresh(work) as out:
                for what in _wrong(name, out, places, FAULTS[fault], when, quiet[0], same):
                    kind.fail(f"moment {moment:.4g}: {what}")
            kind.attempts += 1
            table.save()
        kind.done()


def _wrong(
    name: str, out: Path, places: dict[str, Path], fault: int, moment: float, whole: dict[str, bytes], same: set[str]
) -> Iterator[str]:
    """What is wrong after a fault, and after the command ran again."""
    line = COMMANDS[name]
    ended = run(name, line, out, places, fault, moment)
    if "Traceback" in ended.said:
        yield f"a traceback: {ended.said[-500:]!r}"
    if fault > 0:
        lines = [each for each in ended.said.splitlines() if each.startswith("clmot: ")]
        if ended.code not in (0, 2) or (ended.code == 2) != (len(lines) == 1):
            yield f"exit code {ended.code} and {len(lines)} lines: {ended.said[-500:]!r}"
    yield from (f"afterwards {each}" for each in halves(contents(out), whole, same, fault == FAULTS["terminated"]))
    done = contents(out).keys() >= whole.keys()
    again = run(name, line, out, places)
    for option in ("--resume", "--overwrite"):
        if again.code and f"{option}" in again.said:
            again = run(name, f"{line} {option}", out, places)
    if again.code and ended.code not in (0, 2) and "is not empty" in again.said and not done:
        yield f"cannot run again: {again.said[-300:]!r}"
    if again.code and ("is not empty" in again.said or "exists" in again.said or "is there" in again.said):
        shutil.rmtree(out)  # as the message says
        again = run(name, line, out, places)
    if again.code:
        yield f"the second run ends with {again.code}: {again.said[-400:]!r}"
    if name == "gallery" and done:
        return  # enrolled before it ended: once more adds the same images once more
    found = contents(out)
    if missing := whole.keys() - found.keys():
        yield f"the second run lacks {sorted(missing)}"
    yield from (f"the second run {each}" for each in halves(found, whole, same, False))


def halves(found: dict[str, bytes], whole: dict[str, bytes], same: set[str], short: bool) -> Iterator[str]:
    """Files that are not what an undisturbed run writes: what is the same each time to the letter, others by form.

    Args:
        found: what there is.
        whole: after an undisturbed run.
        same: what undisturbed runs write alike.
        short: whether less may be in them, as far as the form allows.
    """
    for name, content in found.items():
        rows = content[: content.rfind(b"\n") + 1]
        if name in same and not _same(name, content, whole[name]) and not (short or name.endswith(".jsonl")):
            yield f"leaves {name} with {len(content)} of {len(whole[name])} bytes, or others"
        elif name in same and name.endswith((".txt", ".csv", ".jsonl")) and not whole[name].startswith(rows):
            yield f"leaves other rows in {name}"
        elif not name.endswith(".jsonl") and (what := _no_form(name, content, whole.get(name, b""))):
            yield f"leaves {name} that is {what} ({len(content)} bytes)"


def _same(name: str, content: bytes, whole: bytes) -> bool:
    """Whether two files say the same: the order of keys in tensors' files is left to chance."""
    if content == whole or not name.endswith((".safetensors", ".pt")):
        return content == whole
    one, other = (_tensors(name, each) for each in (content, whole))
    return one.keys() == other.keys() and all(one[key] == other[key] for key in one)


def _tensors(name: str, content: bytes) -> dict[str, Any]:
    """By name; of tensors their bytes, so that NaN equals NaN."""
    if name.endswith(".safetensors"):
        return {key: value.tobytes() for key, value in safetensors.numpy.load(content).items()}
    leaves, _ = tree_flatten_with_path(torch.load(io.BytesIO(content), weights_only=True))
    return {str(path): str(leaf.tolist()) if isinstance(leaf, torch.Tensor) else leaf for path, leaf in leaves}


def _no_form(name: str, content: bytes, whole: bytes) -> str:
    """What is wrong with a file's form; journals and logs, which grow, aside."""
    try:
        if name.endswith(".json"):
            json.loads(content)
        elif name.endswith(".mp4"):
            with av.open(io.BytesIO(content)) as video:
                next(video.decode(video=0))
        elif name.endswith((".txt", ".csv", ".md")) and whole.endswith(b"\n"):
            return "" if content.endswith(b"\n") else "no whole text"
        return "empty" if whole and not content else ""
    except Exception as error:
        return f"damaged ({error})"
