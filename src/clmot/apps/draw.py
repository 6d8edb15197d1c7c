"""`clmot draw`: a video of results that are there already, one beside the other where there are several."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from clmot.apps.report.results import Results, load_results
from clmot.apps.track.outputs import TRAIL_SECONDS
from clmot.errors import UserError, did_you_mean
from clmot.io.frame_choice import frames_in
from clmot.io.frame_source import FrameSource
from clmot.io.progress import progress_bar
from clmot.io.sources import open_one
from clmot.io.video_writer import VideoWriter
from clmot.structures import Image, TrackedFrame
from clmot.tracking.postprocess.interpolation import interpolate
from clmot.tracking.postprocess.track_table import to_frames
from clmot.visualize.draw import Trails, draw_label, draw_tracks, fit, hide

_HIDDEN_GAP = 1.0
"""Seconds for which a track that is not seen stays hidden between its two boxes."""
_BLACK = (0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """What is drawn.

    Attributes:
        classes: labels name the class.
        scores: labels tell the confidence.
        trail_seconds: how far back trails go; 0 for none.
        blur: part of the boxes in which nobody is to be recognised; empty for none.
        sharp: ids and names of classes that stay sharp.
    """

    classes: bool = False
    scores: bool = False
    trail_seconds: float = TRAIL_SECONDS
    blur: Literal["", "head", "box"] = ""
    sharp: Sequence[str] = ()


def draw(
    results: Sequence[str | Path],
    video: str | Path,
    out: str | Path,
    drawing: Drawing | None = None,
    *,
    progress: bool = True,
) -> int:
    """Write an H.264 video of tracks.

    Args:
        results: MOTChallenge texts, or folders of them; several are shown side by side.
        video: what was tracked.
        out: the MP4.
        drawing: what is drawn.
        progress: show a progress bar on standard error.

    Returns:
        How many frames were written.

    Raises:
        UserError: results or video cannot be read, nothing is called like one of `Drawing.sharp`, the video would
            replace its source, or it cannot be written.

    Examples:
        >>> frames = clmot.draw(["street.txt"], "street.mp4", "drawn.mp4")
    """
    drawing, path, source = drawing or Drawing(), Path(out), open_one(video)
    if source.live:
        raise UserError(f"{source.origin}: is a camera; draw on the recording")
    if path.suffix.lower() != ".mp4":
        raise UserError(f"{path}: the video is an MP4; end its name with .mp4")
    if path.exists() and path.resolve() == Path(source.origin).resolve():
        raise UserError(f"{path}: is the source, and the video would replace it; choose another --out")
    loaded = [load_results(Path(each), source) for each in results]
    known = {name for each in loaded for name in (*_class_names(each), *map(str, each.tracks))}
    for name in drawing.sharp:
        if name not in known:
            suggested = did_you_mean(name, known)
            raise UserError(f"--sharp {name}: {loaded[0].file.name} has no track and no class of that name{suggested}")
    panels = [_Panel(each, drawing, _title(each, loaded)) for each in loaded]
    count = 0
    with contextlib.ExitStack() as stack:
        bar = stack.enter_context(progress_bar(progress))
        writer: VideoWriter | None = None
        task = bar.add_task(source.name, total=source.length, note="")
        for number, image in stack.enter_context(contextlib.closing(iter(source))):
            drawn = np.concatenate([panel.draw(number, image) for panel in panels], axis=1)
            if writer is None:
                size = (drawn.shape[1], drawn.shape[0])
                writer = stack.enter_context(VideoWriter(path, loaded[0].frame_rate, size))
            writer.write(fit(drawn, *writer.size), number, _seconds(source, loaded[0], number))
            count += 1
            bar.update(task, advance=1)
    return count


class _Panel:
    """One result, as it is drawn frame by frame."""

    def __init__(self, results: Results, drawing: Drawing, title: str) -> None:
        self._drawing, self._title = drawing, title
        self._names = _class_names(results)
        frames = to_frames(results.rows, [])
        self._frames = {tracked.frame: tracked for tracked in frames}
        self._hidden: dict[int, TrackedFrame] = {}
        if drawing.blur:
            filled = interpolate(frames, frames_in(_HIDDEN_GAP, results.frame_rate), "linear")
            self._hidden = {tracked.frame: tracked for tracked in filled}
        self._sharp = set(drawing.sharp)
        self._trails = Trails(max(1, frames_in(drawing.trail_seconds, results.frame_rate)))

    def draw(self, number: int, image: Image) -> Image:
        tracked = self._frames.get(number)
        hidden = self._hidden.get(number)
        if hidden is not None and self._drawing.blur:
            pairs = zip(hidden.track_id.tolist(), hidden.detections.class_id.tolist(), strict=True)
            keep = [not {str(track), self._names[kind]} & self._sharp for track, kind in pairs]
            image = hide(image, hidden.detections.xyxy[np.array(keep, np.bool_)], self._drawing.blur)
        drawn = image.copy()
        if tracked is not None:
            self._trails.update(tracked)
            trails = self._trails if self._drawing.trail_seconds else None
            classes = self._names if self._drawing.classes else ()
            drawn = draw_tracks(image, tracked, trails, classes, self._drawing.scores)
        if self._title:
            draw_label(drawn, self._title, (0, 0), _BLACK)
        return drawn


def _class_names(results: Results) -> list[str]:
    return [results.class_name(number) for number in range(int(results.rows.class_id.max(initial=0)) + 1)]


def _title(results: Results, others: Sequence[Results]) -> str:
    """What tells results apart: their folder, where their names are one; nothing where they are alone."""
    if len(others) == 1:
        return ""
    alike = len({each.name for each in others}) < len(others)
    return results.file.resolve().parent.name if alike else results.name


def _seconds(source: FrameSource, results: Results, number: int) -> float:
    seconds = source.reading.seconds(number)
    return results.seconds(number) if seconds is None else seconds
