"""The rules of KITTI tracking, cars and pedestrians each for itself (Geiger et al. 2012).

Ground truth and results are KITTI text (`clmot.io.kitti`).

- Vans, for cars, and sitting persons, for pedestrians, are neutral; so is what is occluded beyond level 2 or truncated
  at all.
- Results matched to nothing are left out where they are 25 pixels high or less, or more than half inside a
  ``DontCare`` region.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clmot.evaluation.track_rows import OTHER_CLASSES, Matchup, Selection, TrackRows, checked
from clmot.io.kitti import COLUMNS
from clmot.io.number_table import read_numbers
from clmot.structures import Float64Array, Int64Array

CLASSES = ("car", "pedestrian")

_DONT_CARE = 9
_TYPES = {
    "Car": 1,
    "Van": 2,
    "Truck": 3,
    "Pedestrian": 4,
    "Person": 5,
    "Person_sitting": 5,
    "Cyclist": 6,
    "Tram": 7,
    "Misc": 8,
    "DontCare": _DONT_CARE,
}
_CLASS_AND_NEIGHBOUR = {"car": (1, 2), "pedestrian": (4, 5)}
_GREATEST_OCCLUSION, _GREATEST_TRUNCATION, _LOWEST = 2, 0, 25.0


def label_files(path: Path) -> dict[str, Path]:
    """The label files of a KITTI folder by sequence; empty where it is none."""
    for folder in (path / "label_02", path / "training" / "label_02", path):
        if folder.name == "label_02" and folder.is_dir():
            return {file.stem: file for file in sorted(folder.glob("*.txt"))}
    return {}


def read_labels(path: Path) -> tuple[TrackRows, Float64Array, Int64Array]:
    """Read ground truth or results; frames count from 1 then.

    Returns:
        The rows with track ids, the ``DontCare`` regions ([r, 4], by frame) and their frames [r].

    Raises:
        UserError: as `clmot.io.number_table.read_numbers`; a result has no id, or an id occurs twice in a frame.
    """
    words = _TYPES | {name.lower(): number for name, number in _TYPES.items()}
    table = read_numbers(path, COLUMNS, most=len(COLUMNS) + 1, words={"type": words})
    values, kind = table.values, table.whole("type")
    rows = TrackRows(
        frame=table.whole("frame", 0) + 1,
        identity=table.whole("track_id"),
        xyxy=values[:, 6:10],
        # truncation is a level in labels and may be a share in results
        counts=(values[:, 3].astype(np.int64) <= _GREATEST_TRUNCATION)
        & (values[:, 4].astype(np.int64) <= _GREATEST_OCCLUSION),
        class_id=kind,
        line=table.line,
    )
    regions = rows[kind == _DONT_CARE].in_order()
    return checked(rows[kind != _DONT_CARE], path), regions.xyxy, regions.frame


def match_kitti(truth_file: Path, found_file: Path, classes: Sequence[str]) -> Selection:
    """Ground truth and results of a sequence.

    Raises:
        UserError: as `read_labels`.
    """
    truth, regions, region_frame = read_labels(truth_file)
    found, _, _ = read_labels(found_file)
    kinds = {name: _CLASS_AND_NEIGHBOUR[name] for name in CLASSES if name in classes}
    matchups = {name: _of_class(truth, found, regions, region_frame, *pair) for name, pair in kinds.items()}
    own, neighbours = (np.isin(truth.class_id, numbers) for numbers in zip(*kinds.values(), strict=True))
    left_out = {"of neighbouring classes": neighbours, OTHER_CLASSES: ~own, "occluded or truncated": ~truth.counts}
    return Selection(rules="kitti", matchups=matchups, truth=truth, truth_left_out=left_out, found=found)


def _of_class(
    truth: TrackRows, found: TrackRows, regions: Float64Array, region_frame: Int64Array, kind: int, neighbour: int
) -> Matchup:
    truth = truth[np.isin(truth.class_id, (kind, neighbour))]
    return Matchup(
        truth=truth,
        scored=truth.counts & (truth.class_id == kind),
        neutral=~truth.counts | (truth.class_id == neighbour),
        found=found[found.class_id == kind],
        regions=regions,
        region_frame=region_frame,
        lowest=_LOWEST,
    )
