import dataclasses
import itertools
import math

import pytest
import torch

from clmot.config import TrainConfig
from clmot.training.optim import WeightAverage, fitting_warmup, learning_rate, make_optimizer, steps_of


def test_schedule():
    config = TrainConfig(steps=110, warmup_steps=10, learning_rate=0.1)
    rates = [learning_rate(step, config) for step in range(111)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[9] == pytest.approx(0.1)
    assert rates[60] == pytest.approx(0.05)
    assert rates[110] == pytest.approx(0, abs=1e-12)
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))


@pytest.mark.parametrize("schedule", ["step", "two-steps"])
def test_published_schedule(schedule):
    """30 epochs of any length: the full rate up to the end of epoch 20, a tenth of it then, with CL-MOT up to 27."""
    for frames in (1, 7, 5316):
        published = TrainConfig(epochs=30, batch_size=12, schedule=schedule, warmup_steps=0, learning_rate=1e-4)
        steps = steps_of(published, frames)
        epoch = -(-frames // 12)
        assert steps == 30 * epoch
        config = TrainConfig(steps=steps, schedule=schedule, warmup_steps=0, learning_rate=1e-4)
        rates = [learning_rate(step, config) for step in range(steps)]
        assert rates[: 20 * epoch] == [1e-4] * (20 * epoch)
        last = 1e-5 if schedule == "step" else 1e-6
        assert rates[20 * epoch :] == pytest.approx([1e-5] * (7 * epoch) + [last] * (3 * epoch))


def test_steps_without_epochs():
    assert steps_of(TrainConfig(steps=17, epochs=0), 1000) == 17


def test_adam_equals_the_recursion():
    """Kingma & Ba 2015, algorithm 1; AdamW shrinks the weight beside it (Loshchilov & Hutter 2019)."""
    for kind, decay in (("adam", 0.0), ("adamw", 0.01)):
        network = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.constant_(network.weight, 1.0)
        optimizer = make_optimizer(network, TrainConfig(optimizer=kind, learning_rate=0.01))
        weight, first, second = 1.0, 0.0, 0.0
        for step in range(1, 20):
            gradient = math.cos(step)
            network.weight.grad = torch.full_like(network.weight, gradient)
            optimizer.step()
            first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
            weight -= 0.01 * decay * weight
            weight -= 0.01 * (first / (1 - 0.9**step)) / (math.sqrt(second / (1 - 0.999**step)) + 1e-8)
        assert network.weight.item() == pytest.approx(weight, rel=1e-5)


def test_frozen_weights_are_left_out():
    network = torch.nn.Linear(2, 2)
    network.bias.requires_grad_(False)
    assert [len(group["params"]) for group in make_optimizer(network, TrainConfig()).param_groups] == [1, 0]


def test_decay_spares_norms_biases_and_task_weights():
    network = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3))
    decayed, plain = make_optimizer(network, TrainConfig()).param_groups
    assert [tuple(p.shape) for p in decayed["params"]] == [(3, 2, 3, 3)]
    assert len(plain["params"]) == 3
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.01, 0)


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


@pytest.mark.parametrize(("steps", "warmup"), [(1, 0), (30, 15), (99, 49), (100, 50), (3000, 50)])
def test_a_short_run_warms_up_for_half_of_its_steps_at_most(steps, warmup):
    config = TrainConfig(steps=steps, warmup_steps=50, learning_rate=0.1)
    assert fitting_warmup(config) == warmup
    fitted = dataclasses.replace(config, warmup_steps=warmup)
    assert max(learning_rate(step, fitted) for step in range(steps)) == pytest.approx(0.1)
