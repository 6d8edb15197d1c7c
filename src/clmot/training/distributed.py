"""The processes that train together: how they start, agree with each other, and exchange boxes to contrast.

torch's DistributedDataParallel, which Fabric sets up, takes the mean of the gradients over the processes. Losses are
therefore sums divided by the mean count of a process (`DistributedContext.mean`), and gradients of embeddings flow back
to their own process (`DistributedContext.gather_others`): N processes learn what one learns from the whole batch.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from typing import Any, TypeVar

import torch
from lightning_fabric import Fabric
from torch import Tensor, distributed
from torch.nn import functional as F

from clmot.config import TrainConfig
from clmot.devices import choose_device
from clmot.errors import UserError, reason_of
from clmot.losses.contrast_masks import BoxLabels, ContrastiveSet

T = TypeVar("T")

_FAILED = "clmot failed"
_LOOKS = 0.5
"""Seconds between two looks at whether another process has failed."""


def join_processes(config: TrainConfig) -> tuple[Fabric, DistributedContext]:
    """Join the processes that torchrun started, or start `config.devices` of them, or go alone.

    Those started here run the same command as this one, from its beginning.

    Raises:
        UserError: there is no such device, or not so many.
    """
    kind, _, number = choose_device(config.device, "train.device").partition(":")
    devices, machines = config.devices, 1
    if distributed.is_available() and distributed.is_torchelastic_launched():
        devices = int(os.environ["LOCAL_WORLD_SIZE"])
        machines = int(os.environ["WORLD_SIZE"]) // devices
    elif devices > 1 and hasattr(sys, "ps1"):
        raise UserError(f"train.devices={devices}: cannot be started from a notebook or prompt; use the command line")
    if number and devices * machines > 1:
        raise UserError(f"train.device={config.device} is one device, for {devices * machines} processes; write cuda")
    if kind == "cuda":
        if devices > torch.cuda.device_count():
            raise UserError(f"{devices} processes need as many GPUs, there are {torch.cuda.device_count()}")
        # float32 multiplications on tensor cores: three digits are plenty
        torch.set_float32_matmul_precision("high")
    fabric = Fabric(
        accelerator=kind,
        devices=[int(number)] if number else devices,
        num_nodes=machines,
        strategy="ddp" if devices * machines > 1 else "auto",
        precision=config.precision,
    )
    fabric.launch()
    if fabric.world_size > 1:
        atexit.register(_leave)
    if fabric.global_rank:
        logging.getLogger("clmot").setLevel(logging.ERROR)
    return fabric, DistributedContext(fabric.global_rank, fabric.world_size)


def _leave() -> None:
    """Close the connections to the other processes: one that ends with its threads still waiting may be aborted."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


class DistributedContext:
    """All training processes, as seen by one of them. Alone, it does nothing and costs nothing.

    Every method must be called by all processes, in the same order.

    Args:
        rank: number of this process; number 0 writes files and talks to the user.
        count: how many there are.
    """

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        self.rank, self.count, self.is_first = rank, count, rank == 0
        # flags and messages take their own way, past the GPUs and their queues of work
        self._control: Any = distributed.new_group(backend="gloo") if count > 1 else None
        # whether all know of the error that ends them
        self._agreed = False

    def any(self, flag: bool) -> bool:
        """Whether the flag is up in one of the processes."""
        if self.count == 1:
            return flag
        flags = torch.tensor([flag], dtype=torch.uint8)
        distributed.all_reduce(flags, distributed.ReduceOp.MAX, group=self._control)
        return bool(flags)

    @contextmanager
    def synchronized(self) -> Iterator[None]:
        """All processes leave it at the same time; an error of one, of any kind, is a `UserError` of the others."""
        failure: BaseException | None = None
        try:
            yield
        except BaseException as error:
            failure = error
        if self.any(failure is not None):
            self._agreed = True
            message = next(filter(None, self.collect(failure and self._told(failure))))
            raise failure or UserError(message)

    @contextmanager
    def fail_together(self) -> Iterator[None]:
        """An error in one process, wherever it is, ends the others with its message, within seconds.

        They may be waiting for it in an exchange of tensors that nothing interrupts; so they are ended from beside.
        """
        if self.count == 1:
            yield
            return
        store, left = distributed.distributed_c10d._get_default_store(), threading.Event()
        threading.Thread(target=_end_with_others, args=(store, left), daemon=True).start()
        try:
            yield
        except BaseException as error:
            left.set()
            if not self._agreed and not isinstance(error, KeyboardInterrupt):
                store.set(_FAILED, self._told(error))
                time.sleep(3 * _LOOKS)  # the store goes with the first process: the others must have looked
            raise
        finally:
            left.set()

    def collect(self, value: T) -> list[T]:
        """A small value of each process, by rank."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        distributed.all_gather_object(values, value, group=self._control)
        return values

    def mean(self, value: Tensor) -> Tensor:
        """Mean over the processes, without gradient."""
        if self.count == 1:
            return value.detach()
        total = value.detach().clone()
        distributed.all_reduce(total)
        return total / self.count

    def gather_others(self, rows: ContrastiveSet) -> ContrastiveSet | None:
        """The boxes of all other processes, None if there are none; losses anywhere reach an embedding's process."""
        if self.count == 1:
            return None
        number = len(rows.embeddings)
        numbers = _stack(torch.tensor([number], device=rows.embeddings.device)).flatten().tolist()
        padding = (0, 0, 0, max(1, *numbers) - number)
        embeddings = _StackWithGradient.apply(F.pad(rows.embeddings, padding))
        labels = _stack(F.pad(torch.stack(rows.labels, dim=1), padding))
        gathered = [
            ContrastiveSet(embedding[:number], BoxLabels(*label[:number].unbind(dim=1)))
            for embedding, label, number in zip(embeddings, labels, numbers, strict=True)
        ]
        return reduce(ContrastiveSet.and_then, gathered[: self.rank] + gathered[self.rank + 1 :])

    def _told(self, failure: BaseException) -> str:
        if isinstance(failure, UserError):
            return str(failure)
        return f"training process {self.rank} failed: {type(failure).__name__}: {reason_of(failure)}"


def _end_with_others(store: Any, left: threading.Event) -> None:
    """End this process once another has left word that it failed, unless it has `left` by itself."""
    while not left.wait(_LOOKS):
        try:
            if not store.check([_FAILED]):
                continue
            message = store.get(_FAILED).decode()
        except RuntimeError:
            return  # the first process has ended, and the store with it
        # one that fails for the same reason does so now, and in order
        if not left.wait(_LOOKS):
            print(f"clmot: {message}", file=sys.stderr, flush=True)
            os._exit(1)


def _stack(values: Tensor) -> Tensor:
    """Values of equal shape [...] of p processes as [p, ...]."""
    gathered = [torch.empty_like(values) for _ in range(distributed.get_world_size())]
    distributed.all_gather(gathered, values.contiguous())
    return torch.stack(gathered)


class _StackWithGradient(torch.autograd.Function):
    """`_stack`, whose gradient is the sum of what all processes' losses want of this process's values."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        return _stack(values)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total[distributed.get_rank()]
