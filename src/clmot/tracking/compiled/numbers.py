"""Boxes, vectors and orders: what `clmot.boxes` and NumPy do for all at once, for one at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from clmot.tracking.compiled.settings import AT, NOISES, part, sum_part

_SHORTEST = np.float32(1e-12)


@sum_part
def dot(first: Any, i: int, second: Any, j: int) -> Any:
    """Inner product of row i of the one and row j of the other."""
    total = np.float32(0)
    for k in range(first.shape[1]):
        total += first[i, k] * second[j, k]
    return total


@part
def inverse_length(vectors: Any, i: int) -> Any:
    """What makes row i of unit length."""
    return np.float32(1) / max(np.float32(math.sqrt(dot(vectors, i, vectors, i))), _SHORTEST)


@part
def to_unit(vectors: Any, i: int) -> None:
    """Scale row i to unit length; zeros stay."""
    scale = inverse_length(vectors, i)
    for k in range(vectors.shape[1]):
        vectors[i, k] *= scale


@part
def unlike(embedding: Any, i: int, looks: Any, j: int) -> Any:
    """Cosine distance."""
    return max(np.float32(1) - dot(embedding, i, looks, j), np.float32(0))


@part
def variance(s: Any, noise: int, squared: float, c: int) -> Any:
    """Of a coordinate, for an object of that squared height."""
    return s[noise + NOISES] if c == 2 else squared * s[noise]


@part
def boxes(rows: Any, first: int, n: int, pixel: Any) -> Any:
    """Centre, aspect and height, from that column on, to corners, in float32."""
    corners = np.empty((n, 4), np.float32)
    for i in range(n):
        x, y = np.float32(rows[i, first]), np.float32(rows[i, first + 1])
        height = np.float32(rows[i, first + 3])
        half_width, half_height = np.float32(rows[i, first + 2]) * height / np.float32(2), height / np.float32(2)
        corners[i, 0], corners[i, 2] = x - half_width, x + half_width + pixel
        corners[i, 1], corners[i, 3] = y - half_height, y + half_height + pixel
    return corners


@part
def overlap(first: Any, i: int, second: Any, j: int) -> Any:
    """Intersection over union, in float32."""
    zero = np.float32(0)
    width = max(min(first[i, 2], second[j, 2]) - max(first[i, 0], second[j, 0]), zero)
    common = width * max(min(first[i, 3], second[j, 3]) - max(first[i, 1], second[j, 1]), zero)
    if common == zero:
        return zero
    union = (first[i, 2] - first[i, 0]) * (first[i, 3] - first[i, 1])
    union += (second[j, 2] - second[j, 0]) * (second[j, 3] - second[j, 1])
    union -= common
    return common / union


@part
def heights(first: Any, i: int, second: Any, j: int) -> Any:
    """Intersection over union of extents from top to bottom, which have some in common, in float32."""
    common = min(first[i, 3], second[j, 3]) - max(first[i, 1], second[j, 1])
    return common / ((first[i, 3] - first[i, 1]) + (second[j, 3] - second[j, 1]) - common)


@part
def at_least(score: Any, least: float) -> int:
    """How many scores are at least so much; they are the first ones."""
    lowest, count = np.float32(least), 0
    while count < len(score) and score[count] >= lowest:
        count += 1
    return count


@part
def bucket(value: float, low: float, scale: float, count: int) -> int:
    """Which of so many, of one width; the first, too, for what is less and what is no number."""
    place = (value - low) * scale
    return min(int(place), count - 1) if 0 < place < count else (count - 1 if place >= count else 0)


@part
def buckets(key: Any) -> Any:
    """As many buckets as there are numbers: all rows by bucket, where each begins, and the lowest number and scale.

    No comparison decides what comes next, so that no processor guesses it wrong.
    """
    m = len(key)
    low, high = key[0], key[0]
    for k in range(m):
        low, high = min(low, key[k]), max(high, key[k])
    scale = m / (high - low) if high > low else 0.0
    begin, order = np.zeros(m + 1, np.int64), np.empty(m, np.int64)
    at = np.empty(m, np.int64)
    for k in range(m):
        at[k] = bucket(key[k], low, scale, m)
        begin[at[k] + 1] += 1
    for k in range(m):
        begin[k + 1] += begin[k]
    for k in range(m):
        order[begin[at[k]]] = k
        begin[at[k]] += 1
    for k in range(m, 0, -1):
        begin[k] = begin[k - 1]
    begin[0] = 0
    return order, begin, low, scale


@part
def before(class_id: Any, xyxy: Any, i: int, j: int) -> Any:
    """Of two detections of one score: by class, then by the box from its last side to the first."""
    if class_id[i] != class_id[j]:
        return class_id[i] < class_id[j]
    for c in range(3, -1, -1):
        if xyxy[i, c] != xyxy[j, c]:
            return xyxy[i, c] < xyxy[j, c]
    return i < j


@part
def falling(score: Any, xyxy: Any, class_id: Any) -> Any:
    """`Found.order`: by bucket, then by Shell's sort, whose gaps need be no larger than a bucket."""
    m = len(score)
    key = np.empty(m)
    for k in range(m):
        key[k] = -score[k]
    if m == 0:
        return np.empty(0, np.int64)
    order, begin, _, _ = buckets(key)
    largest = 0
    for k in range(m):
        largest = max(largest, begin[k + 1] - begin[k])
    gap = 1
    while gap < largest // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for k in range(gap, m):
            row, at = order[k], k
            while at >= gap and key[order[at - gap]] > key[row]:
                order[at] = order[at - gap]
                at -= gap
            order[at] = row
        gap //= 3
    for k in range(1, m):
        row, at = order[k], k
        while at and key[order[at - 1]] == key[row] and before(class_id, xyxy, row, order[at - 1]):
            order[at] = order[at - 1]
            at -= 1
        order[at] = row
    return order


@part
def expected(rows: Any, whole: Any, innovation: Any, i: int, c: int, s: Any) -> Any:
    """Variance of a measurement in the first stage with appearance."""
    if whole[i, 26] >= 0 or not s[AT.lost_wider]:
        return innovation[i, c]
    return innovation[i, c] + s[AT.lost_wider] * rows[i, 8 + c]
