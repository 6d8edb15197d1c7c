"""What a run changes from step to step: made new, or as a checkpoint left it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from timm.layers.norm_act import convert_sync_batchnorm

from clmot.config import Config
from clmot.detectors.registry import open_detector
from clmot.errors import UserError, reason_of
from clmot.models.attached import AttachedNetwork
from clmot.models.network import Network
from clmot.models.saved_model import load_saved_model
from clmot.protocols import Detector
from clmot.structures import Batch
from clmot.training.checkpoint import load_state, save_checkpoint
from clmot.training.distributed import DistributedContext
from clmot.training.init_weights import initialise
from clmot.training.negative_queue import EmbeddingQueue, momentum_keys
from clmot.training.optim import WeightAverage, make_optimizer

log = logging.getLogger(__name__)


@dataclass
class TrainingState:
    """Everything that a resumed run must find as it was.

    Attributes:
        config: the run's.
        network: what is trained.
        average: the moving average of its weights, which is saved for tracking.
        optimizer: of the network.
        queue: earlier boxes; None unless they are used as negatives.
        sequences: names behind the queue's sequence numbers.
        step: optimiser steps done.
    """

    config: Config
    network: Network | AttachedNetwork
    average: WeightAverage
    optimizer: torch.optim.Optimizer
    queue: EmbeddingQueue | None
    sequences: list[str]
    step: int

    def set_up(self, fabric: Fabric) -> tuple[Any, torch.optim.Optimizer]:
        """Network and optimiser as Fabric runs them, ready to train."""
        if fabric.world_size > 1 and fabric.device.type == "cuda":
            # batch normalisation sees the batch of all processes; torch has it for GPUs alone
            convert_sync_batchnorm(self.network)  # type: ignore[no-untyped-call]
        if self.config.train.compile:
            # in place: a compiled copy would give the weights other names
            self.network.compile()
        network, optimizer = fabric.setup(self.network, self.optimizer)
        network.train()
        return network, optimizer

    def advance(self, batch: Batch, fabric: Fabric, context: DistributedContext) -> None:
        """After an optimiser step on a batch: the moving average follows the weights, the queue takes the boxes."""
        self.average.update(self.network, self.step)
        if self.queue is not None:
            with fabric.autocast():
                keys = momentum_keys(self.average.network, batch)
            for rows in context.gather(keys):
                self.queue.push(rows)
        self.step += 1

    def save(self, run: Path) -> Path:
        """Write the checkpoint and delete the run's older ones.

        Raises:
            UserError: it could not be written; older checkpoints are untouched.
        """
        state = {"step": self.step, "network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}
        if self.queue is not None:
            state |= {"queue": self.queue.state_dict(), "sequences": self.sequences}
        return save_checkpoint(run, self.step, self.config, self.average.network.state_dict(), state)

    def load(self, checkpoint: Path) -> None:
        """Go on where a checkpoint was saved.

        Raises:
            UserError: it is broken, or of another network.
        """
        saved, state = load_saved_model(checkpoint), load_state(checkpoint)
        if saved.config.model != self.config.model:
            raise UserError(
                f"{checkpoint}: was trained with another model section than this run's; choose another --out"
            )
        if saved.config.detector.fingerprint != self.config.detector.fingerprint:
            raise UserError(f"{checkpoint}: was learned on a detector with other weights; choose another --out")
        try:
            self.network.load_state_dict(state["network"])
            self.average.network.load_state_dict(saved.weights)
            self.optimizer.load_state_dict(state["optimizer"])
            self.step = int(state["step"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise UserError(f"{checkpoint}: cannot resume from it ({reason_of(error)})") from error
        held = state.get("queue", {})
        # of another size, or with other sequences behind its numbers, the queue starts empty: it fills in no time
        if (
            self.queue is not None
            and state.get("sequences") == self.sequences
            and held["embeddings"].shape == self.queue.embeddings.shape
        ):
            self.queue.load_state_dict(held)
        log.info("resuming from %s", checkpoint)


def new_state(
    config: Config,
    sequences: list[str],
    device: torch.device,
    found: Path | None,
    detector: Detector | None = None,
) -> TrainingState:
    """The state to start from.

    Args:
        config: `model` as the data wants it.
        sequences: names of the data's sequences.
        device: to train on.
        found: a checkpoint to go on from, if any.
        detector: what an embedding is attached to; by default what the configuration says, if anything.

    Raises:
        UserError: the encoder's weights cannot be had, or the checkpoint does not fit.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.train.seed)
        network = _network(config, detector, device)
    if found is None:
        initialise(network, config.model)
    # frozen weights of the tasks are saved all the same
    network.task_weights.requires_grad_(config.loss.task_weights == "learned")
    # an attached embedding is all that learns anyway
    if config.train.learn == "embedding" and isinstance(network, Network):
        network.freeze_detector()
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = WeightAverage(network, config.train.ema)
    queue = None
    if config.loss.negatives == "queue":
        queue = EmbeddingQueue(config.loss.queue_size, network.contrasted_dimension).to(device)
    optimizer = make_optimizer(network, config.train)
    state = TrainingState(config, network, average, optimizer, queue, sequences, step=0)
    if found is not None:
        state.load(found)
    return state


def _network(config: Config, detector: Detector | None, device: torch.device) -> Network | AttachedNetwork:
    """What is trained: the one-shot network, or an embedding beside a detector."""
    if detector is None and not config.detector.name:
        return Network(config.model)
    found = detector or open_detector(config.detector, device=device, image_size=config.model.image_size)
    return AttachedNetwork(config, found)
