"""Finished results as one table, a row for each box, for the steps that look at whole tracks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clmot.structures import Detections, Float32Array, Int64Array, TrackedFrame
from clmot.table import Table


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows(Table):
    """Boxes of many frames, ordered by track and frame.

    Attributes:
        frame: int64 [n].
        track_id: int64 [n].
        order: int64 [n], place of the box in its frame.
        row: int64 [n], as `TrackedFrame.rows`.
        xyxy: float32 [n, 4].
        score: float32 [n].
        class_id: int64 [n].
        embedding: float32 [n, d]; d is 0 unless every box has one.
    """

    frame: Int64Array
    track_id: Int64Array
    order: Int64Array
    row: Int64Array
    xyxy: Float32Array
    score: Float32Array
    class_id: Int64Array
    embedding: Float32Array

    __getitem__ = Table.take

    def merged(self, other: Rows) -> Rows:
        """These rows and others."""
        both = Rows.join([self, other])
        return both[np.lexsort((both.frame, both.track_id))]

    @property
    def starts(self) -> Int64Array:
        """int64 [tracks]: the row in which each track begins."""
        return np.flatnonzero(np.diff(self.track_id, prepend=self.track_id[:1] - 1))

    @property
    def tracks(self) -> list[slice]:
        """The rows of each track; without rows there is none."""
        return [slice(low, high) for low, high in itertools.pairwise([*self.starts.tolist(), len(self)])]


def to_rows(frames: Sequence[TrackedFrame]) -> Rows:
    """All boxes of the frames, in whatever order the frames come.

    Raises:
        ValueError: a frame number occurs twice, or a track id twice in a frame.
    """
    counts = [len(tracked) for tracked in frames]
    numbers = np.array([tracked.frame for tracked in frames], np.int64)
    if len(np.unique(numbers)) < len(numbers):
        raise ValueError("a frame number occurs twice")
    found = [tracked.detections for tracked in frames if len(tracked)]
    embeddings = [each.embedding for each in found if each.embedding is not None]
    complete = len(embeddings) == len(found) > 0 and len({each.shape[1] for each in embeddings}) == 1
    rows = Rows(
        frame=np.repeat(numbers, counts),
        track_id=_joined([tracked.track_id for tracked in frames], np.int64),
        order=_joined([np.arange(count) for count in counts], np.int64),
        row=_joined([tracked.rows for tracked in frames], np.int64),
        xyxy=_joined([each.xyxy for each in found], np.float32, 4),
        score=_joined([each.score for each in found], np.float32),
        class_id=_joined([each.class_id for each in found], np.int64),
        embedding=np.concatenate(embeddings) if complete else np.empty((sum(counts), 0), np.float32),
    )
    rows = rows[np.lexsort((rows.frame, rows.track_id))]
    twice = (np.diff(rows.frame) == 0) & (np.diff(rows.track_id) == 0)
    if twice.any():
        row = int(np.argmax(twice))
        raise ValueError(f"track id {rows.track_id[row]} occurs twice in frame {rows.frame[row]}")
    return rows


def to_frames(rows: Rows, numbers: Sequence[int]) -> list[TrackedFrame]:
    """The frames that hold the rows, ordered by number; those of `numbers` also where they hold none."""
    rows = rows[np.lexsort((rows.track_id, rows.order, rows.frame))]
    every = np.union1d(np.asarray(numbers, np.int64), rows.frame)
    lows, highs = (np.searchsorted(rows.frame, every, side).tolist() for side in ("left", "right"))
    has_embedding = rows.embedding.shape[1] > 0
    return [
        TrackedFrame(
            frame=frame,
            detections=Detections(
                xyxy=rows.xyxy[low:high],
                score=rows.score[low:high],
                class_id=rows.class_id[low:high],
                embedding=rows.embedding[low:high] if has_embedding else None,
            ),
            track_id=rows.track_id[low:high],
            rows=rows.row[low:high],
        )
        for frame, low, high in zip(every.tolist(), lows, highs, strict=True)
    ]


def _joined(parts: Sequence[Any], dtype: Any, *shape: int) -> Any:
    return np.concatenate([np.empty((0, *shape), dtype), *parts]).astype(dtype, copy=False)
