import math

import pytest
import torch
from torch.nn import functional as F

from clmot.losses.contrastive import contrast_pairs, nt_xent


def scene(seed: int = 0, frames: int = 4, objects: int = 5, sequences: int = 2, dimension: int = 16):
    """Two views of each object of each frame, in random order, a few seen in one view only."""
    generator = torch.Generator().manual_seed(seed)
    rows = [(s % sequences, s, o) for s in range(frames) for o in range(objects) for _ in range(2)][:-3]
    order = torch.randperm(len(rows), generator=generator).tolist()
    sequence, frame, object_ = (torch.tensor([rows[i][k] for i in order]) for k in range(3))
    embeddings = F.normalize(torch.randn(len(rows), dimension, generator=generator, dtype=torch.float64), dim=1)
    return embeddings, object_, frame, sequence


def loop_nt_xent(embeddings, object_index, frame_index, sequence_index, temperature, negatives):
    """The definition, written out."""
    n, losses = len(embeddings), []
    for i in range(n):
        positive, negative = [], []
        for j in range(n):
            same_frame = frame_index[i] == frame_index[j]
            similarity = float(embeddings[i] @ embeddings[j]) / temperature
            if i != j and same_frame and object_index[i] == object_index[j]:
                positive.append(similarity)
            elif (same_frame and object_index[i] != object_index[j]) or (
                negatives == "sequences" and sequence_index[i] != sequence_index[j]
            ):
                negative.append(similarity)
        if positive and negative:
            total = sum(math.exp(s) for s in negative)
            losses.append(sum(-math.log(math.exp(s) / (math.exp(s) + total)) for s in positive) / len(positive))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("negatives", ["frame", "sequences"])
@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_equals_the_loop(negatives, temperature):
    embeddings, object_index, frame_index, sequence_index = scene()
    masks = contrast_pairs(object_index, frame_index, sequence_index, negatives)
    expected = loop_nt_xent(embeddings, object_index, frame_index, sequence_index, temperature, negatives)
    assert nt_xent(embeddings, *masks, temperature).item() == pytest.approx(expected, abs=1e-12)


def test_equals_cross_entropy_for_one_frame():
    """With one frame and two views each, NT-Xent is cross-entropy over all other boxes (SimCLR)."""
    n = 6
    embeddings = F.normalize(torch.randn(2 * n, 8, generator=torch.Generator().manual_seed(1)).double(), dim=1)
    object_index = torch.arange(n).repeat(2)
    zeros = torch.zeros_like(object_index)
    logits = (embeddings @ embeddings.T / 0.2).masked_fill(torch.eye(2 * n, dtype=torch.bool), -torch.inf)
    expected = F.cross_entropy(logits, torch.arange(2 * n).roll(n))
    actual = nt_xent(embeddings, *contrast_pairs(object_index, zeros, zeros), 0.2)
    torch.testing.assert_close(actual, expected)


def test_pairs_by_enumeration():
    #              a       a       b       other frame, same sequence   other sequence
    object_index = torch.tensor([0, 0, 1, 0, 0])
    frame_index = torch.tensor([0, 0, 0, 1, 2])
    sequence_index = torch.tensor([0, 0, 0, 0, 1])
    positive, negative = contrast_pairs(object_index, frame_index, sequence_index, "sequences")
    assert positive.nonzero().tolist() == [[0, 1], [1, 0]]
    pairs = {(0, 2), (1, 2), (0, 4), (1, 4), (2, 4), (3, 4)}
    assert {tuple(pair) for pair in negative.nonzero().tolist()} == pairs | {(b, a) for a, b in pairs}
    _, negative = contrast_pairs(object_index, frame_index, sequence_index, "frame")
    assert {tuple(pair) for pair in negative.nonzero().tolist()} == {(0, 2), (2, 0), (1, 2), (2, 1)}


@pytest.mark.parametrize("count", [0, 1, 2])
def test_nothing_to_contrast_is_a_finite_zero(count):
    embeddings = F.normalize(torch.ones(count, 4), dim=1).requires_grad_()
    index = torch.zeros(count, dtype=torch.int64)
    loss = nt_xent(embeddings, *contrast_pairs(index, index, index))
    loss.backward()
    assert loss.item() == 0
    assert embeddings.grad is not None
    assert torch.equal(embeddings.grad, torch.zeros_like(embeddings))


def test_gradient():
    embeddings, object_index, frame_index, sequence_index = scene(frames=2, objects=3)
    masks = contrast_pairs(object_index, frame_index, sequence_index)
    embeddings.requires_grad_()
    assert torch.autograd.gradcheck(lambda e: nt_xent(e, *masks, 0.5), (embeddings,))


def test_permutation_changes_nothing():
    embeddings, *index = scene(seed=3)
    order = torch.randperm(len(embeddings), generator=torch.Generator().manual_seed(4))
    straight = nt_xent(embeddings, *contrast_pairs(*index))
    permuted = nt_xent(embeddings[order], *contrast_pairs(*(values[order] for values in index)))
    torch.testing.assert_close(straight, permuted)
