"""Embeddings of which it is known what they go by."""

import numpy as np
import pytest

from clmot.evaluation.probe import CHANGES, UNCHANGED, moved, new_surroundings, probe
from clmot.structures import View, ViewPair

HEIGHT, WIDTH = 60, 120


def mean_colour(image, boxes, upper=1.0, margin=0):
    """Mean of the pixels in the upper share of each box, and so many around it."""
    rows = []
    for left, top, right, bottom in boxes.round().astype(int):
        bottom = top + max(1, round(upper * (bottom - top)))
        part = image[max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin]
        row = part.reshape(-1, 3).mean(axis=0) - 127.5
        rows.append(row / max(np.linalg.norm(row), 1e-9))
    return np.array(rows, np.float32).reshape(len(boxes), 3)


def place(image, boxes):
    """Where in the image: a point on a circle."""
    angle = np.pi * (boxes[:, 0] + boxes[:, 2]) / 2 / WIDTH
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def surroundings(image, boxes):
    """A ring around each box, in its frame's own colours."""
    rows = []
    image = np.pad(image, ((4, 4), (4, 4), (0, 0)), "edge")
    for left, top, right, bottom in boxes.round().astype(int) + 4:
        ring = np.ones((bottom - top + 8, right - left + 8), bool)
        ring[4:-4, 4:-4] = False
        row = image[top - 4 : bottom + 4, left - 4 : right + 4][ring].mean(axis=0) - 127.5
        rows.append(row / max(np.linalg.norm(row), 1e-9))
    return np.array(rows, np.float32)


@pytest.fixture(scope="module")
def pairs() -> list[ViewPair]:
    """Four frames: three boxes of one colour each, on backgrounds of three vertical bands of other colours."""
    rng = np.random.default_rng(0)
    frames = []
    for frame in range(4):
        image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        for band in range(3):
            image[:, 40 * band : 40 * band + 40] = rng.integers(0, 256, 3)
        boxes = np.array([[10 + 40 * i, 10, 26 + 40 * i, 50] for i in range(3)], np.float32)
        for box in boxes.astype(int):
            image[box[1] : box[3], box[0] : box[2]] = rng.integers(0, 256, 3)
        view = View(
            image=image,
            boxes=boxes,
            classes=np.zeros(3, np.int64),
            ignore=np.zeros(3, np.bool_),
            object_index=np.arange(3),
            frame_index=np.full(3, frame),
            sequence_index=np.full(3, frame),
            identities=np.full(3, -1, np.int64),
            matrix=np.eye(3),
        )
        frames.append(ViewPair(views=(view, view)))
    return frames


def test_every_change_takes_what_it_should(pairs):
    """What the colour of the box's content goes by: not where it is, nor what is around it."""
    scores = probe(pairs, mean_colour)
    assert list(scores) == list(CHANGES)
    assert scores[UNCHANGED] == scores["other background"] == scores["elsewhere on another frame"] == 1
    assert scores["no colour"] < 0.5
    upper = probe(pairs, lambda image, boxes: mean_colour(image, boxes, upper=0.45))
    assert upper["lower half covered"] == 1
    assert upper["upper half covered"] < 0.5


def test_what_goes_by_the_surroundings_falls_with_them(pairs):
    scores = probe(pairs, surroundings)
    assert scores[UNCHANGED] == scores["upper half covered"] == scores["lower half covered"] == 1
    assert scores["other background"] < 0.5
    assert scores["elsewhere on another frame"] < 0.5


def test_what_goes_by_the_place_falls_when_moved(pairs):
    # of one sequence, where only boxes of one frame are compared: those of others are in the same places
    zeros = np.zeros(3, np.int64)
    together = [ViewPair(views=(View(**vars(pair.views[0]) | {"sequence_index": zeros}),) * 2) for pair in pairs]
    scores = probe(together, place)
    assert scores[UNCHANGED] == scores["other background"] == scores["no colour"] == scores["upper half covered"] == 1
    assert scores["elsewhere on another frame"] < 0.5


def test_content_moves_with_its_box_and_whole(pairs):
    """The cut goes between boxes; what each box shows is the same afterwards."""
    view, other = pairs[0].views[0], pairs[1].views[0].image
    after = moved(view, other)
    assert not after.ignore.any()
    assert (after.boxes != view.boxes).any()
    for change in (after, new_surroundings(view, other)):
        for (a, b, c, d), (left, top, right, bottom) in zip(
            view.boxes.astype(int), change.boxes.astype(int), strict=True
        ):
            assert np.array_equal(change.image[top:bottom, left:right], view.image[b:d, a:c])
            assert np.array_equal(change.image[: top - 1, left:right], other[: top - 1, left:right])
    assert after.boxes.min() >= 0
    assert after.boxes[:, 2].max() <= WIDTH


def test_a_box_that_must_be_cut_is_left_out(pairs):
    view = pairs[0].views[0]
    wide = np.array([[-5, 0, WIDTH + 5, 20], [3, 30, 20, 50], [70, 30, 90, 50]], np.float32)
    after = moved(View(**vars(view) | {"boxes": wide}), pairs[1].views[0].image)
    assert after.ignore.tolist() == [True, False, False]


def test_nothing_to_compare_or_to_take_pixels_from(pairs):
    alone = probe(pairs[:1], mean_colour)
    assert alone[UNCHANGED] == 1
    assert np.isnan(alone["other background"])
    assert np.isnan(alone["upper half covered"])
    assert alone["no colour"] < 1
    empty = View(**vars(pairs[0].views[0]) | {"ignore": np.ones(3, np.bool_)})
    assert np.isnan(list(probe([ViewPair(views=(empty, empty))], mean_colour).values())).all()
