"""How good tracks look when nobody knows the truth: one number a track and a video, from what looks wrong in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clmot.apps.report.events import Event
from clmot.apps.report.suspects import Measured


@dataclass(frozen=True, kw_only=True)
class Quality:
    """What is expected of tracks, each number from 0 to 1.

    Attributes:
        purity: share of the boxes of a track that show its main object, as far as jumps and swaps tell.
        completeness: share of an object's boxes that are in one track, as far as ends and starts tell.
        steadiness: share of the time from its first to its last box in which a track is seen.
        overall: the product of the three.
        tracks: the product by track.
    """

    purity: float
    completeness: float
    steadiness: float
    overall: float
    tracks: dict[int, float]


def estimate_quality(measured: Measured, suspects: Sequence[Event]) -> Quality:
    """What the suspects come to: each with its odds, for as many boxes as it would spoil.

    Args:
        measured: the tracks.
        suspects: as `clmot.apps.report.suspects.find_suspects`.
    """
    lengths = {each.track: len(each.time) for each in measured.tracklets}
    pure = dict.fromkeys(lengths, 1.0)
    whole = dict.fromkeys(lengths, 1.0)
    for event in suspects:
        chance = 1 / (1 + np.exp(2.0 - event.severity))
        if event.kind in ("jump", "swap", "teleport"):
            for track in event.tracks:
                frames = measured.results.tracks[track].frame
                part = (frames >= event.frame).mean()
                pure[track] *= 1 - chance * min(part, 1 - part)
        elif event.kind == "split":
            one, two = event.tracks
            smaller = min(lengths[one], lengths[two]) / (lengths[one] + lengths[two])
            for track in event.tracks:
                whole[track] *= 1 - chance * smaller
    steady = {
        each.track: min(1.0, len(each.time) * measured.usual / (each.time[-1] - each.time[0] + measured.usual))
        for each in measured.tracklets
    }
    weight = np.array(list(lengths.values()), np.float64)
    weight /= weight.sum()
    means = [float(np.dot(weight, list(part.values()))) for part in (pure, whole, steady)]
    return Quality(
        purity=means[0],
        completeness=means[1],
        steadiness=means[2],
        overall=means[0] * means[1] * means[2],
        tracks={track: pure[track] * whole[track] * steady[track] for track in lengths},
    )
