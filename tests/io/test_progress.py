"""Progress without a terminal: lines in a log, of what takes long only."""

import re

import pytest

from clmot.io import progress
from clmot.io.progress import counted, progress_bar


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_line_now_and_then_tells_how_far_it_is(clock, caplog):
    with caplog.at_level("INFO", "clmot"), progress_bar() as bar:
        bar.get_time = lambda: clock[0]
        task = bar.add_task("training", total=100, note="")
        for step in range(1, 81):
            clock[0] += 1
            bar.update(task, completed=step, note=f"loss {step}")
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        "training 10/100, 0:00:10, eta 0:01:30, loss 10",
        "training 40/100, 0:00:40, eta 0:01:00, loss 40",
        "training 70/100, 0:01:10, eta 0:00:30, loss 70",
    ]


def test_what_is_quick_says_nothing_and_quiet_is_quiet(clock, caplog):
    with caplog.at_level("INFO", "clmot"):
        with progress_bar() as bar:
            assert list(counted(range(5), bar, "reading", 5)) == list(range(5))
            assert not bar.tasks
        with progress_bar(enabled=False) as bar:
            task = bar.add_task("training", total=9, note="")
            clock[0] += 100
            bar.advance(task)
    assert not caplog.records


def test_a_camera_has_no_end(clock, caplog):
    with caplog.at_level("INFO", "clmot"), progress_bar() as bar:
        task = bar.add_task("0", total=None, note="")
        clock[0] += 11
        bar.advance(task)
    assert re.fullmatch(r"0 1, 0:00:\d\d", caplog.messages[0])
