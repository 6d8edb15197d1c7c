"""A run over many videos: who does which when, until each is done or given up."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clmot.apps.many.claims import Attempt
from clmot.apps.many.manifest import AGAIN, DONE, ERROR, FAILED, FOLDER, LOST, Manifest, Row
from clmot.apps.many.processes import Crash, Engine, Outcome
from clmot.apps.many.remote import is_remote
from clmot.apps.many.sources import LISTS, in_shard, list_videos
from clmot.apps.many.video import Video
from clmot.apps.many.work import DiskFull, Job
from clmot.errors import UserError
from clmot.io.progress import progress_bar
from clmot.io.video_headers import is_address

_POLL, _LOOK_AGAIN = 1.0, 2.0
"""Seconds: the longest wait for a worker, and between two looks at what others have in hand."""

_log = logging.getLogger(__name__)


@dataclass
class Run:
    """What a run came to.

    Attributes:
        done: videos that were finished in it, by this process or another.
        before: how many were done before.
        failed: the last row of each that was given up.
    """

    done: int = 0
    before: int = 0
    failed: list[Row] = field(default_factory=list)


def track_many(
    sources: Sequence[str | Path],
    job: Job,
    engine: Callable[[Job], Engine],
    *,
    shard: str | None = None,
    overwrite: bool = False,
    retry_failed: bool = False,
    progress: bool = True,
    on_done: Callable[[Row], object] = lambda row: None,
) -> Run:
    """Track many videos into one folder, which other processes, also of other machines, may do at the same time.

    What is done stays done; a run that was killed goes on when it is started again.

    Args:
        sources: as of `clmot.apps.many.sources.list_videos`.
        job: what is done to each.
        engine: makes the workers, when there is something to do.
        shard: ``i/n``: these only.
        overwrite: results of other settings or contents may be replaced.
        retry_failed: try what was given up once more.
        progress: show a progress bar on standard error.
        on_done: called with the row of each video that a worker of this process finishes.

    Raises:
        UserError: a source cannot be read, results of something else are there, the model cannot be loaded, or the disk
            is full; what was finished is kept.
    """
    manifest = Manifest(job.out, job.lease)
    manifest.make()
    known = manifest.known_videos()
    videos = list_videos(sources, known)
    manifest.remember(videos, known)
    manifest.refresh(claims=True)
    settings = job.fingerprint()
    keys = {each.name: each.key(settings) for each in videos}
    videos = in_shard(videos, shard) if shard else videos
    _check(videos, keys, manifest, job, overwrite)
    if retry_failed:
        for each in videos:
            row = manifest.rows.get(each.name)
            if row and row.state == FAILED and row.key == keys[each.name]:
                manifest.append(Row(each.name, row.key, AGAIN, row.attempt, time.time(), source=each.origin))
        manifest.refresh()
    run = Run()
    loop = _Loop(videos, keys, manifest, job, run, on_done)
    run.before = sum(loop.state_of(each) == DONE for each in videos)
    if loop.is_over():
        return run
    with contextlib.ExitStack() as stack:
        bar = stack.enter_context(progress_bar(progress))
        task = bar.add_task("tracking", total=len(videos), completed=run.before, note="")
        workers = stack.enter_context(contextlib.closing(engine(job)))
        try:
            while not loop.is_over():
                loop.step(workers)
                bar.update(task, completed=run.before + run.done + len(run.failed), note=loop.note())
        except DiskFull as error:
            told = "free some space and run the same again: what was finished is kept"
            raise UserError(f"{job.out}: {error}; {told}") from error
    return run


class _Loop:
    """Gives free workers the next videos, the largest first, those that failed last."""

    def __init__(
        self,
        videos: Sequence[Video],
        keys: dict[str, str],
        manifest: Manifest,
        job: Job,
        run: Run,
        on_done: Callable[[Row], object],
    ) -> None:
        self._keys, self._manifest, self._job, self._run, self._on_done = keys, manifest, job, run, on_done
        self._queue = deque(each for each in videos if self.state_of(each) not in (DONE, FAILED))
        run.failed += [manifest.rows[each.name] for each in videos if self.state_of(each) == FAILED]
        self._elsewhere: list[Video] = []
        self._in_hand: dict[Attempt, Video] = {}
        self._looked = self._touched = time.monotonic()
        self._began, self._frames = time.monotonic(), 0

    def state_of(self, video: Video) -> str:
        """Of its newest row; empty where that is of another content or other settings."""
        row = self._manifest.rows.get(video.name)
        return row.state if row and row.key == self._keys[video.name] else ""

    def is_over(self) -> bool:
        """Whether each video is done or given up."""
        return not (self._queue or self._elsewhere or self._in_hand)

    def note(self) -> str:
        """For the progress bar."""
        rate = self._frames / (time.monotonic() - self._began)
        failed = f", {len(self._run.failed)} failed" if self._run.failed else ""
        others = f", {len(self._elsewhere)} elsewhere" if self._elsewhere and not self._queue else ""
        return f"{rate:.0f} frames/s{failed}{others}"

    def step(self, workers: Engine) -> None:
        """Hand out what can be, and wait a little for what is done."""
        while workers.free() and self._queue:
            video = self._queue.popleft()
            attempt = self._manifest.next_attempt(video, self._keys[video.name], self._job.retries)
            if isinstance(attempt, Attempt):
                self._in_hand[attempt] = video
                workers.submit(video, attempt)
            else:
                self._settle(video, attempt)
        for outcome in workers.wait(_POLL):
            self._heard(outcome)
        now = time.monotonic()
        if not self._queue and self._elsewhere and now - self._looked > _LOOK_AGAIN:
            self._looked = now
            self._manifest.refresh(claims=True)
            again, self._elsewhere = self._elsewhere, []
            self._queue.extend(again)
        if now - self._touched > self._job.lease / 2:
            self._touched = now
            for attempt in list(self._in_hand):
                if self._manifest.claims.is_silent(attempt):
                    workers.give_up(attempt)

    def _settle(self, video: Video, state: str) -> None:
        if state == DONE:
            self._run.done += 1
        elif state == FAILED:
            self._run.failed.append(self._manifest.rows[video.name])
        else:
            self._elsewhere.append(video)

    def _heard(self, outcome: Outcome) -> None:
        video, attempt, result = outcome
        del self._in_hand[attempt]
        self._manifest.begun(attempt)
        self._manifest.refresh()
        if isinstance(result, Crash) and not self._manifest.has_verdict(attempt):
            state = LOST if result.killed else ERROR
            _log.warning("%s: %s", video.name, result.error)
            row = Row(
                video.name, attempt.key, state, attempt.number, time.time(), error=result.error, source=video.origin
            )
            self._manifest.append(row)
            self._manifest.refresh()
        if self.state_of(video) == DONE:
            row = self._manifest.rows[video.name]
            self._run.done += 1
            self._frames += row.frames
            if isinstance(result, Row):
                self._on_done(row)
        elif result is None:
            self._elsewhere.append(video)
        else:
            self._queue.append(video)


def _check(videos: Sequence[Video], keys: dict[str, str], manifest: Manifest, job: Job, overwrite: bool) -> None:
    """Nothing of somebody else's is replaced.

    Raises:
        UserError: a result is there that was made with other settings or of another video, or not in a run of many; or
            a video is to be written over a source.
    """
    there = set(os.listdir(job.out))
    for video in videos:
        row = manifest.rows.get(video.name)
        if row and row.source != video.origin and row.state == DONE:
            raise UserError(
                f"{job.out / video.name}.txt: is the result of {row.source}, and {video.origin} would have the same "
                "name; choose another --out"
            )
        if job.options.get("video") and Path(video.origin) == (job.out / f"{video.name}.mp4").absolute():
            raise UserError(f"{video.origin}: is a source, and the video would replace it; choose another --out")
        if overwrite or f"{video.name}.txt" not in there or (row and row.key == keys[video.name]):
            continue
        if row is None and manifest.was_begun(video.name, keys[video.name]):
            continue  # a kill between results and row
        what = "was made with other settings, or of another content" if row else "exists already"
        raise UserError(f"{job.out / video.name}.txt: {what}; choose another --out, or replace it with --overwrite")


def is_of_many(sources: Sequence[str], out: Path | None) -> bool:
    """Whether some sources can be tracked as many videos only, or go where that was done before."""
    there = out is not None and (out / FOLDER).is_dir()
    lists = any(Path(each).suffix.lower() in LISTS and Path(each).is_file() for each in sources)
    return there or lists or any(is_remote(each) and not is_address(each) for each in sources)
