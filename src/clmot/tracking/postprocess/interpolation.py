"""Boxes for the frames in which a track was not seen, and smoother ones for those in which it was.

Source of the smoothing: Du et al., "StrongSORT: make DeepSORT great again", 2023 (Gaussian-smoothed interpolation).
"""

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from clmot import boxes as box
from clmot.structures import TrackedFrame
from clmot.tracking.postprocess.track_table import Rows, to_frames, to_rows

Method = Literal["linear", "gaussian"]

_TAU = 10.0
"""StrongSORT's constant of the length scale, in frames."""
_NOISE = 1e-2
"""Variance of a box side's jitter over the variance of its true deviation from a straight path."""
_WINDOW = 128
"""Longer stretches are smoothed in windows of this many frames, each overlapping half of the one before."""


def interpolate(frames: Sequence[TrackedFrame], max_gap: int, method: Method = "linear") -> list[TrackedFrame]:
    """Close the gaps in tracks.

    A box in a gap lies on the straight line between the boxes around the gap, has the lower of their scores, the
    track's class, and the mean of their embeddings. Frames that are not in the list are added where a box falls into
    one.

    ``linear`` leaves the given boxes as they are. ``gaussian`` then replaces every box, given or filled in, by the
    posterior mean of a Gaussian process over the frames of its track; a track of constant velocity stays as it is.

    Args:
        frames: results of one video, in any order.
        max_gap: gaps of more frames than this stay open, and smoothing does not look across them; 0 closes none.
        method: ``linear`` or ``gaussian``.

    Returns:
        New frames, ordered by number. Given boxes keep their place in their frame; filled-in ones follow. Embeddings
        are kept if every box has one.

    Raises:
        ValueError: `max_gap` is negative, the method is unknown, a frame number occurs twice, or a track id occurs
            twice in a frame.
    """
    if max_gap < 0:
        raise ValueError(f"max_gap must be >= 0 frames, got {max_gap}")
    if method not in ("linear", "gaussian"):
        raise ValueError(f"method must be linear or gaussian, got {method!r}")
    rows = to_rows(frames)
    rows = rows.merged(_filling(rows, max_gap))
    if method == "gaussian":
        rows = _smoothed(rows)
    return to_frames(rows, [tracked.frame for tracked in frames])


def _filling(rows: Rows, max_gap: int) -> Rows:
    """The rows that are missing between neighbouring rows of a track."""
    missing = np.diff(rows.frame) - 1
    missing[(np.diff(rows.track_id) != 0) | (missing > max_gap)] = 0
    before = np.repeat(np.arange(len(missing)), missing)
    step = np.arange(len(before)) - np.repeat(np.cumsum(missing) - missing, missing) + 1
    share = (step / (missing[before] + 1))[:, None]
    first, second = rows[before], rows[before + 1]
    embedding = first.embedding * (1 - share) + second.embedding * share
    length = np.linalg.norm(embedding, axis=1, keepdims=True)
    return replace(
        first,
        frame=first.frame + step,
        order=np.full(len(before), np.iinfo(np.int64).max),
        row=np.full(len(before), -1),
        xyxy=(first.xyxy.astype(np.float64) * (1 - share) + second.xyxy * share).astype(np.float32),
        score=np.minimum(first.score, second.score),
        embedding=(embedding / np.maximum(length, 1e-12)).astype(np.float32),
    )


def _smoothed(rows: Rows) -> Rows:
    """The rows with smoothed boxes, each stretch of consecutive frames of a track for itself."""
    broken = (np.diff(rows.frame) != 1) | (np.diff(rows.track_id) != 0)
    xyxy = rows.xyxy.astype(np.float64)
    for stretch in np.split(np.arange(len(rows)), np.flatnonzero(broken) + 1):
        if len(stretch) > 2:
            xyxy[stretch] = smooth(xyxy[stretch])
    smoothed = xyxy.astype(np.float32)
    # weights of a Gaussian process may be negative: a box that shrinks abruptly can turn inside out
    return replace(rows, xyxy=np.where(box.well_formed(smoothed)[:, None], smoothed, rows.xyxy))


def smooth(values: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    """Posterior means of k Gaussian processes observed in n consecutive frames.

    The prior is a straight line plus a process with an RBF kernel, whose length scale shrinks with the length of the
    track as StrongSORT's does. Time and memory are linear in n.
    """
    n = len(values)
    if n <= _WINDOW:
        return np.asarray(_smoothing_matrix(n) @ values)
    starts = np.append(np.arange(0, n - _WINDOW, _WINDOW // 2), n - _WINDOW)
    weight = np.minimum(np.arange(_WINDOW), np.arange(_WINDOW)[::-1])[:, None] + 1.0
    total, weights = np.zeros_like(values), np.zeros((n, 1))
    for start in starts.tolist():
        window = slice(start, start + _WINDOW)
        total[window] += weight * (_smoothing_matrix(_WINDOW) @ values[window])
        weights[window] += weight
    return np.asarray(total / weights)


@functools.lru_cache(maxsize=_WINDOW)
def _smoothing_matrix(n: int) -> Float[np.ndarray, "n n"]:
    """What takes n observations in a row to their posterior means: the model is linear in them."""
    time = np.arange(n, dtype=np.float64)
    line = np.linalg.qr(np.stack([np.ones(n), time], axis=1))[0]
    trend = line @ line.T  # projects onto straight lines
    length_scale = np.clip(_TAU * np.log(_TAU**3 / n), 1 / _TAU, _TAU**2)
    kernel = np.exp(-0.5 * np.square((time[:, None] - time) / length_scale))
    posterior = np.linalg.solve(kernel + _NOISE * np.eye(n), kernel)  # K (K + s I)^-1: the two commute
    return np.asarray(trend + posterior @ (np.eye(n) - trend))
