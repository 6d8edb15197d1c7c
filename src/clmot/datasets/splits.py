"""Parts of a data set by sequence and frame: halves, every n-th frame.

Everything here is a function of the samples' sequence names and frame numbers alone. Results are ordered by sequence
(in order of first appearance) and frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from clmot.errors import UserError, plural
from clmot.structures import Dataset, Sample


def first_half(samples: Sequence[Sample]) -> list[Sample]:
    """The first floor(n / 2) frames of each sequence of n frames.

    The training half of FairMOT's ablations (Zhang et al. 2021, arXiv:2004.01888): of MOT17 frames 1 to 300 of
    MOT17-02, 1 to 418 of the 837 of MOT17-05, 2657 frames in all. Count all frames of a sequence, those without boxes
    too.
    """
    return [sample for frames in _by_sequence(samples).values() for sample in frames[: len(frames) // 2]]


def second_half(samples: Sequence[Sample]) -> list[Sample]:
    """What `first_half` leaves: the last ceil(n / 2) frames of each sequence."""
    return [sample for frames in _by_sequence(samples).values() for sample in frames[len(frames) // 2 :]]


def every_nth(samples: Sequence[Sample], n: int) -> list[Sample]:
    """The first frame of each sequence and every n-th after it; frame numbers stay as they are.

    Raises:
        ValueError: n is below 1.
    """
    if n < 1:
        raise ValueError(f"every n-th frame: n must be at least 1, got {n}")
    return [sample for frames in _by_sequence(samples).values() for sample in frames[::n]]


def hold_out(dataset: Dataset, share: float) -> tuple[Dataset, Dataset]:
    """A data set without, and only with, the last frames of each sequence, which differ most from the others.

    Args:
        dataset: the data set; where most sequences are single images, the last sequences are held out instead.
        share: of the frames.

    Raises:
        UserError: it leaves no frame on one side.
    """
    sequences = list(_by_sequence(dataset.samples).values())
    if 2 * len(sequences) > len(dataset.samples):
        sequences = [[sample for frames in sequences for sample in frames]]
    last = {id(sample) for frames in sequences for sample in frames[len(frames) - round(share * len(frames)) :]}
    index = [number for number, sample in enumerate(dataset.samples) if id(sample) in last]
    rest = [number for number, sample in enumerate(dataset.samples) if id(sample) not in last]
    if not index or not rest:
        raise UserError(f"a share of {share:g} of {plural(len(dataset.samples), 'frame')} cannot be held out")
    kept, held_out = (
        replace(
            dataset,
            samples=tuple(dataset.samples[number] for number in chosen),
            weights=None if dataset.weights is None else dataset.weights[chosen],
        )
        for chosen in (rest, index)
    )
    return kept, held_out


def _by_sequence(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    """The samples of each sequence, ordered by frame."""
    sequences: dict[str, list[Sample]] = {}
    for sample in samples:
        sequences.setdefault(sample.sequence, []).append(sample)
    return {name: sorted(frames, key=lambda sample: sample.frame) for name, frames in sequences.items()}
