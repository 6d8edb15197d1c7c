"""How often samples are drawn."""

import dataclasses

import numpy as np
import pytest

from clmot.config import DataConfig, ViewsConfig
from clmot.structures import Dataset
from clmot.views.loader import StepSampler, make_loader


def sampler(weights, steps=20, **options):
    count = len(weights)
    return StepSampler(count, batch_size=4, steps=steps, seed=1, weights=np.array(weights, float), **options)


def indices(batches) -> list[int]:
    return [index for step in batches for index, _ in step]


def test_without_weights_draws_are_what_they_were_before_there_were_any():
    expected = [
        [(5, 0), (0, 1), (1, 2)],
        [(4, 3), (2, 4), (6, 5)],
        [(3, 6), (2, 7), (5, 8)],
        [(4, 9), (6, 10), (0, 11)],
        [(1, 12), (3, 13), (6, 14)],
    ]
    assert list(StepSampler(7, batch_size=3, steps=5, seed=1)) == expected


def test_each_epoch_holds_every_sample_by_its_share():
    weights = np.random.default_rng(0).uniform(0.1, 3, 40)
    weights[7] = 30.0
    draws = np.array(indices(sampler(weights, steps=300))).reshape(30, 40)
    counts = np.stack([np.bincount(epoch, minlength=40) for epoch in draws])
    share = 40 * weights / weights.sum()
    assert ((counts >= np.floor(share)) & (counts <= np.ceil(share))).all()
    # thirty epochs: the mean of a count that is one of two neighbours is off by less than 0.5 / sqrt(30) at a sigma
    assert np.abs(counts.mean(axis=0) - share).max() < 0.35
    assert len({tuple(epoch) for epoch in draws}) == 30


def test_equal_weights_draw_each_sample_once():
    draws = np.array(indices(sampler(np.full(30, 0.1), steps=30))).reshape(4, 30)
    assert (np.sort(draws, axis=1) == np.arange(30)).all()


def test_weighted_draws_are_resumed_and_shared_out():
    weights = np.linspace(0.1, 5, 17)
    straight = list(sampler(weights))
    assert list(sampler(weights, start_step=9)) == straight[9:]
    shares = [list(sampler(weights, rank=rank, world_size=2)) for rank in range(2)]
    assert [one + other for one, other in zip(*shares, strict=True)] == straight


def test_a_loader_draws_by_the_weights_of_its_data(tmp_path, make_dataset):
    dataset = dataclasses.replace(make_dataset(tmp_path), weights=np.array([1e-6, 1, 1e-6, 1e-6, 1e-6, 1e-6]))
    batch = next(iter(make_loader(dataset, DataConfig(workers=0), ViewsConfig(), (64, 32), batch_size=6, steps=1)))
    assert set(batch.frame_index.tolist()) == {1}


@pytest.mark.parametrize(
    ("weights", "message"),
    [([1.0], r"must be \[0\], got \[1\]"), (np.array([]).reshape(0, 1), r"must be \[0\], got \[0, 1\]")],
)
def test_weights_have_one_number_a_sample(weights, message):
    with pytest.raises(ValueError, match=message):
        Dataset(samples=(), classes=("a",), weights=np.array(weights))


@pytest.mark.parametrize("weight", [0.0, -1.0, np.nan, np.inf])
def test_weights_are_positive(make_sample, weight):
    with pytest.raises(ValueError, match="positive and finite"):
        Dataset(samples=(make_sample([]),), classes=("a",), weights=np.array([weight]))
