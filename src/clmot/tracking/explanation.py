"""Notes what the stages of the association compare, and tells from it why each detection went to its track."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clmot.structures import BoolArray, Float32Array, Int64Array
from clmot.tracking import kalman
from clmot.tracking.candidates import paired_overlap
from clmot.tracking.decisions import END, LOST, MATCH, NUMBERS, START, TERMS, VALUES, Decisions
from clmot.tracking.kalman import KalmanState
from clmot.tracking.track_state import Found, Tracks, to_boxes

_BATCH = 64
"""Frames that are understood together."""
Pairs = tuple[int, Int64Array, Int64Array, npt.NDArray[np.floating[Any]], float]
"""A stage, rows of tracks and of detections, what each pair costs, and the stage's limit."""
Block = tuple[Int64Array, Float32Array]
"""Rows as columns: the numbers [6, k] and the values [11, k]."""


class _Noted:
    """A frame as it was when it was decided about: what changes later is copied."""

    def __init__(
        self, frame: int, update: int, tracks: Tracks, found: Found, match: Int64Array, new: Int64Array
    ) -> None:
        self.frame, self.update, self.found, self.match, self.new = frame, update, found, match, new
        self.track_id, self.before = tracks.track_id.copy(), tracks.detection.copy()
        self.motion, self.embedding = tracks.motion.values.copy(), tracks.embedding.copy()
        self.pairs: list[Pairs] = []
        self.shown_id = self.shown = np.empty(0, np.int64)


class Explainer:
    """Notes what one tracker compares and decides; `take` gives it away.

    Frames are noted in a few copies, and understood many at a time: that takes a small part of the time that each by
    itself would. A track without an id yet is known by a negative number here, until it gets one.
    """

    def __init__(self) -> None:
        self._blocks: list[Block] = []
        self._noted: list[_Noted] = []
        self._pairs: list[Pairs] = []
        self._named: dict[int, int] = {}
        self._provisional = 0
        self._update = -1
        self._after = self._ids = np.empty(0, np.int64)

    def compare(
        self, stage: int, row: Int64Array, column: Int64Array, cost: npt.NDArray[np.floating[Any]], limit: float
    ) -> None:
        """Note the pairs that a stage chooses from, with their costs, of tracks and detections that are still left."""
        if len(row):
            self._pairs.append((stage, row, column, cost, limit))

    def decide(self, frame: int, update: int, tracks: Tracks, found: Found, match: Int64Array, new: Int64Array) -> None:
        """Note what came of it, before tracks are changed by it.

        Args:
            frame: its number.
            update: how many updates there were before.
            tracks: as expected in this frame.
            found: its detections.
            match: int64 [n], detection of each track, -1 for none.
            new: int64 [k], the detections that begin tracks.
        """
        noted = _Noted(frame, update, tracks, found, match, new)
        noted.pairs, self._pairs = self._pairs, []
        self._noted.append(noted)

    def close(self, tracks: Tracks) -> None:
        """Note who got an id, and who is gone, when tracks are as the next frame will find them."""
        self._noted[-1].shown_id, self._noted[-1].shown = tracks.track_id.copy(), tracks.detection.copy()
        if len(self._noted) >= _BATCH:
            self._settle()

    def take(self) -> Decisions:
        """All that was decided since the last call about tracks that have an id; of others, what may still matter."""
        self._settle()
        numbers = np.concatenate([each[0] for each in self._blocks] or [_empty(0)[0]], axis=1)
        values = np.concatenate([each[1] for each in self._blocks] or [_empty(0)[1]], axis=1)
        if self._named:
            known = np.array(sorted(self._named.items()))
            for line in (2, 5):
                at = known[:, 0].searchsorted(numbers[line]).clip(max=len(known) - 1)
                numbers[line] = np.where(known[at, 0] == numbers[line], known[at, 1], numbers[line])
            self._named = {}
        waiting = np.isin(numbers[2], self._after[self._after < 0])
        self._blocks = [(numbers[:, waiting], values[:, waiting])] if waiting.any() else []
        told = ((numbers[2] > 0) & ~waiting).nonzero()[0]
        told = told.take(numbers[0].take(told).argsort(kind="stable"))
        numbers, values = numbers.take(told, axis=1), values.take(told, axis=1)
        np.maximum(numbers[5], 0, out=numbers[5])
        return Decisions(**dict(zip(NUMBERS, numbers, strict=True)), **dict(zip(VALUES, values, strict=True)))

    def _settle(self) -> None:
        """Understand the noted frames."""
        noted, self._noted = self._noted, []
        if not noted:
            return
        keys, after = [], []
        for each in noted:
            before, now = self._follow(each)
            keys.append(before)
            after.append(now)
        self._blocks += _decisions(noted, keys, after)

    def _follow(self, noted: _Noted) -> tuple[Int64Array, Int64Array]:
        """Who the tracks are before a frame, and whose its detections are after it; ends are told here."""
        keys = noted.track_id.copy()
        unnamed = (keys == 0).nonzero()[0]
        if len(unnamed):
            if noted.update == self._update:  # without an id, a track was seen in the frame before
                keys[unnamed] = self._after.take(noted.before.take(unnamed))
            else:
                keys[unnamed] = self._new_keys(len(unnamed))
        if noted.update != self._update:
            self._ids = keys[keys > 0]
        self._update = noted.update + 1
        self._after = np.zeros(len(noted.found), np.int64)
        seen = (noted.match >= 0).nonzero()[0]
        self._after[noted.match.take(seen)] = keys.take(seen)
        self._after[noted.new] = self._new_keys(len(noted.new))

        shown = ((noted.shown >= 0) & (noted.shown_id > 0)).nonzero()[0]
        now = self._after.take(noted.shown.take(shown))
        for place in (now < 0).nonzero()[0].tolist():
            self._named[int(now[place])] = int(noted.shown_id[shown[place]])
        alive = noted.shown_id[noted.shown_id > 0]
        if len(alive) != len(self._ids) or not np.array_equal(alive, self._ids):
            ended = np.setdiff1d(self._ids, alive)
            numbers, values = _empty(len(ended))
            numbers[0], numbers[1], numbers[2] = noted.frame, END, ended
            self._blocks.append((numbers, values))
        self._ids = alive
        return keys, self._after

    def _new_keys(self, count: int) -> Int64Array:
        self._provisional -= count
        return np.arange(self._provisional, self._provisional + count)


def _decisions(noted: list[_Noted], each_keys: list[Int64Array], each_after: list[Int64Array]) -> list[Block]:
    """Matches, starts and losses of some frames, whose tracks and detections are counted through."""
    found = [each.found for each in noted]
    rows = np.cumsum([0, *map(len, each_keys)])
    columns = np.cumsum([0, *map(len, found)])
    of_track = np.repeat(np.arange(len(noted)), np.diff(rows))
    of_detection = np.repeat(np.arange(len(noted)), np.diff(columns))
    frame = np.array([each.frame for each in noted])
    keys, after = np.concatenate(each_keys), np.concatenate(each_after)
    match = np.concatenate([each.match for each in noted])
    match = np.where(match >= 0, match + columns.take(of_track), -1)
    new = np.concatenate([each.new + first for each, first in zip(noted, columns[:-1].tolist(), strict=True)])
    order_of = np.concatenate([each.order for each in found])
    score = np.concatenate([each.score for each in found])
    n, m = len(keys), len(after)

    pairs = [
        (stage, row + rows[at], column + columns[at], cost, limit)
        for at, each in enumerate(noted)
        for stage, row, column, cost, limit in each.pairs
    ]
    lengths = [len(each[1]) for each in pairs]
    stage = np.repeat(np.array([each[0] for each in pairs], np.int64), lengths)
    row = np.concatenate([each[1] for each in pairs] or [np.empty(0, np.int64)])
    column = np.concatenate([each[2] for each in pairs] or [np.empty(0, np.int64)])
    cost = np.concatenate([each[3] for each in pairs] or [np.empty(0)], dtype=np.float64)
    limit = np.repeat(np.array([each[4] for each in pairs], np.float64), lengths)

    # who was made, and by which stage: the last that saw the pair
    seen = (match >= 0).nonzero()[0]
    lost = ((match < 0) & (np.concatenate([each.before for each in noted]) >= 0) & (keys > 0)).nonzero()[0]
    chosen = (match.take(row) == column).nonzero()[0]
    made = np.full(n, -1)
    made[row.take(chosen)] = chosen
    made = made.take(seen)
    row_stage, column_stage = np.zeros(n, np.int64), np.zeros(m, np.int64)
    row_stage[seen] = column_stage[match.take(seen)] = stage.take(made)

    # of those not made, in an order that leaves the cheapest, or the one nearest to its limit, for last
    others = np.setdiff1d(np.arange(len(stage)), made, assume_unique=True)
    others = others.take((-cost.take(others)).argsort(kind="stable"))
    rival = _last(others[column_stage.take(column.take(others)) == stage.take(others)], column, m)
    other = _last(others[row_stage.take(row.take(others)) == stage.take(others)], row, n).take(seen)
    others = others.take((limit - cost).take(others).argsort(kind="stable"))
    next_row, next_column = _last(others, column, m).take(new), _last(others, row, n).take(lost)

    rival = rival.take(match.take(seen))
    rivalled, near = (rival >= 0).nonzero()[0], (next_column >= 0).nonzero()[0]
    candidate = np.where(next_row >= 0, row.take(next_row, mode="clip") if len(row) else -1, -1)
    refused = (next_row < 0) | ((cost >= limit).take(next_row, mode="clip") if len(row) else True)
    _most_alike(candidate, refused, noted, of_detection.take(new), new, rows, columns, keys, match)
    could, wanted = (candidate >= 0).nonzero()[0], np.full(m, -1)
    wanted[new] = candidate
    told_pair = _last(others[wanted.take(column.take(others)) == row.take(others)], column, m).take(new)
    terms = _terms(
        noted,
        np.concatenate([seen, row.take(rival.take(rivalled)), candidate.take(could), lost.take(near)]),
        np.concatenate(
            [match.take(seen), match.take(seen).take(rivalled), new.take(could), column.take(next_column.take(near))]
        ),
    )
    first, second, third = np.cumsum([len(seen), len(rivalled), len(could)])

    matched, begun, unmatched = _empty(len(seen)), _empty(len(new)), _empty(len(lost))
    numbers, values = matched
    numbers[0], numbers[1], numbers[2] = frame.take(of_track.take(seen)), MATCH, keys.take(seen)
    numbers[3], numbers[4] = row_stage.take(seen), order_of.take(match.take(seen))
    values[:3], values[3] = terms[:, :first], score.take(match.take(seen))
    _price(values, slice(None), made, cost, limit)
    numbers[5, rivalled] = keys.take(row.take(rival.take(rivalled)))
    values[6, rivalled], values[7:10, rivalled] = cost.take(rival.take(rivalled)), terms[:, first:second]
    second_choice = np.where(other >= 0, cost.take(other, mode="clip"), np.inf) if len(cost) else np.inf
    values[10] = np.fmin(np.fmin(values[5], values[6]), second_choice) - values[4]

    numbers, values = begun
    numbers[0], numbers[1], numbers[2] = frame.take(of_detection.take(new)), START, after.take(new)
    numbers[4], values[3] = order_of.take(new), score.take(new)
    numbers[5, could], values[:3, could] = keys.take(candidate.take(could)), terms[:, second:third]
    told = (told_pair >= 0).nonzero()[0]
    numbers[3, told] = stage.take(told_pair.take(told))
    _price(values, told, told_pair.take(told), cost, limit)

    numbers, values = unmatched
    numbers[0], numbers[1], numbers[2] = frame.take(of_track.take(lost)), LOST, keys.take(lost)
    pair = next_column.take(near)
    numbers[3, near], numbers[4, near] = stage.take(pair), order_of.take(column.take(pair))
    numbers[5, near] = after.take(column.take(pair))
    values[:3, near], values[3, near] = terms[:, third:], score.take(column.take(pair))
    _price(values, near, pair, cost, limit)
    return [matched, begun, unmatched]


def _most_alike(
    candidate: Int64Array,
    refused: BoolArray,
    noted: list[_Noted],
    at: Int64Array,
    new: Int64Array,
    rows: Int64Array,
    columns: Int64Array,
    keys: Int64Array,
    match: Int64Array,
) -> None:
    """Put in for a detection that began a track, and that every limit refused, the unmatched track most like it.

    Without embeddings that is the nearest. A track that no limit forbade, and another detection took, stays.
    """
    for index in np.unique(at[refused]).tolist():
        each, mine = noted[index], (refused & (at == index)).nonzero()[0]
        own = slice(*rows[index : index + 2])
        free = ((match[own] < 0) & (keys[own] > 0)).nonzero()[0]
        if not len(free):
            continue
        column = new.take(mine) - columns[index]
        if each.found.embedding.shape[1]:
            distance = 1 - each.found.embedding.take(column, axis=0) @ each.embedding.take(free, axis=0).T
        else:
            apart = each.found.measurement[column, None, :2] - each.motion[0].take(free, axis=0)[None, :, :2]
            distance = np.square(apart).sum(axis=-1)
        candidate[mine] = rows[index] + free.take(distance.argmin(axis=1))


def _last(order: Int64Array, where: Int64Array, length: int) -> Int64Array:
    """For each of so many places, the last pair there in that order; -1 for none."""
    last = np.full(length, -1)
    last[where.take(order)] = order
    return last


def _terms(noted: list[_Noted], rows: Int64Array, columns: Int64Array) -> Float32Array:
    """Appearance, motion and overlap of pairs, float32 [3, k]."""
    terms = np.full((len(TERMS), len(rows)), np.nan, np.float32)
    if not len(rows):
        return terms
    if len({each.embedding.shape[1] for each in noted if len(each.embedding)} - {0}) == 1:
        tracks, found = _joined([each.embedding for each in noted]), _joined([each.found.embedding for each in noted])
        terms[0] = np.maximum(1 - np.vecdot(tracks.take(rows, axis=0), found.take(columns, axis=0)), 0)
    motion = KalmanState(np.concatenate([each.motion for each in noted], axis=1).take(rows, axis=1))
    measured = np.concatenate([each.found.measurement for each in noted])
    terms[1] = kalman.mahalanobis(motion, measured.take(columns, axis=0))
    boxes = np.concatenate([each.found.xyxy for each in noted])
    pair = np.arange(len(rows))
    terms[2] = 1 - paired_overlap(to_boxes(motion.position), boxes.take(columns, axis=0), pair, pair)
    return terms


def _joined(embeddings: list[Float32Array]) -> Float32Array:
    """Embeddings of several frames; an empty frame's may be of another length."""
    length = max(each.shape[1] for each in embeddings)
    return np.concatenate([each.reshape(len(each), length) for each in embeddings])


def _empty(count: int) -> Block:
    """Rows about so many decisions, still to be filled."""
    numbers = np.zeros((len(NUMBERS), count), np.int64)
    numbers[4] = -1
    return numbers, np.full((len(VALUES), count), np.nan, np.float32)


def _price(
    values: Float32Array,
    which: Int64Array | slice,
    pair: Int64Array,
    cost: npt.NDArray[np.float64],
    limit: npt.NDArray[np.float64],
) -> None:
    """Fill in cost, limit and margin of the pairs that decided about these rows."""
    values[4, which], values[5, which] = cost.take(pair), limit.take(pair)
    values[10, which] = values[5, which] - values[4, which]
