"""What is converted: the tracks of one sequence, and what the formats want to know of its video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clmot import boxes as box
from clmot.apps.convert_results.attributes import Attributes
from clmot.errors import UserError, readable
from clmot.row_data import RowData, rows_of
from clmot.structures import Float32Array, Int64Array, TrackedFrame
from clmot.tracking.postprocess.track_table import Rows, to_frames, to_rows

DEFAULT_FRAME_RATE = 30.0


@dataclass(frozen=True, kw_only=True, eq=False)
class TrackedSequence:
    """The tracks of a video.

    Attributes:
        name: the video's, without suffix.
        rows: all boxes, by track and frame; frames count from 1.
        classes: names of `Rows.class_id`.
        skipped: how many rows of the file are left out: not finite, without area, or marked to be ignored.
        length: frames of the video; at least the last one with a box.
        size: its width and height in pixels; None where nobody says.
        frame_rate: frames a second; None where nobody says.
        attributes: what people say of tracks.
        data: what else belongs to the boxes, in the rows that `Rows.row` tells.
    """

    name: str
    rows: Rows
    classes: tuple[str, ...]
    skipped: int = 0
    length: int = 0
    size: tuple[int, int] | None = None
    frame_rate: float | None = None
    attributes: Attributes = field(default_factory=dict)
    data: RowData | None = None

    @property
    def frames(self) -> list[TrackedFrame]:
        """The frames with boxes."""
        return [
            replace(each, detections=replace(each.detections, data=rows_of(self.data, each.rows)))
            for each in to_frames(self.rows, [])
        ]

    @property
    def tracks(self) -> list[tuple[int, str, Rows]]:
        """Number, class (of most of its boxes) and boxes by frame of each track."""
        found = [self.rows.take(each) for each in self.rows.tracks]
        return [(int(each.track_id[0]), self.classes[int(np.bincount(each.class_id).argmax())], each) for each in found]

    @classmethod
    def of_columns(
        cls,
        file: Path,
        frame: Int64Array,
        identity: Int64Array,
        boxes: npt.NDArray[np.floating],
        class_id: Int64Array,
        classes: Sequence[str],
        scores: Float32Array | None = None,
        *,
        skipped: int = 0,
        length: int = 0,
        size: tuple[int, int] | None = None,
        frame_rate: float | None = None,
        attributes: Attributes | None = None,
        data: RowData | None = None,
    ) -> TrackedSequence:
        """Tracks as a file has them, in any order; boxes that are not finite or have no area are left out.

        Raises:
            UserError: a box has no track id, a track is twice in a frame, or there is no box at all.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            xyxy = boxes.reshape(-1, 4).astype(np.float32)
        keep = box.well_formed(xyxy)
        n = len(xyxy)
        if (identity[keep] < 0).any():
            raise UserError(f"{file}: has boxes without track ids: detections, not tracks; track them first")
        rows = Rows(
            frame=frame,
            track_id=identity,
            order=np.zeros(n, np.int64),
            row=np.arange(n),
            xyxy=xyxy,
            score=np.ones(n, np.float32) if scores is None else scores,
            class_id=class_id,
            embedding=np.empty((n, 0), np.float32),
        ).take(keep)
        if not len(rows):
            raise UserError(f"{file}: there is no track in it")
        try:
            rows = to_rows(to_frames(rows, []))
        except ValueError as error:
            raise UserError(f"{file}: {error}; an id may occur once in a frame") from error
        return cls(
            name=file.stem,
            rows=rows,
            classes=tuple(map(readable, classes)),
            skipped=skipped + int((~keep).sum()),
            length=max(length, int(rows.frame.max())),
            size=size,
            frame_rate=frame_rate,
            attributes={track: told for track, told in (attributes or {}).items() if told},
            data=data,
        )
