"""Tracks as they are at one moment of somebody's work on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from clmot.errors import require
from clmot.structures import BoolArray, Float32Array, Float64Array, Int64Array
from clmot.table import Schema, Table
from clmot.tracking.postprocess.track_table import Rows


@dataclass(frozen=True, kw_only=True, eq=False)
class Boxes(Table):
    """The boxes of one track by frame.

    Attributes:
        frame: int64 [n], ascending.
        xyxy: float32 [n, 4].
        score: float32 [n].
        class_id: int64 [n].
        origin: int64 [n], the track that the box was of before all edits; 0 where a person made it.
        key: bool [n], whether a person put it there; between two of these boxes are interpolated.
    """

    COLUMNS: ClassVar[Schema] = {
        "frame": (np.int64,),
        "xyxy": (np.float32, 4),
        "score": (np.float32,),
        "class_id": (np.int64,),
        "origin": (np.int64,),
        "key": (np.bool_,),
    }

    frame: Int64Array
    xyxy: Float32Array
    score: Float32Array
    class_id: Int64Array
    origin: Int64Array
    key: BoolArray

    def between(self, first: int, last: int) -> Boxes:
        """The boxes from one frame to another, both included."""
        return self.take(slice(*self.frame.searchsorted([first, last + 1])))

    def at(self, frame: int) -> int | None:
        """The row of a frame."""
        row = int(self.frame.searchsorted(frame))
        return row if row < len(self) and self.frame[row] == frame else None

    def with_others(self, others: Boxes) -> Boxes:
        """These and others, which take the place of those of the same frame."""
        joined = Boxes.join([self.take(~np.isin(self.frame, others.frame)), others])
        return joined.take(np.argsort(joined.frame, kind="stable"))


@dataclass(frozen=True, kw_only=True)
class State:
    """Tracks at one moment of the work; nothing in it is ever changed.

    Attributes:
        tracks: boxes by id; none is empty.
        classes: names of `Boxes.class_id`.
        names: what tracks are called, where somebody said.
        reviewed: the events that were looked at.
        shapes: where is counted: the corners of lines and zones by name, float64 [n, 2].
        step: how far apart the frames are that have boxes.
        next_id: an id that no track has had.
    """

    tracks: Mapping[int, Boxes]
    classes: tuple[str, ...]
    names: Mapping[int, str] = field(default_factory=dict)
    reviewed: frozenset[str] = frozenset()
    shapes: Mapping[str, Float64Array] = field(default_factory=dict)
    step: int = 1
    next_id: int = 1

    @classmethod
    def of_rows(cls, rows: Rows, classes: Iterable[str], step: int, names: Mapping[int, str] | None = None) -> State:
        """The tracks as they were found."""
        tracks = {}
        for own in rows.tracks:
            tracks[int(rows.track_id[own.start])] = Boxes(
                frame=rows.frame[own],
                xyxy=rows.xyxy[own],
                score=rows.score[own],
                class_id=rows.class_id[own],
                origin=rows.track_id[own],
                key=np.zeros(own.stop - own.start, np.bool_),
            )
        named = {track: name for track, name in (names or {}).items() if track in tracks}
        return cls(tracks=tracks, classes=tuple(classes), names=named, step=step, next_id=max(tracks, default=0) + 1)

    def rows(self) -> Rows:
        """All boxes as one table."""
        ids = sorted(self.tracks)
        joined = Boxes.join([self.tracks[each] for each in ids])
        n = len(joined)
        return Rows(
            frame=joined.frame,
            track_id=np.repeat(np.array(ids, np.int64), [len(self.tracks[each]) for each in ids]),
            order=np.zeros(n, np.int64),
            row=np.full(n, -1, np.int64),
            xyxy=joined.xyxy,
            score=joined.score,
            class_id=joined.class_id,
            embedding=np.empty((n, 0), np.float32),
        )

    @cached_property
    def lives(self) -> tuple[Int64Array, Int64Array, Int64Array]:
        """Ids, first and last frames of the tracks, each int64 [tracks]."""
        ends = [(track, boxes.frame[0], boxes.frame[-1]) for track, boxes in self.tracks.items()]
        columns = np.array(ends, np.int64).reshape(-1, 3).T
        return columns[0], columns[1], columns[2]

    def between(self, first: int, last: int) -> list[tuple[int, Boxes]]:
        """The tracks with boxes from one frame to another, and these boxes."""
        ids, begins, ends = self.lives
        there = ids[(begins <= last) & (ends >= first)].tolist()
        found = ((track, self.tracks[track].between(first, last)) for track in there)
        return [(track, boxes) for track, boxes in found if len(boxes)]

    def boxes(self, track: int) -> Boxes:
        """The boxes of a track.

        Raises:
            UserError: there is no such track.
        """
        require(track in self.tracks, f"there is no track {track}")
        return self.tracks[track]

    def changed(self, changed: Mapping[int, Boxes]) -> State:
        """The same with other boxes of some tracks; without boxes there is no track."""
        tracks = {track: boxes for track, boxes in {**self.tracks, **changed}.items() if len(boxes)}
        names = {track: name for track, name in self.names.items() if track in tracks}
        return replace(self, tracks=tracks, names=names, next_id=max(self.next_id, *(each + 1 for each in changed)))

    def class_number(self, name: str) -> tuple[State, int]:
        """The number of a class, and the tracks with it among the classes."""
        if name in self.classes:
            return self, self.classes.index(name)
        return replace(self, classes=(*self.classes, name)), len(self.classes)
