"""A contact sheet of training views, to see at a glance whether boxes, pairs and augmentations are right."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from clmot.errors import UserError
from clmot.report.draw import contact_sheet, track_colour
from clmot.types import Image, View, ViewPair

_IGNORED = (150, 150, 150)


def views_sheet(pairs: Sequence[ViewPair], out: Path) -> None:
    """Write a PNG with one row a frame: its two views side by side.

    A box seen in both views has the same colour and number (its row in the sample); ignored boxes are dashed and grey.

    Args:
        pairs: the frames, at least one.
        out: file to write.

    Raises:
        UserError: the file cannot be written.
    """
    sheet = contact_sheet([draw_view(view) for pair in pairs for view in pair.views], columns=2)
    _, encoded = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    try:
        out.write_bytes(encoded.tobytes())
    except OSError as error:
        raise UserError(f"{out}: cannot write the picture: {error.strerror}") from error


def draw_view(view: View) -> Image:
    """A copy of the view's image with its boxes drawn on it."""
    canvas = view.image.copy()
    # ignored boxes first, so that they cover no object
    for row in np.argsort(~view.ignore, kind="stable"):
        left, top, right, bottom = (round(float(side)) for side in view.boxes[row])
        number = int(view.object_index[row])
        if view.ignore[row]:
            _dashed_rectangle(canvas, left, top, right - 1, bottom - 1)
            continue
        colour = track_colour(number)
        cv2.rectangle(canvas, (left, top), (right - 1, bottom - 1), colour, 1, cv2.LINE_AA)
        # the label stays readable where the corner is outside
        place = (max(left + 2, 2), max(top + 11, 11))
        cv2.putText(canvas, str(number), place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 3, cv2.LINE_AA)
        cv2.putText(canvas, str(number), place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1, cv2.LINE_AA)
    return canvas


def _dashed_rectangle(canvas: Image, left: int, top: int, right: int, bottom: int, dash: int = 4) -> None:
    height, width = canvas.shape[:2]
    x = np.arange(max(left, 0), min(right + 1, width))
    y = np.arange(max(top, 0), min(bottom + 1, height))
    for side in (top, bottom):
        if 0 <= side < height:
            canvas[side, x[x // dash % 2 == 0]] = _IGNORED
    for side in (left, right):
        if 0 <= side < width:
            canvas[y[y // dash % 2 == 0], side] = _IGNORED
