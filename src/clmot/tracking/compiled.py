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
from clmot.tracking import association, kalman, track_state

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
    length = max(np.float32(math.sqrt(_dot(vectors, i, vectors, i))), _SHORTEST)
    for k in range(vectors.shape[1]):
        vectors[i, k] /= length


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
def _by_x(measurement: Any) -> Any:
    """Rows in the order of their centre's x (Shell's sort)."""
    order = np.empty(len(measurement), np.int64)
    for k in range(len(order)):
        order[k] = k
    gap = 1
    while gap < len(order) // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for k in range(gap, len(order)):
            row, at = order[k], k
            while at >= gap and measurement[order[at - gap], 0] > measurement[row, 0]:
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
    order = _by_x(measurement)
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
    apart = np.empty(4)
    for i in range(confirmed):
        reach = math.sqrt(s[_AT.gate] * _expected(tracks, i, 0, s))
        low, far = motion[0, i, 0] - reach, motion[0, i, 0] + reach
        for at in range(start[i], stop[i]):
            j = order[at]
            if j >= high or not low <= measurement[j, 0] <= far or numbers[0, i] != class_id[j]:
                continue
            for c in range(4):
                difference = measurement[j, c] - motion[0, i, c]
                apart[c] = difference * difference / _expected(tracks, i, c, s)
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


# --- prediction, update, and the life of tracks


@_part
def _predicted(motion: Any, detection: Any, steps: float, moving: int, s: Any) -> Any:
    """So many tracks, the first, some steps later."""
    later = motion.copy()
    first, second = steps * (steps - 1) / 2, steps * (steps - 1) * (2 * steps - 1) / 6
    for i in range(moving):
        if detection[i] < 0:
            later[1, i, 3] = 0.0
        squared = motion[0, i, 3] * motion[0, i, 3]
        for c in range(4):
            noise, velocity = _variance(s, _AT.motion, squared, c), _variance(s, _AT.motion_velocity, squared, c)
            if steps == 1:
                later[2, i, c] += later[3, i, c]
                later[0, i, c] += later[1, i, c]
                later[3, i, c] += later[4, i, c]
                later[2, i, c] += later[3, i, c]
                later[2, i, c] += noise
                later[4, i, c] += velocity
            else:
                later[0, i, c] += steps * later[1, i, c]
                later[2, i, c] += steps * later[3, i, c]
                later[3, i, c] += steps * later[4, i, c]
                later[2, i, c] += steps * later[3, i, c]
                later[2, i, c] += steps * noise
                later[4, i, c] += steps * velocity
                later[3, i, c] += first * velocity
                later[2, i, c] += second * velocity
    return later


@_part
def _initiate(motion: Any, i: int, measurement: Any, j: int, s: Any) -> None:
    squared = measurement[j, 3] * measurement[j, 3]
    for c in range(4):
        motion[0, i, c] = measurement[j, c]
        motion[1, i, c] = motion[3, i, c] = 0.0
        motion[2, i, c] = _variance(s, _AT.start, squared, c)
        motion[4, i, c] = _variance(s, _AT.start_velocity, squared, c)


@_part
def _updated(
    tracks: Any, confirmed: int, match: Any, is_nearest: Any, measurement: Any, observed: Any, steps: float, s: Any
) -> Any:
    """Of the tracks that were seen; those that moved farther than their filters believe begin anew."""
    motion, innovation, _, _, _, _ = tracks
    after = motion.copy()
    for i in range(len(match)):
        j = match[i]
        if j < 0:
            continue
        if is_nearest[i]:
            distance = 0.0
            for c in range(4):
                difference = measurement[j, c] - motion[0, i, c]
                distance += difference * difference / innovation[i, c]
            if distance > s[_AT.gate] or i >= confirmed:
                _initiate(after, i, measurement, j, s)
                if observed.shape[1]:
                    for c in range(2):
                        after[1, i, c] = (measurement[j, c] - observed[i, observed.shape[1] - 1, c]) / steps
                continue
        for c in range(4):
            difference = measurement[j, c] - motion[0, i, c]
            gain, of_velocity = motion[2, i, c] / innovation[i, c], motion[3, i, c] / innovation[i, c]
            after[0, i, c] = gain * difference + motion[0, i, c]
            after[1, i, c] = of_velocity * difference + motion[1, i, c]
            after[2, i, c] = motion[2, i, c] * (1 - gain)
            after[3, i, c] = motion[3, i, c] * (1 - gain)
            after[4, i, c] = motion[4, i, c] - of_velocity * motion[3, i, c]
    return after


@_part
def _learn(embedding: Any, alive: Any, match: Any, looks: Any, score: Any, s: Any) -> None:
    """Move the average embeddings, which are of the tracks alive, towards those of high-score detections."""
    share = 1 - s[_AT.embedding_momentum]
    slope = share / max(1 - s[_AT.high_score], 1e-6)
    zero, steep, start = np.float32(0), np.float32(slope), np.float32(share - slope)
    k = 0
    for i in range(len(match)):
        j = match[i]
        if j >= 0:
            if s[_AT.confidence_weighted]:
                weight = max(score[j] * steep + start, zero)
            else:
                weight = np.float32(share) if score[j] >= np.float32(s[_AT.high_score]) else zero
            for d in range(embedding.shape[1]):
                embedding[k, d] += (looks[j, d] - embedding[k, d]) * weight
        if alive[i]:
            _to_unit(embedding, k)
            k += 1


@_part
def _duplicates(motion: Any, numbers: Any, stay: Any, s: Any) -> bool:
    """Of a seen and a lost track in one place, the one that was followed for longer stays; whether there are any."""
    boxes = _boxes(motion[0], np.float32(1) if s[_AT.published_bookkeeping] else np.float32(0))
    limit, any_there = np.float32(s[_AT.duplicate_iou_threshold]), False
    for i in range(len(boxes)):
        stay[i] = True
    for j in range(len(boxes)):
        if numbers[5, j] >= 0:
            continue
        for i in range(len(boxes)):
            if numbers[5, i] < 0 or boxes[i, 0] > boxes[j, 2] or boxes[i, 2] < boxes[j, 0]:
                continue
            overlap = _overlap(boxes, i, boxes, j)
            if overlap != 0 and np.float32(1) - overlap < limit and numbers[0, i] == numbers[0, j]:
                longer = numbers[3, i] - numbers[2, i] > numbers[3, j] - numbers[2, j]
                stay[j if longer else i] = False
                any_there = True
    return any_there


@_part
def _kept(chosen: Any, new: int, motion: Any, embedding: Any, unseen: Any, numbers: Any, past: Any, frames: Any) -> Any:
    """These tracks, and room for so many new ones behind."""
    n = new
    for i in range(len(chosen)):
        n += chosen[i]
    motion_kept, embedding_kept, unseen_kept = (
        np.empty((5, n, 4)),
        np.empty((n, embedding.shape[1]), np.float32),
        np.empty(n),
    )
    numbers_kept = np.zeros((6, n), np.int64)
    past_kept, frames_kept = np.empty((n, past.shape[1], 4)), np.empty((n, past.shape[1]), np.int64)
    k = 0
    for i in range(len(chosen)):
        if not chosen[i]:
            continue
        for part in range(5):
            for c in range(4):
                motion_kept[part, k, c] = motion[part, i, c]
        for d in range(embedding.shape[1]):
            embedding_kept[k, d] = embedding[i, d]
        unseen_kept[k] = unseen[i]
        for part in range(6):
            numbers_kept[part, k] = numbers[part, i]
        for back in range(past.shape[1]):
            for c in range(4):
                past_kept[k, back, c] = past[i, back, c]
            frames_kept[k, back] = frames[i, back]
        k += 1
    return motion_kept, embedding_kept, unseen_kept, numbers_kept, past_kept, frames_kept


# --- what is called


def _step(
    motion: Any,
    embedding: Any,
    unseen: Any,
    numbers: Any,
    observed: Any,
    observed_frame: Any,
    confirmed: int,
    order: Any,
    xyxy: Any,
    measurement: Any,
    falling: Any,
    score: Any,
    class_id: Any,
    looks: Any,
    s: Any,
    passed: float,
    steps: float,
    life: float,
    update: int,
    next_id: int,
    trusted: bool,
    starting: bool,
) -> Any:
    """From prediction to the ids of new tracks; the arrays of `Tracks` in their order, then what is new."""
    n, m = numbers.shape[1], len(score)
    published = s[_AT.published_bookkeeping] != 0
    motion = _predicted(motion, numbers[5], steps, confirmed if published else n, s)
    innovation = np.empty((n, 4))
    for i in range(n):
        squared = motion[0, i, 3] * motion[0, i, 3]
        for c in range(4):
            innovation[i, c] = _variance(s, _AT.measurement, squared, c) + motion[2, i, c]
    appearance = trusted and looks.shape[1] > 0
    tracks = (motion, innovation, embedding, numbers, observed, observed_frame)
    found = (xyxy, measurement, falling, score, class_id, looks)
    match, free, is_nearest = _associate(tracks, confirmed, found, update, appearance, s)

    motion = _updated(tracks, confirmed, match, is_nearest, measurement, observed, steps, s)
    directed = not (appearance and s[_AT.fused] != 0)
    alive, any_seen, ids = np.empty(n, np.bool_), False, 0
    numbers, unseen, observed, observed_frame = numbers.copy(), unseen.copy(), observed.copy(), observed_frame.copy()
    past = observed.shape[1]
    for i in range(n):
        j = match[i]
        unseen[i] += passed
        numbers[5, i] = j
        if j >= 0:
            any_seen = True
            for back in range(past):
                if directed or back == past - 1:
                    newest = back == past - 1
                    for c in range(4):
                        observed[i, back, c] = measurement[j, c] if newest else observed[i, back + 1, c]
                    observed_frame[i, back] = update if newest else observed_frame[i, back + 1]
            if published and update - numbers[3, i] > s[_AT.lost_frames] + 1:
                numbers[4, i] = np.int64(s[_AT.ended])
            numbers[3, i], unseen[i] = update, 0.0
            numbers[4, i] += 1
        alive[i] = unseen[i] < life and (j >= 0 or i < confirmed) and (j >= 0 or numbers[4, i] > 0 or not published)
        ids += alive[i] and i < confirmed
    confirmed = ids
    starters, new = _count(falling, max(s[_AT.high_score], s[_AT.new_track_score])), 0
    for j in range(starters):
        new += free[j]
    kept = _kept(alive, new, motion, embedding, unseen, numbers, observed, observed_frame)
    motion, embedding, unseen, numbers, observed, observed_frame = kept
    if any_seen and embedding.shape[1]:
        _learn(embedding, alive, match, looks, score, s)
    i = numbers.shape[1] - new
    for j in range(starters):
        if not free[j]:
            continue
        _initiate(motion, i, measurement, j, s)
        for d in range(looks.shape[1]):
            embedding[i, d] = looks[j, d]
        unseen[i] = 0.0
        numbers[0, i], numbers[2, i], numbers[3, i], numbers[4, i], numbers[5, i] = class_id[j], update, update, 1, j
        for back in range(past):
            for c in range(4):
                observed[i, back, c] = measurement[j, c]
            observed_frame[i, back] = update
        i += 1
    if s[_AT.duplicate_iou_threshold]:
        stay = np.empty(numbers.shape[1], np.bool_)
        if _duplicates(motion, numbers, stay, s):
            ids = 0
            for i in range(confirmed):
                ids += stay[i]
            confirmed = ids
            new = 0
            kept = _kept(stay, new, motion, embedding, unseen, numbers, observed, observed_frame)
            motion, embedding, unseen, numbers, observed, observed_frame = kept
    for i in range(confirmed, numbers.shape[1]):
        if starting or numbers[4, i] >= s[_AT.confirm_frames]:
            numbers[1, confirmed] = next_id
            confirmed, next_id = confirmed + 1, next_id + 1
    track_id = np.zeros(m, np.int64)
    for i in range(confirmed):
        if numbers[5, i] >= 0:
            track_id[order[numbers[5, i]]] = numbers[1, i]
    return motion, embedding, unseen, numbers, observed, observed_frame, track_id, confirmed, next_id


def _in_order(order: Any, falling: Any, xyxy: Any, class_id: Any, embedding: Any) -> Any:
    """Whether two scores are the same, and the columns of `Found`."""
    m, dimensions = len(order), embedding.shape[1]
    boxes, measurement = np.empty((m, 4), np.float32), np.empty((m, 4))
    ordered, score, classes = np.empty(m, np.float32), np.empty(m, np.float32), np.empty(m, np.int64)
    looks = np.empty((m, dimensions), np.float32)
    equal = False
    for k in range(m):
        j = order[k]
        for c in range(4):
            boxes[k, c] = xyxy[j, c]
        left, right = np.float64(xyxy[j, 0]), np.float64(xyxy[j, 2])
        top, bottom = np.float64(xyxy[j, 1]), np.float64(xyxy[j, 3])
        measurement[k, 0], measurement[k, 1] = (left + right) / 2, (top + bottom) / 2
        measurement[k, 2], measurement[k, 3] = (right - left) / (bottom - top), bottom - top
        ordered[k] = falling[j]
        score[k], classes[k] = min(-falling[j], np.float32(1)), class_id[j]
        equal = equal or (k > 0 and ordered[k] == ordered[k - 1])
        for d in range(dimensions):
            looks[k, d] = embedding[j, d]
        _to_unit(looks, k)
    return equal, ordered, boxes, measurement, score, classes, looks


def _centred(embedding: Any, high: int, total: Any, share: float) -> Any:
    """Embeddings less a share of the total, which so many of them join, of unit length."""
    for i in range(high):
        for d in range(embedding.shape[1]):
            total[d] += embedding[i, d]
    centred, mean = np.empty_like(embedding), (share * total).astype(np.float32)
    for i in range(embedding.shape[0]):
        for d in range(embedding.shape[1]):
            centred[i, d] = embedding[i, d] - mean[d]
        _to_unit(centred, i)
    return centred


_SIGNATURES = {
    _in_order: "(i8[::1], f4[::1], f4[:, ::1], i8[::1], f4[:, ::1])",
    _centred: "(f4[:, ::1], i8, f8[::1], f8)",
    _step: (
        "(f8[:, :, ::1], f4[:, ::1], f8[::1], i8[:, ::1], f8[:, :, ::1], i8[:, ::1], i8, i8[::1], f4[:, ::1],"
        " f8[:, ::1], f4[::1], f4[::1], i8[::1], f4[:, ::1], f8[::1], f8, f8, f8, i8, i8, b1, b1)"
    ),
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
        self.in_order, self.centred, self.step = _compile()

    def __reduce__(self) -> tuple[Any, ...]:
        from clmot.tracking.tracker import load_compiled

        return load_compiled, ()

    def settings(self, config: TrackerConfig) -> npt.NDArray[np.float64]:
        """What `step` wants of a configuration, as one array."""
        return np.array(list(_values(config).values()), np.float64)


COMPILED = Compiled()
