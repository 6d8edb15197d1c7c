"""One picture from several, before views are made of it: mosaic and copy-paste.

Every box keeps the frame, sequence, object and identity it came with, so that who is a positive or negative of whom is
decided as if nothing had been composed: boxes of two frames of one sequence are still neither.

What is drawn at random and what is done with it are apart, so that two pictures (a frame and its neighbour) can be
composed in the same way.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64, UInt8

from clmot import boxes as box_ops
from clmot.data.background import covering_crop
from clmot.data.picture import Picture, joined
from clmot.data.pixels import Region, blend_into, region_around, region_in, region_matrix, resize
from clmot.data.views import place_boxes

SPLIT = (0.35, 0.65)
"""Range of the point where the four frames of a mosaic meet, as a share of width and height."""

MAX_PASTED = 3
"""Most objects that one picture is given by `copy_paste`."""

PASTED_HEIGHT = (0.8, 1.25)
"""Range of a pasted object's height relative to the object that it is placed beside."""

MAX_ENLARGED = 2.0
"""Objects are not pasted where they would have to be enlarged more than this: they would be blurred."""

MAX_SHARED = 0.1
"""Objects are not pasted if other boxes lie over more than this share of theirs: the others would come along."""

MAX_HIDDEN = 0.3
"""Objects are not pasted over those who stand nearer by more than this share of themselves."""

MIN_PASTED_HEIGHT = 16
"""Objects are not pasted where they would have fewer pixels."""

_TRIES = 8


class Tile(NamedTuple):
    """A frame's place in a mosaic.

    Attributes:
        crop: part of the frame.
        place: pixels of the mosaic that it fills.
    """

    crop: Region
    place: Region


def draw_tiles(frames: Sequence[tuple[int, int]], size: tuple[int, int], rng: np.random.Generator) -> list[Tile]:
    """Random places for four frames around one point, and what is cut from each to fill them.

    Args:
        frames: width and height of each frame.
        size: width and height of the mosaic.
        rng: source of randomness.
    """
    width, height = size
    x, y = (round(side * rng.uniform(*SPLIT)) for side in size)
    places = [Region(0, 0, x, y), Region(x, 0, width, y), Region(0, y, x, height), Region(x, y, width, height)]
    tiles = []
    for frame, corner in zip(frames, rng.permutation(4), strict=True):
        place = places[corner]
        # from as much of the frame as fits down to its pixels at their own size
        natural = min(frame[0] / place.width, frame[1] / place.height)
        zoom = np.exp(rng.uniform(0, np.log(max(1.0, natural))))
        tiles.append(Tile(covering_crop(frame, (place.width, place.height), rng, zoom), place))
    return tiles


def mosaic(
    pictures: Sequence[Picture], tiles: Sequence[Tile], size: tuple[int, int], min_visible_share: float
) -> Picture:
    """Several frames in one picture, each on its tile.

    A box is an object, ignored or left out by what its tile shows of it, as in a view (`place_boxes`). At the seams
    it ends with the tile; at the border of the mosaic it may extend beyond, as any box may.

    Args:
        pictures: what to join.
        tiles: the place of each; together they fill the mosaic.
        size: width and height of the mosaic.
        min_visible_share: as in `place_boxes`.
    """
    image = np.empty((size[1], size[0], 3), np.uint8)
    parts = []
    for picture, (crop, place) in zip(pictures, tiles, strict=True):
        extent = (place.width, place.height)
        place.of(image)[:] = resize(crop.of(picture.image), extent)
        local = region_matrix(crop, Region(0, 0, *extent))
        placed = place_boxes(picture.boxes, picture.size, local, extent, min_visible_share)
        inner = np.array([place.left > 0, place.top > 0, place.right < size[0], place.bottom < size[1]])
        boxes = np.where(inner, box_ops.clip(placed.boxes, *extent), placed.boxes)
        boxes = (boxes + np.array([place.left, place.top] * 2)).astype(np.float32)
        part = picture.select(placed.object_index)
        parts.append(dataclasses.replace(part, boxes=boxes, ignore=part.ignore | placed.ignore))
    return joined(image, parts)


class Paste(NamedTuple):
    """An object of a donor and where it goes.

    Attributes:
        row: of the donor.
        box: float64 [4], where it goes, xyxy pixels.
    """

    row: int
    box: Float[np.ndarray, " 4"]


def draw_pastes(picture: Picture, donor: Picture, rng: np.random.Generator) -> list[Paste]:
    """Random objects of a donor and random places for them, those that stand nearer last.

    An object is placed at the level of one that is there already and made about as high, as the perspective of the
    scene wants it (in an empty picture: as high and low as it stood); where it is too small for any of them it is not
    pasted. Of a few places it takes the one that hides least of those who stand nearer.

    Args:
        picture: what to paste into.
        donor: gives objects: whole, and hardly hidden by others.
        rng: source of randomness.
    """
    candidates = _whole_objects(donor)
    boxes = picture.boxes.astype(np.float64)
    here = boxes[~picture.ignore]
    width, height = picture.size
    pastes: list[Paste] = []
    wanted = int(rng.integers(1, MAX_PASTED + 1))
    for row in rng.permutation(candidates):
        if len(pastes) == wanted:
            break
        left, top, right, bottom = donor.boxes[row].astype(np.float64)
        scale = height / donor.size[1]
        foot = scale * bottom
        if len(here):
            beside = here[rng.integers(len(here))]
            scale, foot = (beside[3] - beside[1]) / (bottom - top) * rng.uniform(*PASTED_HEIGHT), beside[3]
        half, tall = scale * (right - left) / 2, scale * (bottom - top)
        middles = rng.uniform(0, width, _TRIES)
        level = np.full(_TRIES, foot)
        places = np.stack([middles - half, level - tall, middles + half, level], axis=1)
        hidden = _shared_area(places, boxes[boxes[:, 3] > foot]).sum(axis=1) / box_ops.area(places)
        if tall >= MIN_PASTED_HEIGHT and scale <= MAX_ENLARGED and hidden.min() <= MAX_HIDDEN:
            pastes.append(Paste(int(row), places[hidden.argmin()]))
    return sorted(pastes, key=lambda paste: float(paste.box[3]))


def copy_paste(picture: Picture, donor: Picture, pastes: Sequence[Paste], min_visible_share: float) -> Picture:
    """Objects of a donor pasted into a picture with soft edges, as objects in their own right.

    Boxes of which less than `min_visible_share` still shows are ignored from then on.

    Args:
        picture: what to paste into.
        donor: gives the objects.
        pastes: which ones and where, from back to front.
        min_visible_share: in [0, 1].
    """
    image = picture.image.copy()
    # for each pixel, the number of the paste that it shows; 0 for the picture itself
    shows = np.zeros(image.shape[:2], np.uint8)
    boxes, rows = [picture.boxes], []
    for number, (row, place) in enumerate(pastes, 1):
        source = region_around(donor.boxes[row]).clip(donor.size)
        stretch = (place[2:] - place[:2]) / (donor.boxes[row, 2:] - donor.boxes[row, :2])
        corner = place[:2] + ((source.left, source.top) - donor.boxes[row, :2]) * stretch
        left, top = (round(float(side)) for side in corner)
        columns, lines = (max(1, round(float(side))) for side in (source.width, source.height) * stretch)
        target = Region(left, top, left + columns, top + lines)
        boxes.append(box_ops.warp(donor.boxes[row : row + 1], region_matrix(source, target)))
        rows.append(row)
        shown = target.clip(picture.size)
        if shown.width <= 0 or shown.height <= 0:
            continue
        patch = resize(source.of(donor.image), (target.width, target.height))
        patch = patch[shown.top - top : shown.bottom - top, shown.left - left : shown.right - left]
        weight = _silhouette(shown, target)
        blend_into(image, shown, patch, weight)
        shows[shown.top : shown.bottom, shown.left : shown.right][weight > 0.5] = number
    together = joined(image, [picture, donor.select(np.array(rows, np.int64))])
    together = dataclasses.replace(together, boxes=np.concatenate(boxes).astype(np.float32))
    order = np.concatenate([np.zeros(len(picture.boxes), np.int64), np.arange(len(rows)) + 1])
    hidden = _hidden(together.boxes, order, shows, min_visible_share)
    return dataclasses.replace(together, ignore=together.ignore | hidden)


def _whole_objects(picture: Picture) -> Int64[np.ndarray, " k"]:
    """Rows of the objects wholly inside the picture with hardly another box over or behind them."""
    boxes = picture.boxes
    inside = box_ops.visible_share(boxes, *picture.size) > 0.99
    shared = _shared_area(boxes, boxes)
    np.fill_diagonal(shared, 0)
    alone = shared.sum(axis=1) <= MAX_SHARED * box_ops.area(boxes)
    return np.flatnonzero(~picture.ignore & inside & alone)


def _shared_area(first: Float[np.ndarray, "n 4"], second: Float[np.ndarray, "m 4"]) -> Float[np.ndarray, "n m"]:
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    return np.asarray(np.clip(high - low, 0, None).prod(axis=2))


def _silhouette(shown: Region, whole: Region) -> Float32[np.ndarray, "rows columns"]:
    """Weights of a pasted object: one in the middle, fading out towards its box's sides and sooner in its corners."""
    x = np.abs((np.arange(shown.left, shown.right) + 0.5 - whole.left) / whole.width * 2 - 1)
    y = np.abs((np.arange(shown.top, shown.bottom) + 0.5 - whole.top) / whole.height * 2 - 1)
    # a superellipse: the level curves of x^4 + y^4 are boxes with round corners
    inside = np.clip((1 - (x**4 + y[:, None] ** 4)) / 0.35, 0, 1)
    return np.asarray(inside * inside * (3 - 2 * inside), np.float32)


def _hidden(
    boxes: Float[np.ndarray, "n 4"],
    order: Int64[np.ndarray, " n"],
    shows: UInt8[np.ndarray, "height width"],
    min_visible_share: float,
) -> Bool[np.ndarray, " n"]:
    """Which boxes lost so much to later pastes that less than the share is left."""
    size = (shows.shape[1], shows.shape[0])
    hidden = np.zeros(len(boxes), np.bool_)
    for row, (box, number) in enumerate(zip(boxes, order, strict=True)):
        place = region_in(box, size)
        over = shows[place.top : place.bottom, place.left : place.right] > number
        covered = np.count_nonzero(over)
        if covered:
            hidden[row] = over.size - covered < min_visible_share * float(box_ops.area(box[None])[0])
    return hidden
