"""What compiled code is told by numbers: constants, configuration and a frame; what stands where in a track's row."""

from __future__ import annotations

import zlib
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from numba import njit

from clmot.config.tracker import TrackerConfig
from clmot.tracking import association, kalman, track_state, trust

_Function = TypeVar("_Function", bound=Callable[..., Any])


def part(function: _Function) -> _Function:
    """A part of what is compiled, which divides by zero as NumPy does."""
    compile_later: Any = njit(error_model="numpy")
    made: _Function = compile_later(function)
    return made


def sum_part(function: _Function) -> _Function:
    """A part whose sums may be taken in any order."""
    compile_later: Any = njit(error_model="numpy", fastmath=True)
    made: _Function = compile_later(function)
    return made


def values(config: TrackerConfig) -> dict[str, float]:
    """All that configuration and other modules know, by name; what is compiled is kept, and must not hold it."""
    noises = {
        "start": kalman.START,
        "start_velocity": kalman.START_VELOCITY,
        "motion": kalman.MOTION,
        "motion_velocity": kalman.MOTION_VELOCITY,
        "measurement": kalman.MEASUREMENT,
    }
    return {
        "high_score": config.high_score,
        "low_score": config.low_score,
        "new_track_score": config.new_track_score,
        "new_track_overlap": config.new_track_overlap,
        "fused": config.association == "fused",
        "gated": config.association == "gated",
        "appearance_threshold": config.appearance_threshold,
        "appearance_weight": config.appearance_weight,
        "appearance_trust": config.appearance_trust,
        "lost_overlap_weight": config.lost_overlap_weight,
        "fuse_score": config.fuse_score,
        "height_overlap": config.height_overlap,
        "direction_weight": config.direction_weight,
        "nearest_distance": config.nearest_distance,
        "duplicate": association.DUPLICATE_IOU_DISTANCE,
        "published_bookkeeping": config.published_bookkeeping,
        "new_share": track_state.NEW_SHARE,
        "mean_subtraction": config.mean_subtraction,
        "confirm_frames": config.confirm_frames,
        "lost_frames": config.lost_frames,
        "gate": kalman.GATE,
        "proximity": association.PROXIMITY,
        "appearance_reach": association.APPEARANCE_REACH,
        "gate_of_place": association.GATE_OF_PLACE,
        "lost_wider": association.lost_reach(config) - 1,
        "taller": association.TALLER,
        "direction_frames": track_state.DIRECTION_FRAMES,
        "ended": track_state.ENDED,
        "doubt": trust.DOUBT,
        "memory": trust.MEMORY,
        "stands_out": trust.STANDS_OUT,
        "within": trust.WITHIN,
        "most_looked_at": trust.MOST,
        # of stages 1 to 5 by overlap
        "limits": config.motion_only_iou_threshold,
        "limit_2": config.iou_threshold,
        "limit_3": association.LOW_SCORE_IOU_DISTANCE,
        "recovery_iou_threshold": config.recovery_iou_threshold,
        "limit_5": association.UNCONFIRMED_IOU_DISTANCE,
        # shares of the height, and as many of the aspect
        **{name: noise.share**2 for name, noise in noises.items()},
        **{f"{name}_aspect": noise.aspect**2 for name, noise in noises.items()},
    }


_NAMES = tuple(values(TrackerConfig()))
AT: Any = namedtuple("AT", _NAMES)(*range(len(_NAMES)))
"""Where in the array of settings each stands; `limits` is that of the first stage, those of the next ones follow."""
NOISES = 5
"""How many there are: so far behind the share of each stands its aspect."""

_FRAME = ("tracks", "confirmed", "starting", "passed", "steps", "life", "update", "next_id", "due", "count")
NOW: Any = namedtuple("NOW", _FRAME)(*range(len(_FRAME)))
"""Where in what is told of a frame each stands: how many tracks there are, how many have an id, `tracker.Now`, how many
updates there were, the next id, whether trust looks, how many embeddings are in the running mean. It tells in turn the
tracks, those with an id, the next id and the embeddings."""

UNSEEN, NUMBERS, DETECTION, OBSERVED = 20, 21, 26, 27
"""Where in the row of a track its parts begin (`Tracks.pack`); the Kalman state comes first. Of a row with so many
places k, the frames of the places stand `4 k` behind them."""

SMALLEST = 1e-6
ANY = 1e6
"""A limit that no cost comes near."""


def as_array(config: TrackerConfig) -> npt.NDArray[np.float64]:
    """What `step` wants of a configuration."""
    return np.array(list(values(config).values()), np.float64)


def stamp() -> int:
    """Of the source of this package: numba itself sees no change of what a function calls in other files."""
    total = 0
    for file in sorted(Path(__file__).parent.glob("*.py")):
        total = zlib.crc32(file.read_bytes(), total)
    return total
