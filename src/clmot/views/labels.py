"""Which identities training may see: none, those that are annotated, or each box as one of its own."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from clmot.config import Config
from clmot.datasets.flat_samples import FlatSamples
from clmot.errors import UserError
from clmot.structures import Dataset, Int64Array

Labels = Literal["none", "known", "instances"]


def labels_of(config: Config) -> Labels:
    """The labels that a configuration's objective learns from.

    Raises:
        UserError: the objective needs identities and the configuration keeps them from training.
    """
    objective = config.loss.objective
    if objective == "instance":
        return "instances"
    if objective == "identity" and not config.data.identities:
        raise UserError(f"loss.objective={objective} learns from identities: set data.identities=true as well")
    return "known" if config.data.identities or config.data.tracklets else "none"


def with_labels(dataset: Dataset, labels: Labels, share: float = 1.0, seed: int = 0) -> tuple[Dataset, int]:
    """A data set with the identities that training may see, numbered from 0 without gaps.

    Identities count by sequence: person 3 of one sequence and person 3 of another are two.

    Args:
        dataset: as read, with identities.
        labels: ``none`` drops them, ``known`` numbers them (-1 stays -1), ``instances`` gives every box that is not
            ignored a number of its own.
        share: of known identities so many are kept, chosen at random, one at least; the others become unknown.
        seed: of the choice.

    Returns:
        The data set and how many identities there are.

    Raises:
        UserError: known identities are asked for and there are none.
    """
    if labels == "none" and isinstance(dataset.samples, FlatSamples):
        return dataclasses.replace(dataset, samples=dataset.samples.without_identities()), 0
    numbers: dict[tuple[str, int], int] = {}
    known = _some_identities(dataset, share, seed) if labels == "known" and share < 1 else None
    samples = []
    count = 0
    for sample in dataset.samples:
        if labels == "none":
            samples.append(sample.without_identities())
            continue
        counted = ~sample.ignore & ((sample.identities >= 0) | (labels == "instances"))
        if known is not None:
            counted &= [(sample.sequence, int(identity)) in known for identity in sample.identities]
        identities: Int64Array = np.full(len(sample.boxes), -1, np.int64)
        if labels == "instances":
            identities[counted] = count + np.arange(counted.sum())
            count += int(counted.sum())
        else:
            identities[counted] = [
                numbers.setdefault((sample.sequence, int(identity)), len(numbers))
                for identity in sample.identities[counted]
            ]
            count = len(numbers)
        samples.append(dataclasses.replace(sample, identities=identities))
    if labels == "known" and not count:
        raise UserError("data.identities=true, but the annotation knows no identities")
    return dataclasses.replace(dataset, samples=tuple(samples)), count


def _some_identities(dataset: Dataset, share: float, seed: int) -> set[tuple[str, int]]:
    """A share of the identities of boxes that are not ignored, by sequence and number."""
    known = sorted(
        {
            (sample.sequence, int(identity))
            for sample in dataset.samples
            for identity in sample.identities[~sample.ignore & (sample.identities >= 0)]
        }
    )
    count = max(1, round(share * len(known)))
    order = np.random.default_rng(seed).permutation(len(known))
    return {known[index] for index in order[:count]}
