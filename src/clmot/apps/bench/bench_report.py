"""The report of a comparison as Markdown, from what runs left behind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from clmot.apps.bench.measures import (
    ASSOCIATION,
    BY_MOTION,
    MEAN_SUBTRACTED,
    SHARES,
    TRACKING,
    TRUE_BOXES,
    tracking_name,
)
from clmot.apps.bench.methods import MOTION, OURS
from clmot.apps.bench.plan import Plan
from clmot.apps.bench.runs import Finished, all_runs, finished
from clmot.apps.bench.statistics import Row, difference, is_measured, rows_of, seed_means
from clmot.errors import UserError
from clmot.io.atomic import write_whole_text
from clmot.visualize.table import TextTable

_MEANING = (
    "rank-1, mAP and TPR@FAR are those of embeddings at the annotated boxes, among pairs of boxes at least a second "
    f"apart. '{ASSOCIATION}' gives every annotated box to the track of nearest appearance, at each embedding's "
    "best threshold. Tracks come from a method's own detections; 'by motion' are the same detections without the "
    "embedding, 'true boxes' the annotated boxes in their place, 'every 5' has only every fifth frame. HOTA, IDF1 and "
    "MOTA are in percent. A score is the mean over sequences, then over seeds (in brackets the least and the greatest "
    "of the seeds)."
)
_PAIRED = (
    "A method minus ours with the same seed on the same sequence; in brackets the 95 % interval of the mean when seeds "
    "and sequences are drawn anew. With a single sequence, rank-1 draws the identities in it, and the other scores "
    "draw seeds alone: that says nothing of other sequences. Intervals from two or three are too narrow. Bold where "
    "the interval excludes 0."
)


def write_report(plan: Plan, out: Path) -> Path:
    """Write ``report.md`` of all runs that are done.

    Raises:
        UserError: nothing is done yet, or the file cannot be written.
    """
    runs = all_runs(plan)
    found = [each for run in runs if (each := finished(plan, run, out)) is not None]
    if not found:
        raise UserError(f"{out}: no run is finished yet; there is nothing to report")
    write_whole_text(out / "report.md", report_text(plan, found, len(runs)), "the report")
    return out / "report.md"


def report_text(plan: Plan, found: Sequence[Finished], planned: int) -> str:
    """Facts and tables of finished runs as Markdown.

    Args:
        plan: what was to be compared.
        found: what is done.
        planned: how many runs there are to be.
    """
    measured = rows_of(found, plan.every, motion=any(method.name == MOTION for method in plan.methods))
    names = [*(method.name for method in plan.methods), *(reference.name for reference in plan.references)]
    rows = {name: measured[name] for name in names if name in measured}
    groups = {title: each for title, each in _groups(plan).items() if any(is_measured(rows, one) for one in each)}
    sequences = list(dict.fromkeys(sequence for row in rows.values() for _, sequence in row))
    ours = rows.get(OURS, {})
    lines = ["# Ways to teach the embedding", "", *(f"- {fact}" for fact in _facts(plan, found, planned)), ""]
    lines += [_MEANING, ""]
    for title, metrics in groups.items():
        lines += [f"## {title}", "", _score_table(rows, metrics).markdown()]
        lines += [_difference_table(rows, ours, metrics).markdown()] if ours else []
    lines += [_PAIRED, ""] if ours else []
    shown = [metric for group in groups.values() for metric in group[:2]]
    for sequence in sequences if len(sequences) > 1 else []:
        lines += [f"## {sequence}", "", _score_table(_only(rows, sequence), shown).markdown()]
    return "\n".join(lines)


def _groups(plan: Plan) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    if "embedding" in plan.measures:
        groups["Embeddings at the annotated boxes"] = list(SHARES)
        groups["After online mean subtraction"] = list(MEAN_SUBTRACTED.values())
    if "association" in plan.measures:
        groups["Association by appearance only"] = [ASSOCIATION]
    if "tracking" in plan.measures:
        for every in plan.every:
            title = "Tracking" if every == 1 else f"Tracking at every {every}th frame"
            names = [tracking_name(metric, every=every) for metric in TRACKING]
            motion, truth = (tracking_name("IDF1", how, every) for how in (BY_MOTION, TRUE_BOXES))
            groups[title] = [names[1], motion, truth, names[0], *names[2:]]
    return groups


def _only(rows: dict[str, Row], sequence: str) -> dict[str, Row]:
    return {name: {key: each for key, each in row.items() if key[1] == sequence} for name, row in rows.items()}


def _score_table(rows: dict[str, Row], metrics: Sequence[str]) -> TextTable:
    lines = [[name, *(_spread(seed_means(row, metric), metric) for metric in metrics)] for name, row in rows.items()]
    return TextTable(["method", *metrics], [[line for line in lines if any(cell != "-" for cell in line[1:])]])


def _difference_table(rows: dict[str, Row], ours: Row, metrics: Sequence[str]) -> TextTable:
    lines = []
    for name, row in rows.items():
        cells = [_paired(row, ours, metric) for metric in metrics]
        if name != OURS and any(cell != "-" for cell in cells):
            lines.append([f"{name} - {OURS}", *cells])
    return TextTable(["difference", *metrics], [lines])


def _digits(metric: str) -> int:
    return 3 if metric in {*SHARES, *MEAN_SUBTRACTED.values()} else 1


def _spread(values: np.ndarray, metric: str) -> str:
    if not len(values):
        return "-"
    digits = _digits(metric)
    between = f" ({values.min():.{digits}f} .. {values.max():.{digits}f})" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{between}"


def _paired(row: Row, ours: Row, metric: str) -> str:
    found = difference(row, ours, metric)
    if found is None:
        return "-"
    text = found.text(_digits(metric))
    return f"**{text}**" if found.interval and (found.interval[0] > 0 or found.interval[1] < 0) else text


def _facts(plan: Plan, found: Sequence[Finished], planned: int) -> list[str]:
    trained = [each for each in found if each.run.method is not None]
    minutes: dict[str, float] = {}
    for each in trained:
        minutes[each.run.name] = minutes.get(each.run.name, 0.0) + each.facts["minutes"]
    seeing = {each.run.name: each.facts["identities"] for each in trained if each.facts["identities"]}
    facts = [
        f"commit {', '.join(_distinct(each.facts['commit'] for each in found))}",
        f"device {', '.join(_distinct(each.facts['device'] for each in found))}",
        f"seeds {', '.join(map(str, plan.seeds))}; recipe {plan.common.recipe}; "
        f"{', '.join(_distinct(str(each.facts['steps']) for each in trained)) or plan.common.train.steps} steps of "
        f"{plan.common.train.batch_size} frames",
        f"scored on {', '.join(path.resolve().name for fold in plan.folds for path in fold.test)}"
        + (", their second halves, with the first trained on" if plan.folds[0].part != "all" else "")
        + (f", each held out in turn ({len(plan.folds)} folds)" if len(plan.folds) > 1 else ""),
        f"training took {sum(minutes.values()):.1f} minutes: "
        + (", ".join(f"{name} {value:.1f}" for name, value in minutes.items()) or "none"),
        "identities seen in training: "
        + (", ".join(f"{name} {100 * share:g} %" for name, share in seeing.items()) or "none")
        + "; every other method sees none",
    ]
    if len(found) < planned:
        facts.append(f"not finished: {planned - len(found)} of {planned} runs are missing")
    return facts


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
