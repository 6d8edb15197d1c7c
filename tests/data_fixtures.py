"""Samples, pictures and small data sets."""

import cv2
import numpy as np
import pytest
from data_builders import sample_of

from clmot.structures import Dataset
from clmot.views.picture import picture_of


@pytest.fixture(scope="session")
def make_sample():
    """A sample of given rows, without an image file."""

    def make(rows, size=(200, 100), ignore=None, classes=None, identities=None):
        columns = {"ignore": ignore, "classes": np.arange(len(rows)) % 3 if classes is None else classes}
        columns["identities"] = identities
        return sample_of(rows, size=size, **{name: value for name, value in columns.items() if value is not None})

    return make


@pytest.fixture(scope="session")
def make_picture(make_sample):
    """A picture of given rows, by default on noise."""

    def make(rows, size=(200, 100), image=None, frame=0, sequence=0, **attributes):
        if image is None:
            image = np.random.default_rng(frame).integers(0, 256, (size[1], size[0], 3), np.uint8)
        height, width = image.shape[:2]
        return picture_of(image, make_sample(rows, (width, height), **attributes), frame, sequence)

    return make


@pytest.fixture(scope="session")
def make_dataset():
    """A small data set on disk."""

    def make(folder, frames=6, seed=0):
        """Frames of noise in two sequences, the last one without boxes."""
        rng = np.random.default_rng(seed)
        samples = []
        for number in range(frames):
            path = folder / f"{number}.png"
            cv2.imwrite(str(path), rng.integers(0, 256, (40, 60, 3), np.uint8))
            n = 0 if number == frames - 1 else int(rng.integers(1, 6))
            corner = rng.uniform(0, 30, (n, 2))
            boxes = np.concatenate([corner, corner + 12], axis=1)
            drawn = {"classes": rng.integers(0, 2, n), "ignore": rng.random(n) < 0.2}
            where = {"image": path, "size": (60, 40), "sequence": "ab"[number % 2], "frame": number + 1}
            samples.append(sample_of(boxes, **where, **drawn, identities=rng.integers(1, 50, n)))
        return Dataset(samples=samples, classes=("person", "car"))

    return make
