"""Embeddings that tell nobody apart do no harm."""

from dataclasses import replace

import numpy as np
import pytest

from clmot.config.tracker import TrackerConfig
from clmot.structures import Detections
from clmot.tracking.track_state import unit
from clmot.tracking.tracker import Tracker
from clmot.tracking.trust import Trust, by_chance


def looks(rng, n, noise):
    """The same n individuals twice, in two orders."""
    base = rng.normal(size=(n, 32))
    order = rng.permutation(n)
    first, second = (base + noise * rng.normal(size=base.shape) for _ in range(2))
    return unit(first.astype(np.float32)), unit(second[order].astype(np.float32))


@pytest.mark.parametrize(("noise", "low", "high"), [(0.1, 0.85, 1.0), (100.0, -0.1, 0.2)])
def test_agreement_is_one_for_good_embeddings_and_zero_for_random_ones(noise, low, high):
    rng, trust = np.random.default_rng(0), Trust(0.4)
    for _ in range(600):
        trust.look(*looks(rng, int(rng.integers(1, 12)), noise))
    assert low < trust.agreement < high
    assert trust.given == (noise < 1)


@pytest.mark.parametrize("size", [16, 512])
@pytest.mark.parametrize("n", [1, 2, 4, 8, 30])
def test_random_embeddings_are_not_trusted_from_the_first_frame_on(n, size):
    rng = np.random.default_rng(n)
    trusted = 0
    for _ in range(100):
        trust = Trust(0.4)
        for _ in range(15):
            trust.look(*(unit(rng.normal(size=(count, size)).astype(np.float32)) for count in (n, n + 1)))
            trusted += trust.given
    assert trusted <= 15


@pytest.mark.parametrize(("n", "frames"), [(1, 2), (2, 1), (6, 1)])
def test_good_embeddings_are_trusted_from_the_first_frames_on(n, frames):
    rng, trust = np.random.default_rng(2), Trust(0.4)
    for _ in range(frames):
        assert not trust.given
        trust.look(*looks(rng, n, 0.1))
    assert trust.given


def test_pairs_by_chance_are_what_random_embeddings_have():
    """The expectation that is subtracted, against a count over random numbers."""
    rng = np.random.default_rng(1)
    for n, m in ((2, 2), (3, 7), (8, 5)):
        count = 0
        for _ in range(4000):
            similarity = rng.normal(size=(n, m))
            best = (similarity == similarity.max(axis=1, keepdims=True)) & (similarity == similarity.max(axis=0))
            count += np.count_nonzero(best & (similarity > 1.5))
        assert count / 4000 == pytest.approx(by_chance(n, m), rel=0.07)


def street(seed, kind):
    """Ten people who walk to and fro; with embeddings of themselves, random ones, or none."""
    rng = np.random.default_rng(seed)
    place, speed, self_ = rng.uniform(0, 600, (10, 2)), rng.normal(0, 2, (10, 2)), rng.normal(size=(10, 32))
    for _ in range(200):
        place = place + speed + rng.normal(0, 1, place.shape)
        seen = rng.random(10) < 0.9
        vectors = {"good": self_ + 0.3 * rng.normal(size=self_.shape), "random": rng.normal(size=self_.shape)}
        yield Detections(
            xyxy=np.tile(place, 2)[seen] + np.array([-15, -40, 15, 40]),
            score=rng.uniform(0.6, 0.9, 10)[seen],
            class_id=np.zeros(seen.sum()),
            embedding=vectors[kind][seen] if kind in vectors else None,
        )


def ids(config, kind, first=0):
    tracker = Tracker(config)
    found = [tracker.update(each).track_id.tolist() for each in street(3, kind)]
    return found[first:]


def test_random_embeddings_track_as_motion_does_and_good_ones_as_if_always_trusted():
    config = TrackerConfig()
    always = replace(config, appearance_trust=0.0)
    assert ids(config, "random", 20) == ids(config, "none", 20)
    assert ids(always, "random", 20) != ids(config, "none", 20)
    assert ids(config, "good") == ids(always, "good")
