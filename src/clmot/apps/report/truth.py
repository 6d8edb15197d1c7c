"""What ground truth says of results: scores, and every identity switch, merge and fragment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from clmot.apps.report.events import Event
from clmot.apps.report.results import Results
from clmot.errors import UserError, plural
from clmot.evaluation.benchmarks import Benchmark, SequenceTruth, find_truth
from clmot.evaluation.identity_events import IdentityEvent, identity_events
from clmot.evaluation.metrics import Metrics, summary
from clmot.evaluation.mot import sequence_data
from clmot.evaluation.track_rows import TrackRows
from clmot.io.frame_choice import FrameChoice
from clmot.tracking.postprocess.track_table import Rows

_ORDER = ("switch", "merge", "fragment")
"""The worst kind first: who has the wrong id keeps it, who is missed is found again."""


@dataclass(frozen=True, kw_only=True)
class Truth:
    """How results compare with ground truth.

    Attributes:
        rules: name of the benchmark whose rules decided what counts.
        scores: metric name to value, as `clmot evaluate` has them.
        events: the worst first.
    """

    rules: str
    scores: dict[str, float]
    events: list[Event]


def compare_with_truth(results: Results, ground_truth: Path, benchmark: Benchmark = "auto") -> Truth:
    """Score the results, and tell where identities go wrong.

    Args:
        results: of one sequence.
        ground_truth: as `clmot.evaluation.mot.evaluate`.
        benchmark: as there.

    Raises:
        UserError: there is no ground truth of that sequence, or nothing in it that can be compared.
    """
    truth = find_truth(ground_truth, benchmark)
    rules, data = sequence_data(results.file, _of_sequence(truth, results.name, ground_truth), _choice(results))
    metrics = Metrics()
    fields = [metrics.score(each) for each in data.values()]
    events = [_event(each) for part in data.values() for each in identity_events(part)]
    return Truth(
        rules=rules,
        scores=summary(fields[0] if len(fields) == 1 else metrics.combine(fields)),
        events=sorted(events, key=lambda each: (_ORDER.index(each.kind), -each.severity, each.frame)),
    )


def truth_as_results(results: Results, ground_truth: Path) -> Results:
    """The annotated boxes that are scored, as if a tracker had found them, in the frames that were tracked.

    Args:
        results: of the sequence.
        ground_truth: as `clmot.evaluation.mot.evaluate`.

    Raises:
        UserError: there is no ground truth of that sequence, or no row of it counts.
    """
    truth = _of_sequence(find_truth(ground_truth), results.name, ground_truth)
    selection = truth.match(results.file)
    parts = [each.truth[each.scored] for each in selection.matchups.values()]
    kinds = np.repeat(np.arange(len(parts)), [len(each) for each in parts])
    rows = TrackRows.join(parts)
    length = truth.length or int(rows.frame.max(initial=0))
    kept = np.isin(rows.frame, np.arange(1, length + 1)[_choice(results).keeps(np.arange(1, length + 1), length)])
    rows, kinds = rows[kept], kinds[kept]
    if not len(rows):
        raise UserError(f"{truth.file}: no row of it counts by the rules of {selection.rules}")
    n = len(rows)
    order = np.lexsort((rows.frame, rows.identity))
    table = Rows(
        frame=rows.frame,
        track_id=rows.identity,
        order=np.arange(n),
        row=np.arange(n),
        xyxy=rows.xyxy.astype(np.float32),
        score=np.ones(n, np.float32),
        class_id=kinds,
        embedding=np.empty((n, 0), np.float32),
    ).take(order)
    return replace(results, file=truth.file, rows=table, classes=tuple(selection.matchups), record={}, decisions=None)


def _of_sequence(truth: dict[str, SequenceTruth], name: str, path: Path) -> SequenceTruth:
    if name in truth or len(truth) == 1:
        return truth.get(name) or next(iter(truth.values()))
    raise UserError(f"{path}: no ground truth for sequence {name}; there is for {', '.join(truth)}")


def _choice(results: Results) -> FrameChoice:
    """The frames that were tracked: the others would all count as missed."""
    choice = results.record.get("frame choice")
    try:
        return FrameChoice(**choice) if isinstance(choice, dict) else FrameChoice()
    except TypeError:
        return FrameChoice()


def _event(found: IdentityEvent) -> Event:
    missed = found.frame - found.last_frame - 1
    gap = f" after {plural(missed, 'frame')} without a track" if missed else ""
    if found.kind == "switch":
        text = f"Identity {found.identity} was track {found.before} and is track {found.after} from here on{gap}."
        if found.other is not None:
            text += f" Track {found.after} had identity {found.other} before."
    elif found.kind == "merge":
        text = f"Track {found.after} goes on with identity {found.identity}; it had identity {found.other} before."
    else:
        text = f"Identity {found.identity} is tracked again, under the same id {found.after},{gap or ' after a gap'}."
    return Event(
        kind=found.kind,
        frame=found.frame,
        before=found.last_frame,
        tracks=(found.after,) if found.before == found.after else (found.before, found.after),
        severity=float(found.length),
        text=text,
        identity=found.identity,
    )
