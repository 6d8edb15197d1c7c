import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clmot import boxes as box_ops
from clmot.views.temporal_pairs import CLEAR_MARGIN, MIN_IOU, as_neighbour, match_boxes, match_samples


def match(first, second, first_classes=None, second_classes=None):
    first, second = (np.array(rows, np.float32).reshape(-1, 4) for rows in (first, second))
    zeros = [np.zeros(len(rows), np.int64) for rows in (first, second)]
    classes = [
        each if each is not None else none for each, none in zip((first_classes, second_classes), zeros, strict=True)
    ]
    return match_boxes(first, second, *(np.array(each) for each in classes)).tolist()


@st.composite
def scenes(draw):
    """Two sets of boxes on a coarse grid, many of which overlap."""

    rng = np.random.default_rng(draw(st.integers(0, 2**32)))

    def some():
        n = rng.integers(8)
        corner = 4 * np.stack([rng.integers(0, 13, n), rng.integers(0, 5, n)], axis=1)
        return np.concatenate([corner, corner + np.array([20, 40])], axis=1).astype(np.float32), rng.integers(0, 2, n)

    return *some(), *some()


class TestMatchBoxes:
    def test_a_second_candidate_near_makes_it_ambiguous(self):
        one, two = [0, 0, 20, 40], [2, 0, 22, 40]
        assert match([one], [one, two]) == []
        assert match([one, two], [one]) == []
        assert match([one, two], [one, two]) == []
        far = [10, 0, 30, 40]
        assert match([one, far], [one, far]) == [[0, 0], [1, 1]]
        # of another class it is no candidate
        assert match([one, two], [one, two], [0, 1], [0, 1]) == [[0, 0], [1, 1]]

    @settings(deadline=None, max_examples=80)
    @given(scenes())
    def test_agrees_with_its_definition_by_a_loop(self, scene):
        first, first_classes, second, second_classes = scene
        overlap = box_ops.iou(first, second)
        expected = []
        for i in range(len(first)):
            for j in range(len(second)):
                if first_classes[i] != second_classes[j] or overlap[i, j] < MIN_IOU:
                    continue
                rivals = [overlap[i, k] for k in range(len(second)) if k != j and second_classes[k] == first_classes[i]]
                rivals += [overlap[k, j] for k in range(len(first)) if k != i and first_classes[k] == first_classes[i]]
                if all(overlap[i, j] - rival >= CLEAR_MARGIN for rival in rivals):
                    expected.append([i, j])
        assert match_boxes(first, second, first_classes, second_classes).tolist() == expected

    @settings(deadline=None, max_examples=60)
    @given(scenes(), st.randoms(use_true_random=False))
    def test_is_symmetric_and_does_not_depend_on_the_order(self, scene, random):
        first, first_classes, second, second_classes = scene
        pairs = {tuple(pair) for pair in match_boxes(first, second, first_classes, second_classes).tolist()}
        turned = match_boxes(second, first, second_classes, first_classes).tolist()
        assert {(i, j) for j, i in turned} == pairs
        order = list(range(len(second)))
        random.shuffle(order)
        permuted = match_boxes(first, second[order], first_classes, second_classes[order]).tolist()
        assert {(i, order[j]) for i, j in permuted} == pairs


class TestMatchSamples:
    def test_ignored_boxes_are_candidates_but_not_matched(self, make_sample):
        here = make_sample([[0, 0, 20, 40], [50, 0, 70, 40]], classes=[0, 0])
        there = make_sample(
            [[0, 0, 20, 40], [2, 0, 22, 40], [50, 0, 70, 40]], ignore=[False, True, False], classes=[0] * 3
        )
        assert match_samples(here, there).tolist() == [[1, 2]]

    def test_frames_with_too_few_matches_are_no_neighbours(self, make_sample):
        here = make_sample([[0, 0, 20, 40], [50, 0, 70, 40], [100, 0, 120, 40]], classes=[0] * 3)
        there = make_sample([[0, 0, 20, 40], [70, 50, 90, 90], [130, 50, 150, 90]], classes=[0] * 3)
        assert match_samples(here, there) is None
        assert match_samples(here, make_sample([])) is None
        assert match_samples(make_sample([]), make_sample([])) is None
        # one that has left is not held against it
        assert len(match_samples(here, make_sample([[0, 0, 20, 40]], classes=[0]))) == 1


def test_matched_boxes_take_the_name_of_the_first_frame_and_others_none(make_picture):
    first = make_picture([[0, 0, 20, 40], [50, 0, 70, 40], [100, 0, 120, 40]], frame=5, sequence=2)
    second = make_picture(
        [[90, 50, 99, 99], [101, 0, 121, 40], [1, 0, 21, 40]], frame=6, sequence=2, identities=[7, 8, 9]
    )
    after = as_neighbour(second, first, np.array([[0, 2], [2, 1]]))
    assert after.object_index.tolist() == [-1, 2, 0]
    assert after.frame_index.tolist() == [6, 5, 5]
    assert second.object_index.tolist() == [0, 1, 2]
    for name in {field.name for field in dataclasses.fields(second)} - {"object_index", "frame_index"}:
        np.testing.assert_array_equal(getattr(after, name), getattr(second, name))


@pytest.mark.parametrize(("sequence", "least"), [("TUD-Stadtmitte", 0.6), ("PETS09-S2L1", 0.4)])
def test_on_real_sequences_matches_are_the_same_person(real_data, sequence, least):
    from clmot.datasets.readers import read_dataset

    samples = read_dataset([real_data / "mot" / sequence], min_visibility=0.1, identities=True).samples
    right = wrong = objects = 0
    for one, other in zip(samples, samples[2:], strict=False):
        pairs = match_samples(one, other)
        objects += len(one.boxes)
        if pairs is not None:
            same = one.identities[pairs[:, 0]] == other.identities[pairs[:, 1]]
            right, wrong = right + same.sum(), wrong + (~same).sum()
    assert wrong <= 0.004 * right
    assert right > least * objects
