"""Rows of tracks from files, and what TrackEval makes scores from: who could be matched to whom in each frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from clmot import boxes as box
from clmot.errors import UserError, plural
from clmot.evaluation.scores import RowCounts, ScoredRows
from clmot.io.mot_text import check_unique, counts, read_mot_table
from clmot.structures import BoolArray, Float64Array, Int64Array
from clmot.table import Table

OTHER_FRAMES, OTHER_CLASSES = "in frames not scored", "of classes not scored"
"""Reasons why rows are left out."""

_EPSILON = np.finfo(np.float64).eps
_MATCH_IOU = 0.5 - _EPSILON


@dataclass(frozen=True, kw_only=True, eq=False)
class TrackRows(Table):
    """Rows of a file, ordered by frame and id.

    Attributes:
        frame: int64 [n], 1-based.
        identity: int64 [n], not negative.
        xyxy: float64 [n, 4], in the file's own coordinates: the metrics compare overlaps with thresholds, so not even
            the last bit is rounded off. Boxes without area can match nothing, and count as what they are.
        counts: bool [n], False for ground truth that its file excludes from scoring.
        class_id: int64 [n], as in the file, -1 where it has no classes.
        line: int64 [n], in the file, 1-based.
    """

    frame: Int64Array
    identity: Int64Array
    xyxy: Float64Array
    counts: BoolArray
    class_id: Int64Array
    line: Int64Array

    __getitem__ = Table.take

    def in_order(self) -> TrackRows:
        """The same rows by frame and id, so that their order in the file decides nothing."""
        return self[np.lexsort((self.identity, self.frame))]


def read_mot_tracks(path: Path) -> TrackRows:
    """Read MOTChallenge text whose rows all have track ids.

    Raises:
        UserError: as `read_mot_table` and `check_unique`, or an id is negative.
    """
    table, line = read_mot_table(path)
    return checked(
        TrackRows(
            frame=table[:, 0].astype(np.int64),
            identity=table[:, 1].astype(np.int64),
            xyxy=np.where(np.isfinite(table[:, 2:6]).all(axis=1, keepdims=True), box.ltwh_to_xyxy(table[:, 2:6]), 0),
            counts=counts(table[:, 6]),
            class_id=table[:, 7].astype(np.int64) if table.shape[1] == 9 else np.full(len(table), -1, np.int64),
            line=line,
        ),
        path,
    )


def checked(rows: TrackRows, path: Path) -> TrackRows:
    """Rows in order, with the ids that scoring needs.

    Raises:
        UserError: an id is negative, or occurs twice in a frame.
    """
    check_unique(path, rows.frame, rows.identity, rows.line)
    rows = rows.in_order()
    if (rows.identity < 0).any():
        first = int(np.argmax(rows.identity < 0))
        raise UserError(f"{path}:{rows.line[first]}: id is {rows.identity[first]}; scoring needs track ids >= 0")
    return rows


def check_frames(rows: TrackRows, length: int, path: Path) -> None:
    """Check that rows in order do not go on after the end of their sequence.

    Raises:
        UserError: they do.
    """
    if rows.frame.max(initial=0) > length:
        raise UserError(
            f"{path}:{rows.line[-1]}: frame {rows.frame[-1]}, but the sequence has {plural(length, 'frame')}"
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Matchup:
    """Ground truth and results of one class in one sequence, as the rules of a benchmark see them.

    In each frame, results are first matched to all of `truth` by overlap, at an IoU of 0.5 or more. What is matched to
    a neutral row is left out, and so are unmatched results that are too low or lie in a region. What remains is scored
    against the rows of `truth` that count.

    Attributes:
        truth: the ground truth that results are first matched to.
        scored: bool [len(truth)], what results are scored against.
        neutral: bool [len(truth)], ignored ("don't care"): results matched to it are left out.
        found: the results.
        regions: float64 [r, 4] boxes of areas where unmatched results (more than half inside) are left out.
        region_frame: int64 [r], ascending.
        lowest: unmatched results no higher than this many pixels are left out.
    """

    truth: TrackRows
    scored: BoolArray
    neutral: BoolArray
    found: TrackRows
    regions: Float64Array = field(default_factory=lambda: np.empty((0, 4)))
    region_frame: Int64Array = field(default_factory=lambda: np.empty(0, np.int64))
    lowest: float = -1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Selection:
    """What the rules of a benchmark make of one sequence.

    Attributes:
        rules: the benchmark's name.
        matchups: what meets what, by class.
        truth: all rows of ground truth.
        truth_left_out: why rows of it are not scored, by reason bool [len(truth)]; the first that holds counts.
        found: all rows of results.
    """

    rules: str
    matchups: dict[str, Matchup]
    truth: TrackRows
    truth_left_out: dict[str, BoolArray]
    found: TrackRows

    def counts(self, frames: Int64Array, data: Sequence[dict[str, Any]]) -> ScoredRows:
        """How many rows are scored, and why others are not.

        Args:
            frames: the frames that are scored.
            data: of each matchup, what `trackeval_data` made of it.
        """
        other_frames = ~np.isin(self.truth.frame, frames)
        truth: dict[str, int] = {}
        counted = np.zeros(len(self.truth), np.bool_)
        for reason, rows in {OTHER_FRAMES: other_frames, **self.truth_left_out}.items():
            truth[reason] = int((rows & ~counted).sum())
            counted |= rows
        compared = sum(int(np.isin(each.found.frame, frames).sum()) for each in self.matchups.values())
        scored = sum(int(each["num_tracker_dets"]) for each in data)
        others = int((~np.isin(self.found.frame, frames)).sum())
        found = {
            OTHER_FRAMES: others,
            OTHER_CLASSES: len(self.found) - others - compared,
            "on ground truth that does not count": compared - scored,
        }
        return ScoredRows(
            rules=self.rules,
            truth=row_counts(len(self.truth), sum(int(each["num_gt_dets"]) for each in data), truth),
            results=row_counts(len(self.found), scored, found),
        )


def row_counts(rows: int, scored: int, left_out: dict[str, int]) -> RowCounts:
    """The counts, with the reasons that there are."""
    return RowCounts(rows=rows, scored=scored, left_out={reason: count for reason, count in left_out.items() if count})


def total_rows(counts: Iterable[RowCounts]) -> RowCounts:
    """The rows of several sequences together."""
    each = list(counts)
    reasons = dict.fromkeys(reason for part in each for reason in part.left_out)
    return RowCounts(
        rows=sum(part.rows for part in each),
        scored=sum(part.scored for part in each),
        left_out={reason: sum(part.left_out.get(reason, 0) for part in each) for reason in reasons},
    )


def left_out_text(counts: RowCounts) -> str:
    """``30 of classes not scored, 10 with flag 0``."""
    return ", ".join(f"{count:,} {reason}" for reason, count in counts.left_out.items()) or "none left out"


def trackeval_data(matchup: Matchup, frames: Int64Array) -> dict[str, Any]:
    """What TrackEval's metrics take for one sequence, and the frames and ids that its numbers stand for.

    Args:
        matchup: ground truth and results; rows of other frames than these are passed over.
        frames: int64 [t], the frames to score, ascending.
    """
    truth, found = matchup.truth, matchup.found
    truth_of, found_of, regions_of = (
        np.stack([np.searchsorted(frame, frames, side) for side in ("left", "right")], axis=1).tolist()
        for frame in (truth.frame, found.frame, matchup.region_frame)
    )
    kept = np.zeros(len(found), np.bool_)
    scored = np.zeros(len(truth), np.bool_)
    overlaps = []
    for of_truth, of_found, of_regions in zip(truth_of, found_of, regions_of, strict=True):
        rows, columns, regions = slice(*of_truth), slice(*of_found), slice(*of_regions)
        overlap = box.iou(truth.xyxy[rows], found.xyxy[columns])
        keep = _kept(overlap, matchup, rows, columns, regions)
        kept[columns], scored[rows] = keep, matchup.scored[rows]
        overlaps.append(overlap[scored[rows]][:, keep])
    truth_ids, truth_index = np.unique(truth.identity[scored], return_inverse=True)
    found_ids, found_index = np.unique(found.identity[kept], return_inverse=True)
    return {
        "gt_ids": _by_frame(truth_index, truth.frame[scored], frames),
        "tracker_ids": _by_frame(found_index, found.frame[kept], frames),
        "similarity_scores": overlaps,
        "num_gt_ids": len(truth_ids),
        "num_tracker_ids": len(found_ids),
        "num_gt_dets": len(truth_index),
        "num_tracker_dets": len(found_index),
        "num_timesteps": len(frames),
        # not for TrackEval: what its numbers stand for
        "frames": frames,
        "truth_ids": truth_ids,
        "found_ids": found_ids,
    }


def _kept(overlap: Float64Array, matchup: Matchup, rows: slice, columns: slice, regions: slice) -> BoolArray:
    """Which results (columns of `overlap`) of a frame are scored."""
    neutral = matchup.neutral[rows]
    kept = np.ones(overlap.shape[1], np.bool_)
    judges_unmatched = matchup.lowest >= 0 or regions.start < regions.stop
    if not len(kept) or not (judges_unmatched or neutral.any()):
        return kept
    overlap = np.where(overlap < _MATCH_IOU, 0, overlap)
    row, column = linear_sum_assignment(overlap, maximize=True)
    real = overlap[row, column] > 0
    row, column = row[real], column[real]
    if judges_unmatched:
        found = matchup.found.xyxy[columns]
        inside = share_inside(found, matchup.regions[regions]).max(axis=1, initial=0) > 0.5 + _EPSILON
        kept = ~(inside | (found[:, 3] - found[:, 1] <= matchup.lowest + _EPSILON))
        kept[column] = True
    kept[column[neutral[row]]] = False
    return kept


def share_inside(boxes: Float64Array, regions: Float64Array) -> Float64Array:
    """Share of each box's area inside each region, [n, r]."""
    side = np.minimum(boxes[:, None, 2:], regions[:, 2:]) - np.maximum(boxes[:, None, :2], regions[:, :2])
    inside = np.clip(side, 0, None).prod(axis=-1)
    whole = box.area(boxes)[:, None]
    return np.asarray(np.divide(inside, whole, out=np.zeros_like(inside), where=whole > 0))


def _by_frame(values: npt.NDArray[np.intp], frame: Int64Array, frames: Int64Array) -> list[npt.NDArray[np.intp]]:
    return np.split(values, np.searchsorted(frame, frames[1:])) if len(frames) else []
