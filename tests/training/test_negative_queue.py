import itertools

import torch
from hypothesis import given
from hypothesis import strategies as st

from clmot.losses.contrast_masks import BoxLabels, ContrastiveSet, contrast_pairs
from clmot.training.negative_queue import EmbeddingQueue


def rows(first: int, count: int) -> ContrastiveSet:
    """Boxes number `first` and on: embedding, sequence and identity all say the number."""
    numbers = torch.arange(first, first + count)
    return ContrastiveSet(numbers[:, None].float().repeat(1, 3), BoxLabels(numbers, numbers, numbers, numbers))


@given(st.integers(1, 7), st.lists(st.integers(0, 12), max_size=6))
def test_holds_the_last_boxes(size, pushes):
    queue, total = EmbeddingQueue(size, 3), 0
    for count in pushes:
        queue.push(rows(total, count))
        total += count
    held = queue.remembered()
    expected = list(range(max(0, total - size), total))
    assert sorted(held.labels.sequence_index.tolist()) == expected
    assert held.labels.identities.equal(held.labels.sequence_index)
    assert held.embeddings.equal(held.labels.sequence_index[:, None].float().repeat(1, 3))
    # its boxes have lost their frames, and can be nobody's other view
    assert (held.labels.frame_index == -1).all()


def test_the_oldest_goes_first():
    queue = EmbeddingQueue(4, 3)
    queue.push(rows(0, 3))
    queue.push(rows(3, 3))
    assert queue.remembered().labels.sequence_index.tolist() == [4, 5, 2, 3]


def test_state_goes_on_where_it_was():
    straight, stopped, resumed = (EmbeddingQueue(5, 3) for _ in range(3))
    for queue in (straight, stopped):
        queue.push(rows(0, 4))
    resumed.load_state_dict(stopped.state_dict())
    for queue in (straight, resumed):
        queue.push(rows(4, 3))
    for mine, theirs in zip(straight.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert mine.equal(theirs)


def test_what_was_remembered_does_not_change_under_a_backward_pass():
    queue = EmbeddingQueue(4, 3)
    queue.push(rows(0, 4))
    before = queue.remembered()
    queue.push(rows(4, 4))
    assert before.embeddings[:, 0].tolist() == [0, 1, 2, 3]


def test_never_a_negative_of_the_same_sequence():
    """By enumeration: remembered boxes are negatives if their sequence is another, positives if their identity is known
    to be the same, negatives of their own sequence only if it is known not to be."""
    queue = EmbeddingQueue(9, 3)
    pairs = torch.tensor(list(itertools.product([0, 1, 2], [-1, 7, 8])))
    queue.push(ContrastiveSet(torch.zeros(9, 3), BoxLabels(pairs[:, 0], pairs[:, 0], pairs[:, 0], pairs[:, 1])))
    anchors = BoxLabels(torch.tensor([0, 1]), torch.tensor([4, 4]), torch.tensor([1, 1]), torch.tensor([-1, 7]))
    keys = ContrastiveSet(torch.zeros(2, 3), anchors).and_then(queue.remembered())
    positive, negative = contrast_pairs(anchors, keys.labels, "queue")
    for row, mine in enumerate([-1, 7]):
        for column, (sequence, identity) in enumerate(pairs.tolist(), 2):
            same = mine >= 0 and mine == identity
            other = mine >= 0 and identity >= 0 and mine != identity
            assert positive[row, column] == same
            assert negative[row, column] == (not same and (sequence != 1 or other))
