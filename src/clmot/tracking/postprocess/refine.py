"""What can be made better once a video has been tracked to its end."""

from __future__ import annotations

from collections.abc import Sequence

from clmot.config import RefineConfig
from clmot.io.frame_choice import frames_in
from clmot.structures import TrackedFrame
from clmot.tracking.postprocess.interpolation import interpolate
from clmot.tracking.postprocess.merge_tracks import join_tracklets

JOIN_SPEED = 3.0
"""How fast an object may have moved between two joined tracks, in lengths of its box's longer side a second."""


def refine(frames: Sequence[TrackedFrame], config: RefineConfig, frame_rate: float) -> list[TrackedFrame]:
    """Join tracks that look alike, then close gaps, then smooth boxes; each as far as it is asked for.

    Args:
        frames: all results of one video, in any order.
        config: what to do.
        frame_rate: frames a second of the video.

    Returns:
        New frames, ordered by number; those in which a gap was closed are added if they were missing.

    Raises:
        ValueError: `RefineConfig.join` is set and a box has no embedding; a frame number occurs twice, or a track id
            twice in a frame.
    """
    refined = sorted(frames, key=lambda tracked: tracked.frame)
    if config.join:
        max_gap = frames_in(config.join_seconds, frame_rate)
        refined, _ = join_tracklets(refined, config.join, max_gap, JOIN_SPEED / frame_rate)
    if config.interpolate_seconds or config.smooth:
        max_gap = frames_in(config.interpolate_seconds, frame_rate)
        refined = interpolate(refined, max_gap, "gaussian" if config.smooth else "linear")
    return refined
