"""What all objects of a video have in common, taken out of their embeddings.

The light, the camera and the place go into every embedding of a video, and tell no two objects in it apart. So the mean
of the embeddings so far is subtracted from each, and unit length restored. A few identities are no mean: one alone
would be left with nothing but noise. The mean therefore begins with some identities whose embedding is zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from clmot.structures import Float32Array
from clmot.tracking.track_state import unit


class RunningMean:
    """The mean of a video's embeddings so far.

    Args:
        identities: how many with an embedding of zeros it begins with; 0 leaves embeddings as they are.
    """

    def __init__(self, identities: float) -> None:
        self._identities = identities
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next embeddings are the first of a video."""
        self._total = np.zeros(0, np.float64)
        self._count = 0

    def __call__(self, embedding: Float32Array, high: int, known: int) -> Float32Array:
        """Embeddings less the mean of all so far, theirs among them.

        Args:
            embedding: float32 [m, d] of unit length, of one frame.
            high: so many of them, the first, go into the mean.
            known: how many identities have been told apart so far.

        Returns:
            float32 [m, d] of unit length.
        """
        if not self._identities or not embedding.size:
            return embedding
        self.sums(embedding.shape[1])
        self._count += high
        share = known / (known + self._identities) / max(self._count, 1)
        self._total += np.ones(high, np.float32) @ embedding[:high]  # the sum, in a third of the time
        if not share or not self._count:
            return embedding
        centred = embedding - (share * self._total).astype(np.float32)
        return unit(centred, out=centred)

    def sums(self, dimensions: int) -> tuple[npt.NDArray[np.float64], int]:
        """The sum of all embeddings of that length so far, and how many they are: for who adds to them himself."""
        if self._identities and len(self._total) != dimensions:
            self._total, self._count = np.zeros(dimensions), 0
        return self._total, self._count

    def settle(self, total: npt.NDArray[np.float64], count: int) -> None:
        """Take these for the `sums`."""
        self._total, self._count = total, count

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """All that it knows, as arrays; `restore` takes it back."""
        return {"total": self._total.copy(), "count": np.array(self._count)}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from where `state` was taken.

        Raises:
            ValueError: an array has another shape.
        """
        total, count = np.array(state["total"], np.float64), np.array(state["count"], np.int64)
        if total.ndim != 1 or count.ndim:
            raise ValueError(f"total {list(total.shape)} and count {list(count.shape)}, expected [d] and []")
        self._total, self._count = total, int(count)
