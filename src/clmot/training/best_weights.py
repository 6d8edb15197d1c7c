"""Validation while training: the best weights are kept in the run's folder ``best``, and a run may stop early.

The annotation's identities, where there are any, decide which weights are kept and never what is learned.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from clmot.config import Config
from clmot.datasets.readers import read_dataset
from clmot.errors import UserError
from clmot.evaluation.validation import Validation, advice, predictions_sheet, told
from clmot.io.paths import as_paths
from clmot.models.saved_model import BEST, load_saved_model, load_weights
from clmot.structures import Dataset
from clmot.training.checkpoint import save_best
from clmot.training.fit_whitening import fit_whitening, model_in_use
from clmot.training.state import TrainingState

if TYPE_CHECKING:
    from rich.progress import Progress

log = logging.getLogger(__name__)

PREFIX = "val_"
"""Of the scores' names in the training log."""


@dataclass(frozen=True, kw_only=True)
class ValidationPlan:
    """What to validate on, and when.

    Attributes:
        data: folders or files, or a data set as read with its identities; or, below 1, the share of the training data
            that is held out: the last frames of each sequence.
        every: steps between two validations; 0: a tenth of the run, at least 50.
        patience: stop after so many validations without a better one; 0: never.

    Examples:
        >>> plan = clmot.ValidationPlan(data=0.2, every=100, patience=3)
    """

    data: str | Path | Sequence[str | Path] | Dataset | float
    every: int = 0
    patience: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.data, float | int) and not 0 < self.data < 1:
            raise UserError(f"--val {self.data}: the share that is held out must be between 0 and 1")
        for name, value in (("--val-every", self.every), ("--patience", self.patience)):
            if value < 0:
                raise UserError(f"{name} must be >= 0, got {value}")

    @property
    def share(self) -> float:
        """Of the training data that is held out."""
        return float(self.data) if isinstance(self.data, float | int) else 0.0

    def read(self, config: Config, held_out: Dataset | None, classes: Sequence[str]) -> Validation:
        """The validation data, which is `held_out` where it is a share of the training data, of the classes found.

        Raises:
            UserError: it cannot be read, or has no box of the classes.
        """
        dataset = held_out if held_out is not None else self.data
        if not isinstance(dataset, Dataset):
            assert not isinstance(dataset, float | int)
            log.info("validation:")
            dataset = read_dataset(
                as_paths(dataset),
                min_visibility=config.data.min_visibility,
                min_score=config.data.score_threshold,
                identities=True,
            )
        return Validation(dataset, classes)


class BestWeights:
    """Validates a run's averaged weights now and then, and keeps the best.

    Args:
        plan: when.
        validation: on what.
        run: the run folder.
        device: to validate on.
        lines: of the training log so far.
    """

    def __init__(
        self,
        plan: ValidationPlan,
        validation: Validation,
        run: Path,
        device: torch.device,
        lines: Sequence[Mapping[str, float]],
    ) -> None:
        self._plan, self._validation, self._run, self._device = plan, validation, run, device
        self._scores = {int(line["step"]): line[f"{PREFIX}score"] for line in lines if f"{PREFIX}score" in line}

    @property
    def step(self) -> int:
        """The best one so far, the first of equals; 0 before there is any."""
        return max(self._scores, key=lambda step: (self._scores[step], -step), default=0)

    @property
    def exhausted(self) -> bool:
        """Whether nothing has become better for as long as the plan has patience."""
        since = sum(step > self.step for step in self._scores)
        return 0 < self._plan.patience <= since

    def is_due(self, step: int, steps: int) -> bool:
        """Whether to validate after a step."""
        every = self._plan.every or min(max(50, steps // 10), steps)
        return step % every == 0 or step == steps

    def validate(self, state: TrainingState, bar: Progress | None = None) -> dict[str, float]:
        """Measure the weights, and keep them where they are the best so far; the scores, for the training log."""
        model = model_in_use(state.average.network, state.config, self._device)
        scores = self._validation.measure(model, bar)
        self._scores[state.step] = scores["score"]
        kept = self.step == state.step
        if kept:
            save_best(self._run, state.step, state.config, state.average.network.state_dict())
        log.info("step %d: %s%s", state.step, told(scores), ", the best so far" if kept else "")
        return {f"{PREFIX}{name}": value for name, value in scores.items()}

    def finish(self, state: TrainingState, dataset: Dataset, further: bool, bar: Progress | None = None) -> None:
        """Fit the best weights' whitening, and say what they reach and what limits them.

        Args:
            state: at the end of the run.
            dataset: as training saw it.
            further: as of `fit_whitening`.
            bar: as of `fit_whitening`.
        """
        config, network = state.config, copy.deepcopy(state.average.network)
        load_weights(network, load_saved_model(self._run / BEST))
        fit_whitening(network, config, dataset, self._device, further=further, bar=bar)
        save_best(self._run, self.step, config, network.state_dict())
        log.info("validating the best weights, those of step %d", self.step)
        scores, found, seen = self._validation.conclude(model_in_use(network, config, self._device), bar)
        predictions_sheet(seen, self._run / "validation.jpg", config.tracker.high_score)
        samples = [sample for each in seen for sample in each.samples]
        rising = self.step > 0.8 * config.train.steps
        log.info(
            "best at step %d of %d: %s; %s",
            self.step,
            state.step,
            told(scores),
            advice(scores, found, samples, config, rising),
        )
