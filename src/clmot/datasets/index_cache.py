"""Large data sets are read once: what was read is kept, and holds while every file has its size and time stamp."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from clmot._version import __version__
from clmot.datasets.describe import summary_lines
from clmot.datasets.flat_samples import FlatSamples
from clmot.errors import UserError, reason_of
from clmot.io.atomic import make_folder
from clmot.io.folders import cache_folder
from clmot.io.named_arrays import read_arrays, write_arrays
from clmot.structures import Dataset

_KIND = "index of a data set"
_FEWEST = 50_000
"""Boxes of a data set that is kept: smaller ones are read in a second."""
_MOST = 8
"""Data sets that are kept, the last ones that were used."""

_log = logging.getLogger(__name__)


def read_once(paths: Sequence[Path], settings: Sequence[object], read: Callable[[], Dataset]) -> Dataset:
    """What `read` returns, which also logs what is in it; kept in the user's cache folder, and taken from there.

    Data sets that name files elsewhere, in YAML, are always read.

    Args:
        paths: the files and folders that are read.
        settings: what else the result depends on.
        read: reads them.
    """
    try:
        stamps = _stamps(paths)
    except (OSError, _Elsewhere):
        return read()
    facts = repr((__version__, [os.path.abspath(path) for path in paths], list(settings)))
    file = cache_folder() / "data" / f"{hashlib.blake2b(facts.encode(), digest_size=12).hexdigest()}.safetensors"
    with contextlib.suppress(UserError, OSError, KeyError, ValueError):
        if (found := _kept(file, stamps)) is not None:
            return found
    dataset = read()
    flat = FlatSamples.of(dataset.samples)
    if len(flat.boxes) >= _FEWEST:
        try:
            _keep(file, dataset, flat, stamps)
        except (UserError, OSError) as error:
            _log.info("what was read is not kept (%s)", reason_of(error))
    return dataset


def _kept(file: Path, stamps: str) -> Dataset | None:
    if not file.exists():
        return None
    arrays, notes = read_arrays(file, _KIND)
    if notes["stamps"] != stamps or _folders(notes["folders"]) != notes["folder stamps"]:
        return None
    os.utime(file)
    for line in notes["lines"]:
        _log.info("%s", line)
    return Dataset(
        samples=FlatSamples.from_arrays(arrays, notes["sequences"]),
        classes=tuple(notes["classes"]),
        skipped=Counter(notes["skipped"]),
        weights=arrays.get("weights"),
        notes=tuple(notes["notes"]),
    )


def _keep(file: Path, dataset: Dataset, flat: FlatSamples, stamps: str) -> None:
    make_folder(file.parent)
    folders = sorted({os.path.dirname(path) for path in np.unique(flat.paths).tolist()})
    named = [os.fsdecode(folder) for folder in folders]
    notes = {
        "stamps": stamps,
        "folders": named,
        "folder stamps": _folders(named),
        "lines": summary_lines(dataset),
        "sequences": flat.sequences,
        "classes": dataset.classes,
        "skipped": dataset.skipped,
        "notes": dataset.notes,
    }
    weights = {} if dataset.weights is None else {"weights": dataset.weights}
    own = file.with_name(f"{os.getpid()}-{file.name}")  # others may be doing the same
    write_arrays(own, _KIND, {**flat.arrays(), **weights}, notes)
    own.replace(file)
    kept = sorted(file.parent.glob("*.safetensors"), key=lambda each: each.stat().st_mtime)
    for old in kept[:-_MOST]:
        old.unlink(missing_ok=True)


class _Elsewhere(Exception):
    """A data set may be of files that lie elsewhere."""


def _stamps(paths: Sequence[Path]) -> str:
    """Hash of the names, sizes and time stamps of all files in some places."""
    facts = hashlib.blake2b(digest_size=16)
    for path in paths:
        for name, size, changed in sorted(_files(path)):
            if name.endswith((".yaml", ".yml")):
                raise _Elsewhere
            facts.update(f"{name}\0{size}\0{changed}\0".encode("utf-8", "surrogateescape"))
    return facts.hexdigest()


def _files(path: Path) -> Iterator[tuple[str, int, int]]:
    if not path.is_dir():
        about = path.stat()
        yield str(path), about.st_size, about.st_mtime_ns
        return
    waiting, seen = [str(path)], set()
    while waiting:
        folder = waiting.pop()
        about = os.stat(folder)
        if (about.st_dev, about.st_ino) in seen:
            continue  # a link to a folder above
        seen.add((about.st_dev, about.st_ino))
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir():
                    waiting.append(entry.path)
                else:
                    about = entry.stat()
                    yield entry.path, about.st_size, about.st_mtime_ns


def _folders(folders: Sequence[str]) -> list[int]:
    """Time stamps: of what came and went there."""
    return [os.stat(folder).st_mtime_ns for folder in folders]
