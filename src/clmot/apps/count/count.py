"""What is counted in tracks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from clmot.apps.count.geometry import Anchor, Shape, anchors, crossings, inside, occupancy, parse_shape, visits
from clmot.apps.report.results import Results, load_results
from clmot.errors import UserError
from clmot.structures import Float32Array, Int64Array

LEFT, RIGHT = "to the left", "to the right"


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """A track crosses a line.

    Attributes:
        line: its name.
        direction: `LEFT` or `RIGHT`, as seen from the line's first point towards its second.
        frame: the first one on the other side.
        seconds: of that frame.
        track: its id.
        kind: its class.
    """

    line: str
    direction: str
    frame: int
    seconds: float
    track: int
    kind: str


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A track is in a zone, from one frame to another.

    Attributes:
        zone: its name.
        first, last: frames.
        seconds: from the beginning of the first to the end of the last.
        track: its id.
        kind: its class.
    """

    zone: str
    first: int
    last: int
    seconds: float
    track: int
    kind: str


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What was counted.

    Attributes:
        lines, zones: where.
        crossings: by time.
        visits: by time.
        frames: those that were tracked, from the first box to the last.
        occupied: by zone, how many tracks are in it in each of `frames`.
        frame_rate: frames a second.
    """

    lines: Sequence[Shape]
    zones: Sequence[Shape]
    crossings: list[Crossing]
    visits: list[Visit]
    frames: Int64Array
    occupied: dict[str, Int64Array]
    frame_rate: float

    def totals(self) -> dict[str, Any]:
        """Counts by line and direction, and of each zone, in all and by class."""
        lines = {
            line.name: {
                way: _by_class(each.kind for each in self.crossings if (each.line, each.direction) == (line.name, way))
                for way in (LEFT, RIGHT)
            }
            for line in self.lines
        }
        zones = {}
        for zone in self.zones:
            mine = [each for each in self.visits if each.zone == zone.name]
            stays = [each.seconds for each in mine]
            zones[zone.name] = {
                "visits": _by_class(each.kind for each in mine),
                "tracks": len({each.track for each in mine}),
                "most at once": int(self.occupied[zone.name].max(initial=0)),
                "mean occupancy": round(float(self.occupied[zone.name].mean()), 3) if len(self.frames) else None,
                "mean dwell": round(float(np.mean(stays)), 3) if stays else None,
                "longest dwell": round(max(stays), 3) if stays else None,
            }
        return {"lines": lines, "zones": zones}


class TrackBoxes(Protocol):
    """The boxes of one track by frame: as of `clmot.tracking.postprocess.track_table.Rows`."""

    @property
    def frame(self) -> Int64Array:
        """Int64 [n], ascending."""

    @property
    def xyxy(self) -> Float32Array:
        """float32 [n, 4]."""

    @property
    def class_id(self) -> Int64Array:
        """Int64 [n]."""


def count(
    results: Results | str | Path,
    lines: Sequence[Shape | str] = (),
    zones: Sequence[Shape | str] = (),
    *,
    anchor: Anchor = "foot",
    longest_gap: float = 1.0,
) -> Counts:
    """Count crossings of lines and visits to zones.

    Args:
        results: the tracks, or MOTChallenge text with them, or a folder of it.
        lines: where crossings are counted; also as ``x1,y1,x2,y2`` in pixels, with ``NAME=`` before it; and all that
            `clmot.apps.count.plan.read_plan` reads.
        zones: where visits are counted; also as ``x1,y1,x2,y2,x3,y3,...``.
        anchor: the point of a box that crosses and enters.
        longest_gap: a visit goes on while its track is not seen for at most so many seconds and then is inside again.

    Raises:
        UserError: there is no line and no zone, two have one name, one is none; or the results cannot be read.

    Examples:
        >>> counts = clmot.count("street.txt", lines=["10,80,240,80"])
    """
    results = results if isinstance(results, Results) else load_results(Path(results))
    all_lines = [parse_shape(each, "line", i) if isinstance(each, str) else each for i, each in enumerate(lines, 1)]
    all_zones = [parse_shape(each, "zone", i) if isinstance(each, str) else each for i, each in enumerate(zones, 1)]
    shapes = [*all_lines, *all_zones]
    if not shapes:
        raise UserError("count: give a --line, a --zone or a --plan")
    names = [shape.name for shape in shapes]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UserError(f"count: two lines or zones are called {twice[0]!r}")
    return count_tracks(results.tracks, results, shapes, anchor=anchor, longest_gap=longest_gap)


def count_tracks(
    tracks: Mapping[int, TrackBoxes],
    results: Results,
    shapes: Sequence[Shape],
    *,
    anchor: Anchor = "foot",
    longest_gap: float = 1.0,
) -> Counts:
    """As `count`, of tracks that may have been changed since results, which say all but the boxes, were read.

    Args:
        tracks: by id.
        results: for frame rate, classes, and how far apart the frames are.
        shapes: lines and zones; no two of one name.
        anchor: as `count`.
        longest_gap: as `count`.
    """
    lines = [shape for shape in shapes if len(shape.points) == 2]
    zones = [shape for shape in shapes if len(shape.points) > 2]
    crossed, visited = [], []
    rate = results.frame_rate
    for track, rows in tracks.items():
        points = anchors(rows.xyxy, anchor)
        height = (rows.xyxy[:, 3] - rows.xyxy[:, 1]).astype(np.float64)
        kind = results.class_name(int(np.bincount(np.maximum(rows.class_id, 0)).argmax()))
        for line in lines:
            for at, right in crossings(points, height, line.points):
                frame, way = int(rows.frame[at]), RIGHT if right else LEFT
                crossed.append(
                    Crossing(
                        line=line.name,
                        direction=way,
                        frame=frame,
                        seconds=results.seconds(frame),
                        track=track,
                        kind=kind,
                    )
                )
        for zone in zones:
            within = inside(points, zone.points)
            for low, high in visits(within, rows.frame, max(longest_gap * rate, results.step)):
                begin, end = int(rows.frame[low]), int(rows.frame[high])
                stay = (end - begin + results.step) / rate
                visited.append(Visit(zone=zone.name, first=begin, last=end, seconds=stay, track=track, kind=kind))
    begin = min((int(rows.frame[0]) for rows in tracks.values()), default=0)
    frames = np.arange(begin, max((int(rows.frame[-1]) + 1 for rows in tracks.values()), default=0), results.step)
    occupied = {}
    for zone in zones:
        mine = [each for each in visited if each.zone == zone.name]
        firsts, lasts = (np.array([getattr(each, end) for each in mine], np.int64) for end in ("first", "last"))
        occupied[zone.name] = occupancy(frames, firsts, lasts)
    return Counts(
        lines=lines,
        zones=zones,
        crossings=sorted(crossed, key=lambda each: (each.frame, each.track)),
        visits=sorted(visited, key=lambda each: (each.first, each.track)),
        frames=frames,
        occupied=occupied,
        frame_rate=rate,
    )


def _by_class(kinds: Iterable[str]) -> dict[str, int]:
    """How many there are in all, and of each class."""
    counts = Counter(kinds)
    return {"all": counts.total(), **dict(sorted(counts.items()))}
