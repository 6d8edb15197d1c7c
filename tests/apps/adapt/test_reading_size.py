from pathlib import Path

import numpy as np
import pytest

from clmot.apps.adapt.settings import reading_size
from clmot.inference.model import load_model
from clmot.structures import Dataset, Sample


def street(scale: int, tall: list[int]) -> Dataset:
    """Pictures so many times as large as the input of 160x96, with boxes of these heights."""
    boxes = np.array([[0, 0, 10, each] for each in tall], np.float32).reshape(-1, 4)
    sample = Sample(
        image=Path("none"), width=160 * scale, height=96 * scale, sequence="s", frame=1, boxes=boxes,
        classes=np.zeros(len(tall), np.int64), ignore=np.zeros(len(tall), bool), identities=np.arange(len(tall)),
    )  # fmt: skip
    return Dataset(samples=(sample,), classes=("person",))


@pytest.mark.parametrize(
    ("scale", "tall", "size"),
    [
        (1, [8, 9, 2], None),
        (4, [32, 33, 40], None),
        (4, [20, 20, 80], 512),  # 5 pixels in the input, of which 16 are made
        (2, [15], 320),  # as it is: more pixels than there are show nothing more
        (4, [10], 640),
        (4, [], None),
    ],
)
def test_two_stripes_of_most_boxes_have_a_cell_of_four_pixels_each(tiny_run, scale, tall, size):
    assert reading_size(load_model(tiny_run, device="cpu"), street(scale, tall)) == size


def test_a_size_that_somebody_chose_stays(tiny_run):
    assert reading_size(load_model(tiny_run, device="cpu", size=160), street(4, [10])) is None
