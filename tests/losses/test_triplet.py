import pytest
import torch
from torch.nn import functional as F

from clmot.losses.triplet import triplet_all, triplet_hard


def cosine_distance(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    return 1 - F.cosine_similarity(first, second)


@pytest.mark.parametrize("seed", range(5))
def test_one_triplet_equals_torch(seed):
    embeddings = torch.randn(3, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    expected = F.triplet_margin_with_distance_loss(
        *embeddings[:, None], distance_function=cosine_distance, margin=0.5, reduction="sum"
    )
    unit = F.normalize(embeddings, dim=1)
    pairs = (unit[:1] @ unit.T, torch.tensor([[False, True, False]]), torch.tensor([[False, False, True]]))
    total, active = triplet_all(*pairs, 0.5)
    torch.testing.assert_close(total[0], expected)
    torch.testing.assert_close(triplet_hard(*pairs, 0.5)[0], expected)
    assert active.item() == (expected > 0)


def random_pairs(seed: int, decimals: int = 6) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
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


def test_batch_all_leaves_satisfied_triplets_out():
    similarity = torch.tensor([[0.9, 0.2, 0.8, 0.5]])
    positive, negative = torch.tensor([[1, 0, 0, 0]]).bool(), torch.tensor([[0, 1, 1, 1]]).bool()
    total, active = triplet_all(similarity, positive, negative, 0.5)
    assert active.item() == 2
    assert total.item() == pytest.approx(0.4 + 0.1)


def test_batch_hard_picks_the_farthest_positive_and_the_nearest_negative():
    similarity = torch.tensor([[0.9, 0.6, 0.4, 0.7, 0.99]])
    positive, negative = torch.tensor([[1, 1, 0, 0, 0]]).bool(), torch.tensor([[0, 0, 1, 1, 0]]).bool()
    assert triplet_hard(similarity, positive, negative, 0.5).item() == pytest.approx(0.5 - 0.6 + 0.7)
