"""Tracklets from boxes alone: the same object in the frames of a sequence, as far as overlap leaves no doubt.

A box goes on as the one of the frame before that it overlaps clearly better than any other
(`clmot.views.temporal_pairs.match_samples`); where that cannot be told, the tracklet ends. On the annotated boxes of
MOT16-11, PETS09-S2L1 and TUD-Campus no tracklet holds two people, and the tracklet of a box is 195, 118 and 30 frames
long in the mean, where the person is in view for 338, 309 and 56.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from clmot.errors import UserError
from clmot.structures import Dataset, Int64Array, Sample
from clmot.views.temporal_pairs import match_samples

MIN_NEIGHBOURS = 0.75
"""Stills filed as one sequence are not followed: in a video at least this share of the frames is a neighbour of the one
before. (Of the named videos 0.99 to 1; of 400 stills of one street camera 0.51, where people walk the same way.)"""


def with_tracklets(dataset: Dataset) -> Dataset:
    """A data set whose identities are those of tracklets; what identities it has are not looked at.

    Args:
        dataset: boxes of videos, and of stills, which stay without.

    Returns:
        The same samples in the same order. Identities are counted by sequence; boxes in no tracklet have -1.

    Raises:
        UserError: no box could be followed to another frame.
    """
    by_sequence: dict[str, list[int]] = {}
    for index, sample in enumerate(dataset.samples):
        by_sequence.setdefault(sample.sequence, []).append(index)
    samples = list(dataset.samples)
    for indices in by_sequence.values():
        indices.sort(key=lambda index: samples[index].frame)
        tracklets = _chained([samples[index] for index in indices])
        for index, identities in zip(indices, tracklets, strict=True):
            samples[index] = dataclasses.replace(samples[index], identities=identities)
    if not any((sample.identities >= 0).any() for sample in samples):
        raise UserError(
            "data.tracklets=true, but no box could be followed from one frame to the next: it takes frames of video, "
            "close in time, numbered in their order"
        )
    return dataclasses.replace(dataset, samples=tuple(samples))


def _chained(samples: list[Sample]) -> list[Int64Array]:
    """The tracklet of each box of each of a sequence's samples, which are in order of time."""
    chains: list[Int64Array] = []
    count, frames, neighbours = 0, 0, 0
    for index, sample in enumerate(samples):
        chain = count + np.arange(len(sample.boxes))
        count += len(sample.boxes)
        if index and len(sample.boxes) and len(samples[index - 1].boxes):
            frames += 1
            pairs = match_samples(samples[index - 1], sample)
            if pairs is not None:
                neighbours += 1
                chain[pairs[:, 1]] = chains[-1][pairs[:, 0]]
        chains.append(chain)
    if neighbours < MIN_NEIGHBOURS * frames:
        return [np.full_like(chain, -1) for chain in chains]
    length = np.bincount(np.concatenate(chains), minlength=count)
    numbers = np.where(length > 1, np.cumsum(length > 1) - 1, -1)
    return [numbers[chain] for chain in chains]
