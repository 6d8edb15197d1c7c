"""Why each detection went to its track: what the stages of the association compared, kept for whoever asks.

One row a decision. ``match``: a track got a detection. ``start``: a detection began a track; told when the track gets
its id, for the frame it began in. ``lost``: a track seen in the frame before got none. ``end``: a track was forgotten.
All costs are distances: the less, the more alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clmot.errors import UserError, reason_of
from clmot.io.atomic import whole_file
from clmot.io.kinds import kind_of
from clmot.structures import Float32Array, Int64Array, TrackedFrame
from clmot.table import Table

KINDS = ("match", "start", "lost", "end")
STAGES = ("none", "first", "overlap", "low score", "recovery", "unconfirmed", "nearest")
"""Of `clmot.tracking.association`, by number; none: the pair was compared in no stage (too far apart, or ended)."""

MATCH, START, LOST, END = range(4)
TERMS = ("appearance", "motion", "overlap")
NUMBERS = ("frame", "kind", "track_id", "stage", "detection", "rival_id")
VALUES = (*TERMS, "score", "cost", "limit", "rival_cost", *(f"rival_{term}" for term in TERMS), "margin")


@dataclass(frozen=True, kw_only=True, eq=False)
class Decisions(Table):
    """What was decided, ordered by frame; NaN where there is nothing to tell.

    Attributes:
        frame: int64 [n].
        kind: int64 [n], number of one of `KINDS`.
        track_id: int64 [n], the track.
        stage: int64 [n], number of one of `STAGES`: where the pair was made; of a start or loss, where it failed.
        detection: int64 [n], row of the detection in what `Tracker.update` was given; -1 for none. Of a loss, the
            detection that came nearest.
        rival_id: int64 [n], the other track nearest to the detection in that stage; of a start, the track that would
            have had it next. 0 for none, or one without an id.
        appearance: float32 [n], cosine distance of the pair, 0 to 2.
        motion: float32 [n], squared Mahalanobis distance from where the track was expected.
        overlap: float32 [n], IoU distance from where the track was expected.
        score: float32 [n], of the detection.
        cost: float32 [n], what the stage made of them.
        limit: float32 [n], what the cost had to be below.
        rival_cost: float32 [n], of the rival for the same detection in the same stage.
        rival_appearance, rival_motion, rival_overlap: float32 [n], the same terms of the rival.
        margin: float32 [n], how much more than `cost` the limit, the rival, or the track's next detection in that stage
            would have cost, whichever is least. Negative where the pair was refused, or given up for the sum of all.
    """

    frame: Int64Array
    kind: Int64Array
    track_id: Int64Array
    stage: Int64Array
    detection: Int64Array
    rival_id: Int64Array
    appearance: Float32Array
    motion: Float32Array
    overlap: Float32Array
    score: Float32Array
    cost: Float32Array
    limit: Float32Array
    rival_cost: Float32Array
    rival_appearance: Float32Array
    rival_motion: Float32Array
    rival_overlap: Float32Array
    margin: Float32Array


def relabelled(decisions: Decisions, frames: Sequence[TrackedFrame] | None) -> Decisions:
    """The decisions with the ids that tracks have now, after some were joined; None where none was.

    Args:
        decisions: with the ids that tracks had when they were made.
        frames: the tracks now, whose `TrackedFrame.rows` are those of the detections.
    """
    now = {
        (tracked.frame, row): track
        for tracked in frames or ()
        for row, track in zip(tracked.rows.tolist(), tracked.track_id.tolist(), strict=True)
        if row >= 0
    }
    made = decisions.take((decisions.kind == MATCH) | (decisions.kind == START))
    rows = zip(made.frame.tolist(), made.detection.tolist(), made.track_id.tolist(), strict=True)
    new = {old: now[frame, row] for frame, row, old in rows if (frame, row) in now}

    def renamed(ids: Int64Array) -> Int64Array:
        return np.array([new.get(each, each) for each in ids.tolist()], np.int64)

    return replace(decisions, track_id=renamed(decisions.track_id), rival_id=renamed(decisions.rival_id))


def write_decisions(parts: Iterable[Decisions], path: Path) -> None:
    """Write decisions as compressed NumPy columns (``.npz``), kinds and stages by name; all or nothing.

    ``pandas.DataFrame(dict(numpy.load(path)))`` is a table of them.

    Raises:
        UserError: the file cannot be written.
    """
    whole = Decisions.join(list(parts))
    columns = {name: column for name, column in vars(whole).items() if name not in ("kind", "stage")}
    for name in ("frame", "track_id", "detection", "rival_id"):
        columns[name] = columns[name].astype(np.int32 if np.abs(columns[name]).max(initial=0) < 2**31 else np.int64)
    columns |= {"kind": np.array(KINDS)[whole.kind], "stage": np.array(STAGES)[whole.stage]}
    with whole_file(path, "the explanation") as partial, partial.open("wb") as file:
        np.savez_compressed(file, **columns)


def read_decisions(path: Path) -> Decisions:
    """Read what `write_decisions` wrote.

    Raises:
        UserError: the file cannot be read, or is something else.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            columns = {name: np.asarray(file[name]) for name in (*NUMBERS, *VALUES)}
        columns["kind"] = _numbered(columns["kind"], KINDS)
        columns["stage"] = _numbered(columns["stage"], STAGES)
        kept: dict[str, Any] = {name: columns[name].astype(np.int64) for name in NUMBERS}
        kept |= {name: columns[name].astype(np.float32) for name in VALUES}
        if len({each.shape for each in kept.values()}) > 1 or kept["frame"].ndim != 1:
            raise ValueError("columns of different lengths")
    except FileNotFoundError as error:
        raise UserError(f"{path}: cannot read the explanation: {reason_of(error)}") from error
    except Exception as error:  # NumPy and zipfile raise whatever they stumble upon
        raise UserError(
            f"{path}: is {kind_of(path)}, no explanation of clmot track --explain ({reason_of(error)})"
        ) from error
    return Decisions(**kept)


def _numbered(names: npt.NDArray[Any], known: tuple[str, ...]) -> Int64Array:
    numbers = np.full(len(names), -1)
    for number, name in enumerate(known):
        numbers[names == name] = number
    if (numbers < 0).any():
        raise ValueError(f"'{names[np.argmin(numbers)]}' is none of {', '.join(known)}")
    return numbers
