"""Results that are there already, refined: tracks joined, gaps closed, boxes smoothed, short tracks left out."""

from __future__ import annotations

import dataclasses
import logging
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from clmot.apps.gallery.recognise import embedded
from clmot.apps.track.outputs import TextFormat
from clmot.apps.track.result_folder import RESERVED, claim, read_record, recorded
from clmot.config import RefineConfig
from clmot.errors import UserError, require
from clmot.inference.model import load_model
from clmot.io.class_names import read_class_names
from clmot.io.kitti import kitti_rows
from clmot.io.mot_text import read_mot_text
from clmot.io.mot_writer import TrackWriter, mot_rows
from clmot.io.sources import open_sources
from clmot.io.track_table import TrackTable
from clmot.structures import TrackedFrame
from clmot.tracking.postprocess.individuals import require_no_more
from clmot.tracking.postprocess.refine import refine

log = logging.getLogger(__name__)

DEFAULT_FRAME_RATE = 30.0


def refine_results(
    results: str | Path,
    out: str | Path,
    config: RefineConfig,
    *,
    min_seconds: float = 0.0,
    frame_rate: float | None = None,
    source: str | Path | Sequence[str | Path] | None = None,
    model: str | Path | None = None,
    text_format: TextFormat = "mot",
    overwrite: bool = False,
    progress: bool = True,
) -> dict[Path, tuple[int, int]]:
    """Refine the tracks of whole videos.

    Args:
        results: MOTChallenge text, of whatever tracker: a file or a folder of them.
        out: folder for files of the same names.
        config: what is done.
        min_seconds: tracks shorter than this, from their first to their last frame, are left out.
        frame_rate: frames a second; by default what the results' record or the source says, else 30.
        source: what was tracked, to join tracks by appearance: a video, or several, of the results' names.
        model: whose embeddings they are joined by.
        text_format: as of `clmot.track`.
        overwrite: files of the same names in `out` may be replaced.
        progress: show a progress bar on standard error.

    Returns:
        By file, how many tracks there were before and are now.

    Raises:
        UserError: there are no results, they cannot be read, or `out` cannot be written; tracks are to be joined
            without source and model, or a source has no results.

    Examples:
        >>> done = clmot.refine("street.txt", "refined", clmot.Config().refine, min_seconds=0.5)
    """
    results, out = Path(results), Path(out)
    require(min_seconds >= 0, f"--min-seconds must be >= 0, got {min_seconds}")
    asked = bool(config) or min_seconds > 0 or text_format != "mot"
    require(
        asked, "refine: nothing to do: give --join, --individuals, --interpolate, --smooth, --min-seconds or --format"
    )
    require(
        not config.join or (source is not None and model is not None),
        "refine --join: tracks are joined by appearance: give --source VIDEO and --model",
    )
    folder = results if results.is_dir() else results.parent
    found = [results] if results.is_file() else sorted(results.glob("*.txt"))
    files = [file for file in found if file.stem not in RESERVED]
    if not files:
        raise UserError(f"{results}: no results there; expected NAME.txt in MOTChallenge format")
    require(out.resolve() != folder.resolve(), f"{out}: holds the results themselves; choose another --out")
    sources = {each.name: each for each in open_sources(source, RESERVED)} if source is not None else {}
    if len(sources) == len(files) == 1:
        sources = {files[0].stem: next(iter(sources.values()))}
    record, classes = read_record(folder), read_class_names(files[0]) or ("object",)
    claim(out, {file.stem: str(file) for file in files}, classes, overwrite=overwrite)
    embed = load_model(model).embed if model is not None and (config.join or config.individuals) else None
    changed = {}
    for file in files:
        frames = read_mot_text(file)
        if any((tracked.track_id < 0).any() for tracked in frames):
            raise UserError(f"{file}: holds detections without track ids; track them first (clmot track --boxes)")
        origin = sources.get(file.stem)
        told = record.get(file.stem, {}).get("settings", {}).get("tracker", {}).get("frame_rate")
        rate = frame_rate or told or (origin and origin.frame_rate)
        if not rate:
            log.warning("%s: nobody says how many frames a second; 30 are assumed (--fps)", file)
        rate = float(rate or DEFAULT_FRAME_RATE)
        before = _ids(frames)
        if embed is not None:
            if origin is None:
                raise UserError(f"{file}: none of --source is called {file.stem}")
            frames = list(embedded(origin, file, embed, progress=progress))
        # what join needs comes first; gaps in tracks that are left out need not be closed
        frames = refine(frames, RefineConfig(join=config.join), rate)
        frames = _long_enough(frames, min_seconds * rate)
        for tracked in frames if config.individuals else ():
            require_no_more(tracked, config.individuals, f"{file}: ")
        refined = refine(frames, dataclasses.replace(config, join=0), rate)
        path = out / file.name
        facts = {"source": str(file), "settings": {"refine": dataclasses.asdict(config), "min_seconds": min_seconds}}
        with recorded([path], file.stem, {**facts, "classes": list(classes)}, lambda: {}):
            _write(path, refined, classes, rate, text_format)
        changed[path] = len(before), len(_ids(refined))
    return changed


def _ids(frames: Sequence[TrackedFrame]) -> set[int]:
    return {track for tracked in frames for track in tracked.track_id.tolist()}


def _long_enough(frames: Sequence[TrackedFrame], least: float) -> list[TrackedFrame]:
    """The frames without tracks that last fewer frames."""
    numbers: dict[int, list[int]] = defaultdict(list)
    for tracked in frames:
        for track in tracked.track_id.tolist():
            numbers[track].append(tracked.frame)
    long = [track for track, seen in numbers.items() if max(seen) - min(seen) + 1 >= least]
    kept = []
    for tracked in frames:
        rows = np.isin(tracked.track_id, long)
        kept.append(
            dataclasses.replace(
                tracked, detections=tracked.detections[rows], track_id=tracked.track_id[rows], rows=tracked.rows[rows]
            )
        )
    return kept


def _write(
    path: Path, frames: Sequence[TrackedFrame], classes: Sequence[str], rate: float, text_format: TextFormat
) -> None:
    rows = partial(mot_rows, with_classes=len(classes) > 1)
    if text_format == "kitti":
        rows = partial(kitti_rows, classes=classes)
    files = {path: rows}
    if text_format in ("csv", "json"):
        table = TrackTable(text_format, classes, lambda frame: (frame - 1) / rate)
        files[path.with_suffix(f".{text_format}")] = table  # type: ignore[assignment]
    for file, form in files.items():
        with TrackWriter(file, form) as writer:
            for tracked in frames:
                writer.write(tracked)
