"""Boxes on their way to the page: columns one behind the other, little-endian, which JavaScript reads as they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clmot.apps.serve.state import Boxes


def packed(found: Sequence[tuple[int, Boxes]]) -> bytes:
    """Boxes of some tracks.

    Returns:
        float64 n; then of each of n boxes, ordered by frame, float64 track, float64 frame, float32 left, top, right,
        bottom, int32 class, uint8 score in percent, uint8 whether a person put it there.
    """
    joined = Boxes.join([boxes for _, boxes in found])
    track = np.repeat(np.array([each for each, _ in found], "<f8"), [len(boxes) for _, boxes in found])
    order = np.argsort(joined.frame, kind="stable")
    joined = joined.take(order)
    columns = (
        np.array([len(joined)], "<f8"),
        track[order],
        joined.frame.astype("<f8"),
        joined.xyxy.astype("<f4"),
        joined.class_id.astype("<i4"),
        (100 * joined.score.clip(0, 1)).round().astype("u1"),
        joined.key.astype("u1"),
    )
    return b"".join(column.tobytes() for column in columns)
