"""The page itself: one file, with all data, pictures and code in it, that fetches nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np

from clmot._version import __version__
from clmot.apps.report.events import KINDS, Event
from clmot.apps.report.pictures import Pictures, crops_of, data_address
from clmot.apps.report.results import Results, tracked_with
from clmot.apps.report.why import why
from clmot.errors import readable
from clmot.structures import Float32Array, Int64Array
from clmot.visualize.draw import track_colour

LARGEST = 15_000_000
"""Bytes of a report; pictures of the less bad events are left out beyond it."""
_MOST_TRACKS, _MOST_EVENTS = 1000, 1000
_BINS = 12
"""Confidences that are told of a part of a track without a gap."""
_FAINTEST = 25
"""Percent of a track's colour where its confidence is 0."""


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a report says above its timeline.

    Attributes:
        tiles: name, value and explanation of each number.
        notes: sentences below them.
        events: the worst first.
    """

    tiles: Sequence[tuple[str, str, str]]
    notes: Sequence[str]
    events: Sequence[Event]


def report_page(results: Results, content: Content, pictures: Pictures, largest: int = LARGEST) -> str:
    """The whole document, no larger than so many bytes as far as its pictures can give way."""
    told = _data(results, content, pictures)
    shell = len(_document(results.name, told).encode("utf-8", "replace"))
    _add_pictures(told, results, content.events, pictures, largest - shell)
    return _document(results.name, told)


def track_data(results: Results) -> list[dict[str, Any]]:
    """What a timeline shows of each track, the earliest first."""
    return [
        track_entry(track_id, rows.frame, rows.score, rows.class_id, results)
        for track_id, rows in results.tracks.items()
    ]


def track_entry(
    track_id: int, frame: Int64Array, score: Float32Array, class_id: Int64Array, results: Results
) -> dict[str, Any]:
    """What a timeline shows of a track, of whose boxes these are the frames, scores and classes."""
    breaks = np.flatnonzero(np.diff(frame) > results.step) + 1
    segments = []
    for part in np.split(np.arange(len(frame)), breaks):
        parts = np.array_split(score[part].clip(0, 1), min(_BINS, len(part)))
        solid = [round(_FAINTEST + (100 - _FAINTEST) * float(each.mean())) for each in parts]
        segments.append([int(frame[part[0]]), int(frame[part[-1]]), solid])
    classes = np.bincount(np.maximum(class_id, 0))
    first, last = int(frame[0]), int(frame[-1])
    return {
        "id": track_id,
        "class": results.class_name(int(classes.argmax())),
        "first": first,
        "last": last,
        "start": round(results.seconds(first), 3),
        "end": round(results.seconds(last), 3),
        "boxes": len(frame),
        "segments": segments,
        "colour": "#{:02x}{:02x}{:02x}".format(*track_colour(track_id)),
    }


def _data(results: Results, content: Content, pictures: Pictures) -> dict[str, Any]:
    """What the page's code is given, without its pictures."""
    tracks = track_data(results)
    shown = _shown_tracks(tracks, content.events)
    return {
        "name": results.name,
        "facts": [[name, readable(value)] for name, value in tracked_with(results)],
        "tiles": [list(tile) for tile in content.tiles],
        "notes": [*content.notes],
        "first": int(results.frames[0]),
        "last": int(results.frames[-1]),
        "frames": int(results.frames[-1] - results.frames[0] + 1),
        "rate": results.frame_rate,
        "size": list(pictures.size),
        "boxes": len(results.rows),
        "classes": sorted({track["class"] for track in tracks}),
        "tracks": [track for track in tracks if track["id"] in shown],
        "more_tracks": len(tracks) - len(shown),
        "events": [event_entry(event, results) for event in content.events[:_MOST_EVENTS]],
        "footer": f"Made by clmot {__version__} report.",
    }


def _shown_tracks(tracks: Sequence[Mapping[str, Any]], events: Sequence[Event]) -> set[int]:
    """The tracks of the events, and as many of the longest others as there is room for."""
    shown = {track for event in events[:_MOST_EVENTS] for track in event.tracks}
    others = sorted((track for track in tracks if track["id"] not in shown), key=lambda track: -track["boxes"])
    return shown | {track["id"] for track in others[: max(0, _MOST_TRACKS - len(shown))]}


def event_entry(event: Event, results: Results) -> dict[str, Any]:
    """What is told of an event, without its pictures."""
    return {
        "kind": event.kind,
        "name": KINDS[event.kind],
        "frame": event.frame,
        "time": round(results.seconds(event.frame), 3),
        "tracks": list(event.tracks),
        "severity": round(event.severity, 3),
        "text": event.text,
        "why": why(event, results),
        "frames": [],
        "crops": [],
    }


def _add_pictures(
    told: dict[str, Any], results: Results, events: Sequence[Event], pictures: Pictures, room: int
) -> None:
    """Give events their pictures, the worst first, while there is room for all that an event wants."""
    for event, entry in zip(events, told["events"], strict=False):
        frames = [
            {"frame": frame, "image": data_address(pictures.frames[frame]), "boxes": _boxes(results, frame)}
            for frame in dict.fromkeys((event.before, event.frame))
            if frame in pictures.frames
        ]
        crops = [
            {"track": track, "before": _crops(before, track, pictures), "after": _crops(after, track, pictures)}
            for track, (before, after) in crops_of(event, results).items()
        ]
        crops = [each for each in crops if each["before"] or each["after"]]
        room -= len(json.dumps([frames, crops]))
        if room < 0:
            break
        entry["frames"], entry["crops"] = frames, crops


def _crops(frames: Sequence[int], track: int, pictures: Pictures) -> list[dict[str, Any]]:
    return [
        {"frame": frame, "image": data_address(pictures.crops[frame, track])}
        for frame in frames
        if (frame, track) in pictures.crops
    ]


def _boxes(results: Results, frame: int) -> list[list[float]]:
    """Track, left, top, width and height of each box of a frame."""
    rows = results.by_frame(frame)
    sides = np.concatenate([rows.xyxy[:, :2], rows.xyxy[:, 2:] - rows.xyxy[:, :2]], axis=1).round(1)
    return [[track, *box] for track, box in zip(rows.track_id.tolist(), sides.tolist(), strict=True)]


def _document(name: str, told: Mapping[str, Any]) -> str:
    style, code = asset("report.css"), asset("view.js") + asset("report.js")
    # nothing may be fetched, and no other code may run, whatever a name in the data says
    policy = f"default-src 'none'; img-src data:; style-src {_hashed(style)}; script-src {_hashed(code)}"
    data = json.dumps(told, ensure_ascii=True, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    title = escape(f"{name} – tracking report")
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{title}</title>\n'
        f"<style>{style}</style>\n</head>\n<body>\n<main></main>\n"
        f"<noscript>This report needs JavaScript, which runs in this page alone.</noscript>\n"
        f'<script type="application/json" id="data">{data}</script>\n<script>{code}</script>\n</body>\n</html>\n'
    )


def asset(name: str, package: str = "report") -> str:
    """The text of one of the files that pages are made of."""
    return files(f"clmot.apps.{package}").joinpath("assets", name).read_text(encoding="utf-8")


def _hashed(content: str) -> str:
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode("ascii")
    return f"'sha256-{digest}'"
