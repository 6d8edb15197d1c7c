"""The names of tracks, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clmot.reid.gallery import Gallery
from clmot.reid.track_names import NamedTrack
from clmot.visualize.table import TextTable


def names_table(named: Mapping[int, NamedTrack]) -> TextTable:
    """A row for each track."""
    rows = []
    for track, each in named.items():
        known = each.name is not None
        numbers = (f"{each.share:.0%}", f"{each.distance:.3f}") if known else ("-", "-")
        nearest = "-" if each.nearest is None else f"{each.nearest} ({each.nearest_distance:.3f})"
        rows.append([str(track), each.name or "unknown", *numbers, nearest, str(each.detections)])
    return TextTable(["track", "name", "share", "distance", "nearest", "boxes"], [rows], prose=frozenset({1, 4}))


def identities_table(gallery: Gallery) -> TextTable:
    """A row for each identity: its embeddings, and who looks most like it, how far apart (cosine distance)."""
    rows = []
    for name in gallery.names:
        distance = gallery.distances(gallery.embeddings(name)).min(axis=0)
        others = [(float(each), other) for each, other in zip(distance, gallery.names, strict=True) if other != name]
        nearest, other = min(others, default=(0.0, "-"))
        rows.append([name, str(len(gallery.embeddings(name))), other, f"{nearest:.3f}" if others else "-"])
    return TextTable(["name", "embeddings", "most alike", "distance"], [rows], prose=frozenset({0, 2}))


def likeness_table(gallery: Gallery, name: str) -> TextTable:
    """A row for each identity: the least and the mean distance of its embeddings (cosine) from those of this one."""
    distance = gallery.distances(gallery.embeddings(name))
    rows = sorted(zip(distance.min(axis=0).tolist(), distance.mean(axis=0).tolist(), gallery.names, strict=True))
    cells = [[other, f"{least:.3f}", f"{mean:.3f}"] for least, mean, other in rows if other != name]
    return TextTable([f"from {name} to", "least distance", "mean"], [cells], prose=frozenset({0}))


def names_content(named: Mapping[int, NamedTrack]) -> dict[str, Any]:
    """For JSON: ``{"3": {"name": "Ada", "share": 0.9, "distance": 0.1, "detections": 40}}``; unknown is null."""
    return {
        str(track): {
            "name": each.name,
            "share": each.share if each.name else None,
            "distance": each.distance if each.name else None,
            "detections": each.detections,
            "nearest": each.nearest,
            "nearest distance": each.nearest_distance if each.nearest else None,
        }
        for track, each in named.items()
    }
