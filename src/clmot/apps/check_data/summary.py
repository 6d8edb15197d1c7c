"""What a data set holds: counts, and how boxes and frames are distributed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clmot.structures import Boxes, Dataset, Float64Array, Sample

QUANTITIES = {
    "box width": "pixels",
    "box height": "pixels",
    "width / height": "",
    "share of the image": "square root of the areas' ratio",
    "boxes in a frame": "",
    "frames of an identity": "",
}
"""What is shown as histograms, and its unit."""

_QUANTILES = {"least": 0.0, "5 %": 0.05, "median": 0.5, "95 %": 0.95, "most": 1.0}


@dataclass(frozen=True, kw_only=True, eq=False)
class Summary:
    """What one path holds; boxes that are ignored are counted apart and are in no histogram.

    Attributes:
        path: the path.
        format: its on-disk format, empty where unknown.
        images: how many images there are.
        sequences: how many sequences they form.
        sizes: image sizes (width, height) and how many images have them, the most frequent first.
        boxes: how many boxes there are, without those ignored.
        ignored: how many more are ignored.
        classes: boxes by class.
        identities: how many different identities there are.
        left_out: annotation rows that the reader leaves out, by reason.
        values: what there is of the `QUANTITIES`, float64 [n] each.
    """

    path: Path
    format: str
    images: int
    sequences: int
    sizes: tuple[tuple[tuple[int, int], int], ...]
    boxes: int
    ignored: int
    classes: dict[str, int]
    identities: int
    left_out: dict[str, int]
    values: dict[str, Float64Array]

    def quantiles(self) -> dict[str, dict[str, float]]:
        """Quantity to its least, 5 %, median, 95 % and largest value."""
        return {
            name: {label: float(np.quantile(values, share)) for label, share in _QUANTILES.items()}
            for name, values in self.values.items()
        }

    def as_dict(self) -> dict[str, Any]:
        """Plain values; of the distributions their quantiles."""
        return {
            "path": str(self.path),
            "format": self.format,
            "images": self.images,
            "sequences": self.sequences,
            "image sizes": {f"{width} x {height}": count for (width, height), count in self.sizes},
            "boxes": self.boxes,
            "ignored boxes": self.ignored,
            "boxes by class": self.classes,
            "identities": self.identities,
            "left out": self.left_out,
            "distributions": self.quantiles(),
        }


def summarise(path: Path, format: str, dataset: Dataset) -> Summary:
    """The summary of a data set read with identities."""
    samples, boxes = dataset.samples, Boxes.join(dataset.samples)
    counted = boxes.take(~boxes.ignore)
    # a class number beyond the names cannot be: readers make both
    class_counts = np.bincount(counted.classes, minlength=len(dataset.classes))
    frames_of = Counter(
        (sample.sequence, identity)
        for sample in samples
        for identity in set(sample.identities[~sample.ignore & (sample.identities >= 0)].tolist())
    )
    return Summary(
        path=path,
        format=format,
        images=len(samples),
        sequences=len({sample.sequence for sample in samples}),
        sizes=tuple(Counter((sample.width, sample.height) for sample in samples).most_common()),
        boxes=len(counted),
        ignored=len(boxes) - len(counted),
        classes=dict(zip(dataset.classes, class_counts.tolist(), strict=True)),
        identities=len(frames_of),
        left_out=dict(+dataset.skipped),
        values=_distributions(counted, samples, list(frames_of.values())),
    )


def _distributions(
    counted: Boxes, samples: Sequence[Sample], frames_of_identities: list[int]
) -> dict[str, Float64Array]:
    boxes = counted.boxes.astype(np.float64)
    extent = boxes[:, 2:] - boxes[:, :2]
    counts = [int((~sample.ignore).sum()) for sample in samples]
    image = np.repeat([float(sample.width) * sample.height for sample in samples], counts)
    values = (
        extent[:, 0],
        extent[:, 1],
        extent[:, 0] / extent[:, 1],
        np.sqrt(extent.prod(axis=1) / image),
        np.array(counts, np.float64),
        np.array(frames_of_identities, np.float64),
    )
    return {name: each for name, each in zip(QUANTITIES, values, strict=True) if len(each)}
