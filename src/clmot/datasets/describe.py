"""What was read, in a few lines: the same wherever data is read."""

from __future__ import annotations

import numpy as np

from clmot.errors import plural
from clmot.structures import Dataset

_MOST_CLASSES = 12


def summary_lines(dataset: Dataset) -> list[str]:
    """Where a data set was read, what is in it, and what was left out.

    Returns:
        A line for each place with its format and splits, then one of images, sequences, boxes of each class, those
        ignored, and the reasons of what was left out.
    """
    samples = dataset.samples
    counts = np.zeros(len(dataset.classes), np.int64)
    for sample in samples:
        counts += np.bincount(sample.classes[~sample.ignore], minlength=len(counts))
    by_class = [f"{name} {count:,}" for name, count in zip(dataset.classes, counts.tolist(), strict=True)]
    if len(by_class) > _MOST_CLASSES:
        by_class[_MOST_CLASSES:] = [f"{len(by_class) - _MOST_CLASSES} classes more"]
    parts = [
        f"{plural(len(samples), 'image')} in {plural(len({sample.sequence for sample in samples}), 'sequence')}",
        f"{plural(int(counts.sum()), 'box', 'boxes')} ({', '.join(by_class)})",
    ]
    ignored = sum(int(sample.ignore.sum()) for sample in samples)
    identities = len({(s.sequence, i) for s in samples for i in s.identities[~s.ignore].tolist() if i >= 0})
    parts += [f"{ignored:,} ignored"] * (ignored > 0)
    parts += [plural(identities, "identity", "identities")] * (identities > 0)
    left_out = [f"{reason} {count:,}" for reason, count in sorted(dataset.skipped.items()) if count]
    parts += [f"left out: {', '.join(left_out)}"] * bool(left_out)
    return [*dataset.notes, "; ".join(parts)]
