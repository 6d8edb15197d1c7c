"""Tracking scores: HOTA (Luiten et al. 2021), CLEAR MOT (Bernardin and Stiefelhagen 2008), IDF1 (Ristani et al. 2016).

Which rows count is decided here as in the MOTChallenge devkit; every metric is computed by TrackEval.

- MOT15 (ground truth without classes): rows with a non-zero flag are scored.
- MOT16, MOT17, MOT20 (9 columns): in each frame, results are matched to the ground truth of all classes at IoU 0.5;
  results matched to a distractor are dropped; then persons with a non-zero flag are scored.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from clmot import boxes as box
from clmot.errors import UserError
from clmot.io.mot import check_unique, read_mot_rows
from clmot.io.sequences import (
    EXPECTED,
    PERSON,
    describe_folder,
    distractor_classes,
    ground_truth_file,
    read_sequence_info,
    sequence_folders,
)
from clmot.types import Int64Array, Scores

if TYPE_CHECKING:
    from rich.table import Table

Benchmark = Literal["auto", "mot15", "mot16", "mot17", "mot20"]

TABLE_METRICS = ("HOTA", "DetA", "AssA", "MOTA", "MOTP", "IDF1", "IDSW", "MT", "ML")
"""What `scores_table` shows; `Scores` hold more."""

_PERCENTAGES = {name: name for name in ("HOTA", "DetA", "AssA", "MOTA", "MOTP", "IDF1")} | {
    "Rcll": "CLR_Re",
    "Prcn": "CLR_Pr",
}
_COUNTS = {name: name for name in ("IDSW", "Frag", "MT", "ML", "GT_IDs", "GT_Dets")} | {"FP": "CLR_FP", "FN": "CLR_FN"}
_Fields = dict[str, Any]
"""One sequence in the terms of TrackEval, whose metrics share no field name."""

_CLASSES = range(1, 14)
_MATCH_IOU = 0.5 - np.finfo(np.float64).eps


def evaluate(results: str | Path, ground_truth: str | Path, *, benchmark: Benchmark = "auto") -> Scores:
    """Score tracking results against MOTChallenge ground truth.

    Args:
        results: a folder with ``<sequence>.txt`` for each sequence, or one such file (of any name where there is one
            sequence only).
        ground_truth: a sequence folder or a folder of sequences, each with ``gt/gt.txt``. Folders without it (test
            sequences) are passed over; images are not needed.
        benchmark: whose rules apply. ``auto`` decides for each sequence: MOT15 where the ground truth has no classes,
            MOT20 where the sequence's name starts with it, else MOT17 (the same rules as MOT16).

    Returns:
        Scores of each sequence and of all together (TrackEval's combination, no average of scores). Percentages:
        HOTA, DetA, AssA (means over the localisation thresholds), MOTA, MOTP, IDF1, Rcll, Prcn. Counts: IDSW, Frag,
        MT, ML, FP, FN, GT_IDs, GT_Dets. MOTP is the mean IoU of matches.

    Raises:
        UserError: a folder or a sequence's results are missing, a file is faulty (with its line), results lie beyond
            the sequence's last frame or have no track ids.
    """
    results, ground_truth = Path(results), Path(ground_truth)
    folders = {folder.resolve().name: folder for folder in sequence_folders(ground_truth) if ground_truth_file(folder)}
    if not folders:
        raise UserError(f"{ground_truth}: no ground truth ({describe_folder(ground_truth)}); expected {EXPECTED}")
    files = _result_files(results, list(folders))
    metrics = _trackeval_metrics()
    parts: dict[str, _Fields] = {}
    for name, file in files.items():
        data = _sequence_data(file, folders[name], benchmark)
        parts[name] = {field: value for metric in metrics for field, value in metric.eval_sequence(data).items()}
        parts[name] |= {"GT_IDs": data["num_gt_ids"], "GT_Dets": data["num_gt_dets"]}
    combined = {field: value for metric in metrics for field, value in metric.combine_sequences(parts).items()}
    combined |= {field: sum(part[field] for part in parts.values()) for field in ("GT_IDs", "GT_Dets")}
    return Scores(combined=_summary(combined), sequences={name: _summary(part) for name, part in parts.items()})


def scores_table(scores: Scores) -> Table:
    """A table of `TABLE_METRICS` for each sequence and combined."""
    from rich.table import Table

    table = Table()
    table.add_column("sequence")
    for metric in TABLE_METRICS:
        table.add_column(metric, justify="right")
    for name, values in scores.sequences.items():
        table.add_row(name, *_cells(values))
    table.add_section()
    table.add_row("combined", *_cells(scores.combined), style="bold")
    return table


def write_json(scores: Scores, path: Path) -> None:
    """Write ``{"combined": {...}, "sequences": {name: {...}}}``; the file appears under its name only when whole.

    Raises:
        UserError: the file cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(json.dumps(scores.as_dict(), indent=2) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise UserError(f"{path}: cannot write scores: {error.strerror}") from error


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rows:
    """The rows of a file, ordered by frame and id.

    Attributes:
        frame: int64 [n].
        identity: int64 [n], not negative.
        xyxy: float64 [n, 4], in the file's own coordinates: the metrics compare overlaps with thresholds, so not even
            the last bit is rounded off.
        flag: float64 [n], the 7th column.
        class_id: int64 [n], -1 where the file has no classes.
        line: int64 [n].
    """

    frame: Int64Array
    identity: Int64Array
    xyxy: npt.NDArray[np.float64]
    flag: npt.NDArray[np.float64]
    class_id: Int64Array
    line: Int64Array


def _result_files(results: Path, names: list[str]) -> dict[str, Path]:
    """The results file of each sequence to score."""
    if results.is_file():
        if len(names) == 1 or results.stem in names:
            return {names[0] if len(names) == 1 else results.stem: results}
        raise UserError(f"{results}: no ground truth for sequence {results.stem}; there is for {', '.join(names)}")
    if not results.is_dir():
        raise UserError(f"{results}: no such file or folder; expected a folder with {names[0]}.txt")
    files = {name: results / f"{name}.txt" for name in names}
    missing = [name for name, file in files.items() if not file.is_file()]
    if missing:
        raise UserError(
            f"{results}: no results for {len(missing)} of {len(names)} sequences: "
            f"expected {', '.join(f'{name}.txt' for name in missing)} ({describe_folder(results)})"
        )
    return files


def _trackeval_metrics() -> tuple[Any, ...]:
    """TrackEval's HOTA, CLEAR and Identity, without what importing and making them prints."""
    with contextlib.redirect_stdout(io.StringIO()):
        from trackeval.metrics import CLEAR, HOTA, Identity

        return HOTA(), CLEAR(), Identity()


def _read(path: Path) -> _Rows:
    """All rows of a file, boxes without area included: they can match nothing, and count as what they are."""
    rows = read_mot_rows(path)
    check_unique(rows, path)
    lines = path.read_text(encoding="utf-8-sig").replace(",", " ").split("\n")
    line = np.array([number for number, content in enumerate(lines, 1) if content.strip()], np.int64)
    table = np.loadtxt(lines, np.float64, comments=None, ndmin=2) if len(line) else np.empty((0, 9))
    order = np.lexsort((table[:, 1], table[:, 0]))
    table, line = table[order], line[order]
    if (table[:, 1] < 0).any():
        first = int(np.argmax(table[:, 1] < 0))
        raise UserError(f"{path}:{line[first]}: id is {table[first, 1]:g}; scoring needs track ids >= 0")
    return _Rows(
        frame=table[:, 0].astype(np.int64),
        identity=table[:, 1].astype(np.int64),
        xyxy=box.ltwh_to_xyxy(table[:, 2:6]),
        flag=table[:, 6],
        class_id=table[:, 7].astype(np.int64) if table.shape[1] == 9 else np.full(len(table), -1, np.int64),
        line=line,
    )


def _sequence_data(file: Path, folder: Path, benchmark: Benchmark) -> dict[str, Any]:
    """Ground truth and results of one sequence in TrackEval's form, after the benchmark's preprocessing."""
    truth_file = folder / "gt" / "gt.txt"
    truth, found = _read(truth_file), _read(file)
    length = read_sequence_info(folder).length
    if length is None:
        length = int(max(truth.frame.max(initial=0), found.frame.max(initial=0)))
    for path, rows in ((truth_file, truth), (file, found)):
        if rows.frame.max(initial=0) > length:
            raise UserError(f"{path}:{rows.line[-1]}: frame {rows.frame[-1]}, but the sequence has {length} frames")

    has_classes = bool((truth.class_id != -1).any()) and benchmark != "mot15"
    if benchmark in ("mot16", "mot17", "mot20") and not has_classes and len(truth.frame):
        raise UserError(f"{truth_file}: no classes (9 columns), which {benchmark} rules need; expected mot15 or auto")
    is_mot20 = benchmark == "mot20" or (benchmark == "auto" and folder.resolve().name.startswith("MOT20"))
    scored = truth.flag.astype(np.int64) != 0
    is_distractor = np.zeros(len(truth.frame), np.bool_)
    if has_classes:
        unknown = ~np.isin(truth.class_id, _CLASSES)
        if unknown.any():
            first = int(np.argmax(unknown))
            raise UserError(
                f"{truth_file}:{truth.line[first]}: class is {truth.class_id[first]}, expected 1 (person) to 13"
            )
        scored &= truth.class_id == PERSON
        is_distractor = np.isin(truth.class_id, distractor_classes(is_mot20))

    frames = np.arange(1, length + 2)
    truth_start, found_start = np.searchsorted(truth.frame, frames), np.searchsorted(found.frame, frames)
    kept = np.ones(len(found.frame), np.bool_)
    overlaps = []
    for t in range(length):
        of_truth, of_found = slice(*truth_start[t : t + 2]), slice(*found_start[t : t + 2])
        overlap = box.iou(truth.xyxy[of_truth], found.xyxy[of_found])
        if is_distractor[of_truth].any():
            kept[of_found] = _not_on(overlap, is_distractor[of_truth])
        overlaps.append(overlap[scored[of_truth]][:, kept[of_found]])
    truth_ids, truth_index = np.unique(truth.identity[scored], return_inverse=True)
    found_ids, found_index = np.unique(found.identity[kept], return_inverse=True)
    return {
        "gt_ids": _by_frame(truth_index, truth.frame[scored], length),
        "tracker_ids": _by_frame(found_index, found.frame[kept], length),
        "similarity_scores": overlaps,
        "num_gt_ids": len(truth_ids),
        "num_tracker_ids": len(found_ids),
        "num_gt_dets": len(truth_index),
        "num_tracker_dets": len(found_index),
        "num_timesteps": length,
    }


def _not_on(overlap: npt.NDArray[np.float64], is_distractor: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which results (columns) are not matched to a distractor (row) in the best assignment at IoU 0.5."""
    overlap = np.where(overlap < _MATCH_IOU, 0, overlap)
    row, column = linear_sum_assignment(overlap, maximize=True)
    on_distractor = (overlap[row, column] > 0) & is_distractor[row]
    kept = np.ones(overlap.shape[1], np.bool_)
    kept[column[on_distractor]] = False
    return kept


def _by_frame(values: npt.NDArray[np.intp], frame: Int64Array, length: int) -> list[npt.NDArray[np.intp]]:
    return np.split(values, np.searchsorted(frame, np.arange(2, length + 1))) if length else []


def _summary(fields: _Fields) -> dict[str, float]:
    """TrackEval's fields under MOTChallenge's names; values over localisation thresholds averaged."""
    percentages = {name: 100 * float(np.mean(fields[field])) for name, field in _PERCENTAGES.items()}
    return percentages | {name: int(fields[field]) for name, field in _COUNTS.items()}


def _cells(values: dict[str, float]) -> Iterable[str]:
    return (str(values[name]) if isinstance(values[name], int) else f"{values[name]:.1f}" for name in TABLE_METRICS)
