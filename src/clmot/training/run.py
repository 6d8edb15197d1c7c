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
from clmot.data.batch import make_loader
from clmot.data.readers import read_dataset
from clmot.errors import UserError
from clmot.models.backbones import initialise_encoder
from clmot.models.network import Network
from clmot.report.curves import loss_curves
from clmot.report.progress import progress_bar
from clmot.training.checkpoint import (
    find_checkpoint,
    load_saved_model,
    load_state,
    save_checkpoint,
)
from clmot.training.log import TrainingLog
from clmot.training.loop import train_step
from clmot.training.optim import WeightAverage, learning_rate, make_optimizer
from clmot.types import Dataset, LossTerms

log = logging.getLogger(__name__)


def train(
    data: str | Path | Sequence[str | Path],
    out: str | Path,
    config: Config | None = None,
    *,
    resume: bool = False,
    progress: bool = True,
) -> Path:
    """Train the one-shot network on boxes alone; identities in the data are dropped before anything sees them.

    Args:
        data: MOTChallenge folders or COCO JSON files.
        out: the run folder: ``config.yaml``, ``log.jsonl``, ``loss.png`` and the newest checkpoint.
        config: what to train and how; by default the recipe ``street``. `model.classes` is taken from the data.
        resume: go on from the newest checkpoint in `out` (from the start if there is none), to the same weights that
            an uninterrupted run gives.
        progress: show a progress bar on standard error.

    Returns:
        The final checkpoint's folder.

    Raises:
        UserError: bad data, a run that is already there, a checkpoint that does not fit, a loss that is not finite.
        KeyboardInterrupt: Ctrl-C, after the step in hand was finished and a checkpoint written.
    """
    config, out = config or Config(), Path(out)
    paths = [Path(path) for path in ([data] if isinstance(data, str | Path) else data)]
    found = find_checkpoint(out)
    if found and not resume:
        raise UserError(f"{out}: already holds {found.name}; go on with --resume or choose another --out")
    dataset = read_dataset(paths, min_visibility=config.data.min_visibility)
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, classes=dataset.classes))
    _describe(dataset)

    fabric = _make_fabric(config)
    network, average, optimizer, start = _start(config, found, fabric.device)
    _make_run_folder(out, config)
    if start >= config.train.steps:
        log.info("%s: all %d steps are done", out, start)
        return find_checkpoint(out) or out
    wrapped, wrapped_optimizer = fabric.setup(network, optimizer)
    wrapped.train()

    def save(step: int) -> Path:
        state = {
            "step": step,
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
        }
        return save_checkpoint(out, step, config, average.network.state_dict(), state)

    loader = make_loader(
        dataset,
        config.data,
        config.views,
        config.model.image_size,
        batch_size=config.train.batch_size,
        steps=config.train.steps,
        start_step=start,
        seed=config.train.seed,
        pin_memory=fabric.device.type == "cuda",
    )
    training_log = TrainingLog(out / "log.jsonl", start)
    checkpoint, done, began, waited = found, start, time.perf_counter(), 0.0
    try:
        with _finish_step_on_interrupt() as interrupted, progress_bar(progress) as bar:
            task = bar.add_task("training", total=config.train.steps, completed=start, note="")
            batches = iter(loader)
            for step in range(start, config.train.steps):
                before = time.perf_counter()
                batch = next(batches).to(fabric.device, non_blocking=True)
                waited += time.perf_counter() - before
                rate = learning_rate(step, config.train)
                terms = _step_or_explain(fabric, wrapped, wrapped_optimizer, batch, config, rate, step, out)
                average.update(network, step)
                done = step + 1
                if done % config.train.log_every == 0 or done in (1, config.train.steps):
                    values = _line(terms, done, rate, time.perf_counter() - began, waited)
                    training_log.write(values)
                    bar.update(task, note=" ".join(f"{name} {values[name]:.2f}" for name in ("total", *terms.parts)))
                bar.update(task, completed=done)
                if done % config.train.save_every == 0 or done == config.train.steps or interrupted:
                    checkpoint = save(done)
                if interrupted:
                    raise KeyboardInterrupt
    finally:
        training_log.close()
        if done > start:
            _draw_curves(out)
    assert checkpoint is not None
    return checkpoint


def _start(
    config: Config, found: Path | None, device: torch.device
) -> tuple[Network, WeightAverage, torch.optim.Optimizer, int]:
    """Network, moving average and optimiser, new or as a checkpoint left them, and the steps done."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.train.seed)
        network = Network(config.model)
    if found is None:
        initialise_encoder(network.encoder, config.model.encoder, config.model.encoder_options, config.model.pretrained)
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average, optimizer = WeightAverage(network, config.train.ema), make_optimizer(network, config.train)
    if found is None:
        return network, average, optimizer, 0
    saved, state = load_saved_model(found), load_state(found)
    if saved.config.model != config.model:
        raise UserError(f"{found}: was trained with another model section than this run's; choose another --out")
    try:
        network.load_state_dict(state["network"])
        average.network.load_state_dict(saved.weights)
        optimizer.load_state_dict(state["optimizer"])
    except (KeyError, RuntimeError, ValueError) as error:
        raise UserError(f"{found}: cannot resume from it ({str(error).splitlines()[0][:120]})") from error
    log.info("resuming from %s", found)
    return network, average, optimizer, int(state["step"])


def _make_fabric(config: Config) -> Fabric:
    if config.train.device == "cuda" and not torch.cuda.is_available():
        raise UserError("train.device=cuda: no CUDA device here; use train.device=cpu or auto")
    return Fabric(accelerator=config.train.device, devices=1, precision=config.train.precision)


def _make_run_folder(out: Path, config: Config) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "config.yaml").write_text(config.to_yaml())
    except OSError as error:
        raise UserError(f"{out}: cannot write the run there ({error.strerror})") from error


def _describe(dataset: Dataset) -> None:
    boxes = sum(int((~sample.ignore).sum()) for sample in dataset.samples)
    sequences = len({sample.sequence for sample in dataset.samples})
    log.info("%d frames of %d sequences with %d boxes", len(dataset.samples), sequences, boxes)
    for reason, count in sorted(dataset.skipped.items()):
        log.warning("%d annotation rows skipped: %s", count, reason)


def _draw_curves(out: Path) -> None:
    """The picture of the losses; a run is not lost for want of it."""
    try:
        loss_curves(out / "log.jsonl", out / "loss.png")
    except (UserError, OSError) as error:
        log.warning("no picture of the losses: %s", error)


def _step_or_explain(
    fabric: Fabric, network: Any, optimizer: Any, batch: Any, config: Config, rate: float, step: int, out: Path
) -> LossTerms:
    try:
        return train_step(fabric, network, optimizer, batch, config, rate)
    except FloatingPointError as error:
        found = find_checkpoint(out)
        last = f"the last good checkpoint is {found}" if found else "there is no checkpoint yet"
        raise UserError(f"step {step + 1}: {error}; {last}; try a lower train.learning_rate") from error


def _line(terms: LossTerms, step: int, rate: float, seconds: float, waited: float) -> dict[str, float]:
    parts = {name: float(value) for name, value in terms.parts.items()}
    return {
        "step": step,
        "total": float(terms.total.detach()),
        **parts,
        "learning_rate": rate,
        "seconds": seconds,
        "seconds_waiting_for_data": waited,
    }


@contextmanager
def _finish_step_on_interrupt() -> Iterator[list[bool]]:
    """A list that gets an item at the first Ctrl-C, so that no step is left half done; the second one interrupts."""
    interrupted: list[bool] = []

    def note(number: int, frame: Any) -> None:
        if interrupted:
            raise KeyboardInterrupt
        interrupted.append(True)

    try:
        before = signal.signal(signal.SIGINT, note)
    except ValueError:  # not the main thread: signals are someone else's
        yield interrupted
        return
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)
