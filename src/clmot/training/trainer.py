"""A whole training run: data in, checkpoints, log and loss curves out."""

from __future__ import annotations

import dataclasses
import logging
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from clmot.config import Config
from clmot.datasets.describe import summary_lines
from clmot.datasets.readers import read_dataset
from clmot.errors import UserError, reason_of
from clmot.io.atomic import write_whole_text
from clmot.io.progress import progress_bar
from clmot.models.network import Network
from clmot.models.saved_model import find_checkpoint
from clmot.protocols import Detector
from clmot.structures import Dataset, LossTerms
from clmot.training.device_loader import Feed, Pace
from clmot.training.distributed import Processes, start_processes
from clmot.training.fit_whitening import fit_metric
from clmot.training.logger import TrainingLog
from clmot.training.negative_queue import momentum_keys
from clmot.training.optim import fitting_warmup, learning_rate, steps_of
from clmot.training.state import new_state, share_normalisation
from clmot.training.step import train_step
from clmot.views.labels import labels_of, with_labels
from clmot.views.loader import make_loader
from clmot.views.tracklets import with_tracklets
from clmot.views.unusable import describe
from clmot.visualize.curves import loss_curves

log = logging.getLogger(__name__)


def train(
    data: str | Path | Sequence[str | Path] | Dataset,
    out: str | Path,
    config: Config | None = None,
    *,
    resume: bool = False,
    progress: bool = True,
    detector: Detector | None = None,
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

    Returns:
        The final checkpoint's folder.

    Raises:
        UserError: bad data, a run that is already there, a checkpoint that does not fit, a loss that is not finite.
        KeyboardInterrupt: Ctrl-C, after the step in hand was finished and a checkpoint written.
    """
    config, out = config or Config(), Path(out)
    given = data if isinstance(data, Dataset) else [Path(path) for path in _listed(data)]
    fabric, processes = start_processes(config.train)
    with processes.one_fate():
        return _train(given, out, config, fabric, processes, resume, progress, detector)


def _train(
    given: Dataset | list[Path],
    out: Path,
    config: Config,
    fabric: Fabric,
    processes: Processes,
    resume: bool,
    progress: bool,
    detector: Detector | None,
) -> Path:
    is_first = processes.rank == 0
    if not is_first:
        logging.getLogger("clmot").setLevel(logging.ERROR)
    with processes.together():
        found = find_checkpoint(out)
        if found and not resume:
            raise UserError(f"{out}: already holds {found.name}; go on with --resume or choose another --out")
        dataset, config = _read(given, config, processes.count)
        sequences = list(dict.fromkeys(sample.sequence for sample in dataset.samples))
        state = new_state(config, sequences, fabric.device, found, detector)
        start, steps = state.step, config.train.steps
        if is_first:
            _make_run_folder(out, config)
    if start >= steps:
        log.info("%s: all %d steps are done", out, start)
        return find_checkpoint(out) or out

    if processes.count > 1 and fabric.device.type == "cuda":
        share_normalisation(state.network)
    if config.train.compile:
        # in place: a compiled copy would give the weights other names
        state.network.compile()
    network, optimizer = fabric.setup(state.network, state.optimizer)
    network.train()
    loader = make_loader(
        dataset,
        config.data,
        config.views,
        config.model.image_size,
        batch_size=config.train.batch_size,
        steps=steps,
        start_step=start,
        seed=config.train.seed,
        rank=processes.rank,
        world_size=processes.count,
        pin_memory=fabric.device.type == "cuda",
    )
    training_log = TrainingLog(out / "log.jsonl", start) if is_first else None
    feed, pace = Feed(loader, fabric.device), Pace(2 * config.train.batch_size)
    try:
        with _finish_step_on_interrupt() as interrupted, progress_bar(progress and is_first) as bar:
            task = bar.add_task("training", total=steps, completed=start, note="")
            for step in range(start, steps):
                with processes.together():
                    batch = next(feed)
                rate = learning_rate(step, config.train)
                with _explained(step, out):
                    terms = train_step(fabric, network, optimizer, batch, config, rate, processes, state.queue)
                state.average.update(state.network, step)
                if state.queue is not None:
                    with fabric.autocast():
                        keys = momentum_keys(state.average.network, batch)
                    for rows in processes.gather(keys):
                        state.queue.push(rows)
                done = state.step = step + 1
                pace.step(feed.seconds_waiting)
                if done % config.train.log_every == 0 or done in (1, steps):
                    values = _line(terms, done, rate, pace, processes, len(loader.unusable))
                    if training_log:
                        training_log.write(values)
                    bar.update(task, note=" ".join(f"{name} {values[name]:.2f}" for name in ("total", *terms.parts)))
                bar.update(task, completed=done)
                stop = processes.any(bool(interrupted))
                if done % config.train.save_every == 0 or done == steps or stop:
                    with processes.together():
                        if is_first:
                            if done == steps:
                                # an embedding that went on from another model's goes on from its metric
                                further = isinstance(state.network, Network) and config.train.learn == "embedding"
                                fit_metric(state.average.network, config, dataset, fabric.device, further=further)
                            state.save(out)
                if stop:
                    raise KeyboardInterrupt
    finally:
        if training_log:
            training_log.close()
            if state.step > start:
                _draw_curves(out)
    if pace.steps > 1:
        log.info("%s", pace.summary())
    unusable = [fault for faults in processes.collect(loader.unusable.faults) for fault in faults]
    if unusable:
        log.warning("%s; others took their place", describe(unusable, len(dataset.samples)))
    checkpoint = find_checkpoint(out)
    assert checkpoint is not None
    return checkpoint


def _listed(data: str | Path | Sequence[str | Path]) -> Sequence[str | Path]:
    return [data] if isinstance(data, str | Path) else data


def _read(data: Sequence[Path] | Dataset, config: Config, processes: int) -> tuple[Dataset, Config]:
    """The data as training may see it, and the configuration with what only the data tells."""
    shares = processes * config.train.accumulate
    if config.train.batch_size % shares:
        raise UserError(
            f"train.batch_size must be a multiple of {shares} ({processes} processes x train.accumulate), "
            f"got {config.train.batch_size}"
        )
    labels = labels_of(config)
    if isinstance(data, Dataset):
        dataset = data
        for line in summary_lines(dataset):
            log.info("%s", line)
    else:
        dataset = read_dataset(
            data,
            min_visibility=config.data.min_visibility,
            min_score=config.data.score_threshold,
            identities=config.data.identities and labels == "known",
            format=config.data.format,
        )
        if config.data.tracklets:
            dataset = with_tracklets(dataset)
    dataset, identities = with_labels(dataset, labels, config.data.identity_share, config.train.seed)
    classified = identities if config.loss.objective in ("identity", "instance") else 0
    model = dataclasses.replace(config.model, classes=dataset.classes, identities=classified)
    train = dataclasses.replace(config.train, steps=steps_of(config.train, len(dataset.samples)))
    warmup = fitting_warmup(train)
    if warmup < train.warmup_steps:
        log.info("train.warmup_steps: %d of %d, for a run of %d steps", warmup, train.warmup_steps, train.steps)
    train = dataclasses.replace(train, warmup_steps=warmup)
    return dataset, dataclasses.replace(config, model=model, train=train)


def _make_run_folder(out: Path, config: Config) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{out}: cannot write the run there ({reason_of(error)})") from error
    write_whole_text(out / "config.yaml", config.to_yaml(), "the configuration")


def _draw_curves(out: Path) -> None:
    """The picture of the losses; a run is not lost for want of it."""
    try:
        loss_curves(out / "log.jsonl", out / "loss.png")
    except (UserError, OSError) as error:
        log.warning("no picture of the losses: %s", error)


@contextmanager
def _explained(step: int, out: Path) -> Iterator[None]:
    """Losses that are not finite as a `UserError`; they are the same on all processes."""
    try:
        yield
    except FloatingPointError as error:
        found = find_checkpoint(out)
        last = f"the last good checkpoint is {found}" if found else "there is no checkpoint yet"
        raise UserError(f"step {step + 1}: {reason_of(error)}; {last}; try a lower train.learning_rate") from error


def _line(
    terms: LossTerms, step: int, rate: float, pace: Pace, processes: Processes, unusable: int
) -> dict[str, float]:
    """What is logged of a step; losses are those of all processes together, images left out those of this one."""
    names = ("total", *terms.parts)
    losses = processes.mean(torch.stack([terms.total, *terms.parts.values()])).tolist()
    return {
        "step": step,
        **dict(zip(names, losses, strict=True)),
        "learning_rate": rate,
        "seconds": pace.seconds,
        "seconds_waiting_for_data": pace.seconds_waiting,
        **({"unusable_images": unusable} if unusable else {}),
    }


@contextmanager
def _finish_step_on_interrupt() -> Iterator[list[float]]:
    """A list that gets an item at the first Ctrl-C, so that no step is left half done; the second one interrupts."""
    interrupted: list[float] = []

    def note(number: int, frame: Any) -> None:
        now = time.monotonic()
        # torchrun passes on a Ctrl-C that the terminal has sent to its processes already: those are one
        if interrupted and now - interrupted[0] > 1:
            raise KeyboardInterrupt
        interrupted.append(now)

    try:
        before = signal.signal(signal.SIGINT, note)
    except ValueError:  # not the main thread: signals are someone else's
        yield interrupted
        return
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)
