"""Tracklets: the stretches of tracks that can be taken for granted.

Tracks are made by motion alone, of high-score detections: tracklets owe nothing to the embedding that is to learn from
them. They end wherever one object may have been taken for another: where boxes overlap, and where the object is
missing for some frames.
"""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Int64

from clmot import boxes as box
from clmot.apps.track.detection import detect, finder_of
from clmot.config import AdaptConfig
from clmot.config.tracker import TrackerConfig
from clmot.errors import UserError, plural
from clmot.io.frame_choice import frames_in
from clmot.io.frame_source import FrameSource
from clmot.protocols import ConfiguredDetector
from clmot.structures import BoolArray, Detections, Int64Array, TrackedFrame
from clmot.tracking.tracker import Tracker

if TYPE_CHECKING:
    from rich.progress import Progress

MIN_OVERLAP = 0.5
"""IoU of a detection with where its track is expected; no track goes on with less."""

MAX_OVERLAP = 0.3
"""Boxes that another one, however unsure, overlaps by more than this (IoU) are left out: tracklets end there."""

MAX_GAP_SECONDS = 0.2
"""A tracklet goes on after frames that lack it for this long, or one frame."""


@dataclass(frozen=True, kw_only=True)
class Tracklets:
    """What is in a video, and what of it can be taken for granted.

    Attributes:
        name: of the video.
        frame_rate: frames a second.
        found: the detections of every frame by its number, in ascending order, without embeddings.
        numbers: by frame number, int64 [n], the tracklet that each of its n detections belongs to, -1 for none.
        split: number of the first frame held out. No tracklet goes on from before it to after it.
    """

    name: str
    frame_rate: float
    found: dict[int, Detections]
    numbers: dict[int, Int64Array]
    split: int


def find_tracklets(
    source: FrameSource, model: ConfiguredDetector, config: AdaptConfig, bar: Progress, batch_size: int = 1
) -> Tracklets:
    """Detect, track by motion, and keep what is unambiguous.

    Args:
        source: the video.
        model: finds the objects. Of its tracker's constants only frame rate and camera motion are used.
        config: the least score, and which frames are held out.
        bar: gets a task.
        batch_size: frames that go through the network together.

    Raises:
        UserError: a frame cannot be read, or no detection in any scores enough.
    """
    rate = source.frame_rate or model.config.tracker.frame_rate
    tracker = Tracker(_by_motion(model.config.tracker, config, rate))
    found: dict[int, Detections] = {}
    table: list[Int64Array] = []
    task = bar.add_task(f"{source.name}: tracking", total=source.length, note="")
    with contextlib.closing(iter(source)) as frames:
        for number, image, detections in detect(frames, finder_of(model), batch_size):
            found[number] = dataclasses.replace(detections, embedding=None)
            table.append(_rows(tracker.update(found[number], image, frame=number), found[number]))
            bar.update(task, advance=1)
    if not any((each.score >= config.min_score).any() for each in found.values()):
        best = max((float(each.score.max()) for each in found.values() if len(each)), default=0.0)
        raise UserError(
            f"{source.name}: the model finds no objects in {plural(len(found), 'frame')}: the highest "
            f"score is {best:.2f}, adapt.min_score is {config.min_score:g}"
        )
    every = list(found)
    split = every[min(int(len(every) * (1 - config.held_out)), len(every) - 1)]
    frame, track, row, clear = np.concatenate(table).T
    order = np.lexsort((frame, track))
    tracklet = np.empty_like(frame)
    tracklet[order] = cut_tracks(
        frame[order],
        track[order],
        clear[order] > 0,
        max_gap=max(2, frames_in(MAX_GAP_SECONDS, rate)),
        split=split,
        min_frames=config.min_frames,
    )
    numbers = {number: np.full(len(detections), -1, np.int64) for number, detections in found.items()}
    for each, place, number in zip(frame.tolist(), row.tolist(), tracklet.tolist(), strict=True):
        numbers[each][place] = number
    return Tracklets(name=source.name, frame_rate=rate, found=found, numbers=numbers, split=split)


def cut_tracks(
    frame: Int64[np.ndarray, " n"],
    track: Int64[np.ndarray, " n"],
    clear: Bool[np.ndarray, " n"],
    *,
    max_gap: int,
    split: int,
    min_frames: int,
) -> Int64[np.ndarray, " n"]:
    """The tracklets in tracks.

    Args:
        frame: frame number of each box; boxes are ordered by track and frame.
        track: its track.
        clear: False for boxes that belong to no tracklet, and end the one before them.
        max_gap: frames from one box of a tracklet to the next, at most.
        split: a frame that no tracklet reaches over.
        min_frames: boxes of a tracklet, at least.

    Returns:
        The tracklet of each box, numbered from 0 in order of track and time; -1 for none.
    """
    starts = (np.diff(track, prepend=-1) != 0) | (np.diff(frame, prepend=0) > max_gap)
    starts |= np.diff((frame >= split).astype(np.int64), prepend=0) != 0
    # an unclear box is a piece by itself, so that it separates what comes before it from what comes after
    starts |= ~clear | ~np.concatenate([[True], clear])[:-1]
    piece = np.cumsum(starts) - 1
    kept = clear & (np.bincount(piece)[piece] >= min_frames) if len(piece) else clear
    tracklet: Int64Array = np.full(len(frame), -1, np.int64)
    tracklet[kept] = np.unique(piece[kept], return_inverse=True)[1]
    return tracklet


def _by_motion(own: TrackerConfig, config: AdaptConfig, frame_rate: float) -> TrackerConfig:
    """A strict tracker that does not look at embeddings."""
    return TrackerConfig.named(
        "byte",
        appearance=False,
        high_score=config.min_score,
        low_score=config.min_score,
        new_track_score=config.min_score,
        fuse_score=False,
        motion_only_iou_threshold=1 - MIN_OVERLAP,
        unconfirmed_iou_threshold=1 - MIN_OVERLAP,
        camera=own.camera,
        camera_file=own.camera_file,
        frame_rate=frame_rate,
    )


def _rows(tracked: TrackedFrame, found: Detections) -> Int64Array:
    """Frame, track, row among the detections, and whether no other detection is in the way, for each tracked box."""
    row = tracked.rows
    overlap = box.iou(found.xyxy[row], found.xyxy)
    overlap[np.arange(len(row)), row] = 0
    clear: BoolArray = overlap.max(axis=1, initial=0) <= MAX_OVERLAP
    return np.column_stack([np.full(len(row), tracked.frame), tracked.track_id, row, clear]).astype(np.int64)
