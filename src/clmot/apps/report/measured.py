"""What is measured of tracks when nobody knows the truth: appearance, motion and contacts, against the video itself.

Two tracks seen in one frame are two objects: how far apart they look is the distance of different objects. How far
apart the two sides of a moment in a track look is nearly always that of one object. Between the two distributions lies
the evidence of appearance, as a logarithm of odds; that of motion is how far a box lies from where the track was
heading, in terms of what is usual in the video.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from clmot.apps.report.results import Results
from clmot.structures import Float32Array, Float64Array, Int64Array

WINDOW = 1.0
"""Seconds of a track on each side of a moment that are compared."""
_CONTACT = 0.05
"""IoU from which on two boxes touch: there ids change places."""


class Tracklet(NamedTuple):
    """A track as it is measured.

    Attributes:
        track: its id.
        frame: int64 [n].
        time: float64 [n], seconds.
        centre: float64 [n, 2].
        height: float64 [n].
        sums: float64 [n + 1, d], running sums of weighted appearance.
        weights: float64 [n + 1], of the weights.
    """

    track: int
    frame: Int64Array
    time: Float64Array
    centre: Float64Array
    height: Float64Array
    sums: Float64Array
    weights: Float64Array

    def look(self, low: Float64Array, high: Float64Array) -> Float64Array:
        """Mean appearance of unit length from one time to another, [k, d]; zeros where nothing was seen."""
        first, last = self.time.searchsorted(low, side="left"), self.time.searchsorted(high, side="right")
        total = self.sums[last] - self.sums[first]
        return np.asarray(total / np.maximum(np.linalg.norm(total, axis=-1, keepdims=True), 1e-12))

    def sides(self, moment: float, boxes: int) -> tuple[Float64Array, Float64Array]:
        """Mean appearance over so many boxes before a time, however long ago, and after it."""
        at = int(self.time.searchsorted(moment, side="right"))
        parts = (
            self.sums[at] - self.sums[max(at - boxes, 0)],
            self.sums[min(at + boxes, len(self.time))] - self.sums[at],
        )
        before, after = (part / max(float(np.linalg.norm(part)), 1e-12) for part in parts)
        return before, after


@dataclass(frozen=True, kw_only=True)
class Odds:
    """How distances of appearance and motion turn into odds, from the video itself.

    Attributes:
        same, different: mean distance of one object's appearance, and of two.
        spread: standard deviation of both.
        step: how far from where it was heading a box usually lies at most, in heights.
        known: whether the two distributions lie apart, so that appearance says anything.
    """

    same: float
    different: float
    spread: float
    step: float
    known: bool

    def of_appearance(self, distance: Float64Array) -> Float64Array:
        """Logarithm of the odds that two looks are of two objects, between -6 and 6."""
        if not self.known:
            return np.zeros_like(distance)
        between = (self.same + self.different) / 2
        return np.asarray(np.clip((distance - between) * (self.different - self.same) / self.spread**2, -6, 6))

    def of_motion(self, residual: Float64Array) -> Float64Array:
        """How much a way is beyond what is usual, as logarithm of odds, 0 to 8; 0 up to three times as far."""
        return np.asarray(np.clip(2.5 * np.log(np.maximum(residual / (3 * self.step), 1e-9)), 0, 8))


class Measured:
    """All that is measured of the tracks of one sequence.

    Args:
        results: the tracks.
        appearance: float32 [n, d], as `clmot.apps.report.appearance.read_appearance`.
        visible: float32 [n], as `clmot.apps.report.appearance.visibility`.
    """

    def __init__(self, results: Results, appearance: Float32Array, visible: Float32Array) -> None:
        self.results = results
        weight = np.where(appearance.any(axis=1), np.maximum(visible, 0.05) ** 2, 0).astype(np.float64)
        self.tracklets = list(self._tracklets(appearance, weight))
        self.by_id = {each.track: each for each in self.tracklets}
        frames = results.frames
        self.usual = float(np.median(np.diff(frames))) / results.frame_rate if len(frames) > 1 else 1.0
        self.first, self.last = results.seconds(int(frames[0])), results.seconds(int(frames[-1]))
        self.contacts = self._contacts()
        self.residuals = {each.track: self._residuals(each) for each in self.tracklets}
        self.jumps = {each.track: self._jumps(each) for each in self.tracklets}
        self.odds = self._odds()

    def _tracklets(self, appearance: Float32Array, weight: Float64Array) -> Iterator[Tracklet]:
        rows = self.results.rows
        for own in rows.tracks:
            boxes = rows.xyxy[own].astype(np.float64)
            weighted = appearance[own].astype(np.float64) * weight[own, None]
            yield Tracklet(
                track=int(rows.track_id[own.start]),
                frame=rows.frame[own],
                time=(rows.frame[own] - 1) / self.results.frame_rate,
                centre=(boxes[:, :2] + boxes[:, 2:]) / 2,
                height=np.maximum(boxes[:, 3] - boxes[:, 1], 1.0),
                sums=np.concatenate([np.zeros((1, appearance.shape[1])), weighted.cumsum(axis=0)]),
                weights=np.concatenate([[0.0], weight[own].cumsum()]),
            )

    def _contacts(self) -> dict[tuple[int, int], Float64Array]:
        """By pair of tracks, the seconds of the frames in which their boxes touch."""
        rows, found = self.results.rows, {}
        order = np.argsort(rows.frame, kind="stable")
        touching: dict[tuple[int, int], list[float]] = {}
        for own in np.split(order, np.flatnonzero(np.diff(rows.frame[order])) + 1):
            first, second = _touching(rows.xyxy[own])
            second_of = self.results.seconds(int(rows.frame[own[0]]))
            for one, two in zip(rows.track_id[own[first]].tolist(), rows.track_id[own[second]].tolist(), strict=True):
                touching.setdefault((min(one, two), max(one, two)), []).append(second_of)
        for pair, times in touching.items():
            found[pair] = np.array(times)
        return found

    def _residuals(self, track: Tracklet) -> Float64Array:
        """How far each box but the first is from where the track was heading, in heights, a gap's share taken off."""
        if len(track.time) < 2:
            return np.empty(0)
        gap = np.diff(track.time)
        lag = np.maximum(track.time[:-1].searchsorted(track.time[:-1] - 0.3, side="left"), 0)
        here = np.arange(len(gap))
        lag = np.minimum(lag, np.maximum(here - 1, 0))
        passed = np.maximum(track.time[here] - track.time[lag], 1e-9)
        velocity = np.where((here > lag)[:, None], (track.centre[here] - track.centre[lag]) / passed[:, None], 0)
        expected = track.centre[here] + velocity * np.minimum(gap, 1.0)[:, None]
        away = np.linalg.norm(track.centre[1:] - expected, axis=1) / np.maximum(track.height[:-1], track.height[1:])
        return np.asarray(away / np.sqrt(np.maximum(gap / self.usual, 1.0)))

    def _jumps(self, track: Tracklet) -> Float64Array:
        """How far apart a track looks before and after each of its boxes but the last; NaN where one is not seen."""
        before = track.look(track.time[:-1] - WINDOW, track.time[:-1])
        after = track.look(track.time[1:], track.time[1:] + WINDOW)
        seen = before.any(axis=1) & after.any(axis=1)
        return np.where(seen, 1 - (before * after).sum(axis=1), np.nan)

    def _odds(self) -> Odds:
        same = np.concatenate([*self.jumps.values(), np.empty(0)])
        same = same[~np.isnan(same)]
        different = self._apart()
        steps = np.concatenate([*self.residuals.values(), np.empty(0)])
        step = max(float(np.quantile(steps, 0.9)) if len(steps) else 0.0, 0.005)
        if len(same) < 5 or len(different) < 5:
            return Odds(same=0, different=1, spread=1, step=step, known=False)
        one, two = float(np.median(same)), float(np.median(different))
        spread = max(float(np.hypot(_deviation(same), _deviation(different)) / np.sqrt(2)), 0.02)
        return Odds(same=one, different=two, spread=spread, step=step, known=two - one > 0.5 * spread)

    def _apart(self) -> Float64Array:
        """How far apart tracks look that are there at one time."""
        found = []
        for moment in np.linspace(self.first, self.last, 40):
            here = [each for each in self.tracklets if each.time[0] <= moment <= each.time[-1]][:60]
            if len(here) < 2:
                continue
            low, high = np.array(moment - WINDOW / 2), np.array(moment + WINDOW / 2)
            looks = np.stack([each.look(low, high) for each in here])
            looks = looks[looks.any(axis=1)]
            found.append((1 - looks @ looks.T)[np.triu_indices(len(looks), 1)])
        return np.concatenate(found) if found else np.empty(0)


def _deviation(values: Float64Array) -> float:
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def _touching(boxes: Float32Array) -> tuple[Int64Array, Int64Array]:
    """Pairs of boxes of a frame that overlap."""
    side = np.minimum(boxes[:, None, 2:], boxes[:, 2:]) - np.maximum(boxes[:, None, :2], boxes[:, :2])
    common = np.clip(side, 0, None).prod(axis=-1)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    overlap = common / (area[:, None] + area - common)
    first, second = np.nonzero(np.triu(overlap > _CONTACT, 1))
    return first.astype(np.int64), second.astype(np.int64)
