"""NT-Xent and the triplets against other formulations of theirs."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from clmot.losses.contrast_masks import BoxLabels, contrast_pairs
from clmot.losses.contrastive import nt_xent, triplet_all


def one_frame(objects: int) -> BoxLabels:
    """Two views of each object, the first views first."""
    zeros = torch.zeros(2 * objects, dtype=torch.int64)
    return BoxLabels(torch.arange(objects).repeat(2), zeros, zeros, zeros - 1)


def test_nt_xent_equals_cross_entropy_for_one_frame():
    """With one frame and two views each, NT-Xent is cross-entropy over all other boxes (SimCLR)."""
    n = 6
    embeddings = F.normalize(torch.randn(2 * n, 8, generator=torch.Generator().manual_seed(1)).double(), dim=1)
    similarity = embeddings @ embeddings.T
    logits = (similarity / 0.2).masked_fill(torch.eye(2 * n, dtype=torch.bool), -torch.inf)
    expected = F.cross_entropy(logits, torch.arange(2 * n).roll(n), reduction="none")
    labels = one_frame(n)
    torch.testing.assert_close(nt_xent(similarity, *contrast_pairs(labels, labels), 0.2), expected)


@pytest.mark.parametrize("temperature", [0.001, 0.01])
def test_nt_xent_is_exact_at_low_temperatures(temperature):
    """Exponentials far beyond what float32 can hold."""
    similarity = torch.tensor([[1.0, -1.0, 1.0], [-1.0, 1.0, -1.0], [1.0, 1.0, 1.0]]).requires_grad_()
    positive = torch.tensor([[0, 1, 0], [1, 0, 0], [0, 0, 0]]).bool()
    negative = torch.tensor([[0, 0, 1], [0, 0, 1], [1, 1, 0]]).bool()
    loss = nt_xent(similarity, positive, negative, temperature)
    loss.sum().backward()
    assert loss.tolist() == pytest.approx([2 / temperature, math.log(2), 0])
    assert torch.isfinite(similarity.grad).all()


def random_pairs(seed: int, decimals: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    """Many positives and negatives an anchor; few decimals make ties and triplets exactly on the margin."""
    generator = torch.Generator().manual_seed(seed)
    similarity = (torch.rand(20, 33, generator=generator) * 2 - 1).round(decimals=decimals)
    kind = torch.rand(20, 33, generator=generator)
    return similarity, kind < 0.3, kind > 0.5


@pytest.mark.parametrize("decimals", [6, 1])
@pytest.mark.parametrize("margin", [0.1, 0.5, 2.0])
def test_batch_all_equals_all_triplets(decimals, margin):
    """Loss, count and gradient of the cubic definition."""
    similarity, positive, negative = random_pairs(0, decimals)
    gradients = []
    for counted in (True, False):
        values = similarity.clone().requires_grad_()
        if counted:
            total, active = triplet_all(values, positive, negative, margin)
        else:
            # compared as the losses compare: s_p with s_n + margin, so that ties on the margin fall alike
            every = ((values + margin)[:, None, :] - values[:, :, None]).relu()
            every = every * (positive[:, :, None] & negative[:, None, :])
            torch.testing.assert_close(total, every.sum(dim=(1, 2)), rtol=1e-4, atol=1e-4)
            assert torch.equal(active, (every > 0).sum(dim=(1, 2)))
            total = every.sum(dim=(1, 2))
        total.sum().backward()
        gradients.append(values.grad)
    torch.testing.assert_close(*gradients)
