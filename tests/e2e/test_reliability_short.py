"""A short form of the campaign of benchmarks/reliability.py, whose whole table is in docs/reliability.md."""

import os
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from campaign.fuzz import fuzz
from campaign.moments import at_every_moment

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
