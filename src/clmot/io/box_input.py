"""What every door asks of boxes and scores that come from a detector or from a file.

Boxes that no object can have (without area, not finite, or beyond all images) are left out and counted. A score is a
chance. On another scale it means something in its order alone: that is of use where a whole file is at hand, and
refused where there is no more than one frame.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from clmot import boxes as box
from clmot.boxes import as_numbers
from clmot.structures import BoolArray, Float32Array

NO_AREA = "box without area"
NOT_FINITE = "box or score that is not finite"

_ROUNDING = 1e-3
"""Half precision gives scores that are this much more than 1."""

_log = logging.getLogger(__name__)


def as_boxes(values: Any) -> Float32Array:
    """Boxes alone: float32 [n, 4], xyxy, of an array, a tensor, a list, or of detections of whatever kind.

    Raises:
        ValueError: another shape, or a box that is not finite or beyond all images.
    """
    boxes = as_numbers(getattr(values, "xyxy", values))
    boxes = boxes.reshape(-1, 4) if boxes.shape in ((0,), (4,)) else boxes
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes must be [n, 4] (x1, y1, x2, y2), got {list(boxes.shape)}")
    finite = box.finite(boxes)
    if not finite.all():
        row = int(np.argmin(finite))
        raise ValueError(f"box {row} is not finite, or beyond all images: {boxes[row].tolist()}")
    return boxes.astype(np.float32)


def usable(boxes: Float32Array, score: npt.NDArray[np.floating[Any]]) -> tuple[BoolArray, Counter[str]]:
    """Which rows show an object, and how many others there are, by reason.

    Args:
        boxes: [n, 4], xyxy.
        score: [n].
    """
    finite = box.finite(boxes) & np.isfinite(score)
    kept: BoolArray = finite & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    if kept.all():
        return kept, Counter()
    broken = int(np.count_nonzero(~finite))
    return kept, +Counter({NOT_FINITE: broken, NO_AREA: int(np.count_nonzero(~kept)) - broken})


def are_chances(low: float, high: float) -> bool:
    """Whether scores from `low` to `high` are on the scale from 0 to 1."""
    return low >= 0 and high <= 1 + _ROUNDING


def require_chances(low: float, high: float) -> None:
    """Refuse scores on another scale.

    Raises:
        ValueError: they are.
    """
    if not are_chances(low, high):
        raise ValueError(
            f"scores from {low:.3g} to {high:.3g}; chances from 0 to 1 are needed: divide percentages by 100"
        )


def count_left_out(total: Counter[str], rows: Counter[str], name: str) -> None:
    """Count rows that were left out, and log the first of each reason.

    Args:
        total: so far; changed.
        rows: more of them, by reason.
        name: whose they are, for the log.
    """
    for reason, count in rows.items():
        if reason not in total:
            hint = " (corners x1, y1, x2, y2 are needed)" if reason == NO_AREA else ""
            _log.warning("%s: left out %d x %s%s; further ones are only counted", name, count, reason, hint)
        total[reason] += count
