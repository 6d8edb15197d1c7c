"""Means, pairs and intervals, next to what can be worked out by hand."""

from pathlib import Path

import numpy as np
import pytest

from clmot.apps.bench.measures import Measured
from clmot.apps.bench.plan import Fold
from clmot.apps.bench.runs import Finished, Run
from clmot.apps.bench.statistics import Row, difference, rows_of, seed_means

FOLD = Fold(name="test", train=(Path("a"),), test=(Path("b"),))


def row(values: dict[tuple[int, str], float], metric: str = "IDF1") -> Row:
    return {key: Measured(scores={metric: value}) for key, value in values.items()}


def test_means_over_sequences_of_each_seed():
    found = row({(1, "b"): 9, (0, "a"): 1, (0, "b"): 2, (1, "a"): 3})
    assert seed_means(found, "IDF1").tolist() == [1.5, 6]
    assert seed_means(found, "MOTA").tolist() == []


def test_differences_are_paired():
    """Sequences and seeds differ by tens, the methods by one or two everywhere: the interval knows."""
    keys = [(seed, sequence) for seed in range(3) for sequence in "abcd"]
    ours = row({key: 30.0 * key[0] + 10 * ord(key[1]) for key in keys})
    better = row({key: each.scores["IDF1"] + 1 + (key[1] in "ab") for key, each in ours.items()})
    found = difference(better, ours, "IDF1")
    assert found is not None
    assert found.value == pytest.approx(1.5)
    assert found.interval is not None
    assert 1 <= found.interval[0] < 1.5 < found.interval[1] <= 2
    itself = difference(ours, ours, "IDF1")
    assert (itself.value, itself.interval) == (0, (0, 0))


def test_the_interval_of_one_way_is_the_textbook_bootstrap():
    """With one seed the units alone are drawn: the standard error is that of a mean."""
    rng = np.random.default_rng(1)
    values = rng.normal(3, 2, 40)
    ours = row({(0, f"s{i}"): 0.0 for i in range(40)})
    found = difference(row({(0, f"s{i}"): value for i, value in enumerate(values)}), ours, "IDF1", repeats=20_000)
    error = 1.96 * values.std() / np.sqrt(40)
    assert found.interval == pytest.approx((values.mean() - error, values.mean() + error), abs=0.06)


def test_references_meet_every_seed():
    ours = row({(0, "a"): 1, (1, "a"): 3})
    found = difference(row({(-1, "a"): 5}), ours, "IDF1")
    assert found.value == 3
    assert found.interval == (2, 4)


def test_one_sequence_and_one_seed():
    """Identities are drawn for rank-1, each counting as often as it is seen; nothing else has an interval."""

    def one(right: tuple[int, int]) -> Row:
        identities = {"1": (10, right[0]), "2": (30, right[1])}
        return {(0, "a"): Measured(scores={"rank-1": sum(right) / 40, "IDF1": 50}, identities=identities)}

    found = difference(one((10, 15)), one((5, 15)), "rank-1")
    assert found.value == pytest.approx(5 / 40)
    assert found.interval == pytest.approx((0, 0.5))
    assert difference(one((10, 15)), one((5, 15)), "IDF1").interval is None


def test_seeds_that_are_not_done_on_every_sequence_do_not_count():
    ours = row({(0, "a"): 0, (0, "b"): 0, (1, "a"): 0})
    other = row({(0, "a"): 1, (0, "b"): 3, (1, "a"): 100})
    assert difference(other, ours, "IDF1").value == 2
    assert difference(row({(7, "a"): 1}), ours, "IDF1") is None


def test_motion_takes_the_scores_of_ours():
    scores = {"IDF1": 70.0, "IDF1, by motion": 60.0, "IDF1, true boxes by motion, every 5": 90.0, "rank-1": 0.5}
    run = Run(name="ours", fold=FOLD, seed=0)
    finished = [Finished(run=run, sequences={"a": Measured(scores=scores)}, facts={})]
    rows = rows_of(finished, [1, 5], motion=True)
    assert rows["motion only"][0, "a"].scores == {"IDF1": 60, "IDF1, true boxes, every 5": 90}
    assert list(rows_of(finished, [1, 5], motion=False)) == ["ours"]
