"""A whole training run: data in, checkpoints, log and loss curves out."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from lightning_fabric import Fabric

from clmot.config import Config
from clmot.errors import UserError, reason_of
from clmot.io.atomic import make_folder, write_whole_text
from clmot.io.interrupts import Terminated, noted_interrupt
from clmot.io.locks import fills_alone
from clmot.models.attached import AttachedNetwork
from clmot.models.network import Network
from clmot.models.saved_model import BEST, find_checkpoint
from clmot.protocols import Detector
from clmot.structures import Dataset
from clmot.training.best_weights import BestWeights, ValidationPlan
from clmot.training.data import read_training_data
from clmot.training.device_loader import DeviceLoader
from clmot.training.distributed import DistributedContext, join_processes
from clmot.training.experiment_loggers import ExperimentLog, LoggerName
from clmot.training.fit_whitening import fit_whitening
from clmot.training.logger import RunLog, draw_losses, read_lines
from clmot.training.optim import learning_rate
from clmot.training.state import TrainingState, new_state
from clmot.training.step import train_step
from clmot.views.loader import BatchLoader, make_loader
from clmot.views.unusable import describe

if TYPE_CHECKING:
    from rich.progress import Progress

log = logging.getLogger(__name__)


@fills_alone
def train(
    data: str | Path | Sequence[str | Path] | Dataset,
    out: str | Path,
    config: Config | None = None,
    *,
    resume: bool = False,
    progress: bool = True,
    detector: Detector | None = None,
    validation: ValidationPlan | None = None,
    loggers: Sequence[LoggerName] = (),
) -> Path:
    """Train the one-shot network on boxes alone; identities in the data are dropped before anything sees them.

    Unless `data.identities` asks for them. Under torchrun, or with `train.devices`, all processes call this alike; the
    first of them writes and talks.

    Args:
        data: folders or files in a format that `clmot.datasets.readers` reads, or a data set as read, with the
            identities (for `data.tracklets`, the tracklets) that training is to see.
        out: the run folder: ``config.yaml``, ``log.jsonl``, ``loss.png`` and the newest checkpoint.
        config: what to train and how; by default the recipe ``street``. `model.classes` is taken from the data, and
            so are `train.steps` where there are `train.epochs`.
        resume: go on from the newest checkpoint in `out` (from the start if there is none), to the same weights that
            an uninterrupted run gives. Another number of processes sees the same batches.
        progress: show a progress bar on standard error.
        detector: learn an embedding for this detector instead (`clmot.apps.attach.attach`); by default the one that the
            configuration names, if any.
        validation: measure the network on other data now and then, keep the best weights (``best`` in `out`, with
            ``validation.jpg``), and stop where nothing is gained any more.
        loggers: get what is logged as well (`clmot.training.experiment_loggers`).

    Returns:
        The final checkpoint's folder; of a validated run, that of the best weights.

    Raises:
        UserError: bad data, a run that is already there, a checkpoint that does not fit, a loss that is not finite.
        KeyboardInterrupt: Ctrl-C or SIGTERM to any of the processes, after the step in hand was finished and a
            checkpoint written.

    Examples:
        >>> config = clmot.load_config(overrides=["train.steps=2", "train.batch_size=2", "model.image_size=[128,96]"])
        >>> run = clmot.train("boxes.json", "runs/small", config)
    """
    config, out = config or Config(), Path(out)
    fabric, context = join_processes(config.train)
    with context.fail_together():
        with context.synchronized():
            found = find_checkpoint(out)
            if found and not resume:
                raise UserError(f"{out}: already holds {found.name}; go on with --resume or choose another --out")
            share = validation.share if validation else 0
            dataset, config, held_out = read_training_data(data, config, share)
            state = new_state(config, fabric.device, found, detector)
            best, opened = None, []
            if context.is_first:
                # what is wrong with the data leaves no folder behind
                judged = validation.read(config, held_out, _classes_found(state)) if validation else None
                _make_run_folder(out, config)
                opened = [ExperimentLog(name, out) for name in loggers]
                if found is None:
                    shutil.rmtree(out / BEST, ignore_errors=True)
                lines = read_lines(out / "log.jsonl", state.step)
                if validation and judged is not None:
                    best = BestWeights(validation, judged, out, fabric.device, lines)
                elif (out / BEST).is_dir():
                    raise UserError(f"{out}: was validated before; go on with the same --val")
        if context.any(best is not None and best.exhausted):
            log.info("%s: stopped at step %d, where nothing was gained any more", out, state.step)
        elif state.step >= config.train.steps:
            log.info("%s: all %d steps are done", out, state.step)
        else:
            _run_steps(state, dataset, out, fabric, context, progress, best, opened)
        if context.is_first and not (out / "loss.png").exists():  # a kill between the last step and the picture
            draw_losses(out)
    return out / BEST if (out / BEST).is_dir() else find_checkpoint(out) or out


def _run_steps(
    state: TrainingState,
    dataset: Dataset,
    out: Path,
    fabric: Fabric,
    context: DistributedContext,
    progress: bool,
    best: BestWeights | None,
    loggers: Sequence[ExperimentLog],
) -> None:
    """The loop over the steps that are left."""
    config = state.config
    steps = config.train.steps
    network, optimizer = state.set_up(fabric)
    loader = _loader(state, dataset, fabric, context)
    batches = DeviceLoader(loader, fabric.device)
    with RunLog(out, state.step, config.train, context, progress, loggers) as run_log, noted_interrupt() as interrupted:
        while state.step < steps:
            with context.synchronized():
                batch = next(batches)
            rate = learning_rate(state.step, config.train)
            with _naming_step(state.step, out):
                terms = train_step(fabric, network, optimizer, batch, config, rate, context)
            state.advance()
            run_log.step(state.step, terms, rate, batches.seconds_waiting, len(loader.unusable))
            with context.synchronized():
                if best and best.is_due(state.step, steps):
                    with run_log.paused():
                        run_log.write(state.step, best.validate(state, run_log.bar))
            stop, enough = context.any(bool(interrupted)), context.any(best is not None and best.exhausted)
            done = enough or state.step == steps
            if stop or done or state.step % config.train.save_every == 0:
                with context.synchronized():
                    if context.is_first:
                        if done:
                            _finish(state, dataset, fabric.device, best, run_log.bar)
                        state.save(out)
            if enough:
                log.info("stopped at step %d: nothing was gained any more", state.step)
            if stop or enough:
                break
        # also one that came while the last weights were saved: who interrupts wants no next command
        if context.any(bool(interrupted)):
            raise Terminated if context.any(Terminated in interrupted) else KeyboardInterrupt
    run_log.tell_speed()
    unusable = [fault for faults in context.collect(loader.unusable.faults) for fault in faults]
    if unusable:
        log.warning("%s; others took their place", describe(unusable, len(dataset.samples)))


def _classes_found(state: TrainingState) -> Sequence[str]:
    """What the class ids of detections mean."""
    network = state.network
    return network.detector.classes if isinstance(network, AttachedNetwork) else state.config.model.classes


def _finish(
    state: TrainingState, dataset: Dataset, device: torch.device, best: BestWeights | None, bar: Progress
) -> None:
    """At the end: the whitening of the embedding, of the best weights where there are some."""
    # an embedding that went on from another model's goes on from its whitening
    further = isinstance(state.network, Network) and state.config.train.learn == "embedding"
    if best:
        best.finish(state, dataset, further, bar)
    else:
        fit_whitening(state.average.network, state.config, dataset, device, further=further, bar=bar)


def _loader(state: TrainingState, dataset: Dataset, fabric: Fabric, context: DistributedContext) -> BatchLoader:
    """This process's share of the batches of the steps that are left."""
    config = state.config
    return make_loader(
        dataset,
        config.data,
        config.views,
        config.model.image_size,
        batch_size=config.train.batch_size,
        steps=config.train.steps,
        start_step=state.step,
        seed=config.train.seed,
        rank=context.rank,
        world_size=context.count,
        pin_memory=fabric.device.type == "cuda",
    )


def _make_run_folder(out: Path, config: Config) -> None:
    make_folder(out)
    write_whole_text(out / "config.yaml", config.to_yaml(), "the configuration")


@contextmanager
def _naming_step(step: int, out: Path) -> Iterator[None]:
    """Losses that are not finite as a `UserError`; they are the same on all processes."""
    try:
        yield
    except FloatingPointError as error:
        found = find_checkpoint(out)
        last = f"the last good checkpoint is {found}" if found else "there is no checkpoint yet"
        raise UserError(f"step {step + 1}: {reason_of(error)}; {last}; try a lower train.learning_rate") from error
