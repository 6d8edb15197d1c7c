"""Lines that tracks cross and zones that they enter: geometry of one point a box."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from clmot.errors import UserError
from clmot.structures import BoolArray, Float32Array, Float64Array, Int64Array

Anchor = Literal["foot", "centre"]
"""The point of a box that crosses and enters: the middle of its lower side, or its centre."""

_BAND = 0.05
"""Nearer to a line than this share of its box's height, a point is on neither side: who stands there is not counted on
and on."""
_FARTHEST = 1e6
"""Pixels that nobody means."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Shape:
    """A line of two points, or a zone of three or more.

    Attributes:
        name: what it is called in tables and pictures.
        points: float64 [n, 2], pixels.
    """

    name: str
    points: Float64Array


def parse_shape(text: str, kind: Literal["line", "zone"], number: int) -> Shape:
    """A shape as the command line takes it: ``x1,y1,x2,y2,...``, with ``NAME=`` before it or named by its number.

    Raises:
        UserError: it is no list of so many points, a line has no length, or a zone no area.
    """
    name, equals, given = text.rpartition("=")
    try:
        numbers = np.array([float(each) for each in given.split(",")])
        right = len(numbers) == 4 if kind == "line" else len(numbers) >= 6 and len(numbers) % 2 == 0
        if not right or not np.isfinite(numbers).all():
            raise ValueError
    except ValueError:
        wanted = "x1,y1,x2,y2" if kind == "line" else "x1,y1,x2,y2,x3,y3 and further corners"
        raise UserError(f"--{kind} is {text[:60]!r}, expected {wanted}, in pixels; NAME= may stand before it") from None
    name = "".join(letter if letter.isprintable() else " " for letter in name)
    named = name.strip() if equals and name.strip() else f"{kind} {number}"
    return checked_shape(named, numbers.reshape(-1, 2), f"--{kind} {text[:60]}")


def checked_shape(name: str, points: Float64Array, told: str) -> Shape:
    """A line of two points, or a zone of more, float64 [n, 2].

    Raises:
        UserError: in which the shape is called as `told`: it has no points, or such as are nowhere, a line has no
            length, or a zone no area.
    """
    if len(points) < 2 or not (np.abs(points) <= _FARTHEST).all():
        raise UserError(f"{told}: expected two points for a line, or more for a zone, in pixels")
    if len(points) == 2 and not (points[0] != points[1]).any():
        raise UserError(f"{told}: its two points are the same")
    if len(points) > 2 and abs(_area(points)) < 1e-9:
        raise UserError(f"{told}: its corners lie on one line, so it has no inside")
    return Shape(name=name, points=points)


def anchors(xyxy: Float32Array, anchor: Anchor) -> Float64Array:
    """The points of boxes that count, float64 [n, 2]."""
    boxes = xyxy.astype(np.float64)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    return np.stack([middle[:, 0], boxes[:, 3] if anchor == "foot" else middle[:, 1]], axis=1)


def crossings(points: Float64Array, height: Float64Array, line: Float64Array) -> list[tuple[int, bool]]:
    """Where a track crosses a line.

    A track crosses where it comes to the other side and its way from the last point on this side leads through the
    line, between its ends.

    Args:
        points: float64 [n, 2], of one track in order of time.
        height: float64 [n], of its boxes.
        line: float64 [2, 2].

    Returns:
        For each crossing the first point on the other side, and whether that is the right one, as seen from the line's
        first point towards its second, on the screen.
    """
    start, way = line[0], line[1] - line[0]
    distance = _cross(way, points - start) / np.hypot(*way)
    clear = (np.abs(distance) >= _BAND * height).nonzero()[0]
    side = distance[clear] > 0
    found = []
    for at in (side[1:] != side[:-1]).nonzero()[0].tolist():
        one, two = int(clear[at]), int(clear[at + 1])
        share = distance[one] / (distance[one] - distance[two])
        place = points[one] + share * (points[two] - points[one])
        along = np.dot(place - start, way) / np.dot(way, way)
        if 0 <= along <= 1:
            found.append((two, bool(side[at + 1])))
    return found


def inside(points: Float64Array, zone: Float64Array) -> BoolArray:
    """Which points lie in a polygon: bool [n] (even-odd rule; on an edge either may be)."""
    x, y = points[:, :1], points[:, 1:]
    x1, y1 = zone.T
    x2, y2 = np.roll(zone, -1, axis=0).T
    with np.errstate(divide="ignore", invalid="ignore"):
        crosses = ((y1 > y) != (y2 > y)) & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    return np.asarray(crosses.sum(axis=1) % 2 == 1)


def visits(within: BoolArray, frame: Int64Array, longest_gap: float) -> list[tuple[int, int]]:
    """First and last box of each stay inside, which ends with a box outside or a longer gap.

    Args:
        within: bool [n], which boxes of a track are inside, in order of time.
        frame: int64 [n].
        longest_gap: frames from one box to the next.
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], within, [False]]).astype(np.int8)))
    gaps = np.flatnonzero(np.diff(frame) > longest_gap) + 1
    found = []
    for low, end in edges.reshape(-1, 2).tolist():
        starts = [low, *gaps[(gaps > low) & (gaps < end)].tolist(), end]
        found += [(one, other - 1) for one, other in pairwise(starts)]
    return found


def occupancy(frames: Int64Array, first: Int64Array, last: Int64Array) -> Int64Array:
    """How many visits each frame lies in."""
    return np.asarray(np.sort(first).searchsorted(frames, "right") - np.sort(last).searchsorted(frames, "left"))


def _cross(first: Float64Array, second: Float64Array) -> Float64Array:
    return np.asarray(first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0])


def _area(points: Float64Array) -> float:
    return float(_cross(points, np.roll(points, -1, axis=0)).sum() / 2)
