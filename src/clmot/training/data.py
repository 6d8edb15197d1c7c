"""The data as training may see it, and the configuration with what only the data tells."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clmot.config import Config
from clmot.datasets.describe import summary_lines
from clmot.datasets.index_cache import read_once
from clmot.datasets.readers import read_dataset
from clmot.datasets.splits import hold_out
from clmot.io.paths import as_paths
from clmot.structures import Dataset
from clmot.training.optim import fitting_warmup, steps_of
from clmot.views.labels import labels_of, with_labels
from clmot.views.tracklets import with_tracklets

log = logging.getLogger(__name__)


def read_training_data(
    data: str | Path | Sequence[str | Path] | Dataset, config: Config, held_out_share: float = 0
) -> tuple[Dataset, Config, Dataset | None]:
    """Read the data, keep of its identities what the objective learns from, and resolve the configuration.

    Args:
        data: folders or files, or a data set as read.
        config: as the user gave it.
        held_out_share: of the frames of each sequence, its last ones, that training does not see.

    Returns:
        The data set; the configuration with `model.classes`, `model.identities`, `train.steps` and
        `train.warmup_steps` as they follow from the data; and what is held out, if anything, with its identities.

    Raises:
        UserError: the data cannot be read, or the configuration does not fit it.
    """
    labels = labels_of(config)
    if isinstance(data, Dataset):
        dataset = data
        for line in summary_lines(dataset):
            log.info("%s", line)
    else:
        paths = as_paths(data)
        settings: dict[str, Any] = {
            "min_visibility": config.data.min_visibility,
            "min_score": config.data.score_threshold,
            "identities": bool(held_out_share) or (config.data.identities and labels == "known"),
            "format": config.data.format,
        }
        dataset = read_once(paths, sorted(settings.items()), lambda: read_dataset(paths, **settings))
    held_out = None
    if held_out_share:
        dataset, held_out = hold_out(dataset, held_out_share)
    if not isinstance(data, Dataset):
        if held_out_share and not config.data.identities:
            dataset, _ = with_labels(dataset, "none")
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
    return dataset, dataclasses.replace(config, model=model, train=train), held_out
