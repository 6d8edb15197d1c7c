"""A person as drawn: dress, and the outline of the dressed body in one pose.

The body is a small skeleton in three dimensions (forward, to its left, up; unit: body height) that is turned to its
heading and projected, so that side, front and back views and everything between come from one description.
"""

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from clmot.synthetic.paint import Colour, FloatArray, capsules, ellipse, shade

_TILT = 0.10
"""Screen height of one unit of depth: the camera looks slightly down."""


@dataclass(frozen=True, kw_only=True)
class Dress:
    """What tells one person from another; colours are RGB.

    Attributes:
        height: metres.
        build: width relative to the average.
        pattern: what is printed on the shirt in `print_colour`.
        lower: what is worn below.
        coat: the shirt reaches to the knees.
    """

    shirt: Colour
    trousers: Colour
    skin: Colour
    hair: Colour
    shoes: Colour
    print_colour: Colour
    bag_colour: Colour
    height: float = 1.72
    build: float = 1.0
    pattern: Literal["plain", "stripes", "logo", "split", "vest"] = "plain"
    lower: Literal["trousers", "shorts", "skirt"] = "trousers"
    coat: bool = False
    short_sleeves: bool = False
    long_hair: bool = False
    hat: bool = False
    bag: Literal["none", "backpack", "handbag"] = "none"


class Pose(NamedTuple):
    """How a body stands.

    Attributes:
        heading: radians; 0 faces right, pi / 2 the camera, pi left, -pi / 2 away.
        phase: gait phase in radians, 2 pi for two steps.
        swing: amplitude of the gait, 0 standing, 1 walking briskly.
    """

    heading: float
    phase: float
    swing: float


class Outline(NamedTuple):
    """Convex parts of a body, from back to front, in body heights right of and below the point it stands on.

    Attributes:
        points: float64 [n, 2], the corners of all parts one after the other.
        ends: where each part's corners end in `points`.
        colours: RGB of each part.
        body: False for parts painted inside another (prints, shading), which add nothing to the silhouette.
    """

    points: FloatArray
    ends: tuple[int, ...]
    colours: tuple[Colour, ...]
    body: tuple[bool, ...]


class _Part(NamedTuple):
    depth: float
    points: FloatArray
    colour: Colour
    body: bool = True


_Number = TypeVar("_Number", float, FloatArray)


class _View:
    """Projection of body coordinates for one heading."""

    def __init__(self, heading: float, lift: float) -> None:
        self.cosine, self.sine, self.lift = math.cos(heading), math.sin(heading), lift

    def toward(self, forward: _Number, left: _Number) -> _Number:
        """How much nearer to the camera than the body's axis."""
        return forward * self.sine - left * self.cosine

    def __call__(self, forward: _Number, left: _Number, up: _Number) -> FloatArray:
        """One projected point [2], or n of them [n, 2]."""
        right = forward * self.cosine + left * self.sine
        down = self.lift - up + _TILT * self.toward(forward, left)
        return np.array([right, down]).T

    def half_width(self, across: float, through: float) -> float:
        """Half the apparent width of an elliptical cross-section."""
        return math.hypot(across * self.sine, through * self.cosine)

    def column(self, lean: float, levels: npt.ArrayLike) -> FloatArray:
        """Outline of a stack of cross-sections [n, 3] (up, half width across, half depth), top first."""
        up, across, through = np.asarray(levels).T
        width = np.hypot(across * self.sine, through * self.cosine)
        axis = self(lean * (up - 0.5), 0 * up, up)
        side = np.array([width, 0 * width]).T
        return np.concatenate([axis + side, (axis - side)[::-1]])


_SIDES = np.array([1.0, -1.0])
_START_RADII = np.repeat([0.056, 0.041, 0.028, 0.036, 0.029, 0.024], 2)
_END_RADII = np.repeat([0.042, 0.030, 0.022, 0.030, 0.023, 0.024], 2)


def outline(dress: Dress, pose: Pose) -> Outline:
    """The dressed body in a pose."""
    swing, build = pose.swing, dress.build
    phase = pose.phase + np.array([0.0, np.pi])
    lean = 0.12 * swing

    thigh = 0.46 * swing * np.sin(phase)
    shin = thigh - swing * (0.08 + 0.85 * np.clip(np.cos(phase + 0.25), 0, None))
    knee_forward, knee_up = 0.245 * np.sin(thigh), 0.5 - 0.245 * np.cos(thigh)
    ankle_forward, ankle_up = knee_forward + 0.225 * np.sin(shin), knee_up - 0.225 * np.cos(shin)
    toe_pitch = 0.7 * shin
    toe_forward, toe_up = ankle_forward + 0.085 * np.cos(toe_pitch), ankle_up - 0.012 + 0.085 * np.sin(toe_pitch)
    lift = float(min(ankle_up.min(), toe_up.min())) - 0.02
    view = _View(pose.heading, lift)

    arm = -0.5 * swing * np.sin(phase) + 0.03
    forearm = arm + 0.12 + 0.4 * swing
    shoulder_forward = np.full(2, 0.32 * lean)
    elbow_forward, elbow_up = shoulder_forward + 0.165 * np.sin(arm), 0.805 - 0.165 * np.cos(arm)
    hand_forward, hand_up = elbow_forward + 0.145 * np.sin(forearm), elbow_up - 0.145 * np.cos(forearm)

    hip_left, knee_left, shoulder_left = 0.048 * build * _SIDES, 0.045 * build * _SIDES, 0.108 * build * _SIDES
    elbow_left, hand_left = shoulder_left + 0.022 * _SIDES, shoulder_left + 0.016 * _SIDES
    hip_forward, hip_up, shoulder_up = np.zeros(2), np.full(2, 0.5), np.full(2, 0.805)
    joints = view(
        np.concatenate(
            [hip_forward, knee_forward, ankle_forward, toe_forward, shoulder_forward, elbow_forward, hand_forward]
        ),
        np.concatenate([hip_left, knee_left, knee_left, 1.25 * knee_left, shoulder_left, elbow_left, hand_left]),
        np.concatenate([hip_up, knee_up, ankle_up, toe_up, shoulder_up, elbow_up, hand_up]),
    )
    # thighs, shins, shoes, upper arms, forearms; a hand is a limb of no length
    leg, arm_joints, hand = joints[:8], joints[8:], joints[12:]
    limbs = capsules(
        np.concatenate([leg[:6], arm_joints[:4], hand - 1e-3]),
        np.concatenate([leg[2:], arm_joints[2:], hand + 1e-3]),
        build * _START_RADII,
        build * _END_RADII,
    ).reshape(6, 2, 12, 2)

    parts: list[_Part] = []
    thigh_colour = dress.skin if dress.lower == "skirt" else dress.trousers
    shin_colour = dress.trousers if dress.lower == "trousers" else dress.skin
    leg_depth, arm_depth = view.toward(knee_forward, knee_left), view.toward(elbow_forward, elbow_left)
    for side in (0, 1):
        dim = 1.0 if leg_depth[side] >= leg_depth[1 - side] else 0.78
        # legs go below everything else; 10 is farther than any part of the upper body
        depth = leg_depth[side] - 10
        parts.append(_Part(depth, limbs[2, side], shade(dress.shoes, dim)))
        parts.append(_Part(depth, limbs[1, side], shade(shin_colour, dim)))
        parts.append(_Part(depth, limbs[0, side], shade(thigh_colour, dim)))
    for side in (0, 1):
        dim = 0.92 if arm_depth[side] > 0 else 0.76
        sleeve = dress.print_colour if dress.pattern == "vest" else dress.shirt
        parts.append(_Part(arm_depth[side], limbs[5, side], shade(dress.skin, dim)))
        parts.append(_Part(arm_depth[side], limbs[4, side], shade(dress.skin if dress.short_sleeves else sleeve, dim)))
        parts.append(_Part(arm_depth[side], limbs[3, side], shade(sleeve, dim)))
    parts += _torso(dress, view, lean)
    parts += _bag(dress, view, lean, hand_forward, hand_left, hand_up)
    parts.sort(key=lambda part: part.depth)
    parts += _head(dress, view, 0.42 * lean)
    if dress.long_hair and view.sine > -0.2:
        parts.insert(0, parts.pop())  # seen from the front, long hair hangs behind everything

    return Outline(
        points=np.concatenate([part.points for part in parts]),
        ends=tuple(accumulate(len(part.points) for part in parts)),
        colours=tuple(part.colour for part in parts),
        body=tuple(part.body for part in parts),
    )


def _torso(dress: Dress, view: _View, lean: float) -> list[_Part]:
    """Hips, shirt with its print, coat or skirt; all at depth 0, in painting order."""
    build = dress.build
    top, chest = (0.835, 0.075 * build, 0.045 * build), (0.80, 0.128 * build, 0.066 * build)
    waist, hip = (0.60, 0.098 * build, 0.066 * build), (0.475, 0.104 * build, 0.074 * build)
    parts = [_Part(0, view.column(lean, [waist, (0.46, 0.1 * build, 0.07 * build)]), dress.trousers)]
    if dress.lower == "skirt":
        parts.append(_Part(0, view.column(lean, [waist, (0.29, 0.135 * build, 0.125 * build)]), dress.trousers))
    hem = [(0.30, 0.125 * build, 0.105 * build)] if dress.coat else []
    parts.append(_Part(0, view.column(lean, [top, chest, waist, hip, *hem]), dress.shirt))

    def band(high: float, low: float, narrow: float = 1.0) -> FloatArray:
        """The part of the shirt between two heights."""
        up, across, through = np.array([hip, waist, chest]).T
        levels = np.array([high, low])
        width, thickness = np.interp(levels, up, across), np.interp(levels, up, through)
        return view.column(lean, np.stack([levels, 0.97 * narrow * width, 0.97 * narrow * thickness], axis=1))

    if dress.pattern == "stripes":
        parts += [_Part(0, band(up, up - 0.028), dress.print_colour, False) for up in (0.77, 0.71, 0.65, 0.59, 0.53)]
    elif dress.pattern == "logo":
        parts.append(_Part(0, band(0.74, 0.65, 0.55), dress.print_colour, False))
    elif dress.pattern == "split":
        parts.append(_Part(0, band(0.64, 0.478), dress.print_colour, False))
    # the side away from the light, always on the left of the picture
    shadow = view.column(lean, [chest, waist, hip])
    middle = (shadow[:3] + shadow[:2:-1]) / 2
    edge = shadow[:2:-1]
    strip = np.concatenate([0.25 * middle + 0.75 * edge, edge[::-1] * 0.98 + 0.02 * middle[::-1]])
    parts.append(_Part(0, strip, shade(dress.shirt, 0.72), False))
    return parts


def _bag(
    dress: Dress, view: _View, lean: float, hand_forward: FloatArray, hand_left: FloatArray, hand_up: FloatArray
) -> list[_Part]:
    if dress.bag == "backpack":
        radii = (view.half_width(0.085, 0.05), 0.105)
        forward = 0.2 * lean - 0.095
        return [_Part(view.toward(forward, 0.0), ellipse(view(forward, 0.0, 0.70), radii), dress.bag_colour)]
    if dress.bag == "handbag":
        forward, left, up = float(hand_forward[0]), float(hand_left[0]), float(hand_up[0])
        radii = (view.half_width(0.03, 0.075), 0.06)
        depth = float(view.toward(forward, left)) + 0.02
        return [_Part(depth, ellipse(view(forward, left + 0.02, up - 0.07), radii), dress.bag_colour)]
    return []


def _head(dress: Dress, view: _View, forward: float) -> list[_Part]:
    """Neck, hair, face and hat; long hair comes last so that it can be moved behind the body."""
    centre = view(forward, 0, 0.918)
    neck = capsules(view(forward * 0.8, 0, 0.83)[None], centre[None], np.array([0.03]), np.array([0.03]))[0]
    parts = [_Part(0, neck, shade(dress.skin, 0.82)), _Part(0, ellipse(centre, (0.058, 0.072)), dress.hair)]
    if view.sine > -0.55:
        # the face is a disc on the front of the head: it slides to the side and narrows as the head turns
        face = view(forward + 0.024, 0, 0.906)
        parts.append(_Part(0, ellipse(face, (0.030 + 0.016 * max(view.sine, 0.0), 0.054)), dress.skin))
    if dress.hat:
        crown = view(forward, 0, 0.962)
        parts.append(_Part(0, ellipse(crown, (0.064, 0.034)), dress.bag_colour))
        parts.append(_Part(0, ellipse(view(forward + 0.035, 0, 0.95), (0.06, 0.012)), dress.bag_colour))
    if dress.long_hair:
        fall = view(forward - 0.03, 0, 0.875)
        parts.append(_Part(0, ellipse(fall, (0.052, 0.085)), shade(dress.hair, 0.9)))
    return parts
