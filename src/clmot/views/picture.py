"""From samples to pictures, what views are made of."""

from __future__ import annotations

import numpy as np

from clmot.structures import Boxes, Image, Picture, Sample


def picture_of(image: Image, sample: Sample, frame_index: int, sequence_index: int) -> Picture:
    """A sample's image and boxes; those of score 0 are ignored from here on.

    Args:
        image: the sample's image.
        sample: its annotation; its identities are unique in the data set.
        frame_index: which sample of the data set.
        sequence_index: number of its sequence.
    """
    n = len(sample)
    return Picture(
        **{**Boxes.columns_of(sample), "ignore": sample.ignore | (sample.scores <= 0)},
        image=image,
        object_index=np.arange(n),
        frame_index=np.full(n, frame_index, np.int64),
        sequence_index=np.full(n, sequence_index, np.int64),
    )
