"""Which detection each track gets: the stages, in their order.

Each stage works on what the stages before it left over:

1. confident detections to confirmed tracks, also lost ones, by appearance and motion (`TrackerConfig.association`), by
   overlap where there are no embeddings;
2. confident detections to confirmed tracks seen in the last frame, by overlap;
3. unsure detections to the same tracks, by overlap (ByteTrack);
4. confident detections to confirmed tracks where these were last seen, by overlap (OC-SORT);
5. confident detections to lost tracks by appearance alone;
6. confident detections to unconfirmed tracks, by overlap.

Costs are worked out only for pairs that are near enough to be made (`clmot.tracking.pairs`).

Sources: Zhang et al., "FairMOT: on the fairness of detection and re-identification in multiple object tracking", 2021;
Zhang et al., "ByteTrack: multi-object tracking by associating every detection box", 2022; Aharon et al., "BoT-SORT:
robust associations multi-pedestrian tracking", 2022; Cao et al., "Observation-centric SORT", 2023.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clmot import boxes as box
from clmot.tracking import costs, kalman
from clmot.tracking.assignment import assign
from clmot.tracking.config import TrackerConfig
from clmot.tracking.pairs import all_pairs, overlapping
from clmot.tracking.tracks import Found, Tracks, to_boxes
from clmot.types import BoolArray, Float32Array, Int64Array

_Costs = tuple[Int64Array, Int64Array, npt.NDArray[np.floating[Any]]]
"""Pairs as rows of tracks and of detections, and what each costs."""


def associate(tracks: Tracks, found: Found, config: TrackerConfig, frame: int) -> Int64Array:
    """Row of the detection that each predicted track gets, -1 for none.

    Args:
        tracks: as expected in this frame.
        found: the frame's detections.
        config: stages and thresholds.
        frame: this frame's number.

    Returns:
        int64 [n]; no detection is given twice.
    """
    match = np.full(len(tracks), -1, np.int64)
    if not len(found) or not len(tracks):
        return match
    free = np.ones(len(found), np.bool_)
    pricing = _Pricing(tracks, found, config, frame)

    def left(candidates: BoolArray, offered: BoolArray) -> tuple[Int64Array, Int64Array]:
        return (candidates & (match < 0)).nonzero()[0], (offered & free).nonzero()[0]

    def make(priced: _Costs, limit: float) -> None:
        row, column, cost = priced
        chosen = assign(row, column, cost, limit)
        match[row[chosen]] = column[chosen]
        free[column[chosen]] = False

    def make_some(priced: _Costs, candidates: BoolArray, offered: BoolArray, limit: float) -> None:
        row, column, cost = priced
        if not len(row):
            return
        usable = candidates[row] & (match[row] < 0) & (offered & free)[column]
        if usable.any():
            make((row[usable], column[usable], cost[usable]), limit)

    confirmed = tracks.track_id > 0
    high = found.score >= config.high_score
    has_looks = found.embedding.shape[1] > 0
    if has_looks and config.association == "fused":
        make(pricing.looks_and_motion(*left(confirmed, high)), config.appearance_threshold)
    elif has_looks and config.association == "gated":
        make(pricing.overlap_or_looks(*left(confirmed, high)), config.motion_only_iou_threshold)
    else:
        make(pricing.overlap_and_direction(*left(confirmed, high)), config.motion_only_iou_threshold)

    rows, columns = left(match < 0, free)
    if len(rows) and len(columns):
        seen, low = confirmed & tracks.seen, ~high & (found.score >= config.low_score)
        overlap = pricing.overlap(rows, columns)
        make_some(overlap, seen, high, config.iou_threshold)
        make_some(overlap, seen, low, config.low_score_iou_threshold)
        if config.recovery_iou_threshold:
            make(pricing.last_place(*left(confirmed, high)), config.recovery_iou_threshold)
        if config.reentry_threshold and has_looks:
            make(pricing.looks_alone(*left(confirmed & ~seen, high)), config.reentry_threshold)
        make_some(pricing.scored(overlap), ~confirmed, high, config.unconfirmed_iou_threshold)
    return match


class _Pricing:
    """What pairs of some tracks and some detections cost; pairs too far apart, or of two classes, are left out."""

    def __init__(self, tracks: Tracks, found: Found, config: TrackerConfig, frame: int) -> None:
        self._tracks, self._found, self._config, self._frame = tracks, found, config, frame
        self._boxes = tracks.boxes()

    def overlap(self, rows: Int64Array, columns: Int64Array) -> _Costs:
        """IoU distance."""
        row, column, overlap = overlapping(self._boxes[rows], self._found.xyxy[columns])
        return self._allowed(rows[row], columns[column], 1 - overlap)

    def last_place(self, rows: Int64Array, columns: Int64Array) -> _Costs:
        """IoU distance to where the track was last seen."""
        last = to_boxes(self._tracks.observed[rows, -1])
        row, column, overlap = overlapping(last, self._found.xyxy[columns])
        return self._allowed(rows[row], columns[column], 1 - overlap)

    def scored(self, priced: _Costs) -> _Costs:
        """IoU distances with the score fused in, if configured."""
        row, column, cost = priced
        return row, column, 1 - (1 - cost) * self._found.score[column] if self._config.fuse_score else cost

    def overlap_and_direction(self, rows: Int64Array, columns: Int64Array) -> _Costs:
        """IoU distance less how well the direction agrees, if configured."""
        row, column, cost = self.scored(self.overlap(rows, columns))
        if not self._config.direction_weight:
            return row, column, cost
        origin, last = self._tracks.direction_origin(self._frame)[row], self._tracks.observed[row, -1, :2]
        agreement = costs.direction_agreement(origin, last, self._found.measurement[column, :2])
        return row, column, cost - self._config.direction_weight * agreement * self._found.score[column]

    def overlap_or_looks(self, rows: Int64Array, columns: Int64Array) -> _Costs:
        """The lesser of IoU distance and half the cosine distance, as far as the latter has a say."""
        row, column, cost = self.overlap_and_direction(rows, columns)
        near = 1 - box.paired_iou(self._boxes[row], self._found.xyxy[column]) <= self._config.proximity_threshold
        half = costs.gate(self._looks(row, column) / 2, near, self._config.gated_appearance_threshold)
        return row, column, np.minimum(cost, half)

    def looks_and_motion(self, rows: Int64Array, columns: Int64Array) -> _Costs:
        """Cosine distance fused with the Mahalanobis distance."""
        row, column, motion = kalman.within_gate(self._tracks.motion[rows], self._found.measurement[columns])
        row, column, motion = self._allowed(rows[row], columns[column], motion)
        return row, column, costs.fuse_motion(self._looks(row, column), motion, self._config.appearance_weight)

    def looks_alone(self, rows: Int64Array, columns: Int64Array) -> _Costs:
        """Cosine distance, wherever the two are."""
        row, column = all_pairs(len(rows), len(columns))
        row, column, _ = self._allowed(rows[row], columns[column], np.empty(len(row)))
        return row, column, self._looks(row, column)

    def _looks(self, row: Int64Array, column: Int64Array) -> Float32Array:
        """Cosine distance to the nearest of the track's embeddings."""
        distance = costs.cosine_distance(self._tracks.embedding, self._found.embedding, row, column)
        for i in range(self._config.gallery_size):
            recent = costs.cosine_distance(self._tracks.gallery[:, i], self._found.embedding, row, column)
            np.minimum(distance, recent, out=distance)
        return distance

    def _allowed(self, row: Int64Array, column: Int64Array, cost: npt.NDArray[np.floating[Any]]) -> _Costs:
        """Those of the pairs that are of one class."""
        if not self._config.class_aware:
            return row, column, cost
        same = self._tracks.class_id[row] == self._found.class_id[column]
        return (row, column, cost) if same.all() else (row[same], column[same], cost[same])
