"""The hot path of `clmot.tracking.tracker` as machine code, by numba: what is there step by step, in loops.

The NumPy form is the one to read: names are the same here, and every formula stands there with its source. Ids, boxes
and filters are equal bit for bit, ties among them too; embeddings and cosines to the rounding of float32, whose sums
are taken in another order. `TrackerConfig.observation_reupdate` is not here.

Importing this compiles, once for an installation: the result is kept on disk, in ``__pycache__``, numba's folder of
the user, or ``NUMBA_CACHE_DIR``. Where none of them can be written, importing raises `ImportError`.
"""

from __future__ import annotations

import functools
import logging
import math
from collections import namedtuple
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from numba import njit
from numba.core import event

from clmot.config.tracker import TrackerConfig
from clmot.structures import Detections, Int64Array
from clmot.tracking import association, kalman, track_state
from clmot.tracking.track_state import STREAM_COLUMNS, plain

_log = logging.getLogger(__name__)

_INFINITE = np.inf
_Function = TypeVar("_Function", bound=Callable[..., Any])


def _part(function: _Function, any_order: bool = False) -> _Function:
    """A part of what is compiled, which divides by zero as NumPy does; its sums may be taken in any order."""
    compile_later: Any = njit(error_model="numpy", fastmath=any_order)
    part: _Function = compile_later(function)
    return part


def _values(config: TrackerConfig) -> dict[str, float]:
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
        "fused": config.association == "fused",
        "gated": config.association == "gated",
        "appearance_threshold": config.appearance_threshold,
        "appearance_weight": config.appearance_weight,
        "lost_overlap_weight": config.lost_overlap_weight,
        "fuse_score": config.fuse_score,
        "direction_weight": config.direction_weight,
        "nearest_distance": config.nearest_distance,
        "duplicate_iou_threshold": config.duplicate_iou_threshold,
        "published_bookkeeping": config.published_bookkeeping,
        "embedding_momentum": config.embedding_momentum,
        "confidence_weighted": config.confidence_weighted,
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
        # of stages 1 to 5 by overlap
        "limits": config.motion_only_iou_threshold,
        "limit_2": config.iou_threshold,
        "limit_3": association.LOW_SCORE_IOU_DISTANCE,
        "recovery_iou_threshold": config.recovery_iou_threshold,
        "limit_5": config.unconfirmed_iou_threshold,
        # shares of the height, and as many of the aspect
        **{name: noise.share**2 for name, noise in noises.items()},
        **{f"{name}_aspect": noise.aspect**2 for name, noise in noises.items()},
    }


_NAMES = tuple(_values(TrackerConfig()))
_AT: Any = namedtuple("_AT", _NAMES)(*range(len(_NAMES)))
"""Where in the array of settings each stands."""

_NOW: Any = namedtuple("_NOW", STREAM_COLUMNS)(*range(len(STREAM_COLUMNS)))
"""Where in what a frame begins with each stands."""

_UNSEEN, _NUMBERS, _OBSERVED = 20, 21, 27
"""Where in the row of a track its parts begin (`Tracks.pack`); places and velocities come first."""


_NOISES = 5
_SHORTEST_SIZE = 1e-6
_ANY = 1e6
_SHORTEST = np.float32(1e-12)
_TINY = np.finfo(np.float64).tiny


# --- parts


@functools.partial(_part, any_order=True)
def _dot(first: Any, i: int, second: Any, j: int) -> Any:
    total = np.float32(0)
    for k in range(first.shape[1]):
        total += first[i, k] * second[j, k]
    return total


@_part
def _to_unit(vectors: Any, i: int) -> None:
    scale = np.float32(1) / max(np.float32(math.sqrt(_dot(vectors, i, vectors, i))), _SHORTEST)
    for k in range(vectors.shape[1]):
        vectors[i, k] *= scale


@_part
def _count(falling: Any, least: float) -> int:
    """Of how many the negative score is at most so much."""
    most, count = np.float32(-least), 0
    while count < len(falling) and falling[count] <= most:
        count += 1
    return count


@_part
def _variance(s: Any, noise: int, squared: float, c: int) -> Any:
    return s[noise + _NOISES] if c == 2 else squared * s[noise]


@_part
def _boxes(position: Any, pixel: Any) -> Any:
    """Centre, aspect and height to corners, in float32."""
    boxes = np.empty((len(position), 4), np.float32)
    for i in range(len(position)):
        x, y, height = np.float32(position[i, 0]), np.float32(position[i, 1]), np.float32(position[i, 3])
        half_width, half_height = np.float32(position[i, 2]) * height / np.float32(2), height / np.float32(2)
        boxes[i, 0], boxes[i, 2] = x - half_width, x + half_width + pixel
        boxes[i, 1], boxes[i, 3] = y - half_height, y + half_height + pixel
    return boxes


@_part
def _overlap(first: Any, i: int, second: Any, j: int) -> Any:
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


@_part
def _appearance(embedding: Any, i: int, looks: Any, j: int) -> Any:
    return max(np.float32(1) - _dot(embedding, i, looks, j), np.float32(0))


# --- assignment


@_part
def _assigned(cost: Any) -> Any:
    """For each row of a table with no more rows than columns, its column: `scipy.optimize.linear_sum_assignment`.

    Shortest augmenting paths (Crouse, "On implementing 2D rectangular assignment algorithms", 2016), looking at the
    columns in SciPy's order, so that ties are resolved as there.
    """
    n, m = cost.shape
    u, v, shortest = np.zeros(n), np.zeros(m), np.empty(m)
    path, column_of, row_of = np.empty(m, np.int64), np.empty(n, np.int64), np.empty(m, np.int64)
    in_rows, in_columns, remaining = np.empty(n, np.bool_), np.empty(m, np.bool_), np.empty(m, np.int64)
    for j in range(m):
        row_of[j] = -1
    for current in range(n):
        least, left, sink, i = 0.0, m, -1, current
        for j in range(m):
            remaining[j], shortest[j], in_columns[j] = m - j - 1, _INFINITE, False
        for j in range(n):
            in_rows[j] = False
        while sink < 0:
            in_rows[i] = True
            index, lowest = -1, _INFINITE
            for k in range(left):
                j = remaining[k]
                reduced = least + cost[i, j] - u[i] - v[j]
                if reduced < shortest[j]:
                    path[j], shortest[j] = i, reduced
                if shortest[j] < lowest or (shortest[j] == lowest and row_of[j] < 0):
                    lowest, index = shortest[j], k
            least = lowest
            j = remaining[index]
            if row_of[j] < 0:
                sink = j
            else:
                i = row_of[j]
            in_columns[j] = True
            left -= 1
            remaining[index] = remaining[left]
        u[current] += least
        for i in range(n):
            if in_rows[i] and i != current:
                u[i] += least - shortest[column_of[i]]
        for j in range(m):
            if in_columns[j]:
                v[j] -= least - shortest[j]
        j, i = sink, -1
        while i != current:
            i = path[j]
            row_of[j] = i
            following = column_of[i]
            column_of[i] = j
            j = following
    return column_of


@_part
def _ranks(used: Any) -> int:
    """Put in place of each flag how many are set before it; returns how many are."""
    rank = 0
    for i in range(len(used)):
        if used[i]:
            used[i] = rank
            rank += 1
    return rank


@_part
def _assign(row: Any, column: Any, cost: Any, k: int, limit: float, single: bool, match: Any, free: Any) -> None:
    """`clmot.tracking.assignment.assign` of the first k pairs; `single`: costs are of single precision."""
    bound = np.float64(np.float32(limit)) if single else limit
    of_row, of_column = np.zeros(len(match), np.int64), np.zeros(len(free), np.int64)
    contested = 0
    for p in range(k):
        if cost[p] < bound:
            of_row[row[p]] += 1
            of_column[column[p]] += 1
    for p in range(k):
        if cost[p] < bound:
            if of_row[row[p]] + of_column[column[p]] == 2:
                match[row[p]] = column[p]
                free[column[p]] = False
            else:
                row[contested], column[contested], cost[contested] = row[p], column[p], cost[p]
                contested += 1
    if not contested:
        return
    # which row and column of the table each has
    row_at, column_at = np.zeros(len(match), np.int64), np.zeros(len(free), np.int64)
    for p in range(contested):
        row_at[row[p]], column_at[column[p]] = 1, 1
    rows, columns = _ranks(row_at), _ranks(column_at)
    turned = columns < rows
    table = np.empty((min(rows, columns), max(rows, columns)))
    pair = np.empty(table.shape, np.int64)
    for i in range(table.shape[0]):
        for j in range(table.shape[1]):
            table[i, j], pair[i, j] = limit, -1
    for p in range(contested):
        i, j = row_at[row[p]], column_at[column[p]]
        if turned:
            i, j = j, i
        table[i, j], pair[i, j] = cost[p], p
    column_of = _assigned(table)
    for i in range(table.shape[0]):
        p = pair[i, column_of[i]]
        if p >= 0:
            match[row[p]] = column[p]
            free[column[p]] = False


# --- candidates


@_part
def _sorted(key: Any) -> Any:
    """Rows in ascending order of the key (Shell's sort)."""
    order = np.empty(len(key), np.int64)
    for k in range(len(key)):
        order[k] = k
    gap = 1
    while gap < len(key) // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for k in range(gap, len(key)):
            row, at = order[k], k
            while at >= gap and key[order[at - gap]] > key[row]:
                order[at] = order[at - gap]
                at -= gap
            order[at] = row
        gap //= 3
    return order


@_part
def _first(measurement: Any, order: Any, x: float) -> int:
    """Where in the order those begin that do not lie left of x."""
    low, high = 0, len(order)
    while low < high:
        middle = (low + high) // 2
        if measurement[order[middle], 0] < x:
            low = middle + 1
        else:
            high = middle
    return low


@_part
def _expected(tracks: Any, i: int, c: int, s: Any) -> Any:
    """Variance of a measurement in the first stage with appearance."""
    motion, innovation, _, numbers, _, _ = tracks
    if numbers[5, i] >= 0 or not s[_AT.lost_wider]:
        return innovation[i, c]
    return innovation[i, c] + s[_AT.lost_wider] * motion[2, i, c]


@_part
def _windows(tracks: Any, boxes: Any, last: Any, xyxy: Any, measurement: Any, s: Any) -> Any:
    """Detections by x, and for each track from where to where in that order those are that may be near it."""
    motion, _, _, _, _, _ = tracks
    order = _sorted(measurement[:, 0].copy())
    start, stop = np.empty(len(boxes), np.int64), np.empty(len(boxes), np.int64)
    half = np.float32(0)
    for j in range(len(xyxy)):
        half = max(half, xyxy[j, 2] - xyxy[j, 0])
    half = half / 2 + 2
    for i in range(len(boxes)):
        reach = math.sqrt(s[_AT.gate] * _expected(tracks, i, 0, s))
        low, high = min(boxes[i, 0], last[i, 0]), max(boxes[i, 2], last[i, 2])
        margin = half + 1e-6 * (abs(low) + abs(high))
        start[i] = _first(measurement, order, min(motion[0, i, 0] - reach, low - margin))
        stop[i] = _first(measurement, order, max(motion[0, i, 0] + reach, high + margin))
        while stop[i] < len(order) and measurement[order[stop[i]], 0] <= motion[0, i, 0] + reach:
            stop[i] += 1
    return order, start, stop


@_part
def _overlapping(
    boxes: Any, rows: Any, seen_only: bool, columns: Any, numbers: Any, found: Any, windows: Any, left: Any, pairs: Any
) -> int:
    """The pairs of one class that have area in common among what is left of some tracks and detections: how many."""
    xyxy, class_id = found[0], found[4]
    order, start, stop = windows
    match, free = left
    row, column, cost = pairs
    k = 0
    for i in range(rows[0], rows[1]):
        if match[i] >= 0 or (seen_only and numbers[5, i] < 0):
            continue
        for at in range(start[i], stop[i]):
            j = order[at]
            if columns[0] <= j < columns[1] and free[j] and numbers[0, i] == class_id[j]:
                overlap = _overlap(boxes, i, xyxy, j)
                if overlap != 0:
                    row[k], column[k], cost[k] = i, j, np.float32(1) - overlap
                    k += 1
    return k


# --- association


@_part
def _appearance_and_motion(
    confirmed: int, high: int, tracks: Any, found: Any, boxes: Any, windows: Any, pairs: Any, s: Any
) -> int:
    motion, _, embedding, numbers, _, _ = tracks
    xyxy, measurement, _, _, class_id, looks = found
    order, start, stop = windows
    row, column, cost = pairs
    k = 0
    apart, variance = np.empty(4), np.empty(4)
    for i in range(confirmed):
        for c in range(4):
            variance[c] = _expected(tracks, i, c, s)
        reach = math.sqrt(s[_AT.gate] * variance[0])
        beyond = s[_AT.gate] * variance[1] * (1 + 1e-9)  # squared, and surely
        low, far = motion[0, i, 0] - reach, motion[0, i, 0] + reach
        for at in range(start[i], stop[i]):
            j = order[at]
            if j >= high or not low <= measurement[j, 0] <= far or numbers[0, i] != class_id[j]:
                continue
            down = measurement[j, 1] - motion[0, i, 1]
            if down * down > beyond:
                continue
            for c in range(4):
                difference = measurement[j, c] - motion[0, i, c]
                apart[c] = difference * difference / variance[c]
            distance = (apart[0] + apart[2]) + (apart[1] + apart[3])  # as BLAS has it
            if distance > s[_AT.gate]:
                continue
            weight = s[_AT.appearance_weight]
            price = np.float64(np.float32(weight) * _appearance(embedding, i, looks, j)) + (1 - weight) * distance
            if s[_AT.lost_overlap_weight] and numbers[5, i] < 0 and price < s[_AT.appearance_threshold]:
                overlap = _overlap(boxes, i, xyxy, j)
                price += np.float64(np.float32(s[_AT.lost_overlap_weight]) * (np.float32(1) - overlap))
            row[k], column[k], cost[k] = i, j, price
            k += 1
    return k


@_part
def _score(pairs: Any, k: int, score: Any) -> None:
    """Fuse scores in."""
    for p in range(k):
        pairs[2][p] = np.float32(1) - (np.float32(1) - np.float32(pairs[2][p])) * score[pairs[1][p]]


@_part
def _direct(pairs: Any, k: int, tracks: Any, found: Any, update: int, s: Any) -> None:
    """Less how well the direction agrees."""
    observed, observed_frame, measurement, score = tracks[4], tracks[5], found[1], found[3]
    newest = observed.shape[1] - 1
    for p in range(k):
        i, j = pairs[0][p], pairs[1][p]
        oldest = 0
        while oldest < newest and observed_frame[i, oldest] < update - s[_AT.direction_frames]:
            oldest += 1
        x, y = observed[i, oldest, 0], observed[i, oldest, 1]
        ax, ay = observed[i, newest, 0] - x, observed[i, newest, 1] - y
        bx, by = measurement[j, 0] - x, measurement[j, 1] - y
        angle = math.atan2(abs(ax * by - ay * bx) + _TINY, ax * bx + ay * by)
        pairs[2][p] -= s[_AT.direction_weight] * (0.5 - angle / math.pi) * score[j]


@_part
def _overlap_or_appearance(pairs: Any, k: int, tracks: Any, found: Any, boxes: Any, s: Any) -> None:
    """The lesser of that cost and half the cosine distance, as far as the latter has a say."""
    row, column, cost = pairs
    for p in range(k):
        half = _appearance(tracks[2], row[p], found[5], column[p]) / np.float32(2)
        apart = np.float32(1) - _overlap(boxes, row[p], found[0], column[p])
        if apart > np.float32(s[_AT.proximity]) or half > np.float32(s[_AT.appearance_reach]):
            half = np.float32(1)
        cost[p] = min(cost[p], np.float64(half))


@_part
def _room(most: int) -> Any:
    return np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most)


@_part
def _nearest(
    confirmed: int, high: int, appearance: bool, tracks: Any, found: Any, left: Any, candidate: Any, pairs: Any, s: Any
) -> Any:
    """Pairs, in these arrays or larger ones, and their number; which tracks took part."""
    motion, _, embedding, numbers, _, _ = tracks
    _, measurement, _, _, class_id, looks = found
    match, free = left
    rows, columns = 0, 0
    for i in range(len(match)):
        candidate[i] = match[i] < 0 and (i >= confirmed or numbers[5, i] >= 0)
        rows += candidate[i]
    for j in range(high):
        columns += free[j]
    if rows * columns > len(pairs[0]):
        pairs = _room(rows * columns)
    row, column, cost = pairs
    k = 0
    for i in range(len(match)):
        if not candidate[i]:
            continue
        height = motion[0, i, 3]
        aspect = abs(motion[0, i, 2])
        size = max(aspect, (1 + aspect) / 2) * height
        reach = s[_AT.gate_of_place] * (motion[2, i, 0] + (height / 20) * (height / 20))
        if i >= confirmed:
            far = s[_AT.nearest_distance] * size
            reach = max(reach, far * far)
        for j in range(high):
            x, y = measurement[j, 0] - motion[0, i, 0], measurement[j, 1] - motion[0, i, 1]
            distance = x * x + y * y
            if not free[j] or distance >= reach or numbers[0, i] != class_id[j]:
                continue
            taller = measurement[j, 3] / max(height, _SHORTEST_SIZE)
            if 1 / s[_AT.taller] < taller < s[_AT.taller]:
                row[k], column[k] = i, j
                if appearance:
                    cost[k] = _appearance(embedding, i, looks, j)
                else:
                    cost[k] = math.sqrt(distance) / max(size, _SHORTEST_SIZE)
                k += 1
    return pairs, k


@_part
def _associate(tracks: Any, confirmed: int, found: Any, update: int, appearance: bool, s: Any) -> Any:
    """`clmot.tracking.association.associate`, stage by stage."""
    motion, _, _, numbers, observed, _ = tracks
    xyxy, measurement, falling, score, class_id, looks = found
    n, m = numbers.shape[1], len(score)
    match, free, is_nearest = np.empty(n, np.int64), np.empty(m, np.bool_), np.empty(n, np.bool_)
    for i in range(n):
        match[i], is_nearest[i] = -1, False
    for j in range(m):
        free[j] = True
    if not n or not m:
        return match, free, is_nearest
    high = _count(falling, s[_AT.high_score])
    low = max(high, _count(falling, s[_AT.low_score]))
    pixel = np.float32(1) if s[_AT.published_bookkeeping] else np.float32(0)
    boxes = _boxes(motion[0], pixel)
    last = _boxes(observed[:, observed.shape[1] - 1], np.float32(0)) if s[_AT.recovery_iou_threshold] else boxes
    if pixel:
        xyxy = xyxy.copy()
        for j in range(m):
            xyxy[j, 2] += pixel
            xyxy[j, 3] += pixel
        found = (xyxy, measurement, falling, score, class_id, looks)
    windows = _windows(tracks, boxes, last, xyxy, measurement, s)
    most = 0
    for i in range(n):
        most += windows[2][i] - windows[1][i]
    pairs, left = _room(most), (match, free)
    fused = appearance and s[_AT.fused] != 0
    for stage in range(1, 7):  # all in one loop, so that every part is compiled once
        places, from_row, to_row, from_column, to_column = boxes, 0, confirmed, 0, high
        limit, k, single = s[_AT.limits + stage - 1], 0, not (stage == 1 and s[_AT.direction_weight])
        if stage == 1 and fused:
            limit, single = s[_AT.appearance_threshold], False
            k = _appearance_and_motion(confirmed, high, tracks, found, boxes, windows, pairs, s)
        elif stage == 6:
            if s[_AT.nearest_distance]:
                limit, single = (s[_AT.appearance_threshold] if appearance else _ANY), appearance
                pairs, k = _nearest(confirmed, high, appearance, tracks, found, left, is_nearest, pairs, s)
        elif limit:
            if stage == 3:
                from_column, to_column = high, low
            elif stage == 4:
                places = last
            elif stage == 5:
                from_row, to_row = confirmed, n
            rows, columns, seen_only = (from_row, to_row), (from_column, to_column), stage == 2 or stage == 3
            k = _overlapping(places, rows, seen_only, columns, numbers, found, windows, left, pairs)
            if (stage == 1 or stage == 5) and s[_AT.fuse_score]:
                _score(pairs, k, score)
            if stage == 1 and s[_AT.direction_weight]:
                _direct(pairs, k, tracks, found, update, s)
            if stage == 1 and appearance and s[_AT.gated]:
                _overlap_or_appearance(pairs, k, tracks, found, boxes, s)
        if k > 0:
            _assign(pairs[0], pairs[1], pairs[2], k, limit, single, match, free)
    for i in range(n):
        is_nearest[i] = is_nearest[i] and match[i] >= 0
    return match, free, is_nearest


# --- order


@_part
def _before(class_id: Any, xyxy: Any, i: int, j: int) -> Any:
    """Of two detections of one score: by class, then by the box from its last side to the first."""
    if class_id[i] != class_id[j]:
        return class_id[i] < class_id[j]
    for c in range(3, -1, -1):
        if xyxy[i, c] != xyxy[j, c]:
            return xyxy[i, c] < xyxy[j, c]
    return i < j


@_part
def _at_least(score: Any, order: Any, least: float) -> int:
    """How many scores are at least so much; they are the first in this order."""
    lowest, count = np.float32(least), 0
    while count < len(order) and score[order[count]] >= lowest:
        count += 1
    return count


# --- tracks as one row each


@_part
def _predicted(rows: Any, embedding: Any, steps: float, confirmed: int, s: Any) -> Any:
    """The tracks some steps later, as arrays of their own, and what a measurement may differ from them by."""
    n, past = len(rows), (rows.shape[1] - _OBSERVED) // 5
    whole = rows.view(np.int64)
    motion, innovation, numbers = np.empty((5, n, 4)), np.empty((n, 4)), np.empty((6, n), np.int64)
    observed, observed_frame = np.empty((n, past, 4)), np.empty((n, past), np.int64)
    moving = confirmed if s[_AT.published_bookkeeping] else n
    first, second = steps * (steps - 1) / 2, steps * (steps - 1) * (2 * steps - 1) / 6
    for i in range(n):
        for k in range(6):
            numbers[k, i] = whole[i, _NUMBERS + k]
        for back in range(past):
            observed_frame[i, back] = whole[i, _OBSERVED + 4 * past + back]
            for c in range(4):
                observed[i, back, c] = rows[i, _OBSERVED + 4 * back + c]
        squared = rows[i, 3] * rows[i, 3]
        for c in range(4):
            place, velocity, variance = rows[i, c], rows[i, 4 + c], rows[i, 8 + c]
            covariance, velocity_variance = rows[i, 12 + c], rows[i, 16 + c]
            if i < moving:
                if c == 3 and numbers[5, i] < 0:
                    velocity = 0.0
                noise, faster = _variance(s, _AT.motion, squared, c), _variance(s, _AT.motion_velocity, squared, c)
                if steps == 1:
                    variance += covariance
                    place += velocity
                    covariance += velocity_variance
                    variance += covariance
                    variance += noise
                    velocity_variance += faster
                else:
                    place += steps * velocity
                    variance += steps * covariance
                    covariance += steps * velocity_variance
                    variance += steps * covariance
                    variance += steps * noise
                    velocity_variance += steps * faster
                    covariance += first * faster
                    variance += second * faster
            motion[0, i, c], motion[1, i, c], motion[2, i, c] = place, velocity, variance
            motion[3, i, c], motion[4, i, c] = covariance, velocity_variance
        squared = motion[0, i, 3] * motion[0, i, 3]
        for c in range(4):
            innovation[i, c] = _variance(s, _AT.measurement, squared, c) + motion[2, i, c]
    return motion, innovation, embedding, numbers, observed, observed_frame


@_part
def _initiate(row: Any, measurement: Any, j: int, s: Any) -> None:
    squared = measurement[j, 3] * measurement[j, 3]
    for c in range(4):
        row[c] = measurement[j, c]
        row[4 + c] = row[12 + c] = 0.0
        row[8 + c] = _variance(s, _AT.start, squared, c)
        row[16 + c] = _variance(s, _AT.start_velocity, squared, c)


@_part
def _update(
    row: Any, tracks: Any, i: int, measurement: Any, j: int, is_nearest: bool, is_new: bool, steps: float, s: Any
) -> None:
    """What is known after the measurement; a track that moved farther than its filter believes begins anew.

    So does one without an id that got the nearest.
    """
    motion, innovation, _, _, observed, _ = tracks
    distance = 0.0
    if is_nearest:
        for c in range(4):
            difference = measurement[j, c] - motion[0, i, c]
            distance += difference * difference / innovation[i, c]
    if is_nearest and (is_new or distance > s[_AT.gate]):
        _initiate(row, measurement, j, s)
        if observed.shape[1]:
            for c in range(2):
                row[4 + c] = (measurement[j, c] - observed[i, observed.shape[1] - 1, c]) / steps
        return
    for c in range(4):
        difference = measurement[j, c] - motion[0, i, c]
        gain, of_velocity = motion[2, i, c] / innovation[i, c], motion[3, i, c] / innovation[i, c]
        row[c] = gain * difference + motion[0, i, c]
        row[4 + c] = of_velocity * difference + motion[1, i, c]
        row[8 + c] = motion[2, i, c] * (1 - gain)
        row[12 + c] = motion[3, i, c] * (1 - gain)
        row[16 + c] = motion[4, i, c] - of_velocity * motion[3, i, c]


@_part
def _learned(after: Any, k: int, embedding: Any, i: int, looks: Any, j: int, score: Any, s: Any) -> None:
    """The average embedding of a track, moved towards that of a high-score detection; none is -1."""
    share = 1 - s[_AT.embedding_momentum]
    slope = share / max(1 - s[_AT.high_score], 1e-6)
    weight = np.float32(0)
    if j >= 0 and s[_AT.confidence_weighted]:
        weight = max(score[j] * np.float32(slope) + np.float32(share - slope), weight)
    elif j >= 0 and score[j] >= np.float32(s[_AT.high_score]):
        weight = np.float32(share)
    if weight:
        for d in range(embedding.shape[1]):
            after[k, d] = embedding[i, d] + (looks[j, d] - embedding[i, d]) * weight
    else:
        for d in range(embedding.shape[1]):
            after[k, d] = embedding[i, d]
    _to_unit(after, k)


@_part
def _duplicates(rows: Any, stay: Any, s: Any) -> bool:
    """Of a seen and a lost track in one place, the one that was followed for longer stays; whether there are any."""
    boxes = _boxes(rows, np.float32(1) if s[_AT.published_bookkeeping] else np.float32(0))
    numbers = rows.view(np.int64)[:, _NUMBERS:]
    limit, any_there = np.float32(s[_AT.duplicate_iou_threshold]), False
    for i in range(len(boxes)):
        stay[i] = True
    for j in range(len(boxes)):
        if numbers[j, 5] >= 0:
            continue
        for i in range(len(boxes)):
            if numbers[i, 5] < 0 or boxes[i, 0] > boxes[j, 2] or boxes[i, 2] < boxes[j, 0]:
                continue
            overlap = _overlap(boxes, i, boxes, j)
            if overlap != 0 and np.float32(1) - overlap < limit and numbers[i, 0] == numbers[j, 0]:
                longer = numbers[i, 3] - numbers[i, 2] > numbers[j, 3] - numbers[j, 2]
                stay[j if longer else i] = False
                any_there = True
    return any_there


# --- a frame


@_part
def _found(order: Any, xyxy: Any, score: Any, class_id: Any, looks: Any) -> Any:
    """The columns of `Found`."""
    m = len(order)
    boxes, measurement, classes = np.empty((m, 4), np.float32), np.empty((m, 4)), np.empty(m, np.int64)
    falling, chance = np.empty(m, np.float32), np.empty(m, np.float32)
    for k in range(m):
        j = order[k]
        for c in range(4):
            boxes[k, c] = xyxy[j, c]
        left, right = np.float64(xyxy[j, 0]), np.float64(xyxy[j, 2])
        top, bottom = np.float64(xyxy[j, 1]), np.float64(xyxy[j, 3])
        measurement[k, 0], measurement[k, 1] = (left + right) / 2, (top + bottom) / 2
        measurement[k, 2], measurement[k, 3] = (right - left) / (bottom - top), bottom - top
        falling[k], chance[k], classes[k] = -score[j], min(score[j], np.float32(1)), class_id[j]
    return boxes, measurement, falling, chance, classes, looks


@_part
def _go(rows: Any, tracks: Any, found: Any, appearance: bool, now: Any, s: Any, after: Any, looks_after: Any) -> int:
    """From association to the ids of new tracks; how many tracks there are after."""
    _, _, embedding, numbers, observed, observed_frame = tracks
    _, measurement, falling, score, class_id, looks = found
    confirmed, update = int(now[_NOW.confirmed]), int(now[_NOW.update])
    n, past, published = len(rows), observed.shape[1], s[_AT.published_bookkeeping] != 0
    match, free, is_nearest = _associate(tracks, confirmed, found, update, appearance, s)

    # update, and the end of tracks
    directed = not (appearance and s[_AT.fused] != 0)
    whole, any_seen = after.view(np.int64), False
    for i in range(n):
        any_seen = any_seen or match[i] >= 0
    k, ids = 0, 0
    for i in range(n):
        j = match[i]
        seen = j >= 0
        unseen = 0.0 if seen else rows[i, _UNSEEN] + now[_NOW.passed]
        hits, last_frame = numbers[4, i], numbers[3, i]
        if seen:
            if published and update - last_frame > s[_AT.lost_frames] + 1:
                hits = np.int64(s[_AT.ended])
            hits, last_frame = hits + 1, update
        if unseen >= now[_NOW.life] or not (seen or (i < confirmed and (hits > 0 or not published))):
            continue
        if seen:
            _update(after[k], tracks, i, measurement, j, is_nearest[i], i >= confirmed, now[_NOW.steps], s)
        else:
            for part in range(5):
                for c in range(4):
                    after[k, 4 * part + c] = tracks[0][part, i, c]
        after[k, _UNSEEN] = unseen
        for part in range(3):
            whole[k, _NUMBERS + part] = numbers[part, i]
        whole[k, _NUMBERS + 3], whole[k, _NUMBERS + 4], whole[k, _NUMBERS + 5] = last_frame, hits, j
        for back in range(past):
            at, newest = _OBSERVED + 4 * back, seen and back == past - 1
            older = back + 1 if seen and directed and not newest else back
            for c in range(4):
                after[k, at + c] = measurement[j, c] if newest else observed[i, older, c]
            whole[k, _OBSERVED + 4 * past + back] = update if newest else observed_frame[i, older]
        if embedding.shape[1]:
            if any_seen:
                _learned(looks_after, k, embedding, i, looks, j, score, s)
            else:
                looks_after[k] = embedding[i]
        ids += i < confirmed
        k += 1
    confirmed = ids

    # new tracks
    for j in range(_count(falling, max(s[_AT.high_score], s[_AT.new_track_score]))):
        if not free[j]:
            continue
        _initiate(after[k], measurement, j, s)
        after[k, _UNSEEN] = 0.0
        whole[k, _NUMBERS], whole[k, _NUMBERS + 1], whole[k, _NUMBERS + 2] = class_id[j], 0, update
        whole[k, _NUMBERS + 3], whole[k, _NUMBERS + 4], whole[k, _NUMBERS + 5] = update, 1, j
        for back in range(past):
            for c in range(4):
                after[k, _OBSERVED + 4 * back + c] = measurement[j, c]
            whole[k, _OBSERVED + 4 * past + back] = update
        looks_after[k] = looks[j]
        k += 1
    n = k
    stay = np.empty(n, np.bool_)
    if s[_AT.duplicate_iou_threshold] and _duplicates(after[:n], stay, s):
        k, ids = 0, 0
        for i in range(n):
            if stay[i]:
                if i > k:
                    after[k], looks_after[k] = after[i], looks_after[i]
                ids += i < confirmed
                k += 1
        n, confirmed = k, ids
    for i in range(confirmed, n):
        if now[_NOW.starting] or whole[i, _NUMBERS + 4] >= s[_AT.confirm_frames]:
            whole[confirmed, _NUMBERS + 1] = int(now[_NOW.next_id])
            confirmed += 1
            now[_NOW.next_id] += 1
    now[_NOW.confirmed] = confirmed
    return n


# --- what is called


def _order(score: Any, xyxy: Any, class_id: Any) -> Any:
    """`Found.order`."""
    order = _sorted(-score.astype(np.float64))
    for k in range(1, len(order)):
        row, at = order[k], k
        while at and score[order[at - 1]] == score[row] and _before(class_id, xyxy, row, order[at - 1]):
            order[at] = order[at - 1]
            at -= 1
        order[at] = row
    return order


def _looks(order: Any, score: Any, embedding: Any, total: Any, now: Any, s: Any) -> Any:
    """Embeddings as the association wants them: in order, of unit length, less the running mean.

    The total changes, and of what is known how many are in it and how many are high.
    """
    m, dimensions = len(order), embedding.shape[1]
    looks = np.empty((m, dimensions), np.float32)
    for k in range(m):
        j = order[k]
        for d in range(dimensions):
            looks[k, d] = embedding[j, d]
        _to_unit(looks, k)
    high = _at_least(score, order, s[_AT.high_score])
    now[_NOW.high] = high
    if not s[_AT.mean_subtraction] or not m or not dimensions:
        return looks
    known = now[_NOW.next_id] - 1
    if now[_NOW.starting]:
        known = _at_least(score, order, max(s[_AT.high_score], s[_AT.new_track_score]))
    now[_NOW.count] += high
    for k in range(high):
        for d in range(dimensions):
            total[d] += looks[k, d]
    share = known / (known + s[_AT.mean_subtraction]) / max(now[_NOW.count], 1.0)
    if share and now[_NOW.count]:
        mean = (share * total).astype(np.float32)
        for k in range(m):
            for d in range(dimensions):
                looks[k, d] -= mean[d]
            _to_unit(looks, k)
    return looks


_looks_of = _part(_looks)


def _step(
    rows: Any,
    embedding: Any,
    order: Any,
    xyxy: Any,
    score: Any,
    class_id: Any,
    looks: Any,
    total: Any,
    now: Any,
    s: Any,
) -> Any:
    """From running mean subtraction to the ids of new tracks.

    Args:
        rows: the tracks, as `Tracks.pack` has them.
        embedding: theirs.
        order: of the detections.
        xyxy: of the detections, as they come.
        score: theirs.
        class_id: theirs.
        looks: their embeddings.
        total: of the running mean; changes.
        now: `STREAM_COLUMNS`; those that say so change.
        s: settings.

    Returns:
        Rows and embeddings of the tracks as before. What is shown: ids, rows and classes, boxes, scores.
    """
    most = len(rows) + len(order)
    after, looks_after = np.empty((most, rows.shape[1])), np.empty((most, looks.shape[1]), np.float32)
    looks = _looks_of(order, score, looks, total, now, s)
    found = _found(order, xyxy, score, class_id, looks)
    tracks = _predicted(rows, embedding, now[_NOW.steps], int(now[_NOW.confirmed]), s)
    appearance = now[_NOW.trusted] != 0 and looks.shape[1] > 0
    n = _go(rows, tracks, found, appearance, now, s, after, looks_after)
    after, looks_after = after[:n], looks_after[:n]
    whole = after.view(np.int64)
    track_id, k = np.zeros(len(order), np.int64), 0
    for i in range(int(now[_NOW.confirmed])):
        if whole[i, _NUMBERS + 5] >= 0:
            track_id[order[whole[i, _NUMBERS + 5]]] = whole[i, _NUMBERS + 1]
            k += 1
    shown, shown_boxes, shown_score = np.empty((3, k), np.int64), np.empty((k, 4), np.float32), np.empty(k, np.float32)
    k = 0
    for j in range(len(order)):
        if track_id[j]:
            shown[0, k], shown[1, k], shown[2, k] = track_id[j], j, class_id[j]
            for c in range(4):
                shown_boxes[k, c] = xyxy[j, c]
            shown_score[k] = score[j]
            k += 1
    return after, looks_after, shown, shown_boxes, shown_score


_SIGNATURES = {
    _order: "(f4[::1], f4[:, ::1], i8[::1])",
    _looks: "(i8[::1], f4[::1], f4[:, ::1], f8[::1], f8[::1], f8[::1])",
    _step: "(f8[:, ::1], f4[:, ::1], i8[::1], f4[:, ::1], f4[::1], i8[::1], f4[:, ::1], f8[::1], f8[::1], f8[::1])",
}


class _Announcement(event.Listener):  # type: ignore[misc,unused-ignore]
    """Says so when something is compiled and not just read from disk."""

    done = False

    def on_start(self, event: Any) -> None:
        if not self.done:
            self.done = True
            _log.warning("compiling the tracker, once for this installation (some 20 s; CLMOT_COMPILED=0 does without)")

    def on_end(self, event: Any) -> None:
        pass


def _compile() -> list[Any]:
    """The functions for their one kind of arguments, so that nothing is ever compiled later.

    Raises:
        ImportError: there is nowhere to keep what is compiled.
    """
    try:
        compiled: list[Any] = [njit(function, cache=True, error_model="numpy") for function in _SIGNATURES]
    except RuntimeError as error:
        raise ImportError(f"nowhere to keep compiled code ({error}); set NUMBA_CACHE_DIR") from error
    with event.install_listener("numba:compile", _Announcement()):
        for function, signature in zip(compiled, _SIGNATURES.values(), strict=True):
            function.compile(signature)
            function.disable_compile()
    return compiled


class Compiled:
    """What `clmot.tracking.tracker` calls; there is one (`COMPILED`), which a copied or pickled tracker finds again."""

    def __init__(self) -> None:
        self._order, self.looks, self.step = _compile()

    def __reduce__(self) -> tuple[Any, ...]:
        from clmot.tracking.tracker import load_compiled

        return load_compiled, ()

    def order(self, detections: Detections) -> Int64Array:
        """`Found.order`."""
        order: Int64Array = self._order(plain(detections.score), plain(detections.xyxy), plain(detections.class_id))
        return order

    def settings(self, config: TrackerConfig) -> npt.NDArray[np.float64]:
        """What `step` wants of a configuration, as one array."""
        return np.array(list(_values(config).values()), np.float64)


COMPILED = Compiled()
