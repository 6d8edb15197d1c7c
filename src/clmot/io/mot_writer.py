"""Writing tracking results as MOTChallenge text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np

from clmot import boxes as box
from clmot.io.atomic import GrowingText
from clmot.structures import TrackedFrame


class TrackWriter(GrowingText[TrackedFrame]):
    """Writes results while tracking.

        with TrackWriter(path) as writer:
            writer.write(tracked)

    Args:
        path: the file.
        rows: the text of one frame, as `mot_rows`, `clmot.io.kitti.kitti_rows` and `clmot.io.track_table.TrackTable`
            make it.
        keep: as of `GrowingText`.

    Raises:
        UserError: the file cannot be written; so do the methods.
    """

    def __init__(self, path: Path, rows: Callable[[TrackedFrame], str] | None = None, keep: int | None = None) -> None:
        super().__init__(path, "results", rows or mot_rows, keep)


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


def write_sequence_info(
    folder: Path, name: str, frame_rate: float, length: int, size: tuple[int, int], suffix: str | None = ".jpg"
) -> None:
    """Write the ``seqinfo.ini`` of a sequence folder whose images are in ``img1``.

    Args:
        folder: is there.
        name: of the sequence.
        frame_rate: frames a second; the text reads back as the same number.
        length: the last frame's number, which tools take for their count.
        size: width and height of the images in pixels.
        suffix: of the images; None: of several kinds.

    Raises:
        OSError: it cannot be written.
    """
    text = f"[Sequence]\nname={name}\nimDir=img1\nframeRate={repr(float(frame_rate)).removesuffix('.0')}\n"
    text += f"seqLength={length}\nimWidth={size[0]}\nimHeight={size[1]}\n" + (f"imExt={suffix}\n" if suffix else "")
    (folder / "seqinfo.ini").write_text(text, encoding="utf-8", newline="\n")


def write_mot_text(path: Path, frames: Iterable[TrackedFrame], with_classes: bool = False) -> None:
    """Write tracking results: frame, id, left, top, width, height (1-based pixels), score, -1, -1, -1.

    The file appears under its name only when it is whole. `with_classes` as of `mot_rows`.

    Raises:
        UserError: the file cannot be written.
    """
    with TrackWriter(path, partial(mot_rows, with_classes=with_classes)) as writer:
        for tracked in frames:
            writer.write(tracked)
