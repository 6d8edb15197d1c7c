import itertools
import math

import pytest
import torch

from clmot.config import TrainConfig
from clmot.training.optim import WeightAverage, learning_rate, make_optimizer


def test_schedule():
    config = TrainConfig(steps=110, warmup_steps=10, learning_rate=0.1)
    rates = [learning_rate(step, config) for step in range(111)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[9] == pytest.approx(0.1)
    assert rates[60] == pytest.approx(0.05)
    assert rates[110] == pytest.approx(0, abs=1e-12)
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))


def test_decay_spares_norms_biases_and_task_weights():
    network = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3))
    decayed, plain = make_optimizer(network, TrainConfig(weight_decay=0.5)).param_groups
    assert [tuple(p.shape) for p in decayed["params"]] == [(3, 2, 3, 3)]
    assert len(plain["params"]) == 3
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.5, 0)


def test_average_equals_the_recursion():
    network = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(network.weight, 1.0)
    average, expected = WeightAverage(network, 0.9), 1.0
    for step in range(200):
        torch.nn.init.constant_(network.weight, math.sin(step))
        average.update(network, step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * math.sin(step)
    assert average.network.weight.item() == pytest.approx(expected, abs=1e-5)


def test_average_carries_norm_statistics():
    norm = torch.nn.BatchNorm1d(2)
    average = WeightAverage(norm, 0.0)
    norm(torch.randn(8, 2, generator=torch.Generator().manual_seed(0)))
    average.update(norm, 0)
    torch.testing.assert_close(average.network.running_mean, norm.running_mean)
    assert average.network.num_batches_tracked == 1
