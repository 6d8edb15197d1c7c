"""A folder of tracking results: whose files may be written there, and the record of how each came about."""

from __future__ import annotations

import contextlib
import json
import logging
import platform
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from clmot.errors import UserError
from clmot.io.atomic import make_folder, write_whole_text
from clmot.io.class_names import LABELS, read_class_names, write_class_names
from clmot.io.frame_choice import FrameChoice
from clmot.io.locks import alone
from clmot.io.video_headers import without_password
from clmot.protocols import ConfiguredDetector

RECORD = "run.json"
"""A file beside results: for each sequence its source, and the command, model, settings and versions it is from."""

MANY_RECORDS = Path("manifest", "records")
"""Folder of the same of many videos (`clmot.apps.many`), a file each: one for all would be written again each time."""

RESERVED = (Path(LABELS).stem,)
"""Names that no sequence may have, as its text would be taken for something else."""

_log = logging.getLogger(__name__)

_PACKAGES = ("clmot", "torch", "numpy", "scipy", "opencv-python-headless", "opencv-python", "av")


def claim(
    folder: Path,
    sources: Mapping[str, str],
    classes: Sequence[str],
    *,
    video: bool = False,
    overwrite: bool = False,
) -> dict[str, Path]:
    """Make a folder ready for the results of some sequences; nothing that is there is touched but the class names.

    Args:
        folder: made if missing.
        sources: name and origin of each sequence.
        classes: what the results' classes are called; where there are several, the file `LABELS` says so.
        video: videos are to be written too.
        overwrite: results of the same names may be there.

    Returns:
        By sequence, the video of its old results; it goes when there are new ones.

    Raises:
        UserError: results of the same names are there and may not be; a video would replace a source; results of
            other sequences are there whose numbers of classes mean something else; or the folder cannot be made.
    """
    videos = {}
    for name in sources:
        file = folder / f"{name}.mp4"
        if any(_same_file(file, origin) for origin in sources.values()):
            if video:
                raise UserError(f"{file}: is a source, and the video would replace it; choose another --out")
        elif file.exists():
            videos[name] = file
    there = [*(file for name in sources if (file := folder / f"{name}.txt").exists()), *videos.values()]
    if there and not overwrite:
        more = f" (and {len(there) - 1} more)" if len(there) > 1 else ""
        raise UserError(f"{there[0]}{more}: exists already; choose another --out, or replace it with --overwrite")
    record = read_record(folder)
    for name, file in videos.items():
        if not video and file.name not in record.get(name, {}).get("files", ()):
            raise UserError(
                f"{file}: is not from clmot track as far as {RECORD} tells; move it, or choose another --out"
            )
    known, wanted = read_class_names(folder / RECORD), list(classes) if len(classes) > 1 else []
    others = [file for file in folder.glob("*.txt") if file.stem not in (*sources, *RESERVED)]
    if known != wanted and others:
        raise UserError(
            f"{folder}: the classes of {others[0].name} there are {', '.join(known) or 'not named'}, of the new "
            f"results {', '.join(classes)}; choose another --out"
        )
    make_folder(folder)
    if known and not wanted:
        (folder / LABELS).unlink()
    if wanted and known != wanted:
        write_class_names(folder, classes)
    return videos


@contextlib.contextmanager
def claimed(
    folder: Path,
    sources: Mapping[str, str],
    classes: Sequence[str],
    *,
    video: bool = False,
    overwrite: bool = False,
) -> Iterator[dict[str, Path]]:
    """As `claim`, and in the block no other process that asks for this writes results of these names.

    Raises:
        UserError: as `claim`, or another process is writing them.
    """
    claim(folder, sources, classes, video=video, overwrite=overwrite)
    with contextlib.ExitStack() as stack:
        for name in sources:
            stack.enter_context(alone(folder / f"{name}.txt"))
        # once more: another process may just have finished some
        yield claim(folder, sources, classes, video=video, overwrite=overwrite)


def _same_file(file: Path, origin: str) -> bool:
    return file.exists() and file.resolve() == Path(origin).resolve()


@contextlib.contextmanager
def recorded(
    files: Sequence[Path | None], name: str, facts: Mapping[str, Any], counts: Callable[[], Mapping[str, Any]]
) -> Iterator[None]:
    """Say in `RECORD` how the results of a sequence came about, after the block that makes them, however it ends.

    What is said of other sequences, whose results are still there, stays.

    Args:
        files: the results; None where nothing is to be written. Those that the block made are named.
        name: the sequence.
        facts: values that JSON knows; command and versions are added.
        counts: more facts, known after the block only.

    Raises:
        UserError: the file cannot be written; but what the block raises goes before.
    """
    try:
        yield
    except BaseException:
        with contextlib.suppress(UserError):
            _record(files, name, {**facts, **counts()})
        raise
    _record(files, name, {**facts, **counts()})


def _record(files: Sequence[Path | None], name: str, facts: Mapping[str, Any]) -> None:
    made = [file for file in files if file is not None and file.exists()]
    if not made:
        return
    folder = made[0].parent
    with alone(folder / "record", wait=True):  # others may add theirs
        _add_record(folder, made, name, facts)


def _add_record(folder: Path, made: Sequence[Path], name: str, facts: Mapping[str, Any]) -> None:
    known = {other: each for other, each in _read(folder / RECORD).items() if (folder / f"{other}.txt").exists()}
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    command = without_password(shlex.join(sys.argv))
    mine = {"files": [file.name for file in made], **facts, "command": command, "versions": versions}
    write_whole_text(folder / RECORD, json.dumps({**known, name: mine}, indent=2) + "\n", "the record of the results")


def model_facts(model: ConfiguredDetector, frames: FrameChoice | None) -> dict[str, Any]:
    """For `recorded`: which model saw which frames."""
    return {
        "model": getattr(model, "name", None) or None,
        "fingerprint": getattr(model, "fingerprint", ""),
        "classes": list(model.classes),
        "frame choice": asdict(frames or FrameChoice()),
    }


def read_record(folder: Path) -> dict[str, dict[str, Any]]:
    """What `RECORD`, and `MANY_RECORDS` beside it, say of each sequence; empty where nothing can be read."""
    record = _read(folder / RECORD)
    for file in (folder / MANY_RECORDS).glob("*.json"):
        record[file.stem] = _read(file)
    return record


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def warn_of_other_frames(results: Path, choice: FrameChoice) -> None:
    """Warn where results were tracked on other frames than are to be scored, as far as their record tells."""
    folder = results if results.is_dir() else results.parent
    for name, facts in read_record(folder).items():
        tracked = facts.get("frame choice") if isinstance(facts, dict) else None
        wanted = {"every": choice.every, "part": choice.part}
        if isinstance(tracked, dict) and {key: tracked.get(key) for key in wanted} != wanted:
            _log.warning(
                "%s: %s was made with --every %s --frames %s; every other frame counts as missed without them here",
                folder / RECORD,
                name,
                tracked.get("every"),
                tracked.get("part"),
            )
            return
