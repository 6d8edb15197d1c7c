"""A short form of the campaign of benchmarks/reliability.py, whose whole table is in docs/reliability.md."""

import os
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from campaign.fuzz import fuzz
from campaign.long import long
from campaign.moments import at_every_moment
from campaign.races import race
from campaign.table import Table

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="each attempt is a fork")]


def test_changed_files_are_read_or_refused_in_one_line() -> None:
    table = fuzz(4000, seed=25)
    assert sum(kind.attempts for kind in table) >= 4000
    assert [(kind.name, kind.failures) for kind in table if kind.failures] == []


@pytest.mark.parametrize("fault", ["killed", "disk full", "permission denied"])
def test_results_survive_each_moment_of_a_command(fault: str) -> None:
    (kind,) = at_every_moment(25, time.monotonic() + 600, ["refine"], [fault])
    assert kind.attempts > 3
    assert not kind.note  # every moment was tried
    assert kind.failures == []


def test_trackers_stay_as_they_are_for_long() -> None:
    table = Table()
    long(10_000, 25, table)
    assert len(table.kinds) == 5
    assert [(kind.name, kind.failures) for kind in table.kinds if kind.failures] == []


def test_two_at_once_give_one_result() -> None:
    table = Table()
    race(3, 25, time.monotonic() + 300, ["data convert", "gallery", "edits"], table)
    assert [kind.attempts for kind in table.kinds] == [3, 3, 3]
    assert [(kind.name, kind.failures) for kind in table.kinds if kind.failures] == []
