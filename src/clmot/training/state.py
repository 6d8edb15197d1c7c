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
from clmot.training.checkpoint import load_state, save_checkpoint
from clmot.training.init_weights import initialise
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
        step: optimiser steps done.
    """

    config: Config
    network: Network | AttachedNetwork
    average: WeightAverage
    optimizer: torch.optim.Optimizer
    step: int

    def set_up(self, fabric: Fabric) -> tuple[Any, torch.optim.Optimizer]:
        """Network and optimiser as Fabric runs them, ready to train."""
        if fabric.world_size > 1 and fabric.device.type == "cuda":
            # batch normalisation sees the batch of all processes; torch has it for GPUs alone
            convert_sync_batchnorm(self.network)  # type: ignore[no-untyped-call]
        network, optimizer = fabric.setup(self.network, self.optimizer)
        network.train()
        return network, optimizer

    def advance(self) -> None:
        """After an optimiser step: the moving average follows the weights."""
        self.average.update(self.network, self.step)
        self.step += 1

    def save(self, run: Path) -> Path:
        """Write the checkpoint and delete the run's older ones.

        Raises:
            UserError: it could not be written; older checkpoints are untouched.
        """
        state = {"step": self.step, "network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}
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
        log.info("resuming from %s", checkpoint)


def new_state(
    config: Config,
    device: torch.device,
    found: Path | None,
    detector: Detector | None = None,
) -> TrainingState:
    """The state to start from.

    Args:
        config: `model` as the data wants it.
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
    optimizer = make_optimizer(network, config.train)
    state = TrainingState(config, network, average, optimizer, step=0)
    if found is not None:
        state.load(found)
    return state


def _network(config: Config, detector: Detector | None, device: torch.device) -> Network | AttachedNetwork:
    """What is trained: the one-shot network, or an embedding beside a detector."""
    if detector is None and not config.detector.name:
        return Network(config.model)
    found = detector or open_detector(config.detector, device=device, image_size=config.model.image_size)
    return AttachedNetwork(config, found)
