import math

import pytest
import torch
from torch.nn import functional as F

from clmot.losses.contrast_masks import BoxLabels, contrast_pairs
from clmot.losses.nt_xent import nt_xent


def one_frame(objects: int) -> BoxLabels:
    """Two views of each object, the first views first."""
    zeros = torch.zeros(2 * objects, dtype=torch.int64)
    return BoxLabels(torch.arange(objects).repeat(2), zeros, zeros, zeros - 1)


def test_equals_cross_entropy_for_one_frame():
    """With one frame and two views each, NT-Xent is cross-entropy over all other boxes (SimCLR)."""
    n = 6
    embeddings = F.normalize(torch.randn(2 * n, 8, generator=torch.Generator().manual_seed(1)).double(), dim=1)
    similarity = embeddings @ embeddings.T
    logits = (similarity / 0.2).masked_fill(torch.eye(2 * n, dtype=torch.bool), -torch.inf)
    expected = F.cross_entropy(logits, torch.arange(2 * n).roll(n), reduction="none")
    labels = one_frame(n)
    torch.testing.assert_close(nt_xent(similarity, *contrast_pairs(labels, labels), 0.2), expected)


@pytest.mark.parametrize("objects", [2, 10, 400])
def test_of_embeddings_that_know_nothing(objects):
    """All cosines equal: the positive is one of 1 + N."""
    labels = one_frame(objects)
    loss = nt_xent(torch.full((2 * objects, 2 * objects), 0.7), *contrast_pairs(labels, labels), 0.1)
    assert loss.tolist() == pytest.approx([math.log(2 * objects - 1)] * 2 * objects, rel=1e-6)


@pytest.mark.parametrize("temperature", [0.001, 0.01])
def test_is_finite_and_exact_at_low_temperatures(temperature):
    """Exponentials far beyond what float32 can hold."""
    similarity = torch.tensor([[1.0, -1.0, 1.0], [-1.0, 1.0, -1.0], [1.0, 1.0, 1.0]]).requires_grad_()
    positive = torch.tensor([[0, 1, 0], [1, 0, 0], [0, 0, 0]]).bool()
    negative = torch.tensor([[0, 0, 1], [0, 0, 1], [1, 1, 0]]).bool()
    loss = nt_xent(similarity, positive, negative, temperature)
    loss.sum().backward()
    assert loss.tolist() == pytest.approx([2 / temperature, math.log(2), 0])
    assert torch.isfinite(similarity.grad).all()


def test_equals_the_published_formulation_with_a_mask_of_positives_by_negatives():
    """The gigabytes of the original, at a size where they are kilobytes: row p of the mask holds p's negatives."""
    generator = torch.Generator().manual_seed(2)
    labels = BoxLabels(
        torch.arange(5).repeat(4),
        torch.arange(2).repeat_interleave(10),
        torch.zeros(20).long(),
        torch.zeros(20).long() - 1,
    )
    embeddings = F.normalize(torch.randn(20, 8, generator=generator), dim=1)
    positive, negative = contrast_pairs(labels, labels)
    logits = embeddings @ embeddings.T / 0.5
    anchor, key = positive.nonzero(as_tuple=True)
    belongs = anchor[:, None] == negative.nonzero()[:, 0]
    others = torch.where(belongs, logits[negative][None], -torch.inf)
    rows = torch.cat([logits[anchor, key][:, None], others], dim=1)
    expected = F.cross_entropy(rows, torch.zeros(len(rows), dtype=torch.int64))
    torch.testing.assert_close(nt_xent(embeddings @ embeddings.T, positive, negative, 0.5).mean(), expected)
