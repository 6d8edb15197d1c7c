"""Workers in processes of this machine, each with its share of the processors."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, NamedTuple, Protocol

from clmot.apps.many.claims import Attempt
from clmot.apps.many.manifest import Row
from clmot.apps.many.video import Video
from clmot.apps.many.work import STALLED, DiskFull, Job, Worker
from clmot.errors import UserError
from clmot.io.interrupts import Terminated, end_with_parent, out_of_reach
from clmot.io.threads import THREADS, limit_threads

_PATIENCE = 20.0
"""Seconds for a worker to write where its video is, before it is killed."""
_MOST_STARTS = 3
"""Starts of a worker in a row that end before it has a model."""

_log = logging.getLogger(__name__)


class Crash(NamedTuple):
    """A worker is gone; `killed`: from outside, as far as that can be told, so it may be no fault of its video."""

    error: str
    killed: bool


class Outcome(NamedTuple):
    """What became of a video that a worker was given; None: another process has it."""

    video: Video
    attempt: Attempt
    result: Row | Crash | None


class Engine(Protocol):
    """Where workers are."""

    def free(self) -> int:
        """How many workers have nothing to do."""

    def submit(self, video: Video, attempt: Attempt) -> None:
        """Give a free worker a video."""

    def wait(self, seconds: float) -> list[Outcome]:
        """What is done, waiting so long for the first.

        Raises:
            DiskFull: a worker says so.
            UserError: a worker can do nothing, as without a model.
        """

    def give_up(self, attempt: Attempt) -> None:
        """End the worker that has an attempt in hand, and gives no sign of life."""

    def close(self) -> None:
        """End all workers; videos in hand can be gone on with."""


@dataclass(eq=False)
class _Worker:
    process: SpawnProcess
    pipe: Connection
    ready: bool = False
    busy: tuple[Video, Attempt] | None = None
    given_up: bool = False


class Processes:
    """An `Engine` of processes of this machine.

    Args:
        job: what they do.
        count: how many there are; the second one starts when the first has its model, which may have been converted.
        threads: of each one; by default the processors are shared out.
    """

    def __init__(self, job: Job, count: int, threads: int | None = None) -> None:
        self._job, self._count = job, count
        self._threads = threads or max(1, processors() // count)
        if self._threads == 1:
            # stages that wait for each other on one processor only cost time
            self._job = replace(job, options={**job.options, "overlap": False})
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []
        self._failed_starts = 0
        self._start(0)

    def _start(self, index: int) -> None:
        mine, theirs = self._context.Pipe()
        with _environment(self._threads), out_of_reach():
            process = self._context.Process(target=_serve, args=(theirs, self._job, index, self._threads), daemon=True)
            process.start()
        theirs.close()
        self._workers[index : index + 1] = [_Worker(process, mine)]

    def free(self) -> int:
        """As of `Engine`."""
        return sum(each.ready and each.busy is None for each in self._workers)

    def submit(self, video: Video, attempt: Attempt) -> None:
        """As of `Engine`."""
        worker = next(each for each in self._workers if each.ready and each.busy is None)
        worker.busy = (video, attempt)
        with contextlib.suppress(OSError):  # it has just ended, which `wait` notices
            worker.pipe.send(worker.busy)

    def wait(self, seconds: float) -> list[Outcome]:
        """As of `Engine`."""
        outcomes: list[Outcome] = []
        signs: dict[Any, int] = {}
        for index, worker in enumerate(self._workers):
            signs |= {worker.pipe: index, worker.process.sentinel: index}
        for index in sorted({signs[sign] for sign in wait(list(signs), seconds)}):
            outcomes += self._heard(index)
        return outcomes

    def _heard(self, index: int) -> Iterator[Outcome]:
        worker = self._workers[index]
        try:
            while worker.pipe.poll():
                kind, told = worker.pipe.recv()
                if kind == "full":
                    raise DiskFull(told)
                if kind == "fatal":
                    raise UserError(told)
                if kind == "ready":
                    worker.ready, self._failed_starts = True, 0
                    if len(self._workers) < self._count:
                        self._start(len(self._workers))
                elif worker.busy:
                    yield Outcome(*worker.busy, told)
                    worker.busy = None
        except (EOFError, OSError):
            worker.process.join(_PATIENCE)
        if worker.process.is_alive():
            return
        crash = _crash(worker.process.exitcode or 0)
        crash = Crash("gave no sign of life", False) if worker.given_up else crash
        if worker.busy:
            yield Outcome(*worker.busy, crash)
        elif not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= _MOST_STARTS:
                raise UserError(f"workers cannot start: {crash.error}; try the same with one video and no --workers")
        self._start(index)

    def give_up(self, attempt: Attempt) -> None:
        """As of `Engine`."""
        for worker in self._workers:
            if worker.busy and worker.busy[1] == attempt:
                worker.given_up = True
                worker.process.kill()

    def close(self) -> None:
        """As of `Engine`."""
        for worker in self._workers:
            if worker.process.is_alive():
                worker.process.terminate()
                with contextlib.suppress(OSError):
                    worker.pipe.close()
        end = time.monotonic() + _PATIENCE
        for worker in self._workers:
            worker.process.join(max(0.0, end - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _crash(code: int) -> Crash:
    if code == STALLED:
        return Crash("gave no frame for too long", False)
    if code >= 0:
        return Crash(f"its process ended with code {code}", False)
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return Crash(f"its process was ended by {name}", name in ("SIGKILL", "SIGTERM", "SIGHUP"))


@contextlib.contextmanager
def _environment(threads: int) -> Iterator[None]:
    """Variables that libraries read when they are imported, for processes that are started in the block."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _serve(pipe: Connection, job: Job, index: int, threads: int) -> None:
    """The process of a worker: videos come through the pipe, rows go back."""
    end_with_parent()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    limit_threads(threads)
    with contextlib.suppress(EOFError, BrokenPipeError):
        try:
            worker = Worker(job, index)
        except UserError as error:
            pipe.send(("fatal", str(error)))
            return
        signal.signal(signal.SIGTERM, lambda *_: worker.stop())
        told: tuple[str, Any] = ("ready", None)
        while told[0] != "stopped":
            pipe.send(told)
            told = answer(worker, *pipe.recv())


def answer(worker: Worker, video: Video, attempt: Attempt) -> tuple[str, Any]:
    """Let a worker track a video: ``row`` and what `Worker.run` returns, or ``full``, ``fatal`` or ``stopped``."""
    try:
        return "row", worker.run(video, attempt)
    except DiskFull as error:
        return "full", str(error)
    except UserError as error:
        return "fatal", str(error)
    except Terminated:
        return "stopped", None
