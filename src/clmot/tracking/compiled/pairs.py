"""What pairs of tracks and detections cost, as in `clmot.tracking.association.CostModel`.

Functions put pairs into three arrays, rows, columns and costs, and return how many there are. Tracks are ``(rows,
whole, innovation, embedding)``: `Tracks.pack`, the same as whole numbers, the variance of what is measured, embeddings.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from clmot.tracking.compiled.numbers import bucket, buckets, expected, heights, overlap, unlike
from clmot.tracking.compiled.settings import AT, DETECTION, NUMBERS, OBSERVED, SMALLEST, part

_TINY = np.finfo(np.float64).tiny


@part
def room(most: int) -> Any:
    """For so many pairs."""
    return np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most)


@part
def windows(tracks: Any, boxes: Any, last: Any, found: Any, s: Any) -> Any:
    """Detections by x, where in that order those begin and stop that may be near each track, and their centres."""
    rows, whole, innovation, _ = tracks
    xyxy, measurement = found[0], found[1]
    m = len(xyxy)
    x = np.empty(m)
    half = np.float32(0)
    for j in range(m):
        x[j] = measurement[j, 0]
        half = max(half, xyxy[j, 2] - xyxy[j, 0])
    half = half / 2 + 2
    order, begin, least, scale = buckets(x)
    places = np.empty((m, 2))
    for at in range(m):
        places[at, 0], places[at, 1] = measurement[order[at], 0], measurement[order[at], 1]
    start, stop = np.empty(len(boxes), np.int64), np.empty(len(boxes), np.int64)
    for i in range(len(boxes)):
        reach = math.sqrt(s[AT.gate] * expected(rows, whole, innovation, i, 0, s))
        low, high = min(boxes[i, 0], last[i, 0]), max(boxes[i, 2], last[i, 2])
        margin = half + 1e-6 * (abs(low) + abs(high))
        start[i] = begin[bucket(min(rows[i, 0] - reach, low - margin), least, scale, m)]
        stop[i] = begin[bucket(max(rows[i, 0] + reach, high + margin), least, scale, m) + 1]
    return order, start, stop, places


@part
def overlapping(
    tracks: Any, boxes: Any, chosen: Any, columns: Any, flags: Any, found: Any, near: Any, left: Any, pairs: Any
) -> int:
    """IoU distances of those of one class that have area in common, among what is left of some tracks and detections.

    In float32; `boxes` are where the tracks are looked for; `tall` is whether heights count.
    """
    whole, xyxy, class_id = tracks[1], found[0], found[4]
    order, start, stop, _ = near
    match, free = left
    row, column, cost = pairs
    seen_only, tall = flags
    k = 0
    for i in range(chosen[0], chosen[1]):
        if match[i] >= 0 or (seen_only and whole[i, DETECTION] < 0):
            continue
        for at in range(start[i], stop[i]):
            j = order[at]
            if columns[0] <= j < columns[1] and free[j] and whole[i, NUMBERS] == class_id[j]:
                common = overlap(boxes, i, xyxy, j)
                if common != 0:
                    if tall:
                        common *= heights(boxes, i, xyxy, j)
                    row[k], column[k], cost[k] = i, j, np.float32(1) - common
                    k += 1
    return k


@part
def appearance_and_motion(
    confirmed: int, high: int, tracks: Any, found: Any, boxes: Any, near: Any, pairs: Any, s: Any
) -> int:
    """Cosine and Mahalanobis distance of those within the gate, and for lost tracks some IoU distance."""
    rows, whole, innovation, embedding = tracks
    xyxy, measurement, _, _, class_id, looks = found
    order, start, stop, places = near
    row, column, cost = pairs
    k = 0
    variance = np.empty(4)
    weight, for_lost = s[AT.appearance_weight], s[AT.lost_overlap_weight]
    for i in range(confirmed):
        for c in range(4):
            variance[c] = expected(rows, whole, innovation, i, c, s)
        reach = math.sqrt(s[AT.gate] * variance[0])
        beyond = s[AT.gate] * variance[1] * (1 + 1e-9)  # squared, and surely
        low, far = rows[i, 0] - reach, rows[i, 0] + reach
        for at in range(start[i], stop[i]):
            x, down = places[at, 0], places[at, 1] - rows[i, 1]
            if not ((low <= x) & (x <= far) & (down * down <= beyond)):
                continue
            j = order[at]
            if j >= high or whole[i, NUMBERS] != class_id[j]:
                continue
            along, wider, taller = x - rows[i, 0], measurement[j, 2] - rows[i, 2], measurement[j, 3] - rows[i, 3]
            # as BLAS adds them
            distance = along * along / variance[0] + wider * wider / variance[2]
            distance = distance + (down * down / variance[1] + taller * taller / variance[3])
            if distance > s[AT.gate]:
                continue
            price = np.float64(np.float32(weight) * unlike(embedding, i, looks, j)) + (1 - weight) * distance
            if for_lost and whole[i, DETECTION] < 0 and price < s[AT.appearance_threshold]:
                price += np.float64(np.float32(for_lost) * (np.float32(1) - overlap(boxes, i, xyxy, j)))
            row[k], column[k], cost[k] = i, j, price
            k += 1
    return k


@part
def score(pairs: Any, k: int, chance: Any) -> None:
    """Fuse scores in."""
    for p in range(k):
        pairs[2][p] = np.float32(1) - (np.float32(1) - np.float32(pairs[2][p])) * chance[pairs[1][p]]


@part
def direct(pairs: Any, k: int, tracks: Any, found: Any, update: int, s: Any) -> None:
    """Less how well the direction agrees."""
    rows, whole = tracks[0], tracks[1]
    measurement, chance = found[1], found[3]
    past = (rows.shape[1] - OBSERVED) // 5
    for p in range(k):
        i, j = pairs[0][p], pairs[1][p]
        oldest = 0
        while oldest < past - 1 and whole[i, OBSERVED + 4 * past + oldest] < update - s[AT.direction_frames]:
            oldest += 1
        x, y = rows[i, OBSERVED + 4 * oldest], rows[i, OBSERVED + 4 * oldest + 1]
        newest = OBSERVED + 4 * (past - 1)
        ax, ay = rows[i, newest] - x, rows[i, newest + 1] - y
        bx, by = measurement[j, 0] - x, measurement[j, 1] - y
        angle = math.atan2(abs(ax * by - ay * bx) + _TINY, ax * bx + ay * by)
        pairs[2][p] -= s[AT.direction_weight] * (0.5 - angle / math.pi) * chance[j]


@part
def overlap_or_appearance(pairs: Any, k: int, tracks: Any, found: Any, boxes: Any, s: Any) -> None:
    """The lesser of that cost and half the cosine distance, as far as the latter has a say."""
    row, column, cost = pairs
    for p in range(k):
        half = unlike(tracks[3], row[p], found[5], column[p]) / np.float32(2)
        apart = np.float32(1) - overlap(boxes, row[p], found[0], column[p])
        if apart > np.float32(s[AT.proximity]) or half > np.float32(s[AT.appearance_reach]):
            half = np.float32(1)
        cost[p] = min(cost[p], np.float64(half))


@part
def nearest(
    confirmed: int, high: int, appearance: bool, tracks: Any, found: Any, left: Any, candidate: Any, pairs: Any, s: Any
) -> Any:
    """Pairs, in these arrays or larger ones, and their number; which tracks took part."""
    rows, whole, _, embedding = tracks
    measurement, class_id, looks = found[1], found[4], found[5]
    match, free = left
    chosen, columns = 0, 0
    for i in range(len(match)):
        candidate[i] = match[i] < 0 and (i >= confirmed or whole[i, DETECTION] >= 0)
        chosen += candidate[i]
    for j in range(high):
        columns += free[j]
    if not chosen or not columns:
        return pairs, 0
    if chosen * columns > len(pairs[0]):
        pairs = room(chosen * columns)
    row, column, cost = pairs
    k = 0
    for i in range(len(match)):
        if not candidate[i]:
            continue
        height = rows[i, 3]
        aspect = abs(rows[i, 2])
        size = max(aspect, (1 + aspect) / 2) * height
        reach = s[AT.gate_of_place] * (rows[i, 8] + (height / 20) * (height / 20))
        if i >= confirmed:
            far = s[AT.nearest_distance] * size
            reach = max(reach, far * far)
        for j in range(high):
            x, y = measurement[j, 0] - rows[i, 0], measurement[j, 1] - rows[i, 1]
            distance = x * x + y * y
            if not free[j] or distance >= reach or whole[i, NUMBERS] != class_id[j]:
                continue
            taller = measurement[j, 3] / max(height, SMALLEST)
            if 1 / s[AT.taller] < taller < s[AT.taller]:
                row[k], column[k] = i, j
                if appearance:
                    cost[k] = unlike(embedding, i, looks, j)
                else:
                    cost[k] = math.sqrt(distance) / max(size, SMALLEST)
                k += 1
    return pairs, k
