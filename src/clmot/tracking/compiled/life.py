"""Kalman filters and the life of tracks, as in `clmot.tracking.kalman` and `track_state`; rows change in place."""

from __future__ import annotations

from typing import Any

import numpy as np

from clmot.tracking.compiled.numbers import at_least, boxes, overlap, to_unit, variance
from clmot.tracking.compiled.settings import AT, DETECTION, NOW, NUMBERS, OBSERVED, UNSEEN, part


@part
def predict(rows: Any, n: int, steps: float, confirmed: int, s: Any) -> Any:
    """Move the tracks on by some steps: what a measurement may differ from them by."""
    whole, innovation = rows.view(np.int64), np.empty((n, 4))
    moving = confirmed if s[AT.published_bookkeeping] else n
    first, second = steps * (steps - 1) / 2, steps * (steps - 1) * (2 * steps - 1) / 6
    for i in range(n):
        squared = rows[i, 3] * rows[i, 3]
        if i < moving:
            if whole[i, DETECTION] < 0:
                rows[i, 7] = 0.0
            for c in range(4):
                place, velocity, spread = rows[i, c], rows[i, 4 + c], rows[i, 8 + c]
                covariance, velocity_spread = rows[i, 12 + c], rows[i, 16 + c]
                noise, faster = variance(s, AT.motion, squared, c), variance(s, AT.motion_velocity, squared, c)
                if steps == 1:
                    spread += covariance
                    place += velocity
                    covariance += velocity_spread
                    spread += covariance
                    spread += noise
                    velocity_spread += faster
                else:
                    place += steps * velocity
                    spread += steps * covariance
                    covariance += steps * velocity_spread
                    spread += steps * covariance
                    spread += steps * noise
                    velocity_spread += steps * faster
                    covariance += first * faster
                    spread += second * faster
                rows[i, c], rows[i, 8 + c] = place, spread
                rows[i, 12 + c], rows[i, 16 + c] = covariance, velocity_spread
        squared = rows[i, 3] * rows[i, 3]
        for c in range(4):
            innovation[i, c] = variance(s, AT.measurement, squared, c) + rows[i, 8 + c]
    return innovation


@part
def _initiate(rows: Any, i: int, measurement: Any, j: int, s: Any) -> None:
    squared = measurement[j, 3] * measurement[j, 3]
    for c in range(4):
        rows[i, c] = measurement[j, c]
        rows[i, 4 + c] = rows[i, 12 + c] = 0.0
        rows[i, 8 + c] = variance(s, AT.start, squared, c)
        rows[i, 16 + c] = variance(s, AT.start_velocity, squared, c)


@part
def _update(
    rows: Any,
    k: int,
    innovation: Any,
    i: int,
    measurement: Any,
    j: int,
    is_nearest: bool,
    is_new: bool,
    steps: float,
    s: Any,
) -> None:
    """What is known after the measurement; a track that moved farther than its filter believes begins anew.

    So does one without an id that got the nearest.
    """
    distance = 0.0
    if is_nearest:
        for c in range(4):
            difference = measurement[j, c] - rows[k, c]
            distance += difference * difference / innovation[i, c]
    if is_nearest and (is_new or distance > s[AT.gate]):
        _initiate(rows, k, measurement, j, s)
        past = (rows.shape[1] - OBSERVED) // 5
        if past:
            for c in range(2):
                rows[k, 4 + c] = (measurement[j, c] - rows[k, OBSERVED + 4 * past - 4 + c]) / steps
        return
    for c in range(4):
        difference, covariance = measurement[j, c] - rows[k, c], rows[k, 12 + c]
        gain, of_velocity = rows[k, 8 + c] / innovation[i, c], covariance / innovation[i, c]
        rows[k, c] = gain * difference + rows[k, c]
        rows[k, 4 + c] = of_velocity * difference + rows[k, 4 + c]
        rows[k, 8 + c] *= 1 - gain
        rows[k, 12 + c] = covariance * (1 - gain)
        rows[k, 16 + c] -= of_velocity * covariance


@part
def _learn(embedding: Any, k: int, looks: Any, j: int, chance: Any, s: Any) -> None:
    """Move the average embedding of a track towards that of a high-score detection."""
    share = s[AT.new_share]
    slope = share / max(1 - s[AT.high_score], 1e-6)
    weight = np.float32(0)
    if not s[AT.published_bookkeeping]:
        weight = max(chance[j] * np.float32(slope) + np.float32(share - slope), weight)
    elif chance[j] >= np.float32(s[AT.high_score]):
        weight = np.float32(share)
    if weight:
        for d in range(embedding.shape[1]):
            embedding[k, d] += (looks[j, d] - embedding[k, d]) * weight
        to_unit(embedding, k)


@part
def _copy(rows: Any, embedding: Any, k: int, i: int) -> None:
    """Put track i in the place k."""
    for c in range(rows.shape[1]):
        rows[k, c] = rows[i, c]
    for d in range(embedding.shape[1]):
        embedding[k, d] = embedding[i, d]


@part
def _remember(rows: Any, whole: Any, k: int, measurement: Any, j: int, update: int, directed: bool) -> None:
    """The place is the newest now; those before move back, where directions are taken from them."""
    past = (rows.shape[1] - OBSERVED) // 5
    frames = OBSERVED + 4 * past
    if directed:
        for at in range(4 * past - 4):
            rows[k, OBSERVED + at] = rows[k, OBSERVED + at + 4]
        for back in range(past - 1):
            whole[k, frames + back] = whole[k, frames + back + 1]
    if past:
        for c in range(4):
            rows[k, frames - 4 + c] = measurement[j, c]
        whole[k, frames + past - 1] = update


@part
def _start(rows: Any, whole: Any, embedding: Any, k: int, found: Any, j: int, update: int, s: Any) -> None:
    """A track without an id, of that detection."""
    measurement, class_id, looks = found[1], found[4], found[5]
    _initiate(rows, k, measurement, j, s)
    rows[k, UNSEEN] = 0.0
    whole[k, NUMBERS], whole[k, NUMBERS + 1], whole[k, NUMBERS + 2] = class_id[j], 0, update
    whole[k, NUMBERS + 3], whole[k, NUMBERS + 4], whole[k, DETECTION] = update, 1, j
    past = (rows.shape[1] - OBSERVED) // 5
    for back in range(past):
        for c in range(4):
            rows[k, OBSERVED + 4 * back + c] = measurement[j, c]
        whole[k, OBSERVED + 4 * past + back] = update
    for d in range(embedding.shape[1]):
        embedding[k, d] = looks[j, d]


@part
def _twice(found: Any, free: Any, j: int, s: Any) -> bool:
    """Whether another detection is in the place of this one (`association.starting`)."""
    xyxy, class_id, limit = found[0], found[4], np.float32(s[AT.new_track_overlap])
    for other in range(len(free)):
        if (not free[other] or other < j) and class_id[other] == class_id[j]:
            common = overlap(xyxy, j, xyxy, other)
            if common > 0 and common >= limit:
                return True
    return False


@part
def _duplicates(rows: Any, n: int, stay: Any, s: Any) -> bool:
    """Of a seen and a lost track in one place, the one that was followed for longer stays; whether there are any."""
    places = boxes(rows, 0, n, np.float32(1))
    numbers = rows.view(np.int64)[:, NUMBERS:]
    limit, any_there = np.float32(s[AT.duplicate]), False
    for i in range(n):
        stay[i] = True
    for j in range(n):
        if numbers[j, 5] >= 0:
            continue
        for i in range(n):
            if numbers[i, 5] < 0 or places[i, 0] > places[j, 2] or places[i, 2] < places[j, 0]:
                continue
            common = overlap(places, i, places, j)
            if common != 0 and np.float32(1) - common < limit and numbers[i, 0] == numbers[j, 0]:
                longer = numbers[i, 3] - numbers[i, 2] > numbers[j, 3] - numbers[j, 2]
                stay[j if longer else i] = False
                any_there = True
    return any_there


@part
def live(tracks: Any, found: Any, matched: Any, directed: bool, now: Any, s: Any) -> int:
    """Update, end, start and confirm tracks; how many there are after."""
    rows, whole, innovation, embedding = tracks
    measurement, chances, chance = found[1], found[2], found[3]
    match, free, is_nearest = matched
    confirmed, update, published = int(now[NOW.confirmed]), int(now[NOW.update]), s[AT.published_bookkeeping] != 0
    k, ids = 0, 0
    for i in range(len(match)):
        j = match[i]
        seen = j >= 0
        hits = whole[i, NUMBERS + 4]
        if seen and published and update - whole[i, NUMBERS + 3] > s[AT.lost_frames] + 1:
            hits = np.int64(s[AT.ended])
        hits += seen
        unseen = 0.0 if seen else rows[i, UNSEEN] + now[NOW.passed]
        if unseen >= now[NOW.life] or not (seen or (i < confirmed and (hits > 0 or not published))):
            continue
        if k != i:
            _copy(rows, embedding, k, i)
        rows[k, UNSEEN], whole[k, NUMBERS + 4], whole[k, DETECTION] = unseen, hits, j
        if seen:
            _update(rows, k, innovation, i, measurement, j, is_nearest[i], i >= confirmed, now[NOW.steps], s)
            whole[k, NUMBERS + 3] = update
            _remember(rows, whole, k, measurement, j, update, directed)
            _learn(embedding, k, found[5], j, chance, s)
        ids += i < confirmed
        k += 1
    for j in range(at_least(chances, max(s[AT.high_score], s[AT.new_track_score]))):
        if free[j] and not (s[AT.new_track_overlap] < 1 and _twice(found, free, j, s)):
            _start(rows, whole, embedding, k, found, j, update, s)
            k += 1
    n = k
    stay = np.empty(n, np.bool_)
    if s[AT.published_bookkeeping] and _duplicates(rows, n, stay, s):
        confirmed, k, ids = ids, 0, 0
        for i in range(n):
            if stay[i]:
                if i > k:
                    _copy(rows, embedding, k, i)
                ids += i < confirmed
                k += 1
        n = k
    for i in range(ids, n):
        if now[NOW.starting] or whole[i, NUMBERS + 4] >= s[AT.confirm_frames]:
            whole[ids, NUMBERS + 1] = int(now[NOW.next_id])
            ids += 1
            now[NOW.next_id] += 1
    now[NOW.tracks], now[NOW.confirmed] = n, ids
    return n
