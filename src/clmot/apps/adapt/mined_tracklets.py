"""Tracklets: the stretches of tracks that can be taken for granted.

Tracks are made by motion alone, of high-score detections: tracklets owe nothing to the embedding that is to learn from
them. They end wherever one object may have been taken for another: where a nearer one covers it, where another one is
about as near to where it is expected, and where it is missing for some frames.
"""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int64

from clmot import boxes as box
from clmot.apps.track.detection import Finder, detect
from clmot.config import AdaptConfig
from clmot.config.tracker import TrackerConfig
from clmot.errors import UserError, plural
from clmot.io.frame_choice import frames_in
from clmot.io.frame_source import FrameSource
from clmot.structures import BoolArray, Detections, Float64Array, Int64Array, TrackedFrame
from clmot.tracking.tracker import Tracker

if TYPE_CHECKING:
    from rich.progress import Progress

MAX_COVERED = 0.3
"""A box is unclear where another one, whose lower edge is as low or lower, covers more than this share of it."""

RIVAL_SCORE = 0.5
"""Detections of this share of `adapt.min_score` count as what may cover an object, or be it."""

MAX_RATIO = 0.5
"""A track goes on for certain only where its next box is nearer to where it is expected than this share of how near
any other box is, and any other track to that box (Lowe's ratio test; ``docs/experiments.md`` has the numbers)."""

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
        clear: by frame number, bool [n], which detections are sure and show one object, in a tracklet or not.
        split: number of the first frame held out. No tracklet goes on from before it to after it.
    """

    name: str
    frame_rate: float
    found: dict[int, Detections]
    numbers: dict[int, Int64Array]
    clear: dict[int, BoolArray]
    split: int


def find_tracklets(
    source: FrameSource, find: Finder, tracker: TrackerConfig, config: AdaptConfig, bar: Progress, batch_size: int = 1
) -> Tracklets:
    """Detect, track by motion, and keep what is unambiguous.

    Args:
        source: the video.
        find: finds the objects.
        tracker: of its constants only frame rate and camera motion are used.
        config: the least score, how long tracklets last, and which frames are held out.
        bar: gets a task.
        batch_size: frames that go through the network together.

    Raises:
        UserError: a frame cannot be read, or no detection in any scores enough.
    """
    rate = source.frame_rate or tracker.frame_rate
    motion = Tracker(_by_motion(tracker, config, rate))
    max_gap = max(2, frames_in(MAX_GAP_SECONDS, rate))
    rules = _Rules(config.min_score, max_gap)
    found: dict[int, Detections] = {}
    clear: dict[int, BoolArray] = {}
    table: list[Int64Array] = []
    task = bar.add_task(f"{source.name}: tracking", total=source.length, note="")
    with contextlib.closing(iter(source)) as frames:
        for number, image, detections in detect(frames, find, batch_size):
            found[number] = dataclasses.replace(detections, embedding=None)
            clear[number] = rules.clear(found[number])
            tracked = motion.update(found[number], image, frame=number)
            sure = rules.sure(tracked, found[number])
            row = tracked.rows
            columns = (np.full(len(row), number), tracked.track_id, row, clear[number][row], sure)
            table.append(np.column_stack(columns).astype(np.int64))
            bar.update(task, advance=1)
    if not any((each.score >= config.min_score).any() for each in found.values()):
        best = max((float(each.score.max()) for each in found.values() if len(each)), default=0.0)
        raise UserError(
            f"{source.name}: the model finds no objects in {plural(len(found), 'frame')}: the highest "
            f"score is {best:.2f}, adapt.min_score is {config.min_score:g}"
        )
    every = list(found)
    split = every[min(int(len(every) * (1 - config.held_out)), len(every) - 1)]
    frame, track, row, is_clear, is_sure = np.concatenate(table).T
    order = np.lexsort((frame, track))
    tracklet = np.empty_like(frame)
    tracklet[order] = cut_tracks(
        frame[order],
        track[order],
        is_clear[order] > 0,
        is_sure[order] > 0,
        max_gap=max_gap,
        split=split,
        least=frames_in(config.min_seconds, rate),
    )
    numbers = {number: np.full(len(detections), -1, np.int64) for number, detections in found.items()}
    for each, place, number in zip(frame.tolist(), row.tolist(), tracklet.tolist(), strict=True):
        numbers[each][place] = number
    return Tracklets(name=source.name, frame_rate=rate, found=found, numbers=numbers, clear=clear, split=split)


def cut_tracks(
    frame: Int64[np.ndarray, " n"],
    track: Int64[np.ndarray, " n"],
    clear: Bool[np.ndarray, " n"],
    sure: Bool[np.ndarray, " n"],
    *,
    max_gap: int,
    split: int,
    least: int,
) -> Int64[np.ndarray, " n"]:
    """The tracklets in tracks.

    Args:
        frame: frame number of each box; boxes are ordered by track and frame.
        track: its track.
        clear: False for boxes that belong to no tracklet, and end the one before them.
        sure: False for boxes that may be another object's than the track's box before, and begin anew.
        max_gap: frames from one box of a tracklet to the next, at most.
        split: a frame that no tracklet reaches over.
        least: frames from the first box of a tracklet to its last, at least; it has two boxes at least.

    Returns:
        The tracklet of each box, numbered from 0 in order of track and time; -1 for none.
    """
    starts = (np.diff(track, prepend=-1) != 0) | (np.diff(frame, prepend=0) > max_gap)
    starts |= np.diff((frame >= split).astype(np.int64), prepend=0) != 0
    # an unclear box is a piece by itself, so that it separates what comes before it from what comes after
    starts |= ~clear | ~np.concatenate([[True], clear])[:-1] | ~sure
    piece = np.cumsum(starts) - 1
    first = np.flatnonzero(starts)
    last = np.append(first, len(frame))[1:] - 1
    kept = clear & ((frame[last] - frame[first]) >= max(least, 1))[piece]
    tracklet: Int64Array = np.full(len(frame), -1, np.int64)
    tracklet[kept] = np.unique(piece[kept], return_inverse=True)[1]
    return tracklet


class _Rules:
    """What leaves a doubt about a box.

    Args:
        min_score: of the detections that are tracked.
        max_gap: frames, after which a tracklet has ended.
    """

    def __init__(self, min_score: float, max_gap: int) -> None:
        self._min_score, self._max_gap = min_score, max_gap
        # by track: the frame in which it was seen last, its centre there, and how far it moved in a frame
        self._seen: dict[int, tuple[int, Float64Array, Float64Array]] = {}

    def clear(self, found: Detections) -> BoolArray:
        """Which detections, bool [n], are sure and not covered by a nearer object."""
        share = box.covered_share(found.xyxy, found.xyxy)
        in_front = found.xyxy[:, 3] >= found.xyxy[:, 3, None]
        np.fill_diagonal(in_front, False)
        share[~(in_front & self._rivals(found))] = 0
        return np.asarray((share.max(axis=1, initial=0) <= MAX_COVERED) & (found.score >= self._min_score))

    def sure(self, tracked: TrackedFrame, found: Detections) -> BoolArray:
        """Which tracked boxes, bool [k], are their track's and no other's, by how far they are from where it was going.

        To be asked frame by frame.
        """
        number, centres = tracked.frame, _centres(found.xyxy)
        self._seen = {key: each for key, each in self._seen.items() if number - each[0] <= self._max_gap}
        sure = np.ones(len(tracked.rows), np.bool_)
        known = [(i, track) for i, track in enumerate(tracked.track_id.tolist()) if track in self._seen]
        if known:
            frame, centre, speed = (np.array(part) for part in zip(*self._seen.values(), strict=True))
            expected = centre + speed * (number - frame)[:, None]
            column, places = np.arange(len(known)), {track: i for i, track in enumerate(self._seen)}
            here, own = np.array([i for i, _ in known]), np.array([places[track] for _, track in known])
            row = tracked.rows[here]
            off = np.linalg.norm(expected[own] - centres[row], axis=1)
            # other boxes that a track may go on with, and other tracks that its box may be the next of
            boxes_off = _distances(expected[own], centres)
            boxes_off[:, ~self._rivals(found)] = np.inf
            boxes_off[column, row] = np.inf
            tracks_off = _distances(centres[row], expected)
            tracks_off[column, own] = np.inf
            sure[here] = off <= MAX_RATIO * np.minimum(boxes_off.min(axis=1), tracks_off.min(axis=1))
        for row, track in zip(tracked.rows.tolist(), tracked.track_id.tolist(), strict=True):
            before = self._seen.get(track)
            speed = np.zeros(2) if before is None else (centres[row] - before[1]) / (number - before[0])
            self._seen[track] = (number, centres[row], speed)
        return sure

    def _rivals(self, found: Detections) -> BoolArray:
        return np.asarray(found.score >= RIVAL_SCORE * self._min_score)


def _centres(boxes: Float[np.ndarray, "n 4"]) -> Float64Array:
    return np.asarray((boxes[:, :2].astype(np.float64) + boxes[:, 2:]) / 2)


def _distances(first: Float64Array, second: Float64Array) -> Float64Array:
    return np.asarray(np.linalg.norm(first[:, None] - second, axis=2))


def _by_motion(own: TrackerConfig, config: AdaptConfig, frame_rate: float) -> TrackerConfig:
    """Our tracker, which follows objects at low frame rates too, without embeddings and low-score detections."""
    return TrackerConfig(
        appearance=False,
        high_score=config.min_score,
        low_score=config.min_score,
        new_track_score=config.min_score,
        fuse_score=False,
        camera=own.camera,
        camera_file=own.camera_file,
        frame_rate=frame_rate,
    )
