"""Optimiser, learning-rate schedule and the moving average of the weights."""

import copy
import math

import torch
from torch import nn

from clmot.config import TrainConfig

WEIGHT_DECAY = {"adamw": 0.01, "adam": 0.0}
"""Share of the learning rate by which weights shrink in a step."""
LARGEST_GRADIENT = {"adamw": 10.0, "adam": math.inf}
"""Norm to which gradients are shortened."""


def make_optimizer(network: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW or Adam; weight decay on matrices and kernels only, not on norms, biases and task weights.

    Parameters that need no gradient are left out.
    """
    decayed = [p for p in network.parameters() if p.requires_grad and p.ndim > 1]
    plain = [p for p in network.parameters() if p.requires_grad and p.ndim <= 1]
    decay = WEIGHT_DECAY[config.optimizer]
    groups = [{"params": decayed, "weight_decay": decay}, {"params": plain, "weight_decay": 0.0}]
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=config.learning_rate, fused=True)


def learning_rate(step: int, config: TrainConfig) -> float:
    """Linear warm-up, then half a cosine down to zero, or steps down to a tenth and a hundredth of the rate.

    A function of the step alone, so resuming needs no state.

    Args:
        step: optimiser steps done before, 0 at the first.
        config: `epochs` must have been resolved to `steps`.
    """
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    if config.schedule != "cosine":
        steps_down = (3 * step >= 2 * config.steps) + (config.schedule == "two-steps" and 10 * step >= 9 * config.steps)
        return config.learning_rate * (1.0, 0.1, 0.01)[steps_down]
    progress = (step - config.warmup_steps) / max(config.steps - config.warmup_steps, 1)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def fitting_warmup(config: TrainConfig) -> int:
    """Steps of warm-up: at most half of the run's, which would never reach its learning rate otherwise."""
    return min(config.warmup_steps, config.steps // 2)


def steps_of(config: TrainConfig, frames: int) -> int:
    """How many steps a run on so many frames takes: given, or whole passes over the data rounded up to steps."""
    return config.epochs * math.ceil(frames / config.batch_size) if config.epochs else config.steps


class WeightAverage:
    """Exponential moving average of a network's weights and normalisation statistics.

    The decay grows from 0 to its final value over the first steps, so that short runs do not average in their start.

    Args:
        network: the network to follow.
        decay: final decay; 0 copies the network.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move towards the network's weights after optimiser step number `step` (0-based)."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        for mine, theirs in zip(self.network.state_dict().values(), network.state_dict().values(), strict=True):
            if mine.is_floating_point():
                mine.lerp_(theirs, weight)
            else:
                mine.copy_(theirs)
