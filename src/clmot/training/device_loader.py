"""Batches on the training device, in time; and how fast a run goes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import torch

from clmot.structures import Batch


class DeviceLoader(Iterator[Batch]):
    """Moves batches to a device. To a GPU the next one is copied while the step in hand is computed.

    Args:
        batches: in page-locked memory, if the device is a GPU.
        device: where they go.

    Attributes:
        seconds_waiting: how long this process was held up for data.
    """

    def __init__(self, batches: Iterable[Batch], device: torch.device) -> None:
        self.seconds_waiting = 0.0
        self._batches, self._device = iter(batches), device
        self._stream: torch.cuda.Stream | None = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._ahead: Batch | None = None

    def __next__(self) -> Batch:
        """The next batch.

        Raises:
            UserError: an image of it cannot be used.
        """
        began = time.perf_counter()
        batch = next(self._batches).to(self._device) if self._stream is None else self._next_on(self._stream)
        self.seconds_waiting += time.perf_counter() - began
        return batch

    def _next_on(self, stream: torch.cuda.Stream) -> Batch:
        batch = self._ahead or self._copy(next(self._batches), stream)
        current = torch.cuda.current_stream(self._device)
        current.wait_stream(stream)
        for values in vars(batch).values():
            # its memory was given out on the copying stream, and must not be reused before this one is done with it
            values.record_stream(current)
        following = next(self._batches, None)
        self._ahead = None if following is None else self._copy(following, stream)
        return batch

    def _copy(self, batch: Batch, stream: torch.cuda.Stream) -> Batch:
        with torch.cuda.stream(stream):
            return batch.to(self._device, non_blocking=True)


class ThroughputMeter:
    """Time that steps take; the first, in which worker processes and devices start, does not count for the speed.

    Args:
        images: that a step looks at.

    Attributes:
        seconds: since the beginning.
        seconds_waiting: for data, since the beginning.
        steps: taken.
    """

    def __init__(self, images: int) -> None:
        self.images, self.steps = images, 0
        self.seconds = self.seconds_waiting = 0.0
        self._began, self._first = time.perf_counter(), (0.0, 0.0)

    def step(self, seconds_waiting: float) -> None:
        """Another step is done.

        Args:
            seconds_waiting: for data, since the beginning.
        """
        self.steps += 1
        self.seconds, self.seconds_waiting = time.perf_counter() - self._began, seconds_waiting
        if self.steps == 1:
            self._first = self.seconds, seconds_waiting

    def pause(self, seconds: float) -> None:
        """So many of the seconds since the last step were spent on something else."""
        self._began += seconds

    def summary(self) -> str:
        """Speed and share of time spent waiting, for people; empty after less than two steps."""
        seconds = self.seconds - self._first[0]
        if self.steps < 2:
            return ""
        speed, waiting = (self.steps - 1) * self.images / seconds, (self.seconds_waiting - self._first[1]) / seconds
        return f"{speed:.1f} images/s, {waiting:.0%} of the time waiting for data"
