"""All boxes of a data set as columns, which the checks look at together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from clmot.apps.check_data.findings import MOST_EXAMPLES, MOST_PLACES, Example
from clmot.structures import BoolArray, Boxes, Float32Array, Int64Array, Sample
from clmot.table import Schema


@dataclass(frozen=True, kw_only=True, eq=False)
class Columns(Boxes):
    """The n boxes of some samples.

    Attributes:
        samples: the samples.
        sample: int64 [n], position of each box's sample, ascending.
        size: float32 [n, 2], width and height of each box's image.
        sequence: int64 [samples], the number of each sample's sequence.
        frame: int64 [samples].
    """

    COLUMNS: ClassVar[Schema] = {**Boxes.COLUMNS, "sample": (np.int64,), "size": (np.float32, 2)}

    samples: Sequence[Sample]
    sample: Int64Array
    size: Float32Array
    sequence: Int64Array
    frame: Int64Array

    @staticmethod
    def of(samples: Sequence[Sample]) -> Columns:
        """The boxes of samples, in their order."""
        counts = [len(sample) for sample in samples]
        sizes = np.array([(sample.width, sample.height) for sample in samples], np.float32).reshape(-1, 2)
        numbers: dict[str, int] = {}
        return Columns(
            **vars(Boxes.join(samples)),
            samples=samples,
            sample=np.repeat(np.arange(len(samples)), counts),
            size=np.repeat(sizes, counts, axis=0),
            sequence=np.array([numbers.setdefault(sample.sequence, len(numbers)) for sample in samples], np.int64),
            frame=np.array([sample.frame for sample in samples], np.int64),
        )

    @property
    def extent(self) -> Float32Array:
        """Width and height of each box, float32 [n, 2]."""
        return np.asarray(self.boxes[:, 2:] - self.boxes[:, :2])

    @property
    def counted(self) -> BoolArray:
        """The boxes that are not ignored, bool [n]."""
        return ~self.ignore

    @property
    def row(self) -> Int64Array:
        """Each box's row in its sample, int64 [n]."""
        return np.asarray(np.arange(len(self)) - np.searchsorted(self.sample, self.sample), np.int64)

    def places(self, index: Int64Array) -> tuple[str, ...]:
        """The images of the first few of some boxes."""
        return self.images(np.unique(self.sample[index]))

    def images(self, index: Int64Array) -> tuple[str, ...]:
        """The names of the first few of some samples' images."""
        return tuple(str(self.samples[i].image) for i in index[:MOST_PLACES].tolist())

    def examples(self, index: Int64Array, title: str) -> tuple[Example, ...]:
        """Pictures of the first few of some boxes, one for each image; the boxes of one image together."""
        found = list(dict.fromkeys(self.sample[index].tolist()))[:MOST_EXAMPLES]
        return tuple(
            Example.of(self.samples[i], self.row[index[self.sample[index] == i]].tolist(), title) for i in found
        )
