"""`clmot.tracking.association.associate` compiled, stage by stage."""

from __future__ import annotations

from typing import Any

import numpy as np

from clmot.tracking.compiled import pairs as costs
from clmot.tracking.compiled.assignment import assign
from clmot.tracking.compiled.numbers import at_least, boxes
from clmot.tracking.compiled.settings import ANY, AT, OBSERVED, part

_windows, _room, _overlapping = costs.windows, costs.room, costs.overlapping
_appearance_and_motion, _score, _direct = costs.appearance_and_motion, costs.score, costs.direct
_overlap_or_appearance, _nearest = costs.overlap_or_appearance, costs.nearest


@part
def _longer(xyxy: Any, pixel: Any) -> Any:
    """Boxes with sides a pixel longer."""
    boxes = xyxy.copy()
    for j in range(len(xyxy)):
        boxes[j, 2] += pixel
        boxes[j, 3] += pixel
    return boxes


@part
def associate(tracks: Any, n: int, confirmed: int, found: Any, update: int, appearance: bool, s: Any) -> Any:
    """Each track's detection, which detections are left, and which tracks were given the nearest."""
    rows = tracks[0]
    xyxy, measurement, chances, _, class_id, looks = found
    m = len(chances)
    match, free, is_nearest = np.empty(n, np.int64), np.empty(m, np.bool_), np.empty(n, np.bool_)
    for i in range(n):
        match[i], is_nearest[i] = -1, False
    for j in range(m):
        free[j] = True
    if not n or not m:
        return match, free, is_nearest
    high = at_least(chances, s[AT.high_score])
    low = max(high, at_least(chances, s[AT.low_score]))
    pixel = np.float32(1) if s[AT.published_bookkeeping] else np.float32(0)
    places = boxes(rows, 0, n, pixel)
    last = (
        boxes(rows, OBSERVED + (rows.shape[1] - OBSERVED) // 5 * 4 - 4, n, np.float32(0))
        if (s[AT.recovery_iou_threshold])
        else places
    )
    if pixel:
        found = (_longer(xyxy, pixel), measurement, chances, found[3], class_id, looks)
    near = _windows(tracks, places, last, found, s)
    most = 0
    for i in range(n):
        most += near[2][i] - near[1][i]
    pairs, left = _room(most), (match, free)
    fused = appearance and s[AT.fused] != 0
    for stage in range(1, 7):  # all in one loop, so that every part is compiled once
        there, from_row, to_row, from_column, to_column = places, 0, confirmed, 0, high
        limit, k, single = s[AT.limits + stage - 1], 0, not (stage == 1 and s[AT.direction_weight])
        if stage == 1 and fused:
            limit, single = s[AT.appearance_threshold], False
            k = _appearance_and_motion(confirmed, high, tracks, found, places, near, pairs, s)
        elif stage == 6:
            if s[AT.nearest_distance]:
                limit, single = (s[AT.appearance_threshold] if appearance else ANY), appearance
                pairs, k = _nearest(confirmed, high, appearance, tracks, found, left, is_nearest, pairs, s)
        elif limit:
            if stage == 3:
                from_column, to_column = high, low
            elif stage == 4:
                there = last
            elif stage == 5:
                from_row, to_row = confirmed, n
            chosen, columns = (from_row, to_row), (from_column, to_column)
            flags = stage == 2 or stage == 3, stage == 1 and s[AT.height_overlap] != 0
            k = _overlapping(tracks, there, chosen, columns, flags, found, near, left, pairs)
            if (stage == 1 or stage == 5) and s[AT.fuse_score]:
                _score(pairs, k, found[3])
            if stage == 1 and s[AT.direction_weight]:
                _direct(pairs, k, tracks, found, update, s)
            if stage == 1 and appearance and s[AT.gated]:
                _overlap_or_appearance(pairs, k, tracks, found, places, s)
        if k > 0:
            assign(pairs[0], pairs[1], pairs[2], k, limit, single, match, free)
    for i in range(n):
        is_nearest[i] = is_nearest[i] and match[i] >= 0
    return match, free, is_nearest
