"""Contact sheets of training views, to see at a glance whether boxes, pairs and augmentations are right."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from clmot.config import ViewsConfig
from clmot.io.atomic import write_whole_bytes
from clmot.io.image import encoded_image
from clmot.structures import Image, View, ViewPair
from clmot.visualize.draw import Colour, contact_sheet, track_colour

_DASH = 4
_UNMATCHED = (150, 150, 150)
_ROW_WIDTH = 1440

UNCHANGED = ViewsConfig(scale=(1, 1), aspect=0, shift=0, rotate=0, mirror=0, colour=0)
"""Views that show the frame as it is."""

_FULL_STRENGTH: dict[str, dict[str, object]] = {
    "scale": {"scale": (0.5, 2.0)},
    "aspect": {"aspect": 0.5},
    "shift": {"shift": 0.25},
    "rotate": {"rotate": 20.0},
    "mirror": {"mirror": 1.0},
    "published": {"published": True},
    "colour": {"colour": 3.0},
    "hsv": {"hsv": 0.5},
    "neighbour": {"neighbour": 1.0},
}


def each_transform(config: ViewsConfig) -> dict[str, ViewsConfig]:
    """The configuration itself as ``as configured``, then every transform by name, alone and at full strength.

    Args:
        config: as configured; of it the single transforms take only how far neighbours reach.
    """
    base = dataclasses.replace(UNCHANGED, neighbour_frames=config.neighbour_frames)
    # a dictionary's values are as wide as its widest; the fields are checked when the value is made
    alone = {name: dataclasses.replace(base, **changes) for name, changes in _FULL_STRENGTH.items()}  # type: ignore[arg-type]
    return {"as configured": config, **alone}


def views_sheet(pairs: Sequence[ViewPair], out: Path) -> None:
    """Write a PNG with one row a frame: its two views side by side.

    A box seen in both views has the same colour and number (its row in the sample), with its score beside it if that is
    not 1; ignored boxes are dashed and grey, boxes that are contrasted with nothing are grey.

    Args:
        pairs: the frames, at least one.
        out: file to write.

    Raises:
        UserError: the file cannot be written.
    """
    _write_png(out, contact_sheet([image for pair in pairs for image in draw_pair(pair)], columns=2))


def transforms_sheet(rows: Mapping[str, Sequence[ViewPair]], out: Path) -> None:
    """Write a PNG with one labelled row a transform: pairs of views, drawn as by `views_sheet`.

    Args:
        rows: name to pairs, as many for each.
        out: file to write.

    Raises:
        UserError: the file cannot be written.
    """
    images = [image for pairs in rows.values() for pair in pairs for image in draw_pair(pair)]
    columns = len(images) // len(rows)
    labels = [name if column == 0 else "" for name in rows for column in range(columns)]
    width = min(images[0].shape[1], _ROW_WIDTH // columns)
    _write_png(out, contact_sheet(images, columns, labels=labels, cell_width=width))


def draw_pair(pair: ViewPair) -> tuple[Image, Image]:
    """Copies of both views' images with their boxes drawn on them."""
    first, second = (
        _draw_view(view, [track_colour(number) for number in view.object_index.tolist()]) for view in pair.views
    )
    return first, second


def _write_png(out: Path, sheet: Image) -> None:
    write_whole_bytes(out, encoded_image(sheet, ".png"), "the picture")


def _draw_view(view: View, colours: Sequence[Colour]) -> Image:
    canvas = view.image.copy()
    # ignored boxes first, so that they cover no object
    for row in np.argsort(~view.ignore, kind="stable"):
        left, top, right, bottom = (round(float(side)) for side in view.boxes[row])
        number = int(view.object_index[row])
        if view.ignore[row]:
            _dashed_rectangle(canvas, left, top, right - 1, bottom - 1)
            continue
        if number < 0:
            cv2.rectangle(canvas, (left, top), (right - 1, bottom - 1), _UNMATCHED, 1, cv2.LINE_AA)
            continue
        colour = colours[row]
        cv2.rectangle(canvas, (left, top), (right - 1, bottom - 1), colour, 1, cv2.LINE_AA)
        # the label stays readable where the corner is outside
        place = (max(left + 2, 2), max(top + 11, 11))
        label = f"{number}" if view.scores[row] == 1 else f"{number}: {view.scores[row]:.2f}"
        cv2.putText(canvas, label, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 3, cv2.LINE_AA)
        cv2.putText(canvas, label, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1, cv2.LINE_AA)
    return canvas


def _dashed_rectangle(canvas: Image, left: int, top: int, right: int, bottom: int) -> None:
    height, width = canvas.shape[:2]
    x = np.arange(max(left, 0), min(right + 1, width))
    y = np.arange(max(top, 0), min(bottom + 1, height))
    for side in (top, bottom):
        if 0 <= side < height:
            canvas[side, x[x // _DASH % 2 == 0]] = _UNMATCHED
    for side in (left, right):
        if 0 <= side < width:
            canvas[y[y // _DASH % 2 == 0], side] = _UNMATCHED
