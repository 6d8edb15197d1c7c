"""Other surroundings for the same objects: the network cannot tell people apart by the wall behind them."""

import dataclasses

import numpy as np
from jaxtyping import Float

from clmot import boxes as box_ops
from clmot.data.picture import Picture, joined
from clmot.data.pixels import Region, blend_into, region_around, region_in, region_matrix, resize, soft_box
from clmot.types import BoolArray

SOFT_SHARE = 0.1
"""Width of the soft edge around a kept box, as a share of the box's smaller side."""

SHOWN_SHARE = 0.05
"""Boxes of the donor of which less shows between the kept boxes are left out."""


def replace_background(picture: Picture, donor: Picture, rng: np.random.Generator) -> Picture:
    """The boxes of a picture in surroundings taken from a donor.

    A random part of the donor, of the picture's shape, is stretched to its size. All boxes of the picture are kept on
    it, the ignored ones too, with soft edges outside them. People of the donor that show would be people without a
    label: their boxes come along, ignored and with `object_index` -1.

    Args:
        picture: gives the boxes and what is in them.
        donor: gives all other pixels.
        rng: source of randomness.
    """
    frame = Region(0, 0, *picture.size)
    crop = covering_crop(donor.size, picture.size, rng)
    image = resize(crop.of(donor.image), picture.size)
    for box in picture.boxes.astype(np.float64):
        margin = max(2.0, SOFT_SHARE * (box[2:] - box[:2]).min())
        region = region_around(box, margin).clip(picture.size)
        if region.width > 0 and region.height > 0:
            blend_into(image, region, region.of(picture.image), soft_box(region, box, margin))
    strangers = dataclasses.replace(donor, boxes=box_ops.warp(donor.boxes, region_matrix(crop, frame))).as_ignored()
    return joined(image, [picture, strangers.select(_showing(strangers.boxes, picture))])


def covering_crop(
    source: tuple[int, int], target: tuple[int, int], rng: np.random.Generator, zoom: float = 1.0
) -> Region:
    """A part of a source image, of the target's shape, at a random place.

    Args:
        source: width and height of the image to cut from.
        target: width and height of what it is to fill.
        rng: source of randomness.
        zoom: at 1 the largest such part; above, that much smaller.
    """
    scale = min(source[0] / target[0], source[1] / target[1]) / zoom
    width, height = (max(1, min(whole, round(scale * side))) for whole, side in zip(source, target, strict=True))
    left, top = int(rng.integers(source[0] - width + 1)), int(rng.integers(source[1] - height + 1))
    return Region(left, top, left + width, top + height)


def _showing(boxes: Float[np.ndarray, "n 4"], picture: Picture) -> BoolArray:
    """Which boxes show between those of the picture, on whole pixels."""
    width, height = picture.size
    free = np.ones((height, width), np.bool_)
    for box in picture.boxes:
        kept = region_in(box, picture.size)
        free[kept.top : kept.bottom, kept.left : kept.right] = False
    shows = np.zeros(len(boxes), np.bool_)
    for row, box in enumerate(boxes):
        place = region_in(box, picture.size)
        count = np.count_nonzero(free[place.top : place.bottom, place.left : place.right])
        shows[row] = count > SHOWN_SHARE * max(1.0, float(box_ops.area(box[None])[0]))
    return shows
