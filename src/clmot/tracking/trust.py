"""Whether the embeddings of a video tell its objects apart, seen from nearest neighbours alone.

Where they do, a track and its detection are each other's nearest: of n tracks and m detections, nearly min(n, m) pairs
are. Were embeddings drawn at random, n m / (n + m - 1) pairs would be, half of them. The agreement is where the number
lies between the two, as Cohen's kappa has it: 0 for random embeddings, 0.7 to 0.95 for good ones where objects hardly
move between frames, 0.3 to 0.8 at two frames a second. It asks nothing of motion, so it holds where nothing overlaps
itself either.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from clmot.structures import Float32Array

_PRIOR = 8.0
"""So many pairs beyond chance are in it from the beginning, just agreeing enough: in doubt, embeddings are used."""
_MEMORY = 0.98
"""What is left after a look of what was seen before."""
_SETTLED = 40.0
"""Pairs beyond chance after which only every `_RARELY`th frame is looked at."""
_RARELY = 8
_MOST = 64
"""So many tracks and detections of a frame are enough."""


class Trust:
    """The agreement so far.

    Args:
        least: from which on embeddings are used; 0 is always.
    """

    def __init__(self, least: float) -> None:
        self._least = least
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next embeddings are the first of a video."""
        self._beyond, self._most, self._frames = 0.0, 0.0, 0

    @property
    def agreement(self) -> float:
        """From 0, as by chance, to 1."""
        return (self._beyond + self._least * _PRIOR) / (self._most + _PRIOR)

    @property
    def given(self) -> bool:
        """Whether to use embeddings."""
        return self.agreement > self._least - 1e-9

    def due(self, dimensions: int) -> bool:
        """Whether to `look` at a frame with embeddings of that length."""
        if not self._least or not dimensions:
            return False
        self._frames += 1
        return self._most < _SETTLED or self._frames % _RARELY == 0

    def look(self, tracks: Float32Array, found: Float32Array) -> None:
        """See who is nearest to whom.

        Args:
            tracks: unit embeddings [n, d] of tracks seen in the last frame.
            found: unit embeddings [m, d] of sure detections.
        """
        tracks, found = tracks[:_MOST], found[:_MOST]
        n, m = len(tracks), len(found)
        if min(n, m) < 2:
            return
        similarity = tracks @ found.T
        nearest = similarity.argmax(axis=1)
        mutual = int(np.count_nonzero(similarity.argmax(axis=0).take(nearest) == np.arange(n)))
        chance = n * m / (n + m - 1)
        self._beyond = _MEMORY * self._beyond + mutual - chance
        self._most = _MEMORY * self._most + min(n, m) - chance

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """All that it knows, as arrays; `restore` takes it back."""
        return {"sums": np.array([self._beyond, self._most, self._frames])}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from where `state` was taken.

        Raises:
            ValueError: an array has another shape.
        """
        self._beyond, self._most, frames = state["sums"].tolist()
        self._frames = int(frames)
