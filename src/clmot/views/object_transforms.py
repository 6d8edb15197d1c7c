"""Objects partly hidden by others, inside their frame, before the view's affine map.

Edges are soft, so that no straight seam tells the network where something was done.
"""

import dataclasses

import numpy as np
from jaxtyping import Int64

from clmot import boxes as box_ops
from clmot.structures import Image, Picture
from clmot.views.picture import Donor, no_donor
from clmot.views.pixels import Region, blend_into, region_in, resize, soft_box

MIN_SIDE = 8
"""Objects that show fewer pixels than this along either axis are left alone."""

COVERED_SHARE = (0.1, 0.4)
"""Range of the share of its box that an occluded object loses."""


def occlude(picture: Picture, probability: float, rng: np.random.Generator, donor: Donor = no_donor) -> Picture:
    """Paste a piece cut from another object over a part of objects, as a passer-by hides them.

    Objects are chosen each with that probability among those that are not ignored and of which enough shows. The piece
    is nobody's object. It comes from this picture; where it shows one object alone, from the donor.
    """
    rows = _chosen(picture, probability, rng)
    if not len(rows):
        return picture
    sources = _large_enough(picture)
    lender: Picture | None = picture
    if len(sources) < 2:
        lender = donor(rng)
        sources = _large_enough(lender) if lender else sources[:0]
    if lender is None or not len(sources):
        return picture
    image = picture.image.copy()
    for row in rows:
        others = sources[sources != row] if lender is picture else sources
        visible = region_in(picture.boxes[row], picture.size)
        part = _part_of(visible, rng)
        source = region_in(lender.boxes[rng.choice(others)], lender.size)
        piece = _place_within(source, part.width / visible.width, part.height / visible.height, rng)
        _paste_soft(image, part, piece.of(lender.image))
    return dataclasses.replace(picture, image=image)


def _large_enough(picture: Picture) -> Int64[np.ndarray, " k"]:
    """Rows of the objects of which enough shows."""
    shown = box_ops.clip(picture.boxes, *picture.size)
    sides = (shown[:, 2:] - shown[:, :2]).min(axis=1, initial=np.inf)
    return np.flatnonzero(~picture.ignore & (sides >= MIN_SIDE))


def _chosen(picture: Picture, probability: float, rng: np.random.Generator) -> Int64[np.ndarray, " k"]:
    """Each object with that probability, whatever becomes of the others."""
    rows = _large_enough(picture)
    return np.asarray(rows[rng.random(len(picture.boxes))[rows] < probability])


def _part_of(whole: Region, rng: np.random.Generator) -> Region:
    """A random rectangle within a region, of a share in `COVERED_SHARE` (as far as whole pixels allow)."""
    share, aspect = rng.uniform(*COVERED_SHARE), np.exp(rng.uniform(-1, 1) * np.log(2))
    return _place_within(whole, min(1, np.sqrt(share * aspect)), min(1, np.sqrt(share / aspect)), rng)


def _place_within(whole: Region, width_share: float, height_share: float, rng: np.random.Generator) -> Region:
    """A rectangle of given extent at a random place within a region."""
    width, height = max(1, int(width_share * whole.width)), max(1, int(height_share * whole.height))
    left = whole.left + int(rng.integers(whole.width - width + 1))
    top = whole.top + int(rng.integers(whole.height - height + 1))
    return Region(left, top, left + width, top + height)


def _paste_soft(image: Image, part: Region, piece: Image) -> None:
    """Stretch a piece over a part of the image, fading out within its own edge."""
    margin = min(part.width, part.height) / 5
    core = np.array([part.left + margin, part.top + margin, part.right - margin, part.bottom - margin])
    blend_into(image, part, resize(piece, (part.width, part.height)), soft_box(part, core, margin))
