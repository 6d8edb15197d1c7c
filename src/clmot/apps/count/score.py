"""Counting as a score: how far the counts in results are from those in ground truth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from clmot.apps.count.count import Counts, count
from clmot.apps.count.plan import read_plan
from clmot.apps.report.results import load_results
from clmot.apps.report.truth import truth_as_results
from clmot.errors import require
from clmot.visualize.table import TextTable

COMBINED = "combined"


def count_error(counts: Counts, truth: Counts) -> dict[str, Any]:
    """How far counts are from those of ground truth.

    Returns:
        ``absolute``: the differences of crossings by line and direction, and of visits by zone, added up without their
        signs. ``true``: how many there are in ground truth. ``relative``: the first as a share of the second.
    """
    found, right = _events(counts), _events(truth)
    return _error(sum(abs(number - right[key]) for key, number in found.items()), sum(right.values()))


def count_errors(results: Path, ground_truth: Path, plan: Path, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The count error of sequences, and of all of them added up as ``combined``.

    Args:
        results: MOTChallenge text, or a folder with ``<sequence>.txt``.
        ground_truth: as of `clmot.evaluation.mot.evaluate`.
        plan: of the one sequence, or a folder with ``<sequence>.plan.json``; sequences that have none are left out.
        names: the sequences.

    Raises:
        UserError: no sequence has a plan, one plan is to be of several sequences, or a file cannot be read.
    """
    names = list(names)
    require(plan.is_dir() or len(names) == 1, f"{plan}: is one plan for {len(names)} sequences; name their folder")
    plans = {name: plan / f"{name}.plan.json" if plan.is_dir() else plan for name in names}
    plans = {name: file for name, file in plans.items() if file.is_file() or not plan.is_dir()}
    require(bool(plans), f"{plan}: has no plan of these sequences; expected {names[0] if names else 'NAME'}.plan.json")
    found = {}
    for name, file in plans.items():
        shapes = read_plan(file)
        loaded = load_results(results / f"{name}.txt" if results.is_dir() else results)
        counted, truth = (count(each, shapes) for each in (loaded, truth_as_results(loaded, ground_truth)))
        found[name] = count_error(counted, truth)
    return {**found, COMBINED: _error(*(sum(each[key] for each in found.values()) for key in ("absolute", "true")))}


def errors_table(errors: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> TextTable:
    """Count errors by set of results and sequence."""
    several = len(errors) > 1
    rows = [
        [f"{results}, {name}" if several else name, f"{each['absolute']}", f"{each['true']}", f"{each['relative']:.1%}"]
        for results, found in errors.items()
        for name, each in found.items()
    ]
    return TextTable(["count error", "wrong by", "of", "share"], [rows])


def _error(absolute: int, true: int) -> dict[str, Any]:
    return {"absolute": absolute, "true": true, "relative": absolute / max(true, 1)}


def _events(counts: Counts) -> dict[tuple[str, str], int]:
    """How many crossings there are by line and direction, and visits by zone."""
    totals = counts.totals()
    crossed = {(name, way): each["all"] for name, ways in totals["lines"].items() for way, each in ways.items()}
    return crossed | {(name, "visits"): each["visits"]["all"] for name, each in totals["zones"].items()}
