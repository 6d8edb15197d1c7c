"""Two processes that want to write the same: one does, the other says so in a line or waits."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from command_line import fails

from clmot.errors import UserError
from clmot.io.atomic import whole_file, whole_folder
from clmot.io.locks import alone
from clmot.io.mot_writer import TrackWriter
from clmot.io.video_writer import VideoWriter

HOLD = """
import sys, time
from pathlib import Path
from clmot.io.locks import alone
with alone(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def held_by_another(tmp_path: Path):
    """Locks a path in another process; returns that process."""
    running = []

    def hold(path: Path) -> subprocess.Popen[str]:
        line = [sys.executable, "-c", HOLD, str(path)]
        running.append(subprocess.Popen(line, stdout=subprocess.PIPE, text=True))
        assert running[-1].stdout
        assert running[-1].stdout.readline() == "held\n"
        return running[-1]

    yield hold
    for each in running:
        each.kill()
        each.communicate()


@pytest.mark.parametrize(
    "write",
    [
        lambda path: whole_file(path, "the report").__enter__(),
        lambda path: whole_folder(path, "the scenes").__enter__(),
        lambda path: TrackWriter(path),
        lambda path: VideoWriter(path, 25, (16, 16)),
    ],
    ids=["file", "folder", "results", "video"],
)
def test_what_another_process_writes_is_left_alone(write, held_by_another, tmp_path: Path) -> None:
    partial = tmp_path / "a.partial"
    partial.write_text("half of it")
    held_by_another(partial)
    with pytest.raises(UserError, match=r"a\.partial: another process is writing it; wait for that, or choose"):
        write(tmp_path / "a")
    assert partial.read_text() == "half of it"


def test_a_kill_releases_it(held_by_another, tmp_path: Path) -> None:
    process = held_by_another(tmp_path / "out")
    process.kill()
    process.wait()
    with alone(tmp_path / "out"):
        pass
    assert not any(tmp_path.iterdir())


def test_one_that_waits_comes_next(held_by_another, tmp_path: Path) -> None:
    process = held_by_another(tmp_path / "out")
    threading.Timer(0.5, process.kill).start()
    began = time.monotonic()
    with alone(tmp_path / "out", wait=True):
        assert time.monotonic() - began > 0.4


def test_where_no_lock_can_be_made_there_is_none(tmp_path: Path) -> None:
    with alone(tmp_path / "is not there" / "out"):
        pass


@pytest.mark.parametrize("verb", ["train", "tune"])
def test_a_folder_that_is_filled_is_refused_in_one_line(verb, held_by_another, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    held_by_another(out)
    arguments = {"train": ("train", tmp_path), "tune": ("tune", "gt", tmp_path)}[verb]
    line = fails(capsys, *arguments, "--out", out)
    assert line == f"clmot: {out}: another process is writing it; wait for that, or choose another place"


def test_of_a_hundred_that_count_at_once_none_is_lost(tmp_path: Path) -> None:
    """Read, add one, write: what `run.json` and galleries are."""
    number = tmp_path / "number"
    number.write_text("0")
    workers = []
    for _ in range(4):
        if not (worker := os.fork()):
            for _ in range(25):
                with alone(number, wait=True):
                    number.write_text(str(int(number.read_text()) + 1))
            os._exit(0)
        workers.append(worker)
    assert [os.waitpid(worker, 0)[1] for worker in workers] == [0] * 4
    assert number.read_text() == "100"
    assert list(tmp_path.iterdir()) == [number]  # no lock is left
