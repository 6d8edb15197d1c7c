"""Random generators by name, so that switching one transform on leaves the draws of all others as they are."""

from __future__ import annotations

import zlib
from typing import cast

import numpy as np


class Streams:
    """Independent generators, one for each name, all grown from one seed.

    Args:
        seed: what they grow from; equal seeds give equal generators.
    """

    def __init__(self, seed: np.random.SeedSequence) -> None:
        self._seed = seed

    @classmethod
    def beside(cls, rng: np.random.Generator) -> Streams:
        """Streams that grow from a generator's seed without drawing from it; others at each call."""
        seed = cast(np.random.SeedSequence, rng.bit_generator.seed_seq)
        return cls(seed.spawn(1)[0])

    def __getitem__(self, name: str) -> np.random.Generator:
        """The generator of that name, at its start."""
        # the name, not its place in a list: transforms may be added and reordered
        key = (*self._seed.spawn_key, zlib.crc32(name.encode()))
        return np.random.default_rng(np.random.SeedSequence(self._seed.entropy, spawn_key=key))
