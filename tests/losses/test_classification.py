import math

import pytest
import torch
from torch.nn import functional as F

from clmot.losses.classification import identity_cross_entropy


def example(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(8, 5, generator=generator, dtype=torch.float64)
    return logits, torch.tensor([0, 4, -1, 2, 2, -1, 1, 3])


def test_equals_the_loop():
    logits, identities = example()
    loss = identity_cross_entropy(logits, identities)
    for row, identity, value in zip(logits.tolist(), identities.tolist(), loss.tolist(), strict=True):
        if identity < 0:
            assert value == 0
            continue
        p = math.exp(row[identity]) / sum(math.exp(logit) for logit in row)
        assert value == pytest.approx(-math.log(p), rel=1e-9)


def test_plain_equals_torch():
    logits, identities = example(1)
    known = identities >= 0
    actual = identity_cross_entropy(logits, identities)[known].mean()
    torch.testing.assert_close(actual, F.cross_entropy(logits[known], identities[known]))


def test_gradient_and_none_for_unknown_identities():
    logits, identities = example(2)
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: identity_cross_entropy(x, identities), (logits,))
    identity_cross_entropy(logits, identities).sum().backward()
    assert not logits.grad[identities < 0].any()
    assert logits.grad[identities >= 0].any(dim=1).all()


@pytest.mark.parametrize("scale", [1e4, -1e4])
def test_is_finite_where_the_classifier_is_certain(scale):
    """Right or wrong without any doubt left in float32."""
    logits = (scale * torch.eye(4)).requires_grad_()
    loss = identity_cross_entropy(logits, torch.tensor([0, 1, 2, -1]))
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("count", [0, 3])
def test_nobody_known_is_a_finite_zero(count):
    logits = torch.zeros(count, 7, requires_grad=True)
    loss = identity_cross_entropy(logits, torch.full((count,), -1)).sum()
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))
