"""Tracking scores: HOTA (Luiten et al. 2021), CLEAR MOT (Bernardin and Stiefelhagen 2008), IDF1 (Ristani et al. 2016).

Which rows count is decided by the rules of a benchmark (`clmot.evaluation.benchmarks`); every metric is computed by
TrackEval (`clmot.evaluation.metrics`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clmot.errors import UserError, plural
from clmot.evaluation.benchmarks import Benchmark, SequenceTruth, find_truth
from clmot.evaluation.bootstrap import Replicates, draw_sequences, interval, replicate
from clmot.evaluation.metrics import Fields, Metrics, summary
from clmot.evaluation.scores import ScoredRows, Scores
from clmot.evaluation.track_rows import (
    OTHER_CLASSES,
    OTHER_FRAMES,
    Selection,
    left_out_text,
    total_rows,
    trackeval_data,
)
from clmot.io.class_names import LABELS
from clmot.io.folders import describe_folder
from clmot.io.frame_choice import FrameChoice
from clmot.structures import Int64Array

_log = logging.getLogger(__name__)


def evaluate(
    results: str | Path,
    ground_truth: str | Path,
    *,
    benchmark: Benchmark = "auto",
    classes: Sequence[str] | None = None,
    frames: FrameChoice | None = None,
    bootstrap: int = 0,
    seed: int = 0,
) -> Scores:
    """Score tracking results against MOTChallenge or KITTI ground truth.

    Args:
        results: a folder with ``<sequence>.txt`` for each sequence, or one such file (of any name where there is one
            sequence only).
        ground_truth: a sequence folder or a folder of sequences, each with ``gt/gt.txt``, or a KITTI folder with
            ``label_02``. Folders without ground truth (test sequences) are passed over; images are not needed.
        benchmark: whose rules apply; ``auto`` decides for each sequence (`clmot.evaluation.benchmarks.find_truth`).
        classes: score these classes only, by name or number; by default all that the benchmark scores.
        frames: score these frames only, as when only these were tracked; by default all.
        bootstrap: how many times to draw sequences anew for the intervals of the combined scores; 0 for none.
        seed: of the draws.

    Returns:
        Scores of each sequence and of all together (TrackEval's combination, no average of scores), and of each class
        where there are several. Percentages: HOTA, DetA, AssA (means over the localisation thresholds), MOTA, MOTP,
        IDF1, Rcll, Prcn. Counts: IDSW, Frag, MT, ML, FP, FN, GT_IDs, GT_Dets. MOTP is the mean IoU of matches.

    Raises:
        UserError: a folder or a sequence's results are missing, a file is faulty (with its line), results lie beyond
            the sequence's last frame or have no track ids.

    Examples:
        >>> scores = clmot.evaluate("tracked", "MOT17/val")
        >>> idf1 = scores.combined["IDF1"]
    """
    truth = find_truth(Path(ground_truth), benchmark, classes)
    measured = Measurement(Metrics(), Path(results), truth, frames or FrameChoice())
    return measured.scores(measured.replicates(bootstrap, seed))


class Measurement:
    """What TrackEval counts in each sequence and class, from which scores are made in any combination.

    Args:
        metrics: TrackEval's metrics.
        results: folder or file of results.
        truth: the sequences with ground truth.
        frames: the frames to score.

    Attributes:
        fields: by sequence and class.
        rows: by sequence, what is scored and what is left out.

    Raises:
        UserError: as `evaluate`.
    """

    def __init__(
        self, metrics: Metrics, results: Path, truth: Mapping[str, SequenceTruth], frames: FrameChoice
    ) -> None:
        self._metrics = metrics
        self.fields: dict[str, dict[str, Fields]] = {}
        self.rows: dict[str, ScoredRows] = {}
        for name, file in _result_files(results, list(truth)).items():
            self.fields[name], self.rows[name] = _measure(metrics, file, truth[name], frames)
        self._require_something(results, truth)

    def scores(self, replicates: Replicates | None = None) -> Scores:
        """Scores of sequences, classes and all together; with intervals from replicates of the combined scores."""
        names = list(dict.fromkeys(name for classes in self.fields.values() for name in classes))
        by_class = {
            name: {sequence: [classes[name]] for sequence, classes in self.fields.items() if name in classes}
            for name in names
        }
        whole = self._scores({sequence: list(classes.values()) for sequence, classes in self.fields.items()})
        return Scores(
            combined=whole.combined,
            sequences=whole.sequences,
            classes={name: self._scores(parts) for name, parts in by_class.items()} if len(names) > 1 else {},
            intervals={name: interval(values) for name, values in replicates.items()} if replicates else {},
            rows=self.rows,
        )

    def replicates(self, repeats: int, seed: int) -> Replicates | None:
        """The combined scores of so many draws of sequences; None (and a line in the log) where that says nothing.

        Raises:
            UserError: `repeats` is negative.
        """
        if repeats < 0:
            raise UserError(f"--bootstrap must be >= 0, got {repeats}")
        if not repeats:
            return None
        draws = draw_sequences(list(self.fields), repeats, seed)
        if draws is None:
            _log.warning("no intervals: they need two or more sequences to draw from")
            return None
        return replicate(self._metrics, [list(classes.values()) for classes in self.fields.values()], draws)

    def _require_something(self, results: Path, truth: Mapping[str, SequenceTruth]) -> None:
        """Check that there is anything to score: scores of nothing say nothing.

        Raises:
            UserError: no row of the ground truth counts, or no row of the results can be compared with any.
        """
        name, first = next(iter(self.rows.items()))
        wanted = total_rows(each.truth for each in self.rows.values())
        found = total_rows(each.results for each in self.rows.values())
        if not wanted.rows:
            raise UserError(f"{truth[name].file}: nothing to score: the ground truth has no rows")
        if not wanted.scored:
            raise UserError(
                f"{truth[name].file}: nothing to score: by the rules of {first.rules} no row of the ground truth "
                f"counts ({left_out_text(wanted)}); --benchmark custom scores every class, --classes NAME one; the "
                "flag is the 7th column"
            )
        advice = f"numbers of classes are those of the ground truth, unless a {LABELS} beside the results names them"
        if found.rows and set(found.left_out) <= {OTHER_CLASSES, OTHER_FRAMES} and not found.scored:
            raise UserError(
                f"{results}: nothing to score: by the rules of {first.rules} no row of the results can be compared "
                f"({left_out_text(found)}); {advice}"
            )
        fields = [(kind, each) for classes in self.fields.values() for kind, each in classes.items()]
        annotated = sorted({kind for kind, each in fields if each["GT_Dets"]})
        tracked = sorted({kind for kind, each in fields if each["CLR_TP"] + each["CLR_FP"]})
        if tracked and not set(annotated) & set(tracked):
            raise UserError(
                f"{results}: nothing to score: the results are of {', '.join(tracked)}, the ground truth of "
                f"{', '.join(annotated)}; {advice}"
            )

    def _scores(self, parts: Mapping[str, Sequence[Fields]]) -> Scores:
        combined = self._metrics.combine([part for each in parts.values() for part in each])
        sequences = {name: each[0] if len(each) == 1 else self._metrics.combine(each) for name, each in parts.items()}
        return Scores(
            combined=summary(combined), sequences={name: summary(fields) for name, fields in sequences.items()}
        )


def sequence_data(file: Path, truth: SequenceTruth, chosen: FrameChoice) -> tuple[str, dict[str, dict[str, Any]]]:
    """What the metrics take, by class, and whose rules decided what counts.

    Args:
        file: results of a sequence.
        truth: the sequence.
        chosen: the frames to score.

    Raises:
        UserError: a file is faulty, or a half of a sequence is asked for whose length is unknown.
    """
    selected, _, data = _selected(file, truth, chosen)
    return selected.rules, data


def _selected(
    file: Path, truth: SequenceTruth, chosen: FrameChoice
) -> tuple[Selection, Int64Array, dict[str, dict[str, Any]]]:
    selected = truth.match(file)
    rows = [rows for matchup in selected.matchups.values() for rows in (matchup.truth, matchup.found)]
    if truth.length is None and chosen.part != "all":
        raise UserError(f"{truth.name}: --frames {chosen.part} needs its length: seqLength in {truth.name}/seqinfo.ini")
    length = truth.length or max((int(each.frame.max(initial=0)) for each in rows), default=0)
    frames = np.arange(1, length + 1)
    frames = frames[chosen.keeps(frames, length)]
    return selected, frames, {name: trackeval_data(matchup, frames) for name, matchup in selected.matchups.items()}


def _measure(
    metrics: Metrics, file: Path, truth: SequenceTruth, chosen: FrameChoice
) -> tuple[dict[str, Fields], ScoredRows]:
    selected, frames, data = _selected(file, truth, chosen)
    return {name: metrics.score(each) for name, each in data.items()}, selected.counts(frames, list(data.values()))


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
            f"{results}: no results for {len(missing)} of {plural(len(names), 'sequence')}: "
            f"expected {', '.join(f'{name}.txt' for name in missing)} ({describe_folder(results)})"
        )
    return files
