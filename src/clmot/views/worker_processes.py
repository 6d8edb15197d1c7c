"""Processes that load data beside training."""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
import types
from collections.abc import Iterator
from multiprocessing import context, forkserver
from typing import Any

import cv2
import torch

from clmot.io.interrupts import out_of_reach

_FORK_SERVER = "forkserver" in multiprocessing.get_all_start_methods()
_Context: Any = context.ForkServerContext if _FORK_SERVER else context.SpawnContext


class _Worker(_Context.Process):  # type: ignore[misc]
    """A process that does not run the main script again.

    Workers need nothing from it, and so a script that trains needs no ``if __name__ == "__main__":``, which torch's
    loader asks of it. The standard library has no switch for this: it reads the script's name off
    ``sys.modules["__main__"]`` in the call below. (loky, which has one, brings processes of its own for it, which start
    without a fork server: each would import torch anew.)
    """

    @staticmethod
    def _Popen(process_obj: Any) -> Any:
        with _hidden_main_module(), out_of_reach():
            return _Context.Process._Popen(process_obj)


class WorkerContext(_Context):  # type: ignore[misc]
    """Workers start from a clean helper process, or from scratch where there is none (Windows).

    A plain fork would copy this process's OpenMP and OpenCV thread pools in an unusable state, and hang on first use.
    """

    Process = _Worker


def worker_context(preload: str) -> context.BaseContext:
    """Where data workers come from.

    Args:
        preload: module that the helper process imports once for all workers, while this process prepares the rest.
    """
    started = WorkerContext()
    if _FORK_SERVER:
        started.set_forkserver_preload([preload])
        with out_of_reach():
            forkserver.ensure_running()
    return started


def start_worker(worker: int) -> None:
    """One thread a worker, for the parallelism is in their number."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


@contextlib.contextmanager
def _hidden_main_module() -> Iterator[None]:
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
