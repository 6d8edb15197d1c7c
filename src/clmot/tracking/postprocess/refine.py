"""What can be made better once a video has been tracked to its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from clmot.config import RefineConfig
from clmot.io.frame_choice import frames_in
from clmot.row_data import rows_of
from clmot.structures import TrackedFrame
from clmot.tracking.postprocess.individuals import join_individuals
from clmot.tracking.postprocess.interpolation import interpolate
from clmot.tracking.postprocess.merge_tracks import join_tracklets

JOIN_SECONDS = 10.0
"""Longest time between two joined tracks."""
JOIN_SPEED = 3.0
"""How fast an object may have moved between two joined tracks, in lengths of its box's longer side a second."""


def refine(frames: Sequence[TrackedFrame], config: RefineConfig, frame_rate: float) -> list[TrackedFrame]:
    """Join tracks, by appearance or into so many individuals, close gaps, smooth boxes; each as far as it is asked for.

    Args:
        frames: all results of one video, in any order.
        config: what to do.
        frame_rate: frames a second of the video.

    Returns:
        New frames, ordered by number; those in which a gap was closed are added if they were missing.

    Raises:
        ValueError: `RefineConfig.join` is set and a box has no embedding; a frame number occurs twice, or a track id
            twice in a frame.
        UserError: more than `RefineConfig.individuals` are seen in a frame.
    """
    refined = sorted(frames, key=lambda tracked: tracked.frame)
    if config.join:
        max_gap = frames_in(JOIN_SECONDS, frame_rate)
        refined, _ = join_tracklets(refined, config.join, max_gap, JOIN_SPEED / frame_rate)
    if config.individuals:
        refined = join_individuals(refined, config.individuals, JOIN_SPEED / frame_rate)
    if config.interpolate_seconds or config.smooth:
        max_gap = frames_in(config.interpolate_seconds, frame_rate)
        refined = interpolate(refined, max_gap, "gaussian" if config.smooth else "linear")
    given = {each.frame: each for each in frames if each.detections.data}
    return [_with_data(each, given[each.frame]) if each.frame in given else each for each in refined]


def _with_data(refined: TrackedFrame, given: TrackedFrame) -> TrackedFrame:
    """With what belonged to the boxes of the same rows; NaN where there were none."""
    place = {row: index for index, row in enumerate(given.rows.tolist()) if row >= 0}
    index = np.array([place.get(row, -1) for row in refined.rows.tolist()], np.int64)
    return replace(refined, detections=replace(refined.detections, data=rows_of(given.detections.data, index)))
