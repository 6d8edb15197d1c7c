"""What makes view A and view B of a frame: independent draws of geometry and colour, and which objects survive.

The same box seen in both views is a positive pair for the contrastive loss; nothing here knows identities.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64

from clmot import boxes as box_ops
from clmot.config import ViewsConfig
from clmot.data.augment import blur, jitter_colour, letterbox_matrix, random_affine, warp_image
from clmot.types import Image, Sample, View, ViewPair


def make_view_pair(
    image: Image,
    sample: Sample,
    sample_index: int,
    sequence_index: int,
    config: ViewsConfig,
    size: tuple[int, int],
    rng: np.random.Generator,
) -> ViewPair:
    """Two independent random views of a sample.

    Args:
        image: the sample's image.
        sample: its annotation.
        sample_index: which sample of the data set.
        sequence_index: number of its sequence.
        config: ranges of the augmentations.
        size: width and height of the views in pixels.
        rng: source of all randomness.
    """
    views = (make_view(image, sample, config, size, rng), make_view(image, sample, config, size, rng))
    return ViewPair(views=views, sample_index=sample_index, sequence_index=sequence_index)


def make_view(
    image: Image, sample: Sample, config: ViewsConfig, size: tuple[int, int], rng: np.random.Generator
) -> View:
    """One random view of a sample: colour, then an affine map, then blur (see `clmot.data.augment`)."""
    matrix = random_affine(config, (sample.width, sample.height), size, rng)
    # colour before the map, so that the padding keeps the grey that the network also meets when it tracks
    pixels = warp_image(jitter_colour(image, config, rng), matrix, size)
    return _view(blur(pixels, config, rng), sample, matrix, config.min_visible_share)


def plain_view(image: Image, sample: Sample, size: tuple[int, int]) -> View:
    """The whole sample, letterboxed and otherwise untouched, with every box of which anything shows: for validation."""
    matrix = letterbox_matrix(sample.width, sample.height, size)
    return _view(warp_image(image, matrix, size), sample, matrix, min_visible_share=0.0)


class PlacedBoxes(NamedTuple):
    """The boxes of a sample that show in a view.

    Attributes:
        boxes: [m, 4], xyxy view pixels, not clipped.
        ignore: [m], True for those too little of which shows to count as objects.
        object_index: [m], their rows in the sample.
    """

    boxes: Float[np.ndarray, "m 4"]
    ignore: Bool[np.ndarray, " m"]
    object_index: Int64[np.ndarray, " m"]


def place_boxes(
    boxes: Float[np.ndarray, "n 4"],
    size_in: tuple[int, int],
    matrix: Float[np.ndarray, "3 3"],
    size_out: tuple[int, int],
    min_visible_share: float,
) -> PlacedBoxes:
    """Move boxes into a view and decide which of them are still objects there.

    A box (as annotated, with any part beyond the image) is an object if its centre shows or at least
    `min_visible_share` of its area does, ignored if less shows, and left out if nothing does. What shows is what lies
    inside both the source image and the view: grey padding hides as the border does.

    Args:
        boxes: xyxy source pixels.
        size_in: source width and height.
        matrix: source to view pixels.
        size_out: view width and height.
        min_visible_share: in [0, 1].
    """
    moved = box_ops.warp(boxes, matrix)
    shown = box_ops.clip(box_ops.warp(box_ops.clip(boxes, *size_in), matrix), *size_out)
    whole, part = box_ops.area(moved), box_ops.area(shown)
    share = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    centre_shows = _centres_inside(boxes, size_in) & _centres_inside(moved, size_out)
    object_index = np.flatnonzero(share > 0)
    ignore = ~(centre_shows | (share >= min_visible_share))
    return PlacedBoxes(moved[object_index], ignore[object_index], object_index)


def _centres_inside(boxes: Float[np.ndarray, "n 4"], size: tuple[int, int]) -> Bool[np.ndarray, " n"]:
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    return np.asarray(((centre >= 0) & (centre < size)).all(axis=1))


def _view(pixels: Image, sample: Sample, matrix: Float[np.ndarray, "3 3"], min_visible_share: float) -> View:
    height, width = pixels.shape[:2]
    placed = place_boxes(sample.boxes, (sample.width, sample.height), matrix, (width, height), min_visible_share)
    return View(
        image=pixels,
        boxes=placed.boxes,
        classes=sample.classes[placed.object_index],
        ignore=sample.ignore[placed.object_index] | placed.ignore,
        object_index=placed.object_index,
        matrix=matrix,
    )
