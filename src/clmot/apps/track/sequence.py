"""One sequence of `clmot track`: what was found in each frame, through the tracker to the outputs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clmot.apps.track.checkpoint import Checkpoint, pack_frames, unpack_frames
from clmot.apps.track.detection import PASSED_OVER, FoundFrames
from clmot.apps.track.outputs import Outputs
from clmot.apps.track.summary import SequenceSummary
from clmot.io.frame_source import FrameSource
from clmot.io.interrupts import Terminated
from clmot.io.named_arrays import Arrays
from clmot.structures import Image, TrackedFrame
from clmot.tracking.continued import ContinuedTracker
from clmot.tracking.postprocess.interpolation import interpolate

if TYPE_CHECKING:
    from rich.progress import Progress

_EXPLAINED = 256
"""Frames after which what was decided is brought into its final, smaller form."""


@dataclass(frozen=True, kw_only=True)
class TrackingResult:
    """What tracking one sequence came to.

    Attributes:
        name: the sequence.
        frames: how many frames were tracked.
        undecodable: how many more could not be decoded.
        tracks: how many tracks there are in them.
        seconds: time from the first frame asked for to the last one written.
        text_path: the MOTChallenge text file, None if nothing was to be written.
        video_path: the MP4, None if there is none.
    """

    name: str
    frames: int
    undecodable: int
    tracks: int
    seconds: float
    text_path: Path | None
    video_path: Path | None

    @property
    def frames_per_second(self) -> float:
        """Frames over seconds."""
        return self.frames / self.seconds if self.seconds > 0 else 0.0


def track_sequence(
    source: FrameSource,
    found: FoundFrames,
    tracker: ContinuedTracker,
    outputs: Outputs,
    summary: SequenceSummary,
    bar: Progress,
    explain: bool,
    checkpoint: Checkpoint | None,
    saved: Mapping[str, Arrays],
) -> TrackingResult:
    """Follow what was found through the frames of one sequence, to its outputs.

    Args:
        source: the sequence.
        found: its frames, and what is in each; closed at the end.
        tracker: new, or as an earlier recording left it.
        outputs: where the tracks go; finished at the end, whatever happens.
        summary: notes how long tracks live.
        bar: gets a line.
        explain: keep what was decided about each frame.
        checkpoint: where to write how far it is.
        saved: what a checkpoint had, to go on from; empty: from the beginning.

    Raises:
        Terminated: the checkpoint says so.
    """
    start = time.perf_counter()
    count = seen = 0
    between: list[tuple[int, Image]] = []
    before: TrackedFrame | None = None
    task = bar.add_task(source.name, total=source.length, note="")
    parts: dict[str, Any] = {"tracker": tracker, "outputs": outputs, "summary": summary}
    with tracker, outputs, contextlib.closing(found):
        if saved:
            count, seen = int(saved["loop"]["count"]), int(saved["loop"]["seen"])
            before = next(iter(unpack_frames(saved["before"])), None)
            for name, part in parts.items():
                part.restore(saved[name])
        for number, image, detections in found:
            if checkpoint and checkpoint.due and not between:
                if outputs.can_go_on:
                    loop = {"count": np.array(count), "seen": np.array(seen)}
                    states = {name: part.state() for name, part in parts.items()}
                    checkpoint.write({"loop": loop, "before": pack_frames([before] if before else []), **states})
                if checkpoint.stop:
                    raise Terminated
            seen += 1
            if detections is PASSED_OVER:
                between.append((number, image))
                continue
            tracked = tracker.update(detections, image, number, source.reading.seconds(number), explain)
            count += _write_between(between, before, tracked, outputs)
            before = tracked
            outputs.write(image, tracked)
            summary.follow(tracked)
            count += 1
            if explain and count % _EXPLAINED == 0:
                outputs.explained(tracker.explained())
            bar.update(task, completed=count, note=f"{count / (time.perf_counter() - start):.1f} frames/s")
            if outputs.asked_to_stop:
                break
        count += _write_between(between, before, None, outputs)
        if explain:
            outputs.explained(tracker.explained())
    tracks = summary.tracks
    if outputs.refined is not None:
        tracks = len({track_id for tracked in outputs.refined for track_id in tracked.track_id.tolist()})
        outputs.draw_refined(bar)
    return TrackingResult(
        name=source.name,
        frames=count,
        undecodable=source.reading.lost,
        tracks=tracks,
        seconds=time.perf_counter() - start,
        text_path=outputs.text_path,
        video_path=outputs.video_path,
    )


def _write_between(
    between: list[tuple[int, Image]], before: TrackedFrame | None, after: TrackedFrame | None, outputs: Outputs
) -> int:
    """Write frames that no detector has seen, and forget them; how many there were.

    Tracks of both neighbours are on the straight line between their boxes; after the last one they stay where they are.
    """
    count = len(between)
    if count and before is not None:
        there, nobody = {}, before
        if after is not None:
            there = {each.frame: each for each in interpolate([before, after], after.frame - before.frame)}
            nobody = TrackedFrame(frame=0, detections=before.detections[:0], track_id=before.track_id[:0])
        for number, image in between:
            stays = replace(nobody, frame=number)
            outputs.write(image, there.get(number, stays))
    between.clear()
    return count
