"""Sliced inference: every object once, whole, and small ones that the whole image hides."""

import cv2
import numpy as np
import pytest

from clmot.apps.track.slices import OVERLAP, corners, sliced
from clmot.errors import UserError
from clmot.structures import Detections


def blobs(largest: int = 10_000):
    """An exact detector of rectangles, in images no longer than `largest`; the grey of each is its score."""

    def find(batch):
        found = []
        for _, image in batch:
            count, _, stats, _ = cv2.connectedComponentsWithStats((image[..., 0] > 0).astype(np.uint8))
            stats = stats[1:] if count > 1 and max(image.shape) <= largest else stats[:0]
            xyxy = stats[:, :4].astype(np.float32)
            xyxy[:, 2:] += xyxy[:, :2]
            score = [image[y, x, 0] / 255 for x, y in stats[:, :2]]
            embedding = np.stack([np.array([x + y, 1.0]) for x, y, *_ in stats]) if len(stats) else np.empty((0, 2))
            found.append(
                Detections(xyxy=xyxy, score=np.array(score), class_id=np.zeros(len(xyxy)), embedding=embedding)
            )
        return found

    return find


def picture(seed: int = 0) -> np.ndarray:
    """Forty rectangles of up to 30 pixels, apart from each other, anywhere in 500x300."""
    rng = np.random.default_rng(seed)
    image = np.zeros((300, 500, 3), np.uint8)
    taken = np.zeros((300, 500), np.bool_)
    for number in range(40):
        width, height = rng.integers(8, 30, 2)
        x, y = rng.integers(0, 500 - width), rng.integers(0, 300 - height)
        if not taken[max(0, y - 3) : y + height + 3, max(0, x - 3) : x + width + 3].any():
            taken[y : y + height, x : x + width] = True
            image[y : y + height, x : x + width] = 100 + number
    return image


def rows(found: Detections) -> list[list[float]]:
    return sorted([*box, round(score, 5)] for box, score in zip(found.xyxy.tolist(), found.score.tolist(), strict=True))


@pytest.mark.parametrize("side", [128, 200, 600])
def test_each_object_is_found_once_and_whole(side):
    image = picture()
    (whole,) = blobs()([(1, image)])
    (found,) = sliced(blobs(), side)([(1, image)])
    assert len(whole) > 20
    assert rows(found) == rows(whole)


def test_what_the_whole_image_hides_is_found_in_slices():
    image = picture(seed=1)
    (whole,) = blobs()([(1, image)])
    assert not len(blobs(largest=200)([(1, image)])[0])
    (found,) = sliced(blobs(largest=200), 200)([(1, image)])
    assert rows(found) == rows(whole)
    assert found.embedding.shape == (len(whole), 2)


@pytest.mark.parametrize("length", [100, 128, 129, 500, 1920])
def test_slices_cover_a_side_and_overlap(length):
    begins = corners(length, 128)
    assert begins[0] == 0
    assert begins[-1] + 128 >= length
    steps = np.diff(begins)
    assert (steps <= 128 * (1 - OVERLAP) + 1).all()
    assert (steps > 0).all()


def test_an_empty_picture_and_a_side_that_is_too_small():
    (found,) = sliced(blobs(), 128)([(1, np.zeros((300, 500, 3), np.uint8))])
    assert len(found) == 0
    with pytest.raises(UserError, match="--slices must be 64 pixels or more, got 8"):
        sliced(blobs(), 8)


@pytest.mark.parametrize(("score", "class_id", "kept"), [(0.9, 0, 0), (0.9, 1, 1), (0.2, 1, 0), (0.31, 1, 1)])
def test_parts_of_objects_and_doubtful_boxes_of_slices_do_not_count(score, class_id, kept):
    """The whole image shows a person; slices show legs: a part of it where of its class, else another object."""

    def find(batch):
        (_, image), *_ = batch
        person = Detections(xyxy=[[40, 40, 80, 140]], score=[0.8], class_id=[0])
        legs = Detections(xyxy=[[42, 100, 78, 138]], score=[score], class_id=[class_id])
        return [person] if image.shape[1] == 300 else [legs if not each[0, 0, 0] else legs[:0] for _, each in batch]

    image = np.full((200, 300, 3), 255, np.uint8)
    image[0, 0] = 0  # legs are in the first slice
    (found,) = sliced(find, 200)([(1, image)])
    assert len(found) == 1 + kept
    assert found.xyxy[0].tolist() == [40, 40, 80, 140] or kept
