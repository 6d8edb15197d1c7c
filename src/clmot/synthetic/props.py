"""Static things on the pavement: what people walk behind, and what only looks like a person."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from clmot.synthetic.figure import Dress, Pose, outline
from clmot.synthetic.paint import Colour, FloatArray, UInt8Array, ellipse, extent, fill, fixed_point, rectangle, shade

_PAINTS: tuple[Colour, ...] = (
    (178, 40, 44), (36, 84, 140), (42, 104, 68), (226, 222, 214), (60, 60, 66), (214, 170, 48), (110, 70, 50),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Prop:
    """A thing painted into the panorama.

    Attributes:
        kind: what it is.
        x: panorama column of its middle.
        ground: image row it stands on; people who stand higher up in the picture pass behind it.
        half_width: half the width that hides people, pixels.
        hides: tall and wide enough to hide a person whole.
        left: panorama column of the mask's left side.
        top: image row of the mask's upper side.
        mask: uint8, 255 where the thing is.
        box: xyxy pixels of the panorama where the thing looks like a person, else None.
    """

    kind: str
    x: float
    ground: float
    half_width: float
    hides: bool
    left: int
    top: int
    mask: UInt8Array
    box: FloatArray | None = None


class _Brush:
    """Paints outlines in metres around a foot point, on the panorama and on a mask of its size."""

    def __init__(self, image: UInt8Array, x: float, ground: float, metre: float, light: float) -> None:
        self.image, self.mask = image, np.zeros(image.shape[:2], np.uint8)
        self.foot, self.metre, self.light = np.array([x, ground]), metre, light

    def shape(self, points: FloatArray, colour: Colour) -> None:
        corners = fixed_point(self.foot + self.metre * points)
        fill(self.image, corners, shade(colour, self.light))
        fill(self.mask, corners, (255,), smooth=False)

    def box(self, left: float, right: float, low: float, high: float, colour: Colour) -> None:
        self.shape(rectangle(left, -high, right, -low), colour)

    def ball(self, x: float, up: float, radii: tuple[float, float], colour: Colour) -> None:
        self.shape(ellipse(np.array([x, -up]), radii), colour)


def _column(brush: _Brush, rng: np.random.Generator) -> float:
    """A round advertising column."""
    radius, tall = rng.uniform(0.62, 0.8), rng.uniform(2.7, 3.3)
    base = _PAINTS[rng.integers(len(_PAINTS))]
    brush.ball(0, 0.02, (radius, 0.12), shade(base, 0.5))
    brush.box(-radius, radius, 0, tall, (196, 190, 178))
    for low in np.arange(0.4, tall - 0.5, 0.75):
        for left in np.linspace(-radius, radius, 4)[:-1]:
            tint = shade(_PAINTS[rng.integers(len(_PAINTS))], rng.uniform(0.8, 1.2))
            brush.box(left + 0.04, left + 2 * radius / 3 - 0.04, low, low + 0.65, tint)
    brush.box(-radius, -0.8 * radius, 0, tall, (118, 112, 104))
    brush.box(-radius - 0.08, radius + 0.08, tall, tall + 0.14, shade(base, 0.8))
    brush.ball(0, tall + 0.16, (radius, 0.2), base)
    return radius


def _kiosk(brush: _Brush, rng: np.random.Generator) -> float:
    half, tall = rng.uniform(0.75, 1.0), rng.uniform(2.3, 2.7)
    colour, other = _PAINTS[rng.integers(len(_PAINTS))], _PAINTS[rng.integers(len(_PAINTS))]
    brush.box(-half, half, 0, tall, colour)
    brush.box(-half + 0.1, half - 0.1, 1.05, 1.95, (70, 76, 84))
    for left in np.arange(-half + 0.16, half - 0.3, 0.24):
        brush.box(left, left + 0.17, 1.1, 1.1 + rng.uniform(0.2, 0.7), shade(_PAINTS[rng.integers(7)], 0.9))
    brush.box(-half - 0.08, half + 0.08, 0.92, 1.05, shade(colour, 0.6))
    brush.box(-half, half, 0, 0.12, (70, 68, 66))
    for i, left in enumerate(np.linspace(-half - 0.15, half + 0.15, 9)[:-1]):
        brush.box(left, left + (2 * half + 0.3) / 8, 2.02, tall + 0.1, other if i % 2 else (228, 224, 214))
    return half


def _van(brush: _Brush, rng: np.random.Generator) -> float:
    half, tall = rng.uniform(1.25, 1.6), rng.uniform(2.1, 2.4)
    colour = shade(_PAINTS[rng.integers(len(_PAINTS))], 1.05)
    side = -1.0 if rng.random() < 0.5 else 1.0

    def shape(corners: list[tuple[float, float]], tint: Colour) -> None:
        brush.shape(np.array([(side * x, -up) for x, up in corners]), tint)

    shape([(-half, 0.3), (-half, tall), (half * 0.55, tall), (half, 1.25), (half, 0.3)], colour)
    shape([(-half, 0.25), (-half, 0.6), (half, 0.6), (half, 0.25)], shade(colour, 0.7))
    shape([(half * 0.2, 1.3), (half * 0.2, tall - 0.2), (half * 0.5, tall - 0.2), (half * 0.86, 1.3)], (60, 70, 82))
    shape([(-half * 0.9, 1.5), (-half * 0.9, 1.58), (half * 0.1, 1.58), (half * 0.1, 1.5)], shade(colour, 0.75))
    shape([(-half * 0.7, 0.8), (-half * 0.7, 1.4), (-half * 0.1, 1.4), (-half * 0.1, 0.8)], shade(colour, 1.3))
    shape([(half * 0.92, 0.7), (half * 0.92, 0.9), (half, 0.9), (half, 0.7)], (236, 226, 180))
    brush.box(-half, half, 0.02, 0.3, (38, 38, 40))
    for x in (-half * 0.62, half * 0.62):
        brush.ball(x, 0.31, (0.33, 0.33), (34, 34, 36))
        brush.ball(x, 0.31, (0.16, 0.16), (150, 150, 152))
    return half * 0.95


def _hedge(brush: _Brush, rng: np.random.Generator) -> float:
    """A tall bush in a planter."""
    half, tall = rng.uniform(0.75, 1.1), rng.uniform(1.95, 2.3)
    brush.box(-half, half, 0.4, tall - 0.3, (42, 70, 36))
    for _ in range(70):
        x, up = rng.uniform(-half, half), rng.uniform(0.5, tall - 0.12)
        size = rng.uniform(0.09, 0.24)
        brush.ball(x, up, (size, 0.8 * size), shade((66, 106, 50), rng.uniform(0.6, 1.35)))
    brush.box(-half, half, 0, 0.5, (142, 120, 100))
    brush.box(-half - 0.04, half + 0.04, 0.46, 0.54, (166, 146, 124))
    return half


def _pillar(brush: _Brush, rng: np.random.Generator) -> float:
    """A square pillar that leaves the picture at the top."""
    half = rng.uniform(0.42, 0.6)
    colour = shade((176, 168, 156), rng.uniform(0.7, 1.1))
    brush.box(-half, half, 0, 9, colour)
    brush.box(-half, -0.55 * half, 0, 9, shade(colour, 0.75))
    for up in np.arange(0.5, 9, 0.9):
        brush.box(-half, half, up, up + 0.04, shade(colour, 0.82))
    brush.box(-half - 0.08, half + 0.08, 0, 0.3, shade(colour, 0.65))
    return half


def _lamp(brush: _Brush, rng: np.random.Generator) -> float:
    brush.box(-0.06, 0.06, 0, 5.2, (58, 62, 64))
    brush.box(-0.12, 0.12, 0, 0.7, (48, 52, 54))
    brush.ball(0, 5.2, (0.3, 0.16), (230, 224, 200))
    return 0.1


def _tree(brush: _Brush, rng: np.random.Generator) -> float:
    half = rng.uniform(0.14, 0.22)
    brush.shape(np.array([[-half, 0], [half, 0], [0.6 * half, -3.4], [-0.6 * half, -3.4]]), (92, 74, 58))
    for _ in range(60):
        x, up, size = rng.normal(0, 0.8), rng.normal(3.9, 0.55), rng.uniform(0.16, 0.42)
        brush.ball(x, max(up, 2.7), (size, 0.7 * size), shade((74, 108, 52), rng.uniform(0.6, 1.3)))
    return half


def _bin(brush: _Brush, rng: np.random.Generator) -> float:
    colour = shade(_PAINTS[rng.integers(len(_PAINTS))], 0.7)
    brush.box(-0.26, 0.26, 0, 0.95, colour)
    brush.ball(0, 0.95, (0.28, 0.12), shade(colour, 0.6))
    brush.box(-0.18, 0.18, 0.62, 0.78, (30, 30, 32))
    return 0.26


_KINDS: dict[str, Callable[[_Brush, np.random.Generator], float]] = {
    "column": _column, "kiosk": _kiosk, "van": _van, "hedge": _hedge, "pillar": _pillar, "lamp": _lamp, "tree": _tree,
    "bin": _bin,
}  # fmt: skip

HIDING = ("column", "kiosk", "van", "hedge", "pillar")
"""Kinds that hide a person whole."""


def paint_prop(
    image: UInt8Array, rng: np.random.Generator, kind: str, x: float, ground: float, metre: float, light: float
) -> Prop:
    """Paint a thing of that kind into the panorama.

    Args:
        image: uint8 [height, width, 3], the panorama; painted in place.
        rng: chooses size and colours.
        kind: a key of the kinds known here.
        x: panorama column.
        ground: image row it stands on.
        metre: pixels a metre there.
        light: brightness there.
    """
    _ground_shadow(image, x, ground, metre * (1.8 if kind == "van" else 1.0))
    brush = _Brush(image, x, ground, metre, light)
    half = _KINDS[kind](brush, rng) * metre
    return _cut(brush, kind, x, ground, half)


def paint_figure(
    image: UInt8Array, kind: str, dress: Dress, pose: Pose, x: float, ground: float, metre: float, light: float
) -> Prop:
    """Paint a thing that looks like a person: a ``mannequin``, or the picture on a ``poster``."""
    brush = _Brush(image, x, ground, metre, light)
    tall = dress.height
    if kind == "poster":
        brush.box(-0.42 * tall, 0.42 * tall, -0.08 * tall, 1.12 * tall, (64, 64, 68))
        brush.box(-0.37 * tall, 0.37 * tall, -0.04 * tall, 1.08 * tall, (222, 206, 178))
        brush.box(-0.37 * tall, 0.37 * tall, -0.04 * tall, 0.16 * tall, dress.bag_colour)
        brush.mask[:] = 0
    else:
        brush.box(-0.2 * tall, 0.2 * tall, -0.03, 0.03, (90, 88, 86))
        brush.mask[:] = 0
    body = outline(dress, pose)
    begin = 0
    for end, colour, _ in zip(body.ends, body.colours, body.body, strict=True):
        brush.shape(tall * body.points[begin:end], colour)
        begin = end
    return _cut(brush, kind, x, ground, 0.0, extent(brush.foot + metre * tall * body.points))


def _ground_shadow(image: UInt8Array, x: float, ground: float, metre: float) -> None:
    shadow = np.full(image.shape[:2], 255, np.uint8)
    fill(shadow, fixed_point(ellipse(np.array([x, ground]), (metre, 0.16 * metre))), (170,))
    soft = cv2.GaussianBlur(shadow, (0, 0), 2)
    cv2.multiply(image, cv2.merge([soft] * 3), dst=image, scale=1 / 255)


def _cut(brush: _Brush, kind: str, x: float, ground: float, half_width: float, box: FloatArray | None = None) -> Prop:
    left, top, width, height = cv2.boundingRect(brush.mask)
    if width == 0:
        raise ValueError(f"{kind} at column {x:.0f} lies outside the panorama")
    mask = np.ascontiguousarray(brush.mask[top : top + height, left : left + width])
    return Prop(kind, x, ground, half_width, kind in HIDING, left, top, mask, box)
