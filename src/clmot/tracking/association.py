"""Which detection each track gets: the stages, in their order.

Each stage works on what the stages before it left over. High-score detections have at least `high_score`, low-score
ones at least `low_score`.

1. first association: high-score detections to confirmed tracks, lost ones among them, by appearance and motion
   (FairMOT, BoT-SORT), or by overlap and direction (ByteTrack, OC-SORT) where there are no embeddings;
2. high-score detections to confirmed tracks seen in the last frame, by overlap (FairMOT);
3. low-score detections to the same tracks, by overlap (ByteTrack's second association);
4. high-score detections to confirmed tracks where these were last seen, by overlap (OC-SORT's recovery);
5. high-score detections to unconfirmed tracks, by overlap;
6. high-score detections to tracks seen in the last frame or not yet confirmed, to the nearest: for objects that move so
   far between frames that they do not overlap themselves.

Costs are worked out only for pairs that are near enough to be matches (`clmot.tracking.candidates`). Tracks are in the
order of their age, so the confirmed ones come first; detections are in the order of their scores, so the highest come
first. Parts of them are therefore slices.

Sources: Zhang et al., "FairMOT: on the fairness of detection and re-identification in multiple object tracking", 2021;
Zhang et al., "ByteTrack: multi-object tracking by associating every detection box", 2022; Aharon et al., "BoT-SORT:
robust associations multi-pedestrian tracking", 2022; Cao et al., "Observation-centric SORT", 2023.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clmot.config.tracker import TrackerConfig
from clmot.structures import BoolArray, Float32Array, Int64Array
from clmot.tracking import costs, kalman
from clmot.tracking.candidates import overlapping, paired_overlap
from clmot.tracking.matches import Matches, PairCosts
from clmot.tracking.track_state import Found, Tracks, to_boxes

if TYPE_CHECKING:
    from clmot.tracking.explanation import Explainer

LOW_SCORE_IOU_DISTANCE = 0.5
"""Largest IoU distance of a low-score match (ByteTrack)."""
UNCONFIRMED_IOU_DISTANCE = 0.7
"""Largest IoU distance of a match with a track not yet confirmed (FairMOT)."""

PROXIMITY, APPEARANCE_REACH = 0.5, 0.25
"""Association `gated`: largest IoU distance and largest half cosine distance at which appearance counts (BoT-SORT)."""

DUPLICATE_IOU_DISTANCE = 0.15
"""Of a seen and a lost track that are nearer, one ends (FairMOT)."""
LOST_REACH = 5.0
"""The variance of the places of lost tracks is so many times the filter's, in the first stage with appearance."""
GATE_OF_PLACE = 5.9915
"""95 % quantile of the chi-squared distribution with two degrees of freedom."""
_SHORTEST = 1e-6
_ANY = 1e6
"""A limit that no cost comes near."""
TALLER = 1.3
"""Objects are not so many times taller in the next frame."""

PIXEL = np.array([0, 0, 1, 1], np.float32)
"""What the published code adds to boxes where it measures overlaps: there a box of one pixel ends where it begins."""


def associate(
    tracks: Tracks,
    found: Found,
    config: TrackerConfig,
    frame: int,
    trusted: bool = True,
    explainer: Explainer | None = None,
) -> tuple[Int64Array, BoolArray, Int64Array]:
    """Row of the detection that each predicted track gets, -1 for none.

    Args:
        tracks: as expected in this frame.
        found: the frame's detections.
        config: stages and thresholds.
        frame: this frame's number.
        trusted: whether embeddings tell the objects apart (`clmot.tracking.trust`); where not, there are none.
        explainer: is told what each stage compares.

    Returns:
        int64 [n]: no detection is given twice. bool [m]: which detections are left. int64 [k]: the tracks of the last
        stage, whose filters may not believe what they see.
    """
    matches = Matches(len(tracks), len(found), explainer)
    if len(found) and len(tracks):
        _match_in_stages(matches, tracks, found, config, frame, trusted and found.embedding.shape[1] > 0)
    return matches.match, matches.free, matches.nearest


def starting(found: Found, free: BoolArray, count: int, config: TrackerConfig) -> Int64Array:
    """Rows of the first so many detections that start a track: those left that are not in the place of another.

    Others are those that tracks got, and surer ones that could start one, of the same class.
    """
    new = free[:count].nonzero()[0]
    if config.new_track_overlap == 1 or not len(new):
        return new
    there = np.concatenate([(~free).nonzero()[0], new])
    rows, columns, overlap = overlapping(found.xyxy.take(new, axis=0), found.xyxy.take(there, axis=0))
    row, other = new.take(rows), there.take(columns)
    twice = (overlap >= np.float32(config.new_track_overlap)) & (~free.take(other) | (other < row))
    twice &= found.class_id.take(row) == found.class_id.take(other)
    return np.setdiff1d(new, row[twice])


def _match_in_stages(
    matches: Matches, tracks: Tracks, found: Found, config: TrackerConfig, frame: int, has_appearance: bool
) -> None:
    """The stages of the module's text; each sees what those before it left over."""
    cost_model = CostModel(tracks, found, config, frame)
    confirmed, high = tracks.confirmed, found.count(config.high_score)

    # 1. First association, with high-score detections: FairMOT's fused cost, BoT-SORT's gated one, or overlap with
    #    OC-SORT's observation-centric momentum.
    if has_appearance and config.association == "fused":
        matches.add(1, cost_model.appearance_and_motion(confirmed, high), config.appearance_threshold)
    elif has_appearance and config.association == "gated":
        matches.add(1, cost_model.overlap_or_appearance(confirmed, high), config.motion_only_iou_threshold)
    else:
        matches.add(1, cost_model.overlap_and_direction(confirmed, high), config.motion_only_iou_threshold)

    # Overlaps of all that is left are worked out once, for stages 2 to 5.
    rows, columns = matches.left(len(tracks), max(high, found.count(config.low_score)))
    if not len(rows) or not len(columns):
        return
    any_confirmed, any_high = rows[0] < confirmed, columns[0] < high
    if not any_confirmed and not any_high:
        return
    expected, last_seen = cost_model.expected_and_last(rows, columns, any_confirmed and any_high)
    row, column, _ = expected
    is_high = column < high
    if any_confirmed:
        seen = (row < confirmed) & (tracks.detection.take(row) >= 0)
        # 2. FairMOT's second association, by overlap, with tracks seen in the last frame.
        if any_high:
            matches.add_some(2, expected, seen & is_high, config.iou_threshold)
        # 3. ByteTrack's second association, with low-score detections.
        matches.add_some(3, expected, seen & ~is_high, LOW_SCORE_IOU_DISTANCE)
        # 4. OC-SORT's observation-centric recovery: high-score detections where tracks were last seen.
        usable = (last_seen[0] < confirmed) & (last_seen[1] < high)
        matches.add_some(4, last_seen, usable, config.recovery_iou_threshold)
    # 5. Unconfirmed tracks, by overlap.
    if any_high and len(tracks) > confirmed:
        usable = (row >= confirmed) & is_high
        matches.add_some(5, cost_model.scored(expected), usable, UNCONFIRMED_IOU_DISTANCE)
    # 6. Who does not overlap itself from frame to frame: the nearest.
    if any_high and config.nearest_distance:
        rows, columns = matches.left(len(tracks), high)
        rows = rows[(rows >= confirmed) | (tracks.detection.take(rows) >= 0)]
        if len(rows) and len(columns):
            limit = config.appearance_threshold if has_appearance else _ANY
            matches.add(6, cost_model.nearest(rows, columns, confirmed, has_appearance), limit)
            matches.nearest = rows[matches.match.take(rows) >= 0]


class CostModel:
    """Costs of pairs of tracks and detections; pairs too far apart, or of two classes, are left out.

    Tracks and detections are chosen by their rows, or by a number: the first so many.
    """

    def __init__(self, tracks: Tracks, found: Found, config: TrackerConfig, frame: int) -> None:
        self._tracks, self._found, self._config, self._frame = tracks, found, config, frame
        self._expected = tracks.boxes()
        self._xyxy = found.xyxy
        if config.published_bookkeeping:
            self._expected, self._xyxy = self._expected + PIXEL, self._xyxy + PIXEL
        self._one_class = _all_equal(found.class_id, tracks.class_id)

    def expected_and_last(self, rows: Int64Array, columns: Int64Array, last: bool) -> tuple[PairCosts, PairCosts]:
        """IoU distance to where the tracks are expected; and to where they were last seen, if wanted and configured."""
        tracks, n = self._tracks, len(rows)
        places = self._expected.take(rows, axis=0)
        if last and self._config.recovery_iou_threshold:
            # both in one go: few boxes take as long as many
            places, rows = (
                np.concatenate([places, to_boxes(tracks.observed[:, -1].take(rows, axis=0))]),
                np.concatenate([rows, rows]),
            )
        row, column, overlap = overlapping(places, self._xyxy.take(columns, axis=0))
        split = row.searchsorted(n)
        row, column, cost = rows.take(row), columns.take(column), 1 - overlap
        return (
            self._allowed(row[:split], column[:split], cost[:split]),
            self._allowed(row[split:], column[split:], cost[split:]),
        )

    def scored(self, pairs: PairCosts) -> PairCosts:
        """IoU distances with the score fused in, if configured."""
        row, column, cost = pairs
        return row, column, 1 - (1 - cost) * self._found.score.take(column) if self._config.fuse_score else cost

    def overlap_and_direction(self, tracks: int, found: int) -> PairCosts:
        """IoU distance, of heights too if configured, less how well the direction agrees, if configured."""
        row, column, overlap = overlapping(self._expected[:tracks], self._xyxy[:found], self._config.height_overlap)
        row, column, cost = self.scored(self._allowed(row, column, 1 - overlap))
        if not self._config.direction_weight:
            return row, column, cost
        origin = self._tracks.direction_origin(self._frame).take(row, axis=0)
        last, target = self._tracks.observed[row, -1, :2], self._found.measurement[:, :2].take(column, axis=0)
        agreement = costs.direction_agreement(origin, last, target)
        return row, column, cost - self._config.direction_weight * agreement * self._found.score.take(column)

    def overlap_or_appearance(self, tracks: int, found: int) -> PairCosts:
        """The lesser of IoU distance and half the cosine distance, as far as the latter has a say."""
        row, column, cost = self.overlap_and_direction(tracks, found)
        overlap = paired_overlap(self._expected, self._xyxy, row, column)
        near = 1 - overlap <= PROXIMITY
        half = costs.gate(self._appearance(row, column) / 2, near, APPEARANCE_REACH)
        return row, column, np.minimum(cost, half)

    def appearance_and_motion(self, tracks: int, found: int) -> PairCosts:
        """Cosine distance fused with the Mahalanobis distance, and for lost tracks some IoU distance."""
        state, variance = self._tracks.motion[:tracks], self._tracks.motion.innovation_variance[:tracks]
        lost = self._tracks.detection[:tracks] < 0
        wider = lost_reach(self._config) - 1
        if wider and np.count_nonzero(lost):
            variance = variance + wider * lost[:, None] * state.position_variance
        row, column, motion = self._allowed(*kalman.within_gate(state, self._found.measurement[:found], variance))
        cost = costs.fuse_motion(self._appearance(row, column), motion, self._config.appearance_weight)
        if self._config.lost_overlap_weight:
            # what costs too much already need not be compared
            lost = ((self._tracks.detection.take(row) < 0) & (cost < self._config.appearance_threshold)).nonzero()[0]
            if len(lost):
                overlap = paired_overlap(self._expected, self._xyxy, row.take(lost), column.take(lost))
                cost[lost] += self._config.lost_overlap_weight * (1 - overlap)
        return row, column, cost

    def nearest(self, rows: Int64Array, columns: Int64Array, confirmed: int, has_appearance: bool) -> PairCosts:
        """Cosine distance, or how far the centres are apart, of those within reach that are about as tall.

        In reach is what the filter deems possible; of tracks not yet confirmed, whose speed is not known, also what is
        not farther than so many sizes of the object.
        """
        motion = self._tracks.motion
        place, target = motion.position.take(rows, axis=0), self._found.measurement.take(columns, axis=0)
        height = place[:, 3]
        aspect = np.abs(place[:, 2])
        size = np.maximum(aspect, (1 + aspect) / 2) * height  # the mean of width and height, the width if that is more
        reach = GATE_OF_PLACE * (motion.position_variance[rows, 0] + np.square(height / 20))
        new = slice(int(rows.searchsorted(confirmed)), None)
        np.maximum(reach[new], np.square(self._config.nearest_distance * size[new]), out=reach[new])
        distance = np.square(target[:, 0] - place[:, :1])
        distance += np.square(target[:, 1] - place[:, 1:2])
        row, column = (distance < reach[:, None]).nonzero()
        if not len(row):  # mostly
            return row, column, distance[row, column]
        taller = target[column, 3] / np.maximum(height[row], _SHORTEST)
        alike = (taller < TALLER) & (taller > 1 / TALLER)
        row, column = row[alike], column[alike]
        cost = np.sqrt(distance[row, column]) / np.maximum(size[row], _SHORTEST)
        row, column, cost = self._allowed(rows.take(row), columns.take(column), cost)
        return row, column, self._appearance(row, column) if has_appearance else cost

    def _appearance(self, row: Int64Array, column: Int64Array) -> Float32Array:
        """Cosine distance to the track's embedding."""
        return costs.cosine_distance(self._tracks.embedding, self._found.embedding, row, column)

    def _allowed(self, row: Int64Array, column: Int64Array, cost: npt.NDArray[np.floating[Any]]) -> PairCosts:
        """Those of the pairs that are of one class."""
        if self._one_class:
            return row, column, cost
        same = (self._tracks.class_id.take(row) == self._found.class_id.take(column)).nonzero()[0]
        return row.take(same), column.take(same), cost.take(same)


def lost_reach(config: TrackerConfig) -> float:
    """How much wider the places of lost tracks are where appearance tells who somebody is, as a factor of variance.

    The filter's noise fits those that are seen; who is lost may have turned round.
    """
    return 1.0 if config.published_bookkeeping else LOST_REACH


def _all_equal(first: Int64Array, second: Int64Array) -> bool:
    """Whether all numbers of both are the same; neither is empty."""
    return not np.count_nonzero(first != first[0]) and not np.count_nonzero(second != first[0])
