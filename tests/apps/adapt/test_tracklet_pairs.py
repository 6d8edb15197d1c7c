"""What training makes of tracklets: positives across time, and only negatives that are certain."""

import dataclasses
import itertools

import cv2
import numpy as np
import pytest
from data_builders import sample_of

from clmot.config import DataConfig, ViewsConfig
from clmot.errors import UserError
from clmot.losses.contrast_masks import contrast_pairs, contrastive_set
from clmot.structures import Dataset
from clmot.views.loader import pack
from clmot.views.pair_dataset import PairDataset
from clmot.views.temporal_pairs import match_tracklets

LIVES = {0: (1, 12), 1: (1, 6), 2: (7, 12), 3: (4, 9)}
"""First and last frame of each tracklet: 1 and 2 are never seen together, and may show one person."""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frames")
    samples = []
    for frame in range(1, 13):
        file = folder / f"{frame}.png"
        cv2.imwrite(str(file), np.random.default_rng(frame).integers(0, 255, (96, 160, 3), dtype=np.uint8))
        alive = [number for number, (first, last) in LIVES.items() if first <= frame <= last]
        # places say nothing: overlap would match everything wrongly
        boxes = np.array([[40 * place + 2, 10, 40 * place + 32, 80] for place in range(len(alive))], np.float32)
        where = {"image": file, "size": (160, 96), "sequence": "street", "frame": frame}
        samples.append(sample_of(boxes, **where, identities=alive))
    return Dataset(samples=samples, classes=("person",))


def test_every_positive_is_one_tracklet_and_every_negative_was_seen_together(dataset):
    views = ViewsConfig(neighbour=1.0, neighbour_frames=8, scale=(1.0, 1.0), shift=0.0, rotate=0.0, mirror=0.0)
    pairs = PairDataset(dataset, views, (160, 96), seed=0, tracklets=True)
    apart, across_time = 0, 0
    for start in range(0, 12, 3):
        drawn = [pairs[(index, 100 + index)] for index in range(start, start + 3)]
        batch = pack(drawn)
        assert (batch.identities == -1).all()
        seen = contrastive_set(batch.boxes, batch)
        # boxes lie at places that tell the tracklet, if one knows the frame
        truth, frames = _tracklets_of(drawn, dataset)
        positive, negative = contrast_pairs(seen.labels, seen.labels, "frame")
        for i, j in itertools.product(range(len(truth)), repeat=2):
            if positive[i, j]:
                assert truth[i] == truth[j]
                across_time += frames[i] != frames[j]
            if negative[i, j]:
                (a, b), (c, d) = LIVES[truth[i]], LIVES[truth[j]]
                assert truth[i] != truth[j]
                assert max(a, c) <= min(b, d), (truth[i], truth[j])
                apart += 1
    assert apart > 20
    assert across_time > 10


def _tracklets_of(drawn, dataset):
    """Tracklet and frame of each box that takes part, from the pixels of its view: each frame's noise is its own."""
    truth, frames = [], []
    for pair in drawn:
        for view in pair.views:
            frame = _frame_of(view, dataset)
            alive = dataset.samples[frame].identities
            for box, ignored, index in zip(view.boxes, view.ignore, view.object_index, strict=True):
                if not ignored and index >= 0:
                    truth.append(int(alive[round((float(box[0]) - 2) / 40)]))
                    frames.append(frame)
    return truth, frames


def _frame_of(view, dataset):
    def distance(sample):
        image = cv2.cvtColor(cv2.imread(str(sample.image)), cv2.COLOR_BGR2RGB)
        grey = [each.astype(float).mean(axis=2).ravel() for each in (image, view.image)]
        return -np.corrcoef(*grey)[0, 1]

    return int(np.argmin([distance(sample) for sample in dataset.samples]))


def test_ignored_and_unknown_boxes_are_not_matched(dataset):
    first, second = dataset.samples[4], dataset.samples[5]
    assert match_tracklets(first, second).tolist() == [[0, 0], [1, 1], [2, 2]]
    turned = dataclasses.replace(second, identities=np.array([3, -1, 0]), ignore=np.array([False, False, True]))
    assert match_tracklets(first, turned).tolist() == [[2, 0]]
    assert match_tracklets(turned, turned).tolist() == [[0, 0]]
    assert match_tracklets(dataset.samples[0].without_identities(), second.without_identities()) is None


def test_identities_are_one_thing_or_the_other():
    with pytest.raises(UserError, match=r"data\.identities and data\.tracklets"):
        DataConfig(identities=True, tracklets=True)
