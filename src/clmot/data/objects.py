"""What happens to each object inside its frame, before the view's affine map: cover, bend and stretch.

Every transform takes a picture and gives another one; it chooses among the objects that are not ignored and of which
enough shows. Edges are soft, so that no straight seam tells the network where something was done.
"""

import dataclasses

import cv2
import numpy as np
from jaxtyping import Float, Int64

from clmot import boxes as box_ops
from clmot.data.picture import Donor, Picture, no_donor
from clmot.data.pixels import Region, blend_into, displace, region_around, region_in, resize, soft_box, window
from clmot.types import Image

MIN_SIDE = 8
"""Objects that show fewer pixels than this along either axis are left alone."""

COVERED_SHARE = (0.1, 0.4)
"""Range of the share of its box that an erased or occluded object loses."""

WARP_AMPLITUDE = 0.12
"""Largest sideways displacement of a row by `warp`, as a share of the box's width."""

WARP_PERIODS = (0.5, 1.5)
"""Range of the number of waves that `warp` lays along an object's height."""

MAX_STRETCH_OVERLAP = 0.3
"""`object_stretch` leaves objects alone that overlap another box by more than this IoU: its pixels would move too."""


def erase(picture: Picture, probability: float, rng: np.random.Generator) -> Picture:
    """Fill a rectangle of objects with noise or with the object's mean colour (random erasing, Zhong et al. 2017)."""
    rows = _chosen(picture, probability, rng)
    if not len(rows):
        return picture
    image = picture.image.copy()
    for box in picture.boxes[rows]:
        visible = region_in(box, picture.size)
        part = _part_of(visible, rng)
        hole = part.of(image)
        if rng.random() < 0.5:
            hole[:] = rng.integers(0, 256, hole.shape, np.uint8)
        else:
            hole[:] = np.rint(cv2.mean(visible.of(picture.image))[:3])
    return dataclasses.replace(picture, image=image)


def occlude(picture: Picture, probability: float, rng: np.random.Generator, donor: Donor = no_donor) -> Picture:
    """Paste a piece cut from another object over a part of objects, as a passer-by hides them.

    The piece is nobody's object. It comes from this picture; where it shows one object alone, from the donor.
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


def warp(picture: Picture, probability: float, rng: np.random.Generator) -> Picture:
    """Bend objects: shift their rows sideways along a sine wave, the surroundings giving way smoothly.

    The wave has no mean over the object's height and so moves neither its centre nor its box.
    """
    rows = _chosen(picture, probability, rng)
    if not len(rows):
        return picture
    image = picture.image.copy()
    for box in picture.boxes[rows].astype(np.float64):
        amplitude = WARP_AMPLITUDE * rng.uniform(0.5, 1) * (box[2] - box[0])
        _bend(image, box, amplitude, rng.uniform(*WARP_PERIODS), rng.uniform(0, 2 * np.pi))
    return dataclasses.replace(picture, image=image)


def object_stretch(picture: Picture, largest: float, rng: np.random.Generator) -> Picture:
    """Change the width and height of objects by factors of their own, about the middle of their lower side.

    The box is stretched with the object and the surroundings give way smoothly.

    Args:
        picture: what to change.
        largest: relative change of width and of height, either way, log-uniform.
        rng: source of randomness.
    """
    rows = _large_enough(picture)
    overlap = box_ops.iou(picture.boxes, picture.boxes)
    np.fill_diagonal(overlap, 0)
    rows = rows[(overlap[rows] <= MAX_STRETCH_OVERLAP).all(axis=1)]
    if not largest or not len(rows):
        return picture
    image, boxes = picture.image.copy(), picture.boxes.copy()
    factors = np.exp(rng.uniform(-1, 1, (len(rows), 2)) * np.log1p(largest))
    for row, (x, y) in zip(rows, factors, strict=True):
        boxes[row] = stretch_box(image, picture.boxes[row].astype(np.float64), x, y)
    return dataclasses.replace(picture, image=image, boxes=boxes)


def stretch_box(image: Image, box: Float[np.ndarray, " 4"], x: float, y: float) -> Float[np.ndarray, " 4"]:
    """Stretch what a box holds about the middle of its lower side, in place.

    Args:
        image: pixels to change.
        box: xyxy pixels.
        x: factor on the width.
        y: factor on the height.

    Returns:
        The box afterwards.
    """
    left, top, right, bottom = box
    middle, half, height = (left + right) / 2, x * (right - left) / 2, y * (bottom - top)
    stretched = np.array([middle - half, bottom - height, middle + half, bottom])
    low, high = np.minimum(box[:2], stretched[:2]), np.maximum(box[2:], stretched[2:])
    # the surroundings give way over a little more than the object's growth along an axis, and across it at once
    give = 2 + 1.5 * np.array([abs(x - 1) * (right - left) / 2, abs(y - 1) * (bottom - top)])
    fade = 2 + (right - left) / 5
    around = np.concatenate([low - np.maximum(give, fade), high + np.maximum(give, fade)])
    region = region_around(around).clip((image.shape[1], image.shape[0]))
    shift = []
    for axis, start, stop in ((0, region.left, region.right), (1, region.top, region.bottom)):
        position = np.arange(start, stop) + 0.5
        ends = low[axis] - give[axis], high[axis] + give[axis]
        after = [ends[0], stretched[axis], stretched[axis + 2], ends[1]]
        before = [ends[0], box[axis], box[axis + 2], ends[1]]
        moved = np.interp(position, after, before) - position
        moved[(position < ends[0]) | (position > ends[1])] = 0
        shift.append((moved.astype(np.float32), window(position, stretched[axis], stretched[axis + 2], fade)))
    (x_shift, x_window), (y_shift, y_window) = shift
    displace(image, region, np.outer(y_window, x_shift), np.outer(y_shift, x_window))
    return stretched


def _bend(image: Image, box: Float[np.ndarray, " 4"], amplitude: float, periods: float, phase: float) -> None:
    """Shift the rows of a box sideways by a sine wave of that amplitude in pixels, in place."""
    # wide enough that the surroundings are pressed to a quarter of their width at most
    margin = 2 + 2 * amplitude
    region = region_around(box, margin).clip((image.shape[1], image.shape[0]))
    angle = 2 * np.pi * periods

    def wave(height: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        return np.asarray(np.sin(angle * height + phase))

    mean = (np.cos(phase) - np.cos(angle + phase)) / angle
    y = np.arange(region.top, region.bottom) + 0.5
    along = amplitude * (wave(np.clip((y - box[1]) / (box[3] - box[1]), 0, 1)) - mean)
    x = (along[:, None] * soft_box(region, box, margin)).astype(np.float32)
    displace(image, region, x, np.zeros_like(x))


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
