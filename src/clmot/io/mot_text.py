"""MOTChallenge text: tracking results, detections and ground truth, one box a line.

Columns: frame (1-based), id, left, top, width, height (1-based pixels), confidence, and up to three more. Files of 9
columns are MOT16/17/20 ground truth or results of several classes (class, 1-based, and visibility last); files of 10
are results, detections or MOT15 ground truth (world coordinates last, ignored).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clmot import boxes as box
from clmot.errors import UserError
from clmot.io.number_table import parse_numbers
from clmot.io.text import read_text
from clmot.structures import BoolArray, Detections, Float32Array, Int64Array, TrackedFrame

_NAMES = ("frame", "id", "left", "top", "width", "height", "confidence", "class", "visibility")


@dataclass(frozen=True, kw_only=True, eq=False)
class MotRows:
    """The rows of one file, in the file's order.

    Attributes:
        frame: int64 [n], 1-based.
        identity: int64 [n], -1 in detection files.
        boxes: float32 [n, 4], xyxy pixels, 0-based continuous coordinates.
        confidence: float64 [n], the 7th column (ground truth: whether the row counts).
        class_id: int64 [n], the 8th column of a 9-column file as it stands there (1-based), else -1.
        visibility: float64 [n], the 9th column of a 9-column file, else 1.
        line: int64 [n], the row's line in the file, 1-based.
        skipped: how many rows were left out because a number is not finite or the box has no area.
    """

    frame: Int64Array
    identity: Int64Array
    boxes: Float32Array
    confidence: npt.NDArray[np.float64]
    class_id: Int64Array
    visibility: npt.NDArray[np.float64]
    line: Int64Array
    skipped: int

    def __len__(self) -> int:
        return len(self.frame)


def read_mot_rows(path: Path) -> MotRows:
    """Read one MOTChallenge text file.

    Values are separated by commas or blanks; rows come in any order; empty lines are passed over. An empty file has
    no rows.

    Raises:
        UserError: the file cannot be read; a line has another number of columns than 7 to 10 or than the lines before
            it; something is not a number; a frame is not a whole number >= 1; an id or class is not a whole number.
    """
    return to_mot_rows(*read_mot_table(path))


def read_mot_table(path: Path) -> tuple[npt.NDArray[np.float64], Int64Array]:
    """The numbers of a file as they stand there, for those who must not round them: boxes without area included.

    Returns:
        The values, float64 [n, 7 to 10], in the file's order, and the 1-based line of each row, int64 [n].

    Raises:
        UserError: as `read_mot_rows`.
    """
    return parse_mot_table(read_text(path, "MOTChallenge text"), path)


def parse_mot_table(text: str, path: Path) -> tuple[npt.NDArray[np.float64], Int64Array]:
    """As `read_mot_table`, of a text at hand; `path` is what messages name.

    Raises:
        UserError: as `read_mot_rows`, except that nothing is read from disk.
    """
    table = parse_numbers(text, path, _NAMES[:7], most=10)
    if table.values.shape[1] == 9:
        table = table._replace(columns=_NAMES)
        table.whole("class")
    table.whole("frame", 1)
    table.whole("id")
    return table.values, table.line


def read_mot_text(path: Path) -> list[TrackedFrame]:
    """Read results (or detections) back, one `TrackedFrame` for each frame that has rows, ordered by frame.

    Class ids count from 0, in files from 1; they are 0 where the file names no class. Track ids are -1 in detection
    files. Rows that are not finite or have no area are left out (`read_mot_rows` counts them).

    Raises:
        UserError: as `read_mot_rows` and `check_unique`.
    """
    rows = read_mot_rows(path)
    check_unique(path, rows.frame, rows.identity, rows.line)
    order = np.argsort(rows.frame, kind="stable")
    frames, starts = np.unique(rows.frame[order], return_index=True)
    return [
        TrackedFrame(
            frame=int(frame),
            detections=Detections(
                xyxy=rows.boxes[index],
                score=rows.confidence[index].astype(np.float32),
                class_id=np.maximum(rows.class_id[index] - 1, 0),
            ),
            track_id=rows.identity[index],
        )
        for frame, index in zip(frames, np.split(order, starts)[1:], strict=True)
    ]


def counts(flag: npt.NDArray[np.float64]) -> BoolArray:
    """Which rows of ground truth count, bool [n], by the flag in the 7th column: 0 for those that do not.

    A fraction is cut off, as TrackEval does; what is not finite counts for nothing.
    """
    return np.asarray(np.trunc(np.nan_to_num(flag)) != 0)


def check_unique(path: Path, frame: Int64Array, identity: Int64Array, line: Int64Array) -> None:
    """Check that no id occurs twice in a frame (negative ids, as in detection files, may); all are int64 [n].

    Raises:
        UserError: two rows share frame and id; names both lines.
    """
    known = np.flatnonzero(identity >= 0)
    order = known[np.lexsort((identity[known], frame[known]))]  # stable: lines stay ascending
    first, second = order[:-1], order[1:]
    same = (frame[first] == frame[second]) & (identity[first] == identity[second])
    if same.any():
        pair = np.flatnonzero(same)[np.argmin(line[second[same]])]
        a, b = first[pair], second[pair]
        raise UserError(
            f"{path}:{line[b]}: id {identity[b]} is already in frame {frame[b]} (line {line[a]}); "
            "an id may occur once in a frame"
        )


def to_mot_rows(table: npt.NDArray[np.float64], line: Int64Array) -> MotRows:
    """What the numbers of `read_mot_table` mean; rows that are not finite or have no area are left out and counted."""
    has_classes = table.shape[1] == 9
    with np.errstate(over="ignore", invalid="ignore"):
        confident = np.isfinite(table[:, 6].astype(np.float32))
        boxes = box.ltwh_to_xyxy(table[:, 2:6] - np.array([1.0, 1.0, 0.0, 0.0])).astype(np.float32)
    keep = box.well_formed(boxes) & confident
    if has_classes:
        keep &= np.isfinite(table[:, 8])
    kept = table[keep]
    n = len(kept)
    return MotRows(
        frame=kept[:, 0].astype(np.int64),
        identity=kept[:, 1].astype(np.int64),
        boxes=boxes[keep],
        confidence=kept[:, 6].copy(),
        class_id=kept[:, 7].astype(np.int64) if has_classes else np.full(n, -1, np.int64),
        visibility=kept[:, 8].copy() if has_classes else np.ones(n),
        line=line[keep],
        skipped=len(table) - n,
    )
