"""The names of tracks, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clmot.reid.track_names import NamedTrack
from clmot.visualize.table import Table


def names_table(named: Mapping[int, NamedTrack]) -> Table:
    """A row for each track."""
    rows = []
    for track, each in named.items():
        known = each.name is not None
        numbers = (f"{each.share:.0%}", f"{each.distance:.3f}") if known else ("-", "-")
        rows.append([str(track), each.name or "unknown", *numbers, str(each.detections)])
    return Table(["track", "name", "share", "distance", "boxes"], [rows], prose=frozenset({1}))


def names_content(named: Mapping[int, NamedTrack]) -> dict[str, Any]:
    """For JSON: ``{"3": {"name": "Ada", "share": 0.9, "distance": 0.1, "detections": 40}}``; unknown is null."""
    return {
        str(track): {
            "name": each.name,
            "share": each.share if each.name else None,
            "distance": each.distance if each.name else None,
            "detections": each.detections,
        }
        for track, each in named.items()
    }
