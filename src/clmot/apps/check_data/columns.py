"""All boxes of a data set as columns, which the checks look at together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from clmot.apps.check_data.findings import Example, Finding, found
from clmot.structures import BoolArray, Boxes, Float32Array, Int64Array, Sample
from clmot.table import Schema


def repeats(*keys: npt.NDArray[Any]) -> BoolArray:
    """True where all keys, [n] each, equal those of one before: bool [n]."""
    found = np.zeros(len(keys[0]), np.bool_)
    order = np.lexsort(keys)  # stable: of equal ones the first stays first
    same = [key[order[1:]] == key[order[:-1]] for key in keys]
    found[order[1:]] = np.logical_and.reduce(same)
    return found


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

    def images(self, index: Iterable[int]) -> Iterator[Path]:
        """The images of some samples."""
        return (self.samples[i].image for i in index)

    def named(self, index: Int64Array) -> Iterator[str]:
        """Some boxes, by image and id."""
        return (f"{self.samples[self.sample[i]].image} (id {self.identities[i]})" for i in index)

    def examples(self, index: Int64Array, title: str) -> Iterator[Example]:
        """Pictures of some boxes, one for each image; the boxes of one image together."""
        for i in dict.fromkeys(self.sample[index].tolist()):
            yield Example.of(self.samples[i], self.row[index[self.sample[index] == i]].tolist(), title)

    def found(self, check: str, index: Int64Array, title: str, **values: Any) -> Iterator[Finding]:
        """The finding of a check about some boxes, the worst first."""
        places = self.images(np.unique(self.sample[index]).tolist())
        return found(check, len(index), places, self.examples(index, title), **values)
