"""The names of tracks, by the votes of their detections."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from clmot.reid.gallery import Gallery
from clmot.structures import Float32Array, TrackedFrame


@dataclass(frozen=True, kw_only=True)
class NamedTrack:
    """What a track's detections have to say about who it is.

    Attributes:
        name: None if they do not know.
        share: of the detections with an embedding, how many said so.
        detections: how many there are.
        distance: mean cosine distance of those that said so, NaN where there is no name.
        nearest: whom they look most like on average, known or not; None where nobody is enrolled.
        nearest_distance: how far from there they are on average (cosine distance).
    """

    name: str | None
    share: float
    detections: int
    distance: float
    nearest: str | None = None
    nearest_distance: float = np.nan


def name_tracks(
    frames: Iterable[TrackedFrame],
    gallery: Gallery,
    *,
    threshold: float = 0.3,
    margin: float = 0.0,
    min_share: float = 0.5,
) -> dict[int, NamedTrack]:
    """Who each track is, by the votes of its detections.

    In every frame each identity is one detection at most (`Gallery.recognise`). A track gets the name that most of
    its detections voted for, if at least `min_share` of them did. Two tracks that are seen in one frame never share a
    name: the one with more votes gets it. Tracks that are not may well be pieces of one.

    Args:
        frames: results of one camera, with embeddings.
        gallery: who is known.
        threshold: as of `Gallery.recognise`.
        margin: the same.
        min_share: of a track's detections, in [0, 1].

    Returns:
        By track id, ascending, for all tracks.

    Raises:
        ValueError: a frame with detections has no embeddings, or they do not fit the gallery.
    """
    votes: dict[int, Counter[str]] = defaultdict(Counter)
    distances: dict[tuple[int, str], float] = defaultdict(float)
    seen: dict[int, set[int]] = defaultdict(set)
    sums: dict[int, Float32Array] = {}
    for tracked in frames:
        if not len(tracked):
            continue
        if tracked.detections.embedding is None:
            raise ValueError(f"frame {tracked.frame}: tracks are named by embeddings, and there are none")
        known = gallery.recognise(tracked.detections.embedding, threshold=threshold, margin=margin)
        for track, distances_of in zip(
            tracked.track_id.tolist(), gallery.distances(tracked.detections.embedding), strict=True
        ):
            sums[track] = sums.get(track, 0) + distances_of
        for track, name, distance in zip(tracked.track_id.tolist(), known.names, known.distance.tolist(), strict=True):
            seen[track].add(tracked.frame)
            if name is not None:
                votes[track][name] += 1
                distances[track, name] += distance
    claims = [(-count, track, name) for track, each in votes.items() for name, count in each.items()]
    named: dict[int, NamedTrack] = {}
    bearers: dict[str, list[int]] = defaultdict(list)
    for negative, track, name in sorted(claims):
        count, share = -negative, -negative / len(seen[track])
        apart = all(seen[track].isdisjoint(seen[other]) for other in bearers[name])
        if track not in named and share >= min_share and apart:
            bearers[name].append(track)
            mean = distances[track, name] / count
            named[track] = NamedTrack(name=name, share=share, detections=len(seen[track]), distance=mean)
    nobody = {
        track: NamedTrack(name=None, share=0.0, detections=len(each), distance=np.nan) for track, each in seen.items()
    }
    names = gallery.names
    found = {}
    for track in sorted(seen):
        each = named.get(track, nobody[track])
        if names:
            mean_distances = sums[track] / len(seen[track])
            nearest = int(np.argmin(mean_distances))
            each = replace(each, nearest=names[nearest], nearest_distance=float(mean_distances[nearest]))
        found[track] = each
    return found
