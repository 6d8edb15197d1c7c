"""What holds for every contrastive objective: its definition written out, and its laws; then what holds for each."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from clmot.losses.contrast_masks import BoxLabels, contrast_pairs
from clmot.losses.contrastive import (
    cosines,
    nt_xent,
    positives_and_negatives,
    triplet_all,
    triplet_hard,
)

T, MARGIN = 0.3, 0.5


def loop_nt_xent(near: list[float], far: list[float]) -> float:
    total = sum(math.exp(s / T) for s in far)
    return sum(-math.log(math.exp(s / T) / (math.exp(s / T) + total)) for s in near) / len(near)


def loop_triplets(near: list[float], far: list[float]) -> list[float]:
    every = [(1 - s_p) - (1 - s_n) + MARGIN for s_p in near for s_n in far]
    return [loss for loss in every if loss > 0]


def loop_triplet_hard(near: list[float], far: list[float]) -> float:
    return max(0.0, (1 - min(near)) - (1 - max(far)) + MARGIN)


OBJECTIVES: dict[str, tuple[Callable[..., Tensor], Callable[[list[float], list[float]], float]]] = {
    "nt_xent": (lambda *pairs: nt_xent(*pairs, T), loop_nt_xent),
    "triplet": (lambda *pairs: triplet_all(*pairs, MARGIN)[0], lambda near, far: sum(loop_triplets(near, far))),
    "triplet_hard": (lambda *pairs: triplet_hard(*pairs, MARGIN), loop_triplet_hard),
}


@pytest.fixture(params=OBJECTIVES)
def objective(request) -> Callable[..., Tensor]:
    return OBJECTIVES[request.param][0]


def scene(seed: int = 0, frames: int = 4, objects: int = 5, known: float = 0.4) -> tuple[Tensor, BoxLabels]:
    """Two views of each object of each frame in random order, a few in one view only, a share of identities known."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.tensor([(o, f, f % 2, o + 100 * (f % 2)) for f in range(frames) for o in range(objects)])
    rows = rows.repeat(2, 1)[:-3]
    rows = rows[torch.randperm(len(rows), generator=generator)]
    rows[torch.rand(len(rows), generator=generator) >= known, 3] = -1
    embeddings = torch.randn(len(rows), 16, generator=generator, dtype=torch.float64)
    return F.normalize(embeddings, dim=1), BoxLabels(*rows.unbind(1))


def counted(positive: Tensor, negative: Tensor) -> Tensor:
    return positive.any(dim=1) & negative.any(dim=1)


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("negatives", ["frame", "sequences"])
@pytest.mark.parametrize("known", [0.0, 0.5])
def test_equals_the_definition_written_out(name, negatives, known):
    loss, loop = OBJECTIVES[name]
    embeddings, labels = scene(known=known)
    anchors = BoxLabels(*(values[:30] for values in labels))
    positive, negative = contrast_pairs(anchors, labels, negatives)
    similarity = embeddings[:30] @ embeddings.T
    actual = loss(similarity, positive, negative)
    compared = 0
    for i in counted(positive, negative).nonzero().squeeze(1).tolist():
        expected = loop(similarity[i][positive[i]].tolist(), similarity[i][negative[i]].tolist())
        assert actual[i].item() == pytest.approx(expected, abs=1e-12)
        compared += 1
    assert compared > 20
    assert (positive.sum(dim=1).max() > 1) == (known > 0), "mixed supervision should give several positives"


@settings(deadline=None, max_examples=60)
@given(anchors=st.integers(0, 6), more=st.integers(0, 6), seed=st.integers(0, 10**6), share=st.floats(0, 1))
@pytest.mark.parametrize("name", OBJECTIVES)
def test_any_masks_give_finite_losses_and_gradients(name, anchors, more, seed, share):
    """Whoever lacks positives or negatives, in whatever combination, and whatever the cosines."""
    generator = torch.Generator().manual_seed(seed)
    shape = (anchors, anchors + more)
    kind = torch.rand(shape, generator=generator)
    positive, negative = kind < share / 2, kind > 1 - share / 2
    similarity = torch.rand(shape, generator=generator).mul(2).sub(1).round(decimals=1).requires_grad_()
    loss = OBJECTIVES[name][0](similarity, positive, negative)
    assert loss.shape == (anchors,)
    assert torch.isfinite(loss).all()
    (loss * counted(positive, negative)).sum().backward()
    assert similarity.grad is not None
    assert torch.isfinite(similarity.grad).all()
    assert not similarity.grad[~counted(positive, negative)].any()
    assert not similarity.grad[~(positive | negative)].any()


def test_gradient(objective):
    embeddings, labels = scene(seed=1, frames=2, objects=3)
    positive, negative = contrast_pairs(labels, labels)
    use = counted(positive, negative)
    embeddings.requires_grad_()
    assert torch.autograd.gradcheck(lambda e: objective(e @ e.T, positive, negative)[use], (embeddings,))


def test_permuting_the_boxes_permutes_the_losses(objective):
    embeddings, labels = scene(seed=3)
    order = torch.randperm(len(embeddings), generator=torch.Generator().manual_seed(4))
    straight = objective(embeddings @ embeddings.T, *contrast_pairs(labels, labels))
    embeddings, labels = embeddings[order], BoxLabels(*(values[order] for values in labels))
    torch.testing.assert_close(objective(embeddings @ embeddings.T, *contrast_pairs(labels, labels)), straight[order])


def test_single_precision_is_close_to_double(objective):
    embeddings, labels = scene(seed=6, frames=6, objects=12)
    similarity, masks = embeddings @ embeddings.T, contrast_pairs(labels, labels)
    use = counted(*masks)
    single = objective(similarity.float(), *masks)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single[use].double(), objective(similarity, *masks)[use], rtol=1e-4, atol=1e-4)


class LargestTensor(TorchDispatchMode):
    """Numbers in the largest tensor that any operation gives."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else [result]:
            if isinstance(value, Tensor):
                self.numbers = max(self.numbers, value.numel())
        return result


def test_no_tensor_is_larger_than_anchors_times_keys(objective):
    """Neither positives x negatives nor triplets are ever formed, forwards or backwards, however many positives."""
    embeddings, labels = scene(frames=20, objects=10, known=1.0)
    n = len(embeddings)
    embeddings.requires_grad_()
    with LargestTensor() as largest:
        positive, negative = contrast_pairs(labels, labels)
        objective(embeddings @ embeddings.T, positive, negative).sum().backward()
    assert positive.sum() > 7000
    assert positive.sum(dim=1).max() >= 18
    assert largest.numbers == n * n
    with LargestTensor() as meter:
        embeddings.detach()[positive.nonzero()[:, 0]] @ embeddings.detach().T
    assert meter.numbers == positive.sum() * n, "the meter itself"


def units(count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(count, 5, generator=generator, dtype=torch.float64), dim=1)


@pytest.mark.parametrize("count", [0, 1, 7])
def test_cosines_of_boxes_with_themselves_in_both_directions(count):
    """The shorter gradient equals the product rule, for a gradient that is not symmetric."""
    upstream = torch.randn(count, count, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    gradients = []
    for anchors in (units(count, 0).requires_grad_(), units(count, 0).requires_grad_()):
        similarity = cosines(anchors, anchors) if not gradients else anchors @ anchors.T
        torch.testing.assert_close(similarity, F.cosine_similarity(anchors[:, None], anchors, dim=2))
        similarity.backward(upstream)
        gradients.append(anchors.grad)
    torch.testing.assert_close(*gradients)


def test_cosines_of_boxes_with_others_in_both_directions():
    anchors, keys = units(3, 0).requires_grad_(), units(4, 1).requires_grad_()
    torch.testing.assert_close(cosines(anchors, keys), F.cosine_similarity(anchors[:, None], keys, dim=2))
    assert torch.autograd.gradcheck(cosines, (anchors, keys))


@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_positives_and_negatives_equal_indexing_and_a_masked_log_sum_exp_in_both_directions(temperature):
    generator = torch.Generator().manual_seed(0)
    kind = torch.rand(7, 12, generator=generator)
    positive, negative = kind < 0.2, kind > 0.4
    rows, columns = positive.nonzero(as_tuple=True)
    similarity = torch.rand(7, 12, generator=generator).double() * 2 - 1
    gradients = []
    for fused in (True, False):
        values = similarity.clone().requires_grad_()
        if fused:
            near, far = positives_and_negatives(values, rows, columns, negative, temperature)
        else:
            expected = values[rows, columns] / temperature
            torch.testing.assert_close(near, expected)
            near = expected
            expected = torch.where(negative, values / temperature, -torch.inf).logsumexp(dim=1)
            torch.testing.assert_close(far, expected)
            far = expected
        (near.sin().sum() + (far**2).sum()).backward()
        gradients.append(values.grad)
    torch.testing.assert_close(*gradients)


def test_a_row_without_negatives_has_the_lowest_number_and_no_gradient():
    similarity = torch.zeros(2, 3, requires_grad=True)
    none = torch.zeros(0, dtype=torch.int64)
    negative = torch.tensor([[False] * 3, [True] * 3])
    _, far = positives_and_negatives(similarity, none, none, negative, 0.1)
    far.sum().backward()
    assert far[0] == torch.finfo(torch.float32).min
    assert similarity.grad.tolist() == [[0, 0, 0], pytest.approx([10 / 3] * 3)]


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
