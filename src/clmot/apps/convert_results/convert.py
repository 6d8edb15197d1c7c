"""From one format of tracks to another."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import replace
from pathlib import Path

from clmot.apps.convert_results.readers import read_tracks
from clmot.apps.convert_results.sequence import DEFAULT_FRAME_RATE, TrackedSequence
from clmot.apps.convert_results.writers import WRITERS, Target
from clmot.apps.track.result_folder import read_record
from clmot.errors import UserError, did_you_mean, plural, readable
from clmot.io.frame_source import FrameSource
from clmot.io.sources import open_one

_log = logging.getLogger(__name__)


def convert_results(
    results: str | Path,
    out: str | Path,
    to: str,
    *,
    video: str | Path | None = None,
    frame_rate: float | None = None,
    overwrite: bool = False,
) -> TrackedSequence:
    """Write the tracks of one sequence in another format: ids, classes and boxes go along, and what else has a place.

    Args:
        results: MOTChallenge text (or a folder with it), KITTI text, a table of `clmot track --format csv` or
            ``json``, COCO-VID, CVAT XML "for video", CVAT's archive "MOT 1.1", or Label Studio's JSON.
        out: the file.
        to: one of `WRITERS`.
        video: what was tracked, for its size, length and frame rate; by default what ``run.json`` names, if it is
            there still.
        frame_rate: frames a second; by default what the video or the results say.
        overwrite: the file may be there already.

    Returns:
        What was written.

    Raises:
        UserError: no such format; results that cannot be read or are of several sequences; a size that is needed and
            that nobody says; the file is there already or cannot be written.

    Examples:
        >>> tracks = clmot.convert_results("street.txt", "street.xml", "cvat", video="street.mp4")
    """
    path, out = Path(results), Path(out)
    if to not in WRITERS:
        raise UserError(f"cannot write '{to}'{did_you_mean(to, WRITERS)}; known: {', '.join(WRITERS)}")
    form = WRITERS[to]
    if out.suffix.lower() not in form.suffixes:
        raise UserError(f"{out}: {to} is written to a file named NAME{' or NAME'.join(form.suffixes)}")
    if frame_rate is not None and not 0 < frame_rate < float("inf"):
        raise UserError(f"--fps must be > 0, got {frame_rate:g}")
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    if out.exists() and (not overwrite or out.samefile(path)):
        raise UserError(f"{out}: exists already; choose another --out" + ", or --overwrite" * (not out.samefile(path)))
    if not out.parent.is_dir():
        raise UserError(f"{out}: there is no folder {out.parent}; make it first")
    source = open_one(video) if video is not None else recorded_source(path)
    size = None if source is None else frame_size(source)
    sequence = read_tracks(path, source, size)
    if sequence.skipped:
        _log.warning(
            "%s: %s left out: ignored, not finite or without area", path, plural(sequence.skipped, "box", "boxes")
        )
    rate = frame_rate or (source and source.frame_rate) or sequence.frame_rate
    if form.needs_rate and not rate:
        _log.warning("%s: nobody says how many frames a second; 30 are assumed (--fps)", path)
    name = readable(sequence.name.encode(errors="replace").decode())
    length = max(sequence.length, (source and source.length) or 0)
    sequence = replace(sequence, name=name, size=size or sequence.size, length=length, frame_rate=rate)
    target = Target(out=out, origin=path, source=source, frame_rate=rate or DEFAULT_FRAME_RATE, overwrite=overwrite)
    if lost := write_tracks(sequence, to, target):
        _log.warning("%s", lost)
    return sequence


def write_tracks(sequence: TrackedSequence, to: str, target: Target) -> str:
    """Write tracks in one of `WRITERS`; says what of them the format has no place for.

    Raises:
        UserError: a size is needed that nobody says, or the file cannot be written.
    """
    form = WRITERS[to]
    if form.needs_size and sequence.size is None:
        raise UserError(f"{target.origin}: {to} holds the video's width and height, which nobody says; give --video")
    form.write(sequence, target)
    lost = form.lost(sequence, target.out)
    return f"{to} has no place for: {', '.join(f'{what}: {count}' for what, count in lost.items())}" if lost else ""


def recorded_source(results: Path) -> FrameSource | None:
    """The video that the record of results names, where it is there still."""
    record = read_record(results.parent if results.is_file() else results)
    told = (
        record.get(results.stem)
        if results.is_file()
        else next(iter(record.values()), None)
        if len(record) == 1
        else None
    )
    origin = told.get("source") if isinstance(told, dict) else None
    if isinstance(origin, str) and Path(origin).exists():
        with contextlib.suppress(UserError):
            return open_one(origin)
    return None


def frame_size(source: FrameSource) -> tuple[int, int]:
    """Width and height of the first frame."""
    with contextlib.closing(source.ahead(1)) as frames:
        for _, image in frames:
            return image.shape[1], image.shape[0]
    raise UserError(f"{source.origin}: holds no frame")
