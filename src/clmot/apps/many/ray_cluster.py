"""Workers as actors of a Ray cluster: each loads the model once and takes a whole video at a time."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from clmot.apps.many.claims import Attempt
from clmot.apps.many.processes import Crash, Outcome, answer
from clmot.apps.many.video import Video
from clmot.apps.many.work import DiskFull, Job, Worker
from clmot.errors import UserError, reason_of
from clmot.io.runtimes import import_extra
from clmot.io.threads import THREADS, limit_threads

_PATIENCE = 20.0
"""Seconds for actors to write where their videos are."""


class _Tracking:
    """What an actor does; `stop` comes in beside `run`."""

    def __init__(self, job: Job, threads: int) -> None:
        limit_threads(threads)
        self._job = job
        self._worker: Worker | None = None

    def ready(self) -> str:
        """Load the model; why that cannot be, empty where it was."""
        try:
            self._worker = Worker(self._job)
        except UserError as error:
            return str(error)
        return ""

    def run(self, video: Video, attempt: Attempt) -> tuple[str, Any]:
        """Track a video."""
        assert self._worker is not None
        return answer(self._worker, video, attempt)

    def stop(self) -> None:
        """As of `Worker.stop`."""
        if self._worker is not None:
            self._worker.stop()


@dataclass(eq=False)
class _Actor:
    handle: Any
    waits_for: Any
    ready: bool = False
    busy: tuple[Video, Attempt] | None = None


class RayActors:
    """An `Engine` of actors.

    Args:
        job: what they do; its folder, model and sources are seen from every node.
        count: how many actors; by default as many as there are GPUs, or without any processors, in the cluster.
        address: of the cluster; None starts one here for the time of the run.

    Raises:
        UserError: Ray is not installed, or there is no such cluster.
    """

    def __init__(self, job: Job, count: int | None, address: str | None) -> None:
        self._ray = import_extra("ray", "ray")
        try:
            # without an address Ray would wait for the last cluster of this machine, which may be gone
            own = {"address": address or "local", "include_dashboard": False}
            self._ray.init(**own, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError, self._ray.exceptions.RayError) as error:
            raise UserError(f"--address {address}: no Ray cluster answers there: {reason_of(error)}") from error
        there = self._ray.cluster_resources()
        gpus = there.get("GPU", 0) if job.device != "cpu" else 0
        processors = max(1, int(there.get("CPU", 1)))
        count = count or int(gpus) or processors
        threads = max(1, processors // count)
        if threads == 1:
            job = replace(job, options={**job.options, "overlap": False})
        kind = self._ray.remote(_Tracking).options(
            num_cpus=min(1.0, processors / count),
            num_gpus=min(1.0, gpus / count),
            max_restarts=-1,
            max_concurrency=2,
            runtime_env={"env_vars": dict.fromkeys(THREADS, str(threads))},
        )
        handles = [kind.remote(job, threads) for _ in range(count)]
        self._actors = [_Actor(handle, handle.ready.remote()) for handle in handles]

    def free(self) -> int:
        """As of `Engine`."""
        return sum(each.ready and each.busy is None for each in self._actors)

    def submit(self, video: Video, attempt: Attempt) -> None:
        """As of `Engine`."""
        actor = next(each for each in self._actors if each.ready and each.busy is None)
        actor.busy = (video, attempt)
        actor.waits_for = actor.handle.run.remote(video, attempt)

    def wait(self, seconds: float) -> list[Outcome]:
        """As of `Engine`."""
        waiting = {each.waits_for: each for each in self._actors if each.waits_for is not None}
        done, _ = self._ray.wait(list(waiting), num_returns=1, timeout=seconds) if waiting else ([], [])
        return [outcome for ref in done for outcome in self._heard(waiting[ref])]

    def _heard(self, actor: _Actor) -> Iterator[Outcome]:
        ref, actor.waits_for = actor.waits_for, None
        try:
            told = self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            # it is started again, where there is a node for it, and says when it is ready
            was, actor.busy, actor.ready = actor.busy, None, False
            actor.waits_for = actor.handle.ready.remote()
            if was:
                yield Outcome(*was, Crash(f"its actor has died ({type(error).__name__})", True))
            return
        if not actor.ready:
            if told:
                raise UserError(told)
            actor.ready = True
            return
        kind, result = told
        if kind == "full":
            raise DiskFull(result)
        if kind == "fatal":
            raise UserError(result)
        if actor.busy:
            was, actor.busy = actor.busy, None
            yield Outcome(*was, result)

    def give_up(self, attempt: Attempt) -> None:
        """As of `Engine`."""
        for actor in self._actors:
            if actor.busy and actor.busy[1] == attempt:
                self._ray.kill(actor.handle, no_restart=False)

    def close(self) -> None:
        """As of `Engine`."""
        with contextlib.suppress(self._ray.exceptions.RayError):
            busy = [each for each in self._actors if each.busy]
            for actor in busy:
                actor.handle.stop.remote()
            self._ray.wait(
                [each.waits_for for each in busy], num_returns=len(busy), timeout=_PATIENCE
            ) if busy else None
        self._ray.shutdown()
