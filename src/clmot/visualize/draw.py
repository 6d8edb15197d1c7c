"""Boxes, ids and trails on images."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Literal

import cv2
import numpy as np

from clmot.structures import Float32Array, Image, TrackedFrame

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""
Point = tuple[float, float]
"""x, y in pixels."""

_COLOURS: tuple[Colour, ...] = (
    *((0, 102, 204), (255, 68, 0), (0, 255, 204), (170, 68, 102), (238, 238, 0), (170, 238, 136)),
    *((136, 34, 255), (238, 136, 238), (204, 0, 0), (68, 170, 102), (238, 102, 170), (170, 204, 68)),
    *((136, 102, 255), (170, 68, 170), (136, 238, 170), (204, 68, 68), (255, 136, 170), (102, 170, 34)),
    *((170, 136, 255), (204, 238, 102), (68, 204, 102), (0, 136, 68), (238, 204, 34), (204, 102, 204)),
)
"""Chosen one after the other, each as far as possible in CIELAB from those before it, the nearest before all, as seen
with normal sight and with each of the three kinds of colour blindness (Machado et al. 2009); none is very dark or pale.
"""
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_STRENGTHS = (0.25, 0.5, 0.75, 1.0)
"""How strongly the four parts of a trail are drawn, the oldest first."""
_HEAD, _SQUARES = 1 / 3, 6
"""The share of a standing person that `hide` takes for the head; squares along the longer side of what it hides."""
_LONGEST_NAME = 24
_DEFAULT_COLOUR: Colour = (255, 176, 0)
_GAP, _BACKGROUND = 4, (32, 32, 32)
"""Pixels between and around the images of a contact sheet, and what shows there."""


def track_colour(track_id: int) -> Colour:
    """The colour of a track: the same in every frame, run, video and report, far from those of the ids before it.

    After 24 ids they come again, so an id is written wherever a colour is.
    """
    return _COLOURS[(track_id - 1) % len(_COLOURS)]


class Trails:
    """Where each track stood in the last frames: the middle of its boxes' lower sides.

    Args:
        length: how many frames back a trail goes; older points, and tracks unseen for longer, are forgotten.
    """

    def __init__(self, length: int = 30) -> None:
        if length < 1:
            raise ValueError(f"trail length must be >= 1 frame, got {length}")
        self.length = length
        self._history: dict[int, deque[tuple[int, Point]]] = {}

    def update(self, tracked: TrackedFrame) -> None:
        """Add the tracks of a frame, which must be later than those before it."""
        rows = zip(tracked.track_id.tolist(), tracked.detections.xyxy.tolist(), strict=True)
        for track_id, (left, _, right, bottom) in rows:
            self._history.setdefault(track_id, deque()).append((tracked.frame, ((left + right) / 2, bottom)))
        oldest = tracked.frame - self.length
        for history in self._history.values():
            while history and history[0][0] <= oldest:
                history.popleft()
        self._history = {track_id: history for track_id, history in self._history.items() if history}

    def points(self) -> Mapping[int, list[Point]]:
        """Track id to its foot points, oldest first."""
        return {track_id: [point for _, point in history] for track_id, history in self._history.items()}


def draw_tracks(
    image: Image,
    tracked: TrackedFrame,
    trails: Trails | None = None,
    classes: Sequence[str] = (),
    with_score: bool = False,
    names: Mapping[int, str] | None = None,
) -> Image:
    """A copy of the image with each track's box, id and trail in the track's colour.

    Args:
        image: uint8 [height, width, 3], RGB.
        tracked: the tracks of this frame.
        trails: their history, this frame included; trails of tracks that are not in this frame are not drawn.
        classes: class names; labels name the class; without any they do not.
        with_score: labels tell the confidence, in percent.
        names: what tracks are called, by id; labels of others tell the id.
    """
    canvas = image.copy()
    seen = set(tracked.track_id.tolist())
    points = trails.points() if trails else {}
    _draw_trails(canvas, {track: each for track, each in points.items() if track in seen})
    # whoever stands lower in the image is nearer to the camera and drawn over the others
    order = np.argsort(tracked.detections.xyxy[:, 3], kind="stable")
    ids = tracked.track_id[order].tolist()
    labels = [(names or {}).get(track_id, str(track_id)) for track_id in ids]
    if classes:
        named = tracked.detections.class_id[order].tolist()
        labels = [f"{_short(classes[class_id])} {label}" for class_id, label in zip(named, labels, strict=True)]
    if with_score:
        scores = tracked.detections.score[order].tolist()
        labels = [f"{label} {100 * score:.0f}%" for label, score in zip(labels, scores, strict=True)]
    _draw_boxes(canvas, tracked.detections.xyxy[order], labels, [track_colour(track_id) for track_id in ids])
    return canvas


def hide(image: Image, boxes: Float32Array, part: Literal["head", "box"]) -> Image:
    """A copy of the image in which nobody can be recognised in some boxes: each is a few squares of one colour.

    Args:
        image: uint8 [height, width, 3], RGB.
        boxes: float [n, 4], xyxy pixels, may extend beyond the image.
        part: all of each box, or its upper third, which is where a standing person's head is.
    """
    canvas = image.copy()
    for left, top, right, bottom in boxes.tolist():
        bottom = top + (bottom - top) * _HEAD if part == "head" else bottom
        margin = 0.1 * (right - left)
        rows = slice(max(0, math.floor(top - margin)), max(0, math.ceil(bottom)))
        columns = slice(max(0, math.floor(left - margin)), max(0, math.ceil(right + margin)))
        area = canvas[rows, columns]
        if area.size:
            height, width = area.shape[:2]
            across, down = (max(1, round(_SQUARES * side / max(height, width))) for side in (width, height))
            few = cv2.resize(np.ascontiguousarray(area), (across, down), interpolation=cv2.INTER_AREA)
            canvas[rows, columns] = cv2.resize(few, (width, height), interpolation=cv2.INTER_NEAREST)
    return canvas


def draw_boxes(
    image: Image,
    boxes: Float32Array,
    labels: Sequence[str] | None = None,
    colours: Sequence[Colour] | Colour = _DEFAULT_COLOUR,
) -> Image:
    """A copy of the image with boxes on it.

    Args:
        image: uint8 [height, width, 3], RGB.
        boxes: float [n, 4], xyxy pixels, may extend beyond the image.
        labels: a text for each box.
        colours: one for all boxes or one for each.
    """
    each = [colours] * len(boxes) if colours and isinstance(colours[0], int) else list(colours)
    canvas = image.copy()
    _draw_boxes(canvas, boxes, labels or [""] * len(boxes), each)  # type: ignore[arg-type]
    return canvas


def contact_sheet(
    images: Sequence[Image],
    columns: int,
    *,
    labels: Sequence[str] | None = None,
    cell_width: int | None = None,
) -> Image:
    """Images side by side in rows, each scaled to fit a cell of the first image's shape and centred in it.

    Args:
        images: uint8 [height, width, 3] each, RGB, of any sizes; at least one.
        columns: images in a row.
        labels: a text for the corner of each image.
        cell_width: width of a cell in pixels; by default the first image's.
    """
    if not images or columns < 1:
        raise ValueError(f"a contact sheet needs images and columns, got {len(images)} and {columns}")
    first_height, first_width = images[0].shape[:2]
    width = cell_width or first_width
    height = max(1, round(first_height * width / first_width))
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    sheet = np.full((_GAP + rows * (height + _GAP), _GAP + columns * (width + _GAP), 3), _BACKGROUND, np.uint8)
    for index, (image, label) in enumerate(zip(images, labels or [""] * len(images), strict=True)):
        row, column = divmod(index, columns)
        top, left = _GAP + row * (height + _GAP), _GAP + column * (width + _GAP)
        cell = fit(image, width, height, _BACKGROUND)
        if label:
            draw_label(cell, label, (0, 0), _BACKGROUND)
        sheet[top : top + height, left : left + width] = cell
    return sheet


def fit(image: Image, width: int, height: int, background: Colour = (0, 0, 0)) -> Image:
    """The image scaled to fit into the size, its shape kept, centred on the background; a copy in any case."""
    if image.shape[:2] == (height, width):
        return image.copy()
    scale = min(width / image.shape[1], height / image.shape[0])
    inner_width = min(width, max(1, round(image.shape[1] * scale)))
    inner_height = min(height, max(1, round(image.shape[0] * scale)))
    resized = cv2.resize(
        image, (inner_width, inner_height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    canvas = np.full((height, width, 3), background, np.uint8)
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    canvas[top : top + inner_height, left : left + inner_width] = resized
    return canvas


def _thickness(image: Image) -> int:
    return max(1, round(int(min(image.shape[:2])) / 300))


def _draw_trails(canvas: Image, trails: Mapping[int, Sequence[Point]]) -> None:
    """Segments that grow from thin and faint (long ago) to the box's own thickness and colour (now)."""
    thickness = _thickness(canvas)
    corners = {track: _to_pixels(np.array(points, np.float64), canvas) for track, points in trails.items()}
    for part, strength in enumerate(_STRENGTHS, 1):
        layer = canvas if strength == 1 else canvas.copy()
        drawn = False
        for track, points in corners.items():
            last = len(points) - 1
            width = max(1, round(thickness * part / len(_STRENGTHS)))
            for index in range(1 + last * (part - 1) // len(_STRENGTHS), 1 + last * part // len(_STRENGTHS)):
                cv2.line(layer, points[index - 1], points[index], track_colour(track), width, cv2.LINE_AA)
                drawn = True
        if drawn and layer is not canvas:
            cv2.addWeighted(layer, strength, canvas, 1 - strength, 0, dst=canvas)


def _draw_boxes(canvas: Image, boxes: Float32Array, labels: Sequence[str], colours: Sequence[Colour]) -> None:
    thickness = _thickness(canvas)
    top_left = _to_pixels(boxes[:, :2], canvas)
    # a box that ends at x = 10 covers pixel columns up to 9
    bottom_right = _to_pixels(boxes[:, 2:] - 1, canvas)
    for first, second, colour in zip(top_left, bottom_right, colours, strict=True):
        cv2.rectangle(canvas, first, second, colour, thickness)
    taken = np.array([(*first, *second) for first, second in zip(top_left, bottom_right, strict=True)]).reshape(-1, 4)
    for box, label, colour in zip(taken.tolist(), labels, colours, strict=True):
        if label:
            place = _free_place(_label_size(canvas, label), box, canvas, taken)
            taken = np.concatenate([taken, [_draw_label_at(canvas, label, place, colour)]])


def _free_place(size: tuple[int, int], box: Sequence[int], canvas: Image, taken: np.ndarray) -> tuple[int, int]:
    """Left and top of a label of that size where it covers least of boxes and other labels; above its box if it can."""
    (width, height), (left, top, right, bottom) = size, box
    places = [(left, top - height), (right - width, top - height), (left, bottom + 1), (right + 1, top)]
    places += [(left - width, top), (left, top)]
    inside = [
        (min(max(x, 0), max(canvas.shape[1] - width, 0)), min(max(y, 0), max(canvas.shape[0] - height, 0)))
        for x, y in places
    ]
    at = np.array(inside)
    side = np.minimum((at + size)[:, None], taken[:, 2:] + 1) - np.maximum(at[:, None], taken[:, :2])
    return inside[int(np.clip(side, 0, None).prod(axis=-1).sum(axis=-1).argmin())]


def draw_label(canvas: Image, text: str, corner: tuple[int, int], colour: Colour) -> None:
    """Text on a filled background that sits on the corner, moved inside where it would leave the image."""
    width, height = _label_size(canvas, text)
    left = min(max(corner[0] - _thickness(canvas) // 2, 0), max(canvas.shape[1] - width, 0))
    top = min(max(corner[1] - height, 0), max(canvas.shape[0] - height, 0))
    _draw_label_at(canvas, text, (left, top), colour)


def _font(canvas: Image) -> tuple[float, int, int]:
    """Scale, stroke and margin of the text in an image: as large as can be read at a glance, whatever its size."""
    scale = max(0.4, min(canvas.shape[:2]) / 1000)
    return scale, max(1, round(scale * 1.5)), 1 + _thickness(canvas)


def _label_size(canvas: Image, text: str) -> tuple[int, int]:
    scale, stroke, margin = _font(canvas)
    (width, height), baseline = cv2.getTextSize(text, _FONT, scale, stroke)
    return width + 2 * margin, height + baseline + margin


def _draw_label_at(canvas: Image, text: str, place: tuple[int, int], colour: Colour) -> tuple[int, int, int, int]:
    """Draw a label whose left and top these are, and say what it covers."""
    scale, stroke, margin = _font(canvas)
    _, baseline = cv2.getTextSize(text, _FONT, scale, stroke)
    (left, top), (width, height) = place, _label_size(canvas, text)
    cv2.rectangle(canvas, (left, top), (left + width - 1, top + height - 1), colour, cv2.FILLED)
    luminance = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    ink = (0, 0, 0) if luminance > 130 else (255, 255, 255)
    cv2.putText(canvas, text, (left + margin, top + height - baseline), _FONT, scale, ink, stroke, cv2.LINE_AA)
    return left, top, left + width - 1, top + height - 1


def _short(name: str) -> str:
    """A class name that leaves room for what it is about."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..."


def _to_pixels(points: np.ndarray[tuple[int, ...], np.dtype[np.floating]], canvas: Image) -> list[tuple[int, int]]:
    """Rounded points, held near the image: OpenCV wraps coordinates beyond 16 bits of its fixed point."""
    height, width = canvas.shape[:2]
    near = np.clip(points, -(width + height), 2 * (width + height))
    return [(int(x), int(y)) for x, y in np.rint(near)]
