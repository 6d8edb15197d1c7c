"""A frame of the compiled tracker, from the embeddings to what is shown."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from clmot.tracking.compiled import life, stages
from clmot.tracking.compiled.numbers import at_least, dot, inverse_length, to_unit
from clmot.tracking.compiled.settings import AT, DETECTION, NOW, NUMBERS, part

_associate, _predict, _live = stages.associate, life.predict, life.live


@part
def _columns(order: Any, xyxy: Any, score: Any, class_id: Any) -> Any:
    """`Found`: boxes, measurements, scores as they came and at most 1, and classes."""
    m = len(order)
    boxes, measurement, classes = np.empty((m, 4), np.float32), np.empty((m, 4)), np.empty(m, np.int64)
    chances, chance = np.empty(m, np.float32), np.empty(m, np.float32)
    for k in range(m):
        j = order[k]
        for c in range(4):
            boxes[k, c] = xyxy[j, c]
        left, right = np.float64(xyxy[j, 0]), np.float64(xyxy[j, 2])
        top, bottom = np.float64(xyxy[j, 1]), np.float64(xyxy[j, 3])
        measurement[k, 0], measurement[k, 1] = (left + right) / 2, (top + bottom) / 2
        measurement[k, 2], measurement[k, 3] = (right - left) / (bottom - top), bottom - top
        chances[k], chance[k], classes[k] = score[j], min(score[j], np.float32(1)), class_id[j]
    return boxes, measurement, chances, chance, classes


@part
def _looks(order: Any, chances: Any, embedding: Any, total: Any, now: Any, s: Any) -> Any:
    """Embeddings in order, of unit length, less the running mean (`RunningMean`); its total and count change."""
    m, dimensions = len(order), embedding.shape[1]
    looks, scale = np.empty((m, dimensions), np.float32), np.empty(m, np.float32)
    mean = np.zeros(dimensions, np.float32)
    for k in range(m):
        scale[k] = inverse_length(embedding, order[k])
    if s[AT.mean_subtraction] and m and dimensions:
        high = at_least(chances, s[AT.high_score])
        known = now[NOW.next_id] - 1
        if now[NOW.starting]:
            known = at_least(chances, max(s[AT.high_score], s[AT.new_track_score]))
        for k in range(high):
            j = order[k]
            for d in range(dimensions):
                mean[d] += embedding[j, d] * scale[k]
        now[NOW.count] += high
        share = known / (known + s[AT.mean_subtraction]) / max(now[NOW.count], 1.0)
        for d in range(dimensions):
            total[d] += mean[d]
            mean[d] = np.float32(share * total[d])
    for k in range(m):
        j = order[k]
        for d in range(dimensions):
            looks[k, d] = embedding[j, d] * scale[k] - mean[d]
        to_unit(looks, k)
    return looks


@part
def _apart(looks: Any, n: int, trust: Any) -> None:
    """Add the cosines of pairs within a frame to what is known of them."""
    total, squares = 0.0, 0.0
    for i in range(n):
        for j in range(i):
            cosine = np.float64(dot(looks, i, looks, j))
            total += cosine
            squares += cosine * cosine
    trust[3] += n * (n - 1) / 2
    trust[4] += total
    trust[5] += squares


@part
def _look(tracks: Any, n: int, looks: Any, high: int, trust: Any, s: Any) -> None:
    """`Trust.look`."""
    whole, embedding, most = tracks[1], tracks[3], int(s[AT.most_looked_at])
    seen = np.empty((min(n, most), embedding.shape[1]), np.float32)
    count = 0
    for i in range(n):
        if count < most and whole[i, DETECTION] >= 0:
            for d in range(embedding.shape[1]):
                seen[count, d] = embedding[i, d]
            count += 1
    found = min(high, most)
    if not count or not found:
        return
    _apart(seen, count, trust)
    _apart(looks, found, trust)
    mean, square = trust[4] / trust[3], trust[5] / trust[3]
    centre = max(mean, 0.0)
    level = centre + s[AT.stands_out] * math.sqrt(max(square - 2 * centre * mean + centre * centre, 0.0))
    best, whose = np.empty(found, np.float32), np.empty(found, np.int64)
    nearest, similar = np.empty(count, np.int64), np.empty(count, np.float32)
    for i in range(count):
        for j in range(found):
            cosine = dot(seen, i, looks, j)
            if j == 0 or cosine > similar[i]:
                similar[i], nearest[i] = cosine, j
            if i == 0 or cosine > best[j]:
                best[j], whose[j] = cosine, i
    mutual = 0
    for i in range(count):
        mutual += whose[nearest[i]] == i and similar[i] > level
    chance = count * found / (count + found - 1) * (1 - s[AT.within] ** (count + found - 1))
    trust[0] = s[AT.memory] * trust[0] + mutual - chance
    trust[1] = s[AT.memory] * trust[1] + min(count, found) - chance
    for at in range(3, 6):
        trust[at] *= s[AT.memory]


@part
def _grown(array: Any, n: int, most: int) -> Any:
    """The array, or its first rows in one that has room for so many."""
    if most <= len(array) <= 8 * most + 64:
        return array
    larger = np.empty((most + most // 2, array.shape[1]), array.dtype)
    larger[:n] = array[:n]
    return larger


def step(
    rows: Any,
    embedding: Any,
    order: Any,
    xyxy: Any,
    score: Any,
    class_id: Any,
    looks: Any,
    total: Any,
    trust: Any,
    now: Any,
    s: Any,
) -> Any:
    """From running mean subtraction to the ids of new tracks.

    Args:
        rows: the tracks, as `Tracks.pack` has them, and room for more; they change.
        embedding: theirs; they change.
        order: of the detections.
        xyxy: of the detections, as they come.
        score: theirs.
        class_id: theirs.
        looks: their embeddings.
        total: of the running mean; changes.
        trust: `Trust.sums`; change.
        now: `settings.NOW`; those that say so change.
        s: settings.

    Returns:
        Rows and embeddings of the tracks as before, perhaps with more room. What is shown: ids, rows and classes,
        boxes, scores.
    """
    n, confirmed, m = int(now[NOW.tracks]), int(now[NOW.confirmed]), len(order)
    rows, embedding = _grown(rows, n, n + m), _grown(embedding, n, n + m)
    boxes, measurement, chances, chance, classes = _columns(order, xyxy, score, class_id)
    looks = _looks(order, chances, looks, total, now, s)
    found = (boxes, measurement, chances, chance, classes, looks)
    whole = rows.view(np.int64)
    if now[NOW.due]:
        _look((rows, whole, measurement, embedding), n, looks, at_least(chances, s[AT.high_score]), trust, s)
    appearance = looks.shape[1] > 0 and trust[0] / (trust[1] + s[AT.doubt]) >= s[AT.appearance_trust]
    tracks = (rows, whole, _predict(rows, n, now[NOW.steps], confirmed, s), embedding)
    matched = _associate(tracks, n, confirmed, found, int(now[NOW.update]), appearance, s)
    _live(tracks, found, matched, not (appearance and s[AT.fused] != 0), now, s)
    track_id, k = np.zeros(m, np.int64), 0
    for i in range(int(now[NOW.confirmed])):
        if whole[i, DETECTION] >= 0:
            track_id[order[whole[i, DETECTION]]] = whole[i, NUMBERS + 1]
            k += 1
    shown, shown_boxes, shown_score = np.empty((3, k), np.int64), np.empty((k, 4), np.float32), np.empty(k, np.float32)
    k = 0
    for j in range(m):
        if track_id[j]:
            shown[0, k], shown[1, k], shown[2, k] = track_id[j], j, class_id[j]
            for c in range(4):
                shown_boxes[k, c] = xyxy[j, c]
            shown_score[k] = score[j]
            k += 1
    return rows, embedding, shown, shown_boxes, shown_score
