"""Samples in a few flat arrays: of 200,000 images some 60 MB, where as many objects take ten times that."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, overload

import numpy as np
import numpy.typing as npt

from clmot.structures import Boxes, Int64Array, Sample


class FlatSamples(Sequence[Sample]):
    """Samples that are made when they are asked for.

    Args:
        paths: bytes [n], of the images.
        facts: int64 [n, 4]: width, height, index of the sequence, frame number.
        sequences: their names.
        ends: int64 [n + 1], where in `boxes` those of each sample begin and end.
        boxes: of all samples.
    """

    def __init__(
        self,
        paths: npt.NDArray[np.bytes_],
        facts: Int64Array,
        sequences: tuple[str, ...],
        ends: Int64Array,
        boxes: Boxes,
    ) -> None:
        self.paths, self.facts, self.sequences, self.ends, self.boxes = paths, facts, sequences, ends, boxes

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> FlatSamples:
        """The same samples."""
        if isinstance(samples, FlatSamples):
            return samples
        sequences = tuple(dict.fromkeys(sample.sequence for sample in samples))
        number = {name: index for index, name in enumerate(sequences)}
        facts = [(each.width, each.height, number[each.sequence], each.frame) for each in samples]
        return cls(
            np.array([os.fsencode(sample.image) for sample in samples], np.bytes_),
            np.array(facts, np.int64),
            sequences,
            np.cumsum([0, *(len(sample.boxes) for sample in samples)]),
            Boxes.join(samples),
        )

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> list[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | list[Sample]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        width, height, sequence, frame = self.facts[index].tolist()
        return Sample(
            image=Path(os.fsdecode(self.paths[index])),
            width=width,
            height=height,
            sequence=self.sequences[sequence],
            frame=frame,
            **vars(self.boxes.take(slice(self.ends[index], self.ends[index + 1]))),
        )

    def without_identities(self) -> FlatSamples:
        """As `Sample.without_identities`."""
        columns = {**vars(self.boxes), "identities": np.full(len(self.boxes), -1, np.int64)}
        return FlatSamples(self.paths, self.facts, self.sequences, self.ends, Boxes(**columns))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What `from_arrays` makes the same samples of, with their `sequences`."""
        width = self.paths.dtype.itemsize
        return {
            "paths": self.paths.view(np.uint8).reshape(len(self), width),
            "facts": self.facts,
            "ends": self.ends,
            **Boxes.columns_of(self.boxes),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], sequences: Sequence[str]) -> Self:
        """The samples of `arrays`."""
        paths = arrays["paths"]
        boxes = Boxes(**{name: arrays[name] for name in Boxes.COLUMNS})
        named = paths.reshape(-1).view(f"S{paths.shape[1]}")
        return cls(named, arrays["facts"], tuple(sequences), arrays["ends"], boxes)
