"""Whether the embeddings of a video tell its objects apart, seen from the embeddings alone.

Where they do, a track and its detection are each other's nearest, and stand out from pairs that cannot be of one
object: those within one frame. Of n tracks and m detections, nearly min(n, m) pairs are such. Were embeddings drawn at
random, n m / (n + m - 1) pairs would be each other's nearest, and of those, the greatest of n + m - 1 each, only some
would stand out. The agreement is where the number lies between the two, as Cohen's kappa has it. It
asks nothing of motion, so it holds where nothing overlaps itself from frame to frame.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from clmot.products import product
from clmot.structures import Float32Array

DOUBT = 2.0
"""So many pairs that do not agree are in it from the beginning: embeddings have to show first what they are worth."""
STANDS_OUT = 1.5
"""By so many deviations of pairs within a frame."""
_SUPPOSED = np.array([2.0, 0.0, 2 / 9])
"""Of the cosines within frames before there are any: two, a third from 0; who is alone stands out from half on."""
WITHIN = math.erf(STANDS_OUT / math.sqrt(2)) / 2 + 0.5
"""Share of a normal distribution below that."""
MEMORY = 0.98
"""What is left after a look of what was seen before."""
_SETTLED = 40.0
"""Pairs beyond chance after which only every `_RARELY`th frame is looked at."""
_RARELY = 16
MOST = 64
"""So many tracks and detections of a frame are enough."""


class Trust:
    """The agreement so far.

    Args:
        least: from which on embeddings are used; 0 is always.

    Attributes:
        sums: float64 [6], pairs that agree beyond chance, the most there could have been, frames; and of the cosines
            within frames number, sum and sum of squares.
    """

    def __init__(self, least: float) -> None:
        self._least = least
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next embeddings are the first of a video."""
        self.sums = np.array([0.0, 0.0, 0.0, *_SUPPOSED])

    @property
    def agreement(self) -> float:
        """From 0, as by chance, to 1."""
        return float(self.sums[0]) / (float(self.sums[1]) + DOUBT)

    @property
    def given(self) -> bool:
        """Whether to use embeddings."""
        return self.agreement >= self._least

    def due(self, dimensions: int) -> bool:
        """Whether to `look` at a frame with embeddings of that length."""
        if not self._least or not dimensions:
            return False
        self.sums[2] += 1
        return bool(self.sums[1] < _SETTLED or self.sums[2] % _RARELY == 0)

    def look(self, tracks: Float32Array, found: Float32Array) -> None:
        """See who is nearest to whom.

        Args:
            tracks: unit embeddings [n, d] of tracks seen in the last frame.
            found: unit embeddings [m, d] of sure detections.
        """
        tracks, found = tracks[:MOST], found[:MOST]
        n, m = len(tracks), len(found)
        if not n or not m:
            return
        for each in (tracks, found):
            cosine = product(each, each.T)
            itself = cosine.diagonal()
            pairs = len(each) * (len(each) - 1), cosine.sum() - itself.sum(), np.vdot(cosine, cosine) - itself @ itself
            self.sums[3:] += np.divide(pairs, 2)  # each is there twice
        similarity = product(tracks, found.T)
        nearest = similarity.argmax(axis=1)
        mutual = similarity.argmax(axis=0).take(nearest) == np.arange(n)
        mutual &= similarity.max(axis=1) > self._level()
        chance = by_chance(n, m)
        self.sums[:2] = MEMORY * self.sums[:2] + (np.count_nonzero(mutual) - chance, min(n, m) - chance)
        self.sums[3:] *= MEMORY

    def _level(self) -> float:
        """Cosine above which a pair stands out.

        The mean is not believed where it is below 0: with the running mean of a video's first few embeddings taken
        out, those of one frame are opposed to each other, but not to those of the next.
        """
        mean, square = self.sums[4:] / self.sums[3]
        centre = max(mean, 0.0)
        return float(centre + STANDS_OUT * math.sqrt(max(square - 2 * centre * mean + centre**2, 0.0)))

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """All that it knows, as arrays; `restore` takes it back."""
        return {"sums": self.sums.copy()}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from where `state` was taken.

        Raises:
            ValueError: an array has another shape.
        """
        sums = np.array(state["sums"], np.float64)
        if sums.shape not in ((3,), (6,)):
            raise ValueError(f"{sums.size} sums of trust, expected 6")
        self.sums = sums if len(sums) == 6 else np.concatenate([sums, _SUPPOSED])  # three in files of before


def by_chance(n: int, m: int) -> float:
    """How many pairs of n tracks and m detections with random embeddings are each other's nearest and stand out.

    A pair is the greatest of its n + m - 1 cosines as often as any other of them.
    """
    return n * m / (n + m - 1) * (1 - WITHIN ** (n + m - 1))
