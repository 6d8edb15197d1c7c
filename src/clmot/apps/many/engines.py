"""Where workers run: in processes of this machine, or in a Ray cluster."""

from __future__ import annotations

from typing import Literal

from clmot.apps.many.processes import Engine, Processes
from clmot.apps.many.work import Job


def open_engine(kind: Literal["processes", "ray"], job: Job, workers: int | None, address: str | None = None) -> Engine:
    """The workers.

    Args:
        kind: of them.
        job: what they do.
        workers: how many; by default one process here, and as many as there are processors, or GPUs, in a cluster.
        address: of the cluster.

    Raises:
        UserError: there is no such cluster.
    """
    if kind == "ray":
        from clmot.apps.many.ray_cluster import RayActors

        return RayActors(job, workers, address)
    return Processes(job, workers or 1)
