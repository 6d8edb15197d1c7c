"""Writing tracking results as MOTChallenge text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from clmot import boxes as box
from clmot.io.atomic import GrowingText
from clmot.structures import TrackedFrame


class TrackWriter:
    """Writes results while tracking.

    Rows go to ``<path>.partial``, where they can be read frame by frame; `close` renames it, so ``path`` is always a
    whole file. After an exception inside the ``with`` block the partial file stays and ``path`` is left as it was.

        with TrackWriter(path, mot_rows) as writer:
            writer.write(tracked)

    Args:
        path: the file.
        rows: the text of one frame, as `mot_rows` and `clmot.io.kitti.kitti_rows` make it.

    Raises:
        UserError: the file cannot be written.
    """

    def __init__(self, path: Path, rows: Callable[[TrackedFrame], str]) -> None:
        self._rows = rows
        self._text = GrowingText(path, "results")

    def write(self, tracked: TrackedFrame) -> None:
        """Append the rows of one frame."""
        self._text.write(self._rows(tracked))

    def close(self) -> None:
        """Finish the file and give it its name."""
        self._text.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._text.abandon()  # a full disk would hide the exception under way


class MotTextWriter(TrackWriter):
    """`TrackWriter` of MOTChallenge text.

    Args:
        path: the file.
        with_classes: as of `mot_rows`.
    """

    def __init__(self, path: Path, with_classes: bool = False) -> None:
        super().__init__(path, partial(mot_rows, with_classes=with_classes))


def mot_rows(tracked: TrackedFrame, with_classes: bool = False) -> str:
    """Results of one frame as MOTChallenge text.

    Args:
        tracked: the frame.
        with_classes: end each row with class (1-based) and visibility (1) as in ground truth, not with -1, -1, -1.
    """
    found = tracked.detections
    ltwh = box.xyxy_to_ltwh(found.xyxy.astype(np.float64))
    ltwh[:, :2] += 1  # MOTChallenge counts pixels from 1
    if with_classes:
        ends = [f"{class_id + 1},1" for class_id in found.class_id.tolist()]
    else:
        ends = ["-1,-1,-1"] * len(found)
    rows = zip(tracked.track_id.tolist(), ltwh.tolist(), found.score.tolist(), ends, strict=True)
    return "".join(
        f"{tracked.frame},{identity},{left:.3f},{top:.3f},{width:.3f},{height:.3f},{score:.6f},{end}\n"
        for identity, (left, top, width, height), score, end in rows
    )


def write_mot_text(path: Path, frames: Iterable[TrackedFrame], with_classes: bool = False) -> None:
    """Write tracking results: frame, id, left, top, width, height (1-based pixels), score, -1, -1, -1.

    The file appears under its name only when it is whole. `with_classes` as of `MotTextWriter`.

    Raises:
        UserError: the file cannot be written.
    """
    with MotTextWriter(path, with_classes) as writer:
        for tracked in frames:
            writer.write(tracked)
