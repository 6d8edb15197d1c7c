import math

import pytest
import torch
from torch.nn import functional as F

from clmot.losses.decoupled import decoupled
from clmot.losses.nt_xent import nt_xent


def pairs(seed: int = 0, n: int = 12) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One positive an anchor, all other boxes negatives."""
    embeddings = F.normalize(torch.randn(n, 6, generator=torch.Generator().manual_seed(seed)).double(), dim=1)
    positive = torch.eye(n, dtype=torch.bool).roll(n // 2, dims=1)
    return embeddings @ embeddings.T, positive, ~positive & ~torch.eye(n, dtype=torch.bool)


def test_nt_xent_is_its_softplus():
    """``log(1 + exp(DCL))`` puts the positive back into the denominator."""
    similarity, positive, negative = pairs()
    expected = nt_xent(similarity, positive, negative, 0.2)
    torch.testing.assert_close(F.softplus(decoupled(similarity, positive, negative, 0.2)), expected)


def test_of_embeddings_that_know_nothing():
    """All cosines equal: the logarithm of the number of negatives."""
    _, positive, negative = pairs()
    loss = decoupled(torch.full((12, 12), -0.3), positive, negative, 0.1)
    assert loss.tolist() == pytest.approx([math.log(10)] * 12, rel=1e-6)


def test_gradient_of_a_positive_does_not_fade():
    """What the decoupling is for: NT-Xent's pull vanishes with a positive found, this one stays 1/T."""
    similarity, positive, negative = pairs()
    similarity = torch.where(positive, 0.999, 0.2 * similarity)
    pull = {}
    for loss in (decoupled, nt_xent):
        values = similarity.clone().requires_grad_()
        loss(values, positive, negative, 0.1).sum().backward()
        pull[loss.__name__] = values.grad[positive]
    torch.testing.assert_close(pull["decoupled"], torch.full((12,), -10.0, dtype=torch.float64))
    assert pull["nt_xent"].abs().max() < 0.1
