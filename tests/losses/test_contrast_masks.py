import itertools

import pytest
import torch

from clmot.losses.contrast_masks import BoxLabels, contrast_pairs, contrastive_set
from clmot.structures import Batch


def labels(rows: list[tuple[int, int, int, int]]) -> BoxLabels:
    """Rows of object, frame, sequence and identity."""
    return BoxLabels(*torch.tensor(rows, dtype=torch.int64).reshape(-1, 4).unbind(1))


def rule(anchor: tuple[int, ...], key: tuple[int, ...], negatives: str) -> str:
    """What two boxes are to each other, plainly written."""
    (object_a, frame_a, sequence_a, identity_a), (object_b, frame_b, sequence_b, identity_b) = anchor, key
    identities_known = identity_a != -1 and identity_b != -1
    if identities_known and identity_a == identity_b:
        return "positive"
    if identities_known and sequence_a == sequence_b:
        return "negative"
    if not identities_known and frame_a == frame_b:
        return "positive" if object_a == object_b else "negative"
    if sequence_a != sequence_b and negatives != "frame":
        return "negative"
    return "neither"


@pytest.mark.parametrize("negatives", ["frame", "sequences"])
def test_every_combination(negatives):
    """An anchor against every key: frame, object, sequence and identity the same or another, identity also unknown."""
    for identity in (-1, 5):
        anchor = (3, 10, 1, identity)
        keys = []
        for object_, (frame, sequence), key_identity in itertools.product(
            (3, 4), ((10, 1), (11, 1), (20, 2)), (-1, 5, 6)
        ):
            if key_identity == 5 and sequence == 2:
                continue  # identities are unique in the data set: none is in two sequences
            keys.append((object_, frame, sequence, key_identity))
        positive, negative = contrast_pairs(labels([anchor]), labels([anchor, *keys]), negatives)
        for column, key in enumerate(keys, start=1):
            found = (bool(positive[0, column]), bool(negative[0, column]))
            expected = rule(anchor, key, negatives)
            assert found == (expected == "positive", expected == "negative"), (anchor, key)


@pytest.mark.parametrize("negatives", ["frame", "sequences"])
def test_never_a_negative_that_could_be_the_same_object(negatives):
    """Only what is known counts: every box is given a true identity, and the labels that training sees of it."""
    generator = torch.Generator().manual_seed(0)

    def draw(low: int, high: int) -> torch.Tensor:
        return torch.randint(low, high, (200,), generator=generator)

    frame = draw(0, 12)
    sequence, person = frame % 3, draw(0, 6)
    truth = sequence * 6 + person
    seen = BoxLabels(person, frame, sequence, torch.where(draw(0, 2) == 0, -1, truth))
    anchors = BoxLabels(*(values[:120] for values in seen))
    positive, negative = contrast_pairs(anchors, seen, negatives)
    same = truth[:120, None] == truth
    assert positive.any()
    assert negative.any()
    assert not (negative & same).any()
    assert not (positive & ~same).any()


def test_no_box_is_a_pair_with_itself():
    rows = [(0, 0, 0, -1), (1, 0, 0, 7), (0, 1, 0, 7), (0, 0, 0, -1)]
    positive, negative = contrast_pairs(labels(rows), labels([*rows, (0, 0, 0, -1)]))
    assert not positive.diagonal().any()
    assert not negative.diagonal().any()
    # the same labels further on are another box: the object in the other view
    assert positive[0].tolist() == [False, False, False, True, True]


def test_renaming_identities_objects_and_sequences_changes_nothing():
    generator = torch.Generator().manual_seed(1)
    frame = torch.randint(0, 6, (40,), generator=generator)
    object_ = torch.randint(0, 3, (40,), generator=generator)
    identity = torch.where(torch.rand(40, generator=generator) < 0.5, -1, 3 * (frame % 2) + object_)
    before = BoxLabels(object_, frame, frame % 2, identity)
    names = 50 + torch.randperm(6, generator=generator)
    after = BoxLabels(9 - object_, names[frame], 1 - frame % 2, torch.where(identity < 0, -1, names[identity]))
    for first, second in zip(contrast_pairs(before, before), contrast_pairs(after, after), strict=True):
        assert torch.equal(first, second)


def test_ignored_boxes_and_boxes_without_a_place_take_no_part():
    five = torch.arange(5)
    batch = Batch(
        images=torch.zeros(2, 3, 8, 8, dtype=torch.uint8),
        boxes=torch.rand(5, 4),
        classes=five * 0,
        ignore=torch.tensor([False, True, False, False, False]),
        image_index=five * 0,
        object_index=torch.tensor([4, 3, -1, 1, 0]),
        frame_index=five + 10,
        sequence_index=five + 20,
        identities=five + 30,
    )
    embeddings = torch.rand(5, 3, requires_grad=True)
    chosen = contrastive_set(embeddings, batch)
    assert torch.equal(chosen.embeddings, embeddings[[0, 3, 4]])
    assert [values.tolist() for values in chosen.labels] == [[4, 1, 0], [10, 13, 14], [20, 23, 24], [30, 33, 34]]
    assert chosen.embeddings.requires_grad
