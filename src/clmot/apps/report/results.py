"""Tracking results as one table, with what their record and their explanation say."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from clmot.apps.track.result_folder import RECORD, RESERVED, read_record
from clmot.errors import UserError, readable
from clmot.io.class_names import read_class_names
from clmot.io.folders import describe_folder
from clmot.io.frame_source import FrameSource
from clmot.io.mot_text import read_mot_text
from clmot.structures import Int64Array
from clmot.tracking.decisions import Decisions, read_decisions
from clmot.tracking.postprocess.track_table import Rows, to_rows

_DEFAULT_FRAME_RATE = 30.0
_LONGEST_STEP = 1000


@dataclass(frozen=True, kw_only=True, eq=False)
class Results:
    """The tracks of one sequence.

    Attributes:
        name: the sequence.
        file: its text.
        rows: all boxes, by track and frame.
        classes: names of `Rows.class_id`; empty where nobody says.
        frame_rate: frames a second.
        record: what ``run.json`` says of the sequence; empty where it says nothing.
        decisions: what ``clmot track --explain`` wrote; None where it was not asked for.
    """

    name: str
    file: Path
    rows: Rows
    classes: tuple[str, ...]
    frame_rate: float
    record: dict[str, Any]
    decisions: Decisions | None

    @cached_property
    def tracks(self) -> dict[int, Rows]:
        """The boxes of each track by frame; tracks by their first frame."""
        parts = map(self.rows.take, self.rows.tracks)
        return {int(each.track_id[0]): each for each in sorted(parts, key=lambda each: int(each.frame[0]))}

    @cached_property
    def frames(self) -> Int64Array:
        """Numbers of the frames with boxes, ascending."""
        return np.unique(self.rows.frame)

    @cached_property
    def step(self) -> int:
        """How far apart the frames are that were tracked; between boxes of a track farther apart there is a gap."""
        steps = np.diff(self.frames)
        return int(np.bincount(steps[steps < _LONGEST_STEP]).argmax() or 1) if len(steps) else 1

    def by_frame(self, frame: int) -> Rows:
        """The boxes of a frame."""
        return self._ordered.take(slice(*self._ordered.frame.searchsorted([frame, frame + 1])))

    @cached_property
    def _ordered(self) -> Rows:
        return self.rows.take(np.argsort(self.rows.frame, kind="stable"))

    def class_name(self, class_id: int) -> str:
        """What a class is called, as of `all_classes`."""
        return self.all_classes[class_id] if class_id < len(self.all_classes) else f"class {class_id + 1}"

    @cached_property
    def all_classes(self) -> tuple[str, ...]:
        """What each number of a class is called, where nobody says ``class 1`` and so on, ``object`` if alone."""
        count = max(len(self.classes), int(self.rows.class_id.max()) + 1)
        numbered = (f"class {number}" for number in range(len(self.classes) + 1, count + 1))
        return (*self.classes, *numbered) if self.classes or count > 1 else ("object",)

    def seconds(self, frame: int) -> float:
        """When a frame is shown, by the frame rate."""
        return (frame - 1) / self.frame_rate


def load_results(path: Path, source: FrameSource | None = None) -> Results:
    """Read results that `clmot track` or another tracker wrote.

    Args:
        path: MOTChallenge text, or a folder with ``<sequence>.txt``.
        source: the frames that were tracked; their name chooses among several texts of a folder. None: not at hand.

    Raises:
        UserError: there are no results, they cannot be read, or they have no track ids.
    """
    file = _text_of(path, source.name if source else "")
    frames = read_mot_text(file)
    if any((tracked.track_id < 0).any() for tracked in frames):
        raise UserError(f"{file}: has boxes without track ids (-1): detections, not tracks; track them first")
    rows = to_rows(frames)
    if not len(rows):
        raise UserError(f"{file}: there is no box in it, so there is nothing to show")
    record = read_record(file.parent).get(file.stem, {})
    record = record if isinstance(record, dict) else {}
    explanation = f"{file.stem}.explain.npz"
    named = read_class_names(file) or record.get("classes") or ()
    tracker = (record.get("settings") or {}).get("tracker") or {}
    return Results(
        name=readable(file.stem),
        file=file,
        rows=rows,
        classes=tuple(readable(str(name)) for name in named),
        frame_rate=float((source and source.frame_rate) or tracker.get("frame_rate") or _DEFAULT_FRAME_RATE),
        record=record,
        # one that the record does not name is of tracks that were there before
        decisions=read_decisions(file.parent / explanation) if explanation in record.get("files", ()) else None,
    )


def _text_of(path: Path, name: str) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise UserError(f"{path}: no such file or folder; expected results of clmot track")
    if name and (path / f"{name}.txt").is_file():
        return path / f"{name}.txt"
    texts = sorted(file for file in path.glob("*.txt") if file.stem not in RESERVED)
    if len(texts) == 1:
        return texts[0]
    if not texts:
        raise UserError(f"{path}: no results ({describe_folder(path)}); expected {name or 'NAME'}.txt")
    which = f" and none is called {name}" if name else ""
    raise UserError(f"{path}: has results of {len(texts)} sequences{which}; name the file")


def tracked_with(results: Results) -> list[tuple[str, str]]:
    """What the record tells of how results came about, as names and values for people."""
    record = results.record
    facts = [("Results", results.file.name)]
    for name, key in (("Source", "source"), ("Model", "model"), ("Detector", "detector"), ("Boxes from", "boxes from")):
        if record.get(key):
            facts.append((name, str(record[key])))
    if results.classes:
        facts.append(("Classes", ", ".join(results.classes)))
    choice = record.get("frame choice") or {}
    if choice.get("every", 1) != 1 or choice.get("part", "all") != "all":
        facts.append(("Frames", f"every {choice.get('every')}, {choice.get('part')}"))
    if record.get("complete") is False:
        facts.append(("Note", "tracking was stopped before the last frame"))
    settings = record.get("settings") or {}
    changed = {
        f"{section}.{key}": value
        for section, values in settings.items()
        for key, value in values.items()
        if key != "frame_rate" and value != _default(section, key)
    }
    facts.append(("Settings", ", ".join(f"{key}={value}" for key, value in changed.items()) or "all by default"))
    if record.get("command"):
        facts.append(("Command", str(record["command"])))
    version = (record.get("versions") or {}).get("clmot")
    if version:
        facts.append(("Version", f"clmot {version}"))
    return facts if record else [*facts[:1], ("Note", f"no {RECORD} beside the results says how they came about")]


def _default(section: str, key: str) -> Any:
    from clmot.config import Config

    return getattr(getattr(Config(), section, None), key, None)
