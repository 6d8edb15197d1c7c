"""Many videos: done once each, whatever happens on the way."""

import json
import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clmot.apps.many.claims import Attempt
from clmot.apps.many.manifest import ERROR, Manifest, Row
from clmot.apps.many.processes import Crash, Outcome, answer
from clmot.apps.many.run import Run, track_many
from clmot.apps.many.status import read_status, tell_failed
from clmot.apps.many.video import Video
from clmot.apps.many.work import DiskFull, Job, Worker
from clmot.apps.track import pipeline, sequence
from clmot.apps.track.pipeline import track
from clmot.apps.track.result_folder import read_record
from clmot.errors import UserError
from tests.apps.many.conftest import with_option


class Here:
    """An engine in this thread, whose workers end as they are told."""

    def __init__(self, job: Job, fate: Callable[[str, int], str] = lambda name, number: "") -> None:
        self._job, self._fate, self._given = job, fate, []  # type: ignore[var-annotated]
        self._worker = Worker(job)
        self.order: list[str] = []

    def free(self) -> int:
        return 2 - len(self._given)

    def submit(self, video: Video, attempt: Attempt) -> None:
        self._given.append((video, attempt))

    def wait(self, seconds: float) -> list[Outcome]:
        outcomes = []
        for video, attempt in self._given:
            self.order.append(video.name)
            fate = self._fate(video.name, attempt.number)
            if fate:
                Manifest(self._job.out).claims.win(attempt)
                outcomes.append(Outcome(video, attempt, Crash(fate, "KILL" in fate)))
                continue
            kind, told = answer(self._worker, video, attempt)
            if kind == "full":
                raise DiskFull(told)
            outcomes.append(Outcome(video, attempt, told))
        self._given.clear()
        return outcomes

    def give_up(self, attempt: Attempt) -> None:
        raise AssertionError

    def close(self) -> None:
        self._given.clear()


def run(clips: Path, job: Job, fate: Callable[[str, int], str] = lambda name, number: "", **options: Any) -> Run:
    return track_many([clips / "v"], job, lambda job: Here(job, fate), progress=False, **options)


def texts(out: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in out.iterdir() if file.is_file()}


@pytest.fixture
def quiet(clips: Path, job: Job, tmp_path: Path) -> dict[str, bytes]:
    """What tracking one after the other gives."""
    track(clips / "v", Worker_model(job), tmp_path / "quiet", progress=False, **job.options)
    return {name: text for name, text in texts(tmp_path / "quiet").items() if name.endswith(".txt")}


def Worker_model(job: Job) -> Any:
    from clmot.apps.track.configured_model import load_configured

    return load_configured(job.model, job.settings, "cpu")


def test_results_are_those_of_one_after_the_other_and_are_not_made_again(
    clips: Path, job: Job, quiet: dict[str, bytes]
) -> None:
    seen: list[str] = []
    first = run(clips, job, on_done=lambda row: seen.append(row.name))
    assert (first.done, first.before, first.failed) == (6, 0, [])
    sizes = {file.stem: file.stat().st_size for file in (clips / "v").iterdir()}
    assert seen == sorted(sizes, key=lambda name: (-sizes[name], name)), "the largest first"
    assert texts(job.out) == quiet
    record = read_record(job.out)["c3"]
    assert record["frames"] == 15
    assert record["files"] == ["c3.txt"]
    assert not list((job.out / "manifest" / "work").iterdir())

    def never(job: Job) -> Here:
        raise AssertionError("there is nothing to do")

    again = track_many([clips / "v"], job, never, progress=False)
    assert (again.done, again.before) == (0, 6)
    status = read_status(job.out)
    assert (status.videos, status.done, status.frames) == (6, 6, sum(range(12, 18)))
    assert "6 of 6 videos done" in str(status)
    json.dumps(status.as_dict())


def test_a_crash_is_retried_and_a_poisoned_video_costs_itself_only(
    clips: Path, job: Job, quiet: dict[str, bytes]
) -> None:
    def fate(name: str, number: int) -> str:
        if name == "c1":
            return "its process was ended by SIGSEGV"
        return "its process was ended by SIGKILL" if name == "c2" and number < 4 else ""

    result = run(clips, replace(job, retries=1), fate)
    assert [(row.name, row.error) for row in result.failed] == [("c1", "its process was ended by SIGSEGV")]
    assert texts(job.out) == {name: text for name, text in quiet.items() if name != "c1.txt"}
    assert "1 video failed" in tell_failed(result.failed)
    assert "c1: its process was ended by SIGSEGV" in tell_failed(result.failed)
    assert read_status(job.out).failed == 1
    assert [row.name for row in run(clips, job).failed] == ["c1"], "it is not tried again by itself"
    assert run(clips, job, retry_failed=True).done == 1
    assert texts(job.out) == quiet


def test_an_error_of_python_has_a_row_with_its_reason(clips: Path, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(pipeline, "track_sequence", broken)
    result = run(clips, replace(job, retries=0))
    assert {row.error for row in result.failed} == {"ZeroDivisionError: by nothing"}


def test_a_full_disk_ends_the_run_and_it_goes_on_later(
    clips: Path, job: Job, quiet: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = pipeline.track_sequence, []

    def full(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise UserError("x.txt: cannot write results") from OSError(28, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(pipeline, "track_sequence", full)
    with pytest.raises(UserError, match="free some space and run the same again"):
        run(clips, job)
    assert run(clips, job).before == 2
    assert texts(job.out) == quiet
    manifest = Manifest(job.out)
    manifest.refresh(claims=True)
    assert all(row.attempt == 1 for row in manifest.rows.values()), "no fault of the video"


def test_other_settings_replace_nothing_unless_they_may(clips: Path, job: Job) -> None:
    run(clips, job)
    other = with_option(job, times=True)
    with pytest.raises(UserError, match=r"c\d\.txt: was made with other settings, .*--overwrite"):
        run(clips, other)
    assert run(clips, other, overwrite=True).done == 6
    assert (job.out / "c0.times.csv").exists()
    assert run(clips, job, overwrite=True).done == 6
    assert not (job.out / "c0.times.csv").exists(), "it is of results that are gone"
    (job.out / "manifest").rename(job.out.with_name("gone"))
    with pytest.raises(UserError, match=r"c\d\.txt: exists already; .*--overwrite"):
        run(clips, job)


def test_settings_of_a_list_are_of_their_video_alone(clips: Path, job: Job, tmp_path: Path) -> None:
    rows = [f"{clips / 'v' / f'c{index}.mp4'},{score}" for index, score in ((0, "0.95"), (1, ""))]
    (tmp_path / "list.csv").write_text("source,tracker.new_track_score\n" + "\n".join(rows) + "\n")
    track_many([tmp_path / "list.csv"], job, Here, progress=False)
    assert (job.out / "c0.txt").read_text() == ""
    assert (job.out / "c1.txt").read_text() != ""


def test_an_address_is_tracked_and_nothing_of_its_copy_is_left(
    clips: Path, job: Job, quiet: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsspec = pytest.importorskip("fsspec")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    fsspec.filesystem("memory").pipe("/many/c4.mp4", (clips / "v" / "c4.mp4").read_bytes())
    track_many(["memory://many/c4.mp4"], job, Here, progress=False)
    assert (job.out / "c4.txt").read_bytes() == quiet["c4.txt"]
    assert not list((tmp_path / "temporary").iterdir())


def test_a_video_that_was_cut_off_goes_on_in_the_middle(
    clips: Path, job: Job, quiet: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A state after each frame; the first attempt's process dies in the middle."""
    job = replace(job, save_every=0.0)
    real, dead = sequence._write_between, []

    class Died(BaseException):
        pass

    frames: list[int] = []

    def dies(between: Any, before: Any, after: Any, outputs: Any) -> int:
        if after is not None:
            frames.append(after.frame)
            if after.frame == 9 and not dead:
                dead.append(1)
                raise Died
        return real(between, before, after, outputs)

    monkeypatch.setattr(sequence, "_write_between", dies)
    with pytest.raises(Died):
        run(clips, job)
    for claim in (job.out / "manifest" / "claims").iterdir():
        claim.write_text("{}")
        import os

        os.utime(claim, (0, 0))
    first = frames.copy()
    assert run(clips, job).done == 6
    assert texts(job.out) == quiet
    assert frames[len(first)] == 9, "not from the beginning"


@pytest.mark.slow
def test_workers_that_are_killed_and_shards_give_what_a_quiet_run_gives(
    clips: Path, job: Job, quiet: dict[str, bytes]
) -> None:
    """Two processes of their own, one of which is killed in its first video."""
    from clmot.apps.many.processes import Processes

    killed = []

    class Killing(Processes):
        def submit(self, video: Video, attempt: Attempt) -> None:
            super().submit(video, attempt)
            if not killed:
                killed.append(1)
                next(each for each in self._workers if each.busy).process.kill()

    for index in (1, 2):
        track_many([clips / "v"], job, lambda job: Killing(job, 2), shard=f"{index}/2", progress=False)
    assert killed
    assert texts(job.out) == quiet
    assert not multiprocessing.active_children()


def test_a_row_is_the_videos_last_word(job: Job) -> None:
    row = Row("a", "k", ERROR, 1, 2.0, error="why")
    assert tell_failed([row] * 25, most=20).endswith("and 5 more; clmot status --failed names all")
