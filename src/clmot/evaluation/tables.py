"""Tracking and detection scores as tables: on the terminal, as Markdown and as CSV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import isnan
from typing import TYPE_CHECKING

from clmot.errors import plural
from clmot.evaluation.bootstrap import FEW_VIDEOS
from clmot.evaluation.scores import ScoredRows, Scores
from clmot.evaluation.track_rows import left_out_text, total_rows
from clmot.io.csv_text import csv_text
from clmot.io.mot_sequences import video_name
from clmot.visualize.table import TextTable

if TYPE_CHECKING:
    from clmot.evaluation.comparison import Comparison
    from clmot.evaluation.detection import DetectionScores

TABLE_METRICS = ("HOTA", "DetA", "AssA", "MOTA", "MOTP", "IDF1", "IDSW", "MT", "ML")
"""What tables show; `Scores` hold more."""


DETECTION_METRICS = ("AP", "AP50", "AP75", "precision", "recall", "F1", "best F1", "at score", "TP", "FP", "FN")


def scores_table(scores: Scores, metrics: Sequence[str] = TABLE_METRICS) -> TextTable:
    """Each sequence, each class where there are several, all combined, and the interval of that where there is one."""
    sections = [[[name, *_cells(values, metrics)] for name, values in scores.sequences.items()]]
    if scores.classes:
        sections.append([[name, *_cells(each.combined, metrics)] for name, each in scores.classes.items()])
    sections.append([["combined", *_cells(scores.combined, metrics)]])
    if scores.intervals:
        sections[-1].append(["95 % interval", *_intervals(scores.intervals, scores.combined, metrics, "")])
    return TextTable(["sequence", *metrics], sections, notes=[*rows_notes(scores.rows), *caution(scores)])


def comparison_table(comparison: Comparison, metrics: Sequence[str] = TABLE_METRICS) -> TextTable:
    """The combined scores of the sets, then what each is ahead of the first, combined and in each sequence."""
    first = next(iter(comparison.scores))
    sections = [[[name, *_cells(scores.combined, metrics)] for name, scores in comparison.scores.items()]]
    strong = set()
    for name, difference in comparison.differences.items():
        title = f"{name} - {first}"
        strong.add(title)
        values = {metric: difference[metric].value for metric in metrics}
        rows = [[title, *_cells(values, metrics, "+")]]
        intervals = {metric: ends for metric in metrics if (ends := difference[metric].interval)}
        if intervals:
            rows.append(["95 % interval", *_intervals(intervals, values, metrics, "+")])
        for sequence, each in comparison.of_sequences(name).items():
            rows.append([f"  {sequence}", *_cells(each, metrics, "+")])
        sections.append(rows)
    notes = [note for name, scores in comparison.scores.items() for note in rows_notes(scores.rows, name)]
    # the rules and the ground truth are the same for all
    notes = list(dict.fromkeys([*notes, *caution(comparison.scores[first])]))
    return TextTable(["results", *metrics], sections, frozenset(strong), notes=notes)


def rows_notes(scored: Mapping[str, ScoredRows], name: str = "results") -> list[str]:
    """Whose rules decided, and how many rows of ground truth and results they left out, a line each."""
    if not scored:
        return []
    rules = Counter(each.rules for each in scored.values())
    named = ", ".join(rules) if len(rules) == 1 else ", ".join(f"{rule} ({count})" for rule, count in rules.items())
    notes = [f"rules: {named}, {plural(len(scored), 'sequence')}"]
    for what, part in (("ground truth", "truth"), (name, "results")):
        total = total_rows(getattr(each, part) for each in scored.values())
        notes.append(f"{what}: {total.scored:,} of {plural(total.rows, 'row')} scored; {left_out_text(total)}")
    return notes


def caution(scores: Scores) -> list[str]:
    """What to think of intervals from few videos; empty without intervals, or with enough videos."""
    videos = len({video_name(name) for name in scores.sequences})
    few = videos < FEW_VIDEOS and bool(scores.intervals)
    return (
        [f"intervals from {plural(videos, 'video')} are too narrow; from {FEW_VIDEOS} on they can be believed"]
        if few
        else []
    )


def scores_csv(scores: Scores) -> str:
    """Every metric of every sequence and class in full precision; class is ``all`` where classes are combined."""
    rows = [("combined", "all", scores.combined), *((name, "all", each) for name, each in scores.sequences.items())]
    for class_name, each in scores.classes.items():
        rows.append(("combined", class_name, each.combined))
        rows += [(name, class_name, values) for name, values in each.sequences.items()]
    return _csv(("sequence", "class"), rows)


def comparison_csv(comparison: Comparison) -> str:
    """Every metric of every result set and sequence in full precision."""
    rows = [
        (name, sequence, values)
        for name, scores in comparison.scores.items()
        for sequence, values in [("combined", scores.combined), *scores.sequences.items()]
    ]
    return _csv(("results", "sequence"), rows)


def detection_table(scores: DetectionScores) -> TextTable:
    """Each class, and all together."""
    rows = [[name, *_cells(values, DETECTION_METRICS)] for name, values in scores.classes.items()]
    sections = [rows] if len(rows) > 1 else []
    sections.append([["combined", *_cells(scores.combined, DETECTION_METRICS)]])
    return TextTable(["class", *DETECTION_METRICS], sections, notes=rows_notes(scores.rows, "detections"))


def detection_csv(scores: DetectionScores) -> str:
    """Every metric of every class in full precision."""
    rows = [("combined", name, values) for name, values in [("all", scores.combined), *scores.classes.items()]]
    return _csv(("sequence", "class"), rows)


def _csv(keys: Sequence[str], rows: Sequence[tuple[str, str, Mapping[str, float]]]) -> str:
    return csv_text([[*keys, *rows[0][2]], *([*row[:2], *row[2].values()] for row in rows)])


def _cells(values: Mapping[str, float], metrics: Sequence[str], sign: str = "") -> Iterable[str]:
    for name in metrics:
        value = values[name]
        places = "d" if isinstance(value, int) else ".2f" if name == "at score" else ".1f"
        yield "-" if isnan(value) else f"{value:{sign}{places}}"


def _intervals(
    ends: Mapping[str, tuple[float, float]], values: Mapping[str, float], metrics: Sequence[str], sign: str
) -> Iterable[str]:
    for name in metrics:
        form = f"{sign}.0f" if isinstance(values[name], int) else f"{sign}.1f"
        yield f"{ends[name][0]:{form}} .. {ends[name][1]:{form}}"
