"""What makes view A and view B of a frame: independent draws of geometry and colour, and which objects survive.

The same box seen in both views is a positive pair for the contrastive loss; nothing here knows identities.

Geometry, colour and blur draw from the generator given; every other transform draws from one of its own that grows from
the same seed (`clmot.views.random_streams`), so that switching one on changes what it does and nothing else.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64

from clmot import boxes as box
from clmot.config import ViewsConfig
from clmot.structures import Image, Picture, View, ViewPair
from clmot.views.random_streams import Streams
from clmot.views.transforms import blur, jitter_colour, jitter_hsv, random_affine, warp_image

VISIBLE_SHARE, PUBLISHED_SHARE = 0.35, 0.1
"""A box is an object of a view if its centre shows or this share of its area."""


def make_view_pair(
    first: Picture,
    second: Picture,
    config: ViewsConfig,
    size: tuple[int, int],
    rng: np.random.Generator,
) -> ViewPair:
    """Two independent random views of a picture, or of two whose boxes were matched.

    Args:
        first: what the first view shows.
        second: what the second view shows: the same picture, or a neighbouring frame.
        config: ranges of the augmentations.
        size: width and height of the views in pixels.
        rng: source of all randomness.
    """
    one = make_view(first, config, size, rng)
    mirrored = bool(np.linalg.det(one.matrix) > 0) if config.published else None
    return ViewPair(views=(one, make_view(second, config, size, rng, mirrored)))


def make_view(
    picture: Picture,
    config: ViewsConfig,
    size: tuple[int, int],
    rng: np.random.Generator,
    mirrored: bool | None = None,
) -> View:
    """One random view of a picture: colour, then an affine map, then blur.

    Args:
        picture: what to show.
        config: ranges of the augmentations.
        size: width and height of the view in pixels.
        rng: source of all randomness.
        mirrored: whether to mirror; by default as drawn.
    """
    matrix = random_affine(config, picture.size, size, rng, mirrored)
    streams = Streams.beside(rng)
    coloured = jitter_colour(picture.image, config, rng)
    if config.hsv:
        coloured = jitter_hsv(coloured, config, streams["hsv"])
    # colour before the map, so that the padding keeps the grey that the network also meets when it tracks
    pixels = blur(warp_image(coloured, matrix, size), config, rng)
    view = _view(pixels, picture, matrix, PUBLISHED_SHARE if config.published else VISIBLE_SHARE)
    if config.published:
        height, width = pixels.shape[:2]
        boxes = box.clip(view.boxes, width, height)
        view = dataclasses.replace(view, boxes=boxes)
    return view


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
    moved = box.warp(boxes, matrix)
    shown = box.clip(box.warp(box.clip(boxes, *size_in), matrix), *size_out)
    whole, part = box.area(moved), box.area(shown)
    share = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    centre_shows = _centres_inside(boxes, size_in) & _centres_inside(moved, size_out)
    object_index = np.flatnonzero(share > 0)
    ignore = ~(centre_shows | (share >= min_visible_share))
    return PlacedBoxes(moved[object_index], ignore[object_index], object_index)


def _centres_inside(boxes: Float[np.ndarray, "n 4"], size: tuple[int, int]) -> Bool[np.ndarray, " n"]:
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    return np.asarray(((centre >= 0) & (centre < size)).all(axis=1))


def _view(pixels: Image, picture: Picture, matrix: Float[np.ndarray, "3 3"], min_visible_share: float) -> View:
    height, width = pixels.shape[:2]
    placed = place_boxes(picture.boxes, picture.size, matrix, (width, height), min_visible_share)
    kept = picture.take(placed.object_index)
    changed = {"image": pixels, "boxes": placed.boxes, "ignore": kept.ignore | placed.ignore}
    return View(**{**vars(kept), **changed}, matrix=matrix)
