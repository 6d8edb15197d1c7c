"""What does an embedding depend on? How well it knows boxes again after one thing about them was changed.

Two views of a frame are made, and in the second one a single thing is changed: the surroundings of the boxes, the place
of their content, colour, one half of each box. What falls is what the embedding went by. It needs boxes alone: the same
box in both views is a genuine pair.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from clmot.evaluation.two_view import compare_views, embed_each, put_together
from clmot.structures import BoolArray, Embed, Image, View, ViewPair
from clmot.views.pixels import region_in

UNCHANGED = "unchanged"

Change = Callable[[View, Image], View]
"""A view, and another frame at the same size, to the changed view; boxes move with their content."""


def new_surroundings(view: View, other: Image) -> View:
    """All boxes as they are, to the pixel, and all around them another frame."""
    return dataclasses.replace(view, image=np.where(_in_boxes(view)[:, :, None], view.image, other))


def moved(view: View, other: Image) -> View:
    """What the boxes hold, on another frame and elsewhere: moved sideways, round the edge of the image.

    The image is cut where fewest boxes are and its two sides change places. Boxes that are cut are ignored.
    """
    width = view.image.shape[1]
    columns = np.arange(1, width)
    cut = (view.boxes[:, :1] < columns) & (view.boxes[:, 2:3] > columns)
    # of columns that cut as few, the one nearest to the middle
    seam = int(columns[np.lexsort([np.abs(columns - width // 2), cut.sum(axis=0)])[0]])
    shown = np.roll(_in_boxes(view), -seam, axis=1)[:, :, None]
    left_of_seam = view.boxes[:, 0] < seam
    shift = np.where(left_of_seam, width - seam, -seam).astype(np.float32)
    boxes = view.boxes + shift[:, None] * np.array([1, 0, 1, 0], np.float32)
    return dataclasses.replace(
        view,
        image=np.where(shown, np.roll(view.image, -seam, axis=1), other),
        boxes=boxes,
        ignore=view.ignore | cut[:, seam - 1],
    )


def without_colour(view: View, other: Image) -> View:
    """The view in grey."""
    grey = cv2.cvtColor(view.image, cv2.COLOR_RGB2GRAY)
    return dataclasses.replace(view, image=np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8))


def upper_half_covered(view: View, other: Image) -> View:
    """Another frame in place of the upper half of each box."""
    return _covered(view, other, 0.0, 0.5)


def lower_half_covered(view: View, other: Image) -> View:
    """Another frame in place of the lower half of each box."""
    return _covered(view, other, 0.5, 1.0)


CHANGES: dict[str, Change] = {
    UNCHANGED: lambda view, other: view,
    "other background": new_surroundings,
    "elsewhere on another frame": moved,
    "no colour": without_colour,
    "upper half covered": upper_half_covered,
    "lower half covered": lower_half_covered,
}


def probe(pairs: Sequence[ViewPair], embed: Embed, seed: int = 0) -> dict[str, float]:
    """Rank-1 across two views of a frame, the second one changed, for each of the `CHANGES`.

    Args:
        pairs: two views each, of different frames and all of one size.
        embed: image (uint8 [height, width, 3], RGB) and boxes ([n, 4], xyxy pixels) to unit vectors [n, d].
        seed: of the choice of other frames.

    Returns:
        Share of boxes whose nearest comparable box is the same object in the other view, as
        `clmot.evaluation.two_view.label_free_scores` has it; NaN where nothing can be compared, or there is no other
        frame to take pixels from.
    """
    first = embed_each((pair.views[0] for pair in pairs), embed)
    # the next in a random order: never a frame itself
    order = np.random.default_rng(seed).permutation(len(pairs))
    lender = dict(zip(order.tolist(), np.roll(order, -1).tolist(), strict=True))
    scores = {}
    for name, change in CHANGES.items():
        second = embed_each(
            (change(pair.views[1], pairs[lender[index]].views[0].image) for index, pair in enumerate(pairs)), embed
        )
        right = compare_views(put_together(first, second)).first
        needs_other = change not in (CHANGES[UNCHANGED], without_colour)
        scores[name] = float(right.mean()) if len(right) and not (needs_other and len(pairs) < 2) else float("nan")
    return scores


def _covered(view: View, other: Image, start: float, stop: float) -> View:
    """Another frame in place of a part of each box, which reaches from one share of its height to another."""
    image = view.image.copy()
    for left, top, right, bottom in view.boxes.astype(np.float64):
        part = np.array([left, top + start * (bottom - top), right, top + stop * (bottom - top)])
        region = region_in(part, (image.shape[1], image.shape[0]))
        region.of(image)[:] = region.of(other)
    return dataclasses.replace(view, image=image)


def _in_boxes(view: View) -> BoolArray:
    """Which pixels lie in a box, [height, width]."""
    height, width = view.image.shape[:2]
    inside = np.zeros((height, width), np.bool_)
    for box in view.boxes:
        region = region_in(box, (width, height))
        inside[region.top : region.bottom, region.left : region.right] = True
    return inside
