"""Means over seeds and sequences, and how sure a difference to another method is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from clmot.apps.bench.measures import BY_MOTION, TRACKING, TRUE_BOXES, TRUE_BOXES_BY_MOTION, Measured, tracking_name
from clmot.apps.bench.methods import MOTION, OURS
from clmot.apps.bench.runs import Finished
from clmot.evaluation.bootstrap import Difference, interval

REPEATS = 2000
Row = dict[tuple[int, str], Measured]
"""What was measured of one method, by seed and sequence."""

_NO_SEED = -1


def rows_of(finished: Iterable[Finished], every: Sequence[int], motion: bool) -> dict[str, Row]:
    """What was measured by method or reference, in the order met.

    Args:
        finished: the runs; each sequence is scored in one fold.
        every: frame distances at which tracking was scored.
        motion: add the row `MOTION`: the detections and boxes of `OURS`, associated by motion alone.
    """
    rows: dict[str, Row] = {}
    for each in finished:
        seed = _NO_SEED if each.run.seed is None else each.run.seed
        for sequence, measured in each.sequences.items():
            rows.setdefault(each.run.name, {})[seed, sequence] = measured
    if motion and OURS in rows:
        rows[MOTION] = {key: _by_motion(measured, every) for key, measured in rows[OURS].items()}
    return rows


def _by_motion(measured: Measured, every: Sequence[int]) -> Measured:
    ways = {"": BY_MOTION, TRUE_BOXES: TRUE_BOXES_BY_MOTION}
    names = {
        tracking_name(metric, how, distance): tracking_name(metric, other, distance)
        for metric in TRACKING
        for distance in every
        for how, other in ways.items()
    }
    return Measured(scores={name: measured.scores[other] for name, other in names.items() if other in measured.scores})


def seed_means(row: Row, metric: str) -> npt.NDArray[np.float64]:
    """The mean over sequences with each seed; empty where it was not measured."""
    by_seed: dict[int, list[float]] = {}
    for (seed, _), measured in row.items():
        if metric in measured.scores:
            by_seed.setdefault(seed, []).append(measured.scores[metric])
    return np.array([np.mean(values) for _, values in sorted(by_seed.items())], np.float64)


def is_measured(rows: Mapping[str, Row], metric: str) -> bool:
    """Whether anything was scored by this metric."""
    return any(metric in measured.scores for row in rows.values() for measured in row.values())


def difference(row: Row, ours: Row, metric: str, repeats: int = REPEATS, seed: int = 0) -> Difference | None:
    """A row against `OURS`, pair by pair; None where there is no pair.

    Seeds and sequences are drawn anew, both at once (a reference has no seed: it meets every seed of ours). Of a single
    sequence, rank-1 draws its identities; everything else draws seeds alone, and has no interval with one seed.
    """
    single = len({sequence for _, sequence in ours}) == 1
    by_seed: dict[int, dict[str, float]] = {}
    weights: dict[str, float] = {}
    for (number, sequence), measured in sorted(ours.items()):
        other = row.get((number, sequence)) or row.get((_NO_SEED, sequence))
        if other is None or metric not in other.scores or metric not in measured.scores:
            continue
        units = by_seed.setdefault(number, {})
        if single and metric == "rank-1":
            for identity, (boxes, right) in measured.identities.items():
                units[identity] = (other.identities[identity][1] - right) / boxes
                weights[identity] = float(boxes)
        else:
            units[sequence] = other.scores[metric] - measured.scores[metric]
            weights[sequence] = 1.0
    if not by_seed:
        return None
    # a seed that is not done on every sequence would count some of them more than others
    most = max(len(units) for units in by_seed.values())
    names = next(list(units) for units in by_seed.values() if len(units) == most)
    table = np.array([[units[name] for name in names] for units in by_seed.values() if len(units) == most])
    weight = np.array([weights[name] for name in names])
    mean = float(np.average(table.mean(axis=0), weights=weight))
    return Difference(mean, _interval(table, weight, repeats, seed))


def _interval(
    table: npt.NDArray[np.float64], weights: npt.NDArray[np.float64], repeats: int, seed: int
) -> tuple[float, float] | None:
    """Percentile interval of the weighted mean of [seeds, units], both drawn with replacement."""
    if table.size < 2:
        return None
    rng = np.random.default_rng(seed)
    seeds, units = table.shape
    rows, columns = rng.integers(seeds, size=(repeats, seeds)), rng.integers(units, size=(repeats, units))
    drawn = table[rows[:, :, None], columns[:, None, :]].mean(axis=1)
    return interval((drawn * weights[columns]).sum(axis=1) / weights[columns].sum(axis=1))
