"""Parts of a data set by sequence and frame: halves, every n-th frame.

Everything here is a function of the samples' sequence names and frame numbers alone. Results are ordered by sequence
(in order of first appearance) and frame.
"""

from __future__ import annotations

from collections.abc import Sequence

from clmot.structures import Sample


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


def _by_sequence(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    """The samples of each sequence, ordered by frame."""
    sequences: dict[str, list[Sample]] = {}
    for sample in samples:
        sequences.setdefault(sample.sequence, []).append(sample)
    return {name: sorted(frames, key=lambda sample: sample.frame) for name, frames in sequences.items()}
