"""The street without its people: houses, pavement, road, light and shadow, as one wide picture."""

from dataclasses import dataclass

import cv2
import numpy as np

from clmot.synthetic.motion import Camera
from clmot.synthetic.paint import Colour, FloatArray, UInt8Array, fill, fixed_point, rectangle, shade

_FACADES: tuple[Colour, ...] = (
    (172, 112, 88), (196, 178, 148), (150, 152, 156), (214, 204, 186), (128, 98, 84), (168, 160, 128), (110, 118, 128),
    (186, 140, 104), (204, 190, 196), (140, 156, 140),
)  # fmt: skip
_SIGNS: tuple[Colour, ...] = (
    (150, 34, 38), (28, 70, 120), (36, 92, 60), (52, 46, 48), (190, 150, 40), (120, 60, 110), (230, 228, 220),
)  # fmt: skip
_PAVING: tuple[Colour, ...] = ((158, 154, 148), (146, 142, 144), (172, 162, 146), (132, 134, 138))
_GLASS: tuple[Colour, ...] = ((62, 74, 86), (84, 96, 104), (48, 54, 62), (104, 112, 112))


@dataclass(frozen=True, eq=False)
class Backdrop:
    """A panorama and what a person on it has to know.

    Attributes:
        image: uint8 [height, width, 3], RGB.
        light: float32 [height, width], brightness of the ground: below 1 in the shadow of a house.
        camera: the camera.
        wall: image row where the houses meet the pavement.
    """

    image: UInt8Array
    light: FloatArray
    camera: Camera
    wall: float


def make_backdrop(rng: np.random.Generator, width: int, height: int) -> Backdrop:
    """Build a street of random houses."""
    horizon = height * rng.uniform(0.22, 0.34)
    camera = Camera(horizon=horizon, height=rng.uniform(2.3, 3.1))
    wall = horizon + (height - horizon) * rng.uniform(0.28, 0.36)
    image = np.empty((height, width, 3), np.uint8)
    sky = np.linspace(rng.uniform(0.75, 0.9), 1.0, height)[:, None, None]
    image[:] = (sky * np.array([196, 212, 228])).astype(np.uint8)
    _houses(rng, image, camera, wall)
    _ground(rng, image, camera, wall)
    light = _light(rng, width, height, wall)
    grain = rng.standard_normal((height, width), np.float32) * 3.0
    blotches = cv2.resize(
        rng.standard_normal((height // 12 + 2, width // 12 + 2), np.float32) * 5.0,
        (width, height),
        interpolation=cv2.INTER_CUBIC,
    )
    lit = image * light[..., None] + (grain + blotches)[..., None]
    return Backdrop(image=np.clip(lit, 0, 255).astype(np.uint8), light=light, camera=camera, wall=wall)


def _box(image: UInt8Array, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
    fill(image, fixed_point(rectangle(left, top, right, bottom)), colour)


def _houses(rng: np.random.Generator, image: UInt8Array, camera: Camera, wall: float) -> None:
    metre = float(camera.scale(wall))
    left = -rng.uniform(0, 4) * metre
    while left < image.shape[1]:
        right = left + rng.uniform(4.5, 10) * metre
        if rng.random() < 0.08:
            # a gap between two houses, closed by a low wall: some sky in the picture
            _box(image, left, wall - 2.2 * metre, right, wall, (120, 112, 100))
            _box(image, left, wall - 2.4 * metre, right, wall - 2.2 * metre, (150, 142, 130))
        else:
            _house(rng, image, left, right, wall, metre)
        left = right


def _house(rng: np.random.Generator, image: UInt8Array, left: float, right: float, wall: float, metre: float) -> None:
    colour = shade(_FACADES[rng.integers(len(_FACADES))], rng.uniform(0.8, 1.1))
    _box(image, left, -4, right, wall, colour)
    if rng.random() < 0.45:
        _bricks(image, left, right, wall, metre, rng.uniform(0.84, 0.93))
    frame = shade(colour, rng.choice([0.6, 1.25]))
    glass = _GLASS[rng.integers(len(_GLASS))]
    storey = rng.uniform(3.2, 3.9) * metre
    sign = _SIGNS[rng.integers(len(_SIGNS))]
    bays = max(int((right - left) / (rng.uniform(1.7, 2.6) * metre)), 1)
    bay = (right - left) / bays
    for row in range(1, 3):
        base = wall - row * storey
        for i in range(bays):
            centre = left + (i + 0.5) * bay
            half, tall = 0.28 * bay, 0.5 * storey
            _box(image, centre - half - 2, base - tall - 2, centre + half + 2, base + 2, frame)
            _box(image, centre - half, base - tall, centre + half, base, shade(glass, rng.uniform(0.8, 1.5)))
            _box(image, centre - 0.7, base - tall, centre + 0.7, base, frame)
    _box(image, left, wall - storey - 0.2 * metre, right, wall - storey + 0.1 * metre, shade(colour, 0.8))
    if rng.random() < 0.65:
        # a shop: fascia with lettering, large panes and perhaps an awning
        _box(image, left + 2, wall - storey + 0.15 * metre, right - 2, wall - storey + 0.85 * metre, sign)
        ink = (235, 230, 215) if sum(sign) < 400 else (60, 55, 60)
        letter = left + (right - left) * rng.uniform(0.1, 0.35)
        for _ in range(int(rng.integers(4, 10))):
            wide = rng.uniform(0.15, 0.38) * metre
            _box(image, letter, wall - storey + 0.32 * metre, letter + wide, wall - storey + 0.66 * metre, ink)
            letter += wide + 0.12 * metre
            if letter > right - metre:
                break
        door = int(rng.integers(bays))
        for i in range(bays):
            low = 0.0 if i == door else 0.5 * metre
            inner = 0.22 * bay if i == door else 0.06 * bay
            edge, other = left + i * bay + inner, left + (i + 1) * bay - inner
            _box(image, edge, wall - storey + metre, other, wall - low, frame)
            pane = shade(glass, rng.uniform(0.9, 1.6))
            _box(image, edge + 2, wall - storey + metre + 2, other - 2, wall - low - 2, pane)
            glare = edge + (other - edge) * rng.uniform(0.2, 0.6)
            _box(image, glare, wall - storey + metre + 2, glare + 0.14 * bay, wall - low - 2, shade(pane, 1.15))
        if rng.random() < 0.5:
            _awning(image, left + 3, right - 3, wall - storey + 0.9 * metre, 0.7 * metre, sign)
    else:
        door = int(rng.integers(bays))
        for i in range(bays):
            centre = left + (i + 0.5) * bay
            if i == door:
                _box(image, centre - 0.6 * metre, wall - 2.4 * metre, centre + 0.6 * metre, wall, frame)
                _box(image, centre - 0.48 * metre, wall - 2.25 * metre, centre + 0.48 * metre, wall, shade(sign, 0.8))
            else:
                _box(image, centre - 0.3 * bay, wall - 2.5 * metre, centre + 0.3 * bay, wall - metre, frame)
                _box(image, centre - 0.26 * bay, wall - 2.4 * metre, centre + 0.26 * bay, wall - 1.1 * metre, glass)
        _box(image, left, wall - 0.4 * metre, right, wall, shade(colour, 0.7))
    _box(image, left - 1, -4, left + 1, wall, shade(colour, 0.6))


def _awning(image: UInt8Array, left: float, right: float, top: float, drop: float, colour: Colour) -> None:
    stripes = max(int((right - left) / 9), 2)
    for i in range(stripes):
        a, b = (left + (right - left) * j / stripes for j in (i, i + 1))
        tint = colour if i % 2 else (226, 222, 210)
        flare = 5 * (2 * np.array([i, i + 1]) / stripes - 1)
        corners = np.array([[a, top], [b, top], [b + flare[1], top + drop], [a + flare[0], top + drop]])
        fill(image, fixed_point(corners), tint)


def _bricks(image: UInt8Array, left: float, right: float, wall: float, metre: float, dark: float) -> None:
    low, high, base = max(int(left), 0), min(int(right), image.shape[1]), int(wall)
    if low >= high:
        return
    course, length = max(round(0.14 * metre), 3), max(round(0.42 * metre), 6)
    row, column = np.mgrid[0:base, low:high]
    mortar = (row % course == 0) | ((column + (row // course % 2) * (length // 2)) % length == 0)
    part = image[:base, low:high]
    part[mortar] = (part[mortar] * dark).astype(np.uint8)


def _ground(rng: np.random.Generator, image: UInt8Array, camera: Camera, wall: float) -> None:
    height, width = image.shape[:2]
    paving = _PAVING[rng.integers(len(_PAVING))]
    rows = np.arange(int(wall), height)
    fade = np.linspace(0.92, 1.06, len(rows))[:, None, None]
    image[int(wall) :] = np.clip(np.array(paving) * fade, 0, 255).astype(np.uint8)
    joint = shade(paving, 0.86)
    slab = rng.uniform(0.9, 1.6)
    # a ground point at distance z metres (times the focal length) lies 1 / z below the horizon
    nearest, farthest = 1 / (height - camera.horizon), 1 / (wall - camera.horizon)
    count = int(rng.integers(9, 14))
    for distance in np.linspace(nearest, farthest, count)[1:-1]:
        row = camera.horizon + 1 / distance
        fill(image, fixed_point(rectangle(0, row, width, row + 0.8)), joint)
    centre, bottom = width / 2, float(camera.scale(height)) * slab
    top = float(camera.scale(wall)) * slab
    for i in range(-int(width / top) - 1, int(width / top) + 2):
        ends = np.array([[centre + i * top, wall], [centre + i * bottom, height]])
        start, end = np.rint(ends).astype(int).tolist()
        cv2.line(image, start, end, joint, 1, cv2.LINE_AA)
    _box(image, 0, wall - 1, width, wall + 2, shade(paving, 0.6))
    if rng.random() < 0.6:
        kerb = camera.horizon + (height - camera.horizon) * rng.uniform(0.78, 0.9)
        _box(image, 0, kerb, width, height + 4, (96, 96, 100))
        _box(image, 0, kerb - 4, width, kerb, (186, 184, 178))
        _box(image, 0, kerb, width, kerb + 2, (70, 70, 72))
        mark = kerb + 0.55 * (height - kerb)
        for left in np.arange(-rng.uniform(0, 90), width, 90):
            _box(image, left, mark, left + 48, mark + 3, (206, 204, 196))


def _light(rng: np.random.Generator, width: int, height: int, wall: float) -> FloatArray:
    """Brightness of the picture: the shadows that houses behind the camera throw on the ground."""
    light = np.full((height, width), 255, np.uint8)
    for _ in range(int(rng.integers(1, 4))):
        left, wide, slant = rng.uniform(-100, width), rng.uniform(90, 260), rng.uniform(-120, 120)
        corners = np.array([[left, wall], [left + wide, wall], [left + wide + slant, height], [left + slant, height]])
        fill(light, fixed_point(corners), (int(255 * rng.uniform(0.62, 0.8)),))
    soft = cv2.GaussianBlur(light, (0, 0), 5)
    return np.asarray(soft, np.float32) / 255
