import math

import pytest
import torch

from clmot.models.task_weights import TaskWeights


def test_by_the_formula():
    total = TaskWeights()(torch.tensor(3.0), torch.tensor(2.0))
    expected = 0.5 * (math.exp(1.85) * 3 + math.exp(1.05) * 2 - 1.85 - 1.05)
    assert total.item() == pytest.approx(expected, rel=1e-6)


def test_learns_the_logarithms_of_the_losses():
    """At constant losses L the best weights are exp(-s) = 1 / L (Kendall et al.): neither task drowns the other."""
    weights = TaskWeights()
    optimizer = torch.optim.Adam(weights.parameters(), lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        weights(torch.tensor(5.0), torch.tensor(0.5)).backward()
        optimizer.step()
    assert weights.detection.item() == pytest.approx(math.log(5), abs=0.05)
    assert weights.embedding.item() == pytest.approx(math.log(0.5), abs=0.05)


def test_rests_without_an_embedding_loss():
    """A zero for want of pairs would drive its weight to infinity, and 0 x infinity is not a number."""
    weights = TaskWeights()
    embedding = torch.zeros((), requires_grad=True)
    weights(torch.tensor(3.0), embedding, torch.tensor(False)).backward()
    assert weights.embedding.grad.item() == embedding.grad.item() == 0
    assert weights.detection.grad.item() == pytest.approx(0.5 * (1 - 3 * math.exp(1.85)))
