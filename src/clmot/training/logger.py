"""What a user sees of a run: the log, a progress bar, the speed and the loss curves."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch

from clmot.config import TrainConfig
from clmot.errors import UserError
from clmot.io.atomic import write_whole_text
from clmot.io.progress import progress_bar
from clmot.structures import LossTerms
from clmot.training.device_loader import ThroughputMeter
from clmot.training.distributed import DistributedContext
from clmot.training.experiment_loggers import ExperimentLog
from clmot.visualize.curves import loss_curves

log = logging.getLogger(__name__)

LINES = 300
"""Of the log of a run, about so many at most twice: every step of a short run has one."""


class TrainingLog:
    """Appends lines to ``log.jsonl``, one JSON object each, without gaps or doubles when a run resumes.

    Args:
        file: created if missing.
        start_step: lines of this step and later (written after the checkpoint that a run resumes from) are dropped.
    """

    def __init__(self, file: Path, start_step: int = 0) -> None:
        self.file = file
        kept = read_lines(file, start_step)
        write_whole_text(file, "".join(json.dumps(line) + "\n" for line in kept), "the training log")
        self._handle = file.open("a", buffering=1)

    def write(self, values: Mapping[str, float]) -> None:
        """Append one line."""
        self._handle.write(json.dumps({key: round(value, 6) for key, value in values.items()}) + "\n")

    def close(self) -> None:
        """Close the file; writing afterwards is an error."""
        self._handle.close()


class RunLog:
    """Progress bar, log and curves of a run, as a context; leaving it closes the log and draws the curves.

    Each process has one, for what is logged are the losses of all; the first process's writes and draws.

    Args:
        out: the run folder.
        start: steps done before.
        config: `steps` and `batch_size` count.
        context: the processes.
        progress: show the bar.
        loggers: get the same numbers, in the first process.

    Attributes:
        bar: inside the context.
    """

    def __init__(
        self,
        out: Path,
        start: int,
        config: TrainConfig,
        context: DistributedContext,
        progress: bool,
        loggers: Sequence[ExperimentLog] = (),
    ) -> None:
        self._out, self._config, self._context = out, config, context
        self._start = self._step = start
        self._progress = progress and context.is_first
        self._meter = ThroughputMeter(2 * config.batch_size)
        self._log = TrainingLog(out / "log.jsonl", start) if context.is_first else None
        self._loggers = loggers
        self._stack = ExitStack()

    def __enter__(self) -> RunLog:
        self.bar = self._stack.enter_context(progress_bar(self._progress))
        self._task = self.bar.add_task("training", total=self._config.steps, completed=self._start, note="")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stack.close()
        if self._log:
            self._log.close()
            for logger in self._loggers:
                logger.close(kind is None)
            self._draw(self._log)

    def step(self, step: int, terms: LossTerms, rate: float, seconds_waiting: float, unusable: int) -> None:
        """Another step is done.

        Args:
            step: steps done by now.
            terms: this process's losses of the step.
            rate: its learning rate.
            seconds_waiting: for data, since the beginning.
            unusable: images that this process had to leave out so far.
        """
        self._step = step
        self._meter.step(seconds_waiting)
        if step % max(1, self._config.steps // LINES) == 0 or step in (1, self._config.steps):
            names = ("total", *terms.parts)
            losses = self._context.mean(torch.stack([terms.total, *terms.parts.values()])).tolist()
            values = dict(zip(names, losses, strict=True))
            if self._log:
                seconds = {"seconds": self._meter.seconds, "seconds_waiting_for_data": seconds_waiting}
                left_out = {"unusable_images": unusable} if unusable else {}
                self.write(step, {**values, "learning_rate": rate, **seconds, **left_out})
            self.bar.update(self._task, note=" ".join(f"{name} {value:.2f}" for name, value in values.items()))
        self.bar.update(self._task, completed=step)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Log numbers of a step."""
        if self._log:
            self._log.write({"step": step, **values})
            for logger in self._loggers:
                logger.write(values, step)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What takes place in the block is no part of the training's speed."""
        began = time.perf_counter()
        yield
        self._meter.pause(time.perf_counter() - began)

    def tell_speed(self) -> None:
        """Log how fast the run went."""
        if summary := self._meter.summary():
            log.info("%s", summary)

    def _draw(self, training_log: TrainingLog) -> None:
        if self._step > self._start:
            draw_losses(self._out)


def draw_losses(out: Path) -> None:
    """Draw the curves of a run folder's log; a run is not lost for want of a picture."""
    try:
        loss_curves(out / "log.jsonl", out / "loss.png")
    except (UserError, OSError) as error:
        log.warning("no picture of the losses: %s", error)


def read_lines(file: Path, last_step: int) -> list[dict[str, float]]:
    """The complete lines of a log, up to a step; a last line cut off by a kill is left out."""
    lines = []
    for text in file.read_text().splitlines() if file.is_file() and last_step else []:
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return [line for line in lines if line["step"] <= last_step]
