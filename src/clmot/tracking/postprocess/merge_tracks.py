"""Joining of tracks that look alike: an object that was lost for longer than the tracker waits, and came back.

The whole video is known, so the choice is made for all tracks at once: each track is continued by at most one later
one, such that the sum of what the joins cost is least. Chains of joins become one track.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int64
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from clmot.structures import TrackedFrame
from clmot.tracking.assignment import assign
from clmot.tracking.postprocess.track_table import Rows, to_rows


def join_tracklets(
    frames: Sequence[TrackedFrame], threshold: float, max_gap: int | float, max_speed: int | float
) -> tuple[list[TrackedFrame], dict[int, int]]:
    """Give tracks that are one object's one id.

    A track may continue another of its class that ended before it began, at most `max_gap` frames before, and near
    enough. Such a join costs the cosine distance of the two tracks' mean embeddings and is made where that is below
    `threshold`, so that the sum over all joins of ``threshold - cost`` is greatest.

    Args:
        frames: results of one video, in any order, with embeddings (of any length but the same; unit vectors or not).
        threshold: joins of this cosine distance or more are never made.
        max_gap: how many frames a join may go back: the later track's first less the earlier track's last.
        max_speed: how far an object may move between the two, in lengths of its longer box side a frame; one length is
            allowed on top, for boxes that are badly placed where an object comes and goes.

    Returns:
        The frames ordered by number, with new ids and all else as it was, and each given id's new one: the id of the
        first track of its chain.

    Raises:
        ValueError: a box has no embedding, or embeddings differ in length; a frame number occurs twice, or a track id
            twice in a frame.
    """
    rows = to_rows(frames)
    if len(rows) and not rows.embedding.shape[1]:
        raise ValueError("joining needs an embedding of each box, all of one length")
    first = rows.starts
    last = np.append(first, len(rows))[1:] - 1
    means = mean_embeddings(rows, first)
    earlier, later = _candidates(rows.frame[first], rows.frame[last], max_gap)
    possible = (rows.class_id[last[earlier]] == rows.class_id[first[later]]) & _near(
        rows, last[earlier], first[later], max_speed
    )
    earlier, later = earlier[possible], later[possible]
    cost = 1 - np.einsum("kd,kd->k", means[earlier], means[later])
    below = cost < threshold
    successor = _best_joins(earlier[below], later[below], cost[below], len(first), threshold)

    ids = rows.track_id[first]
    new = ids.copy()
    for track in np.argsort(rows.frame[first], kind="stable"):  # a chain's first track comes before the rest
        if successor[track] >= 0:
            new[successor[track]] = new[track]
    mapping = dict(zip(ids.tolist(), new.tolist(), strict=True))
    return with_ids(frames, rows, np.repeat(new, np.diff(first, append=len(rows)))), mapping


def with_ids(frames: Sequence[TrackedFrame], rows: Rows, ids: Int64[np.ndarray, " n"]) -> list[TrackedFrame]:
    """The frames, ordered by number, with other ids: those of all their boxes as one table."""
    ordered = sorted(frames, key=lambda tracked: tracked.frame)
    in_order = ids[np.lexsort((rows.order, rows.frame))]
    parts = np.split(in_order, np.cumsum([len(tracked) for tracked in ordered])[:-1])
    return [replace(tracked, track_id=part) for tracked, part in zip(ordered, parts, strict=True)] if ordered else []


def mean_embeddings(rows: Rows, first: Int64[np.ndarray, " t"]) -> Float[np.ndarray, "t d"]:
    """Unit vectors: the mean of each track's unit embeddings."""
    if not len(rows):
        return np.empty((0, rows.embedding.shape[1]))
    return _unit(np.add.reduceat(_unit(rows.embedding.astype(np.float64)), first, axis=0))


def _unit(vectors: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))


def _candidates(
    first_frame: Int64[np.ndarray, " t"], last_frame: Int64[np.ndarray, " t"], max_gap: int | float
) -> tuple[Int64[np.ndarray, " k"], Int64[np.ndarray, " k"]]:
    """Pairs of tracks of which the second begins after the first has ended, and soon enough."""
    by_start = np.argsort(first_frame, kind="stable")
    starts = first_frame[by_start]
    low = np.searchsorted(starts, last_frame, side="right")
    high = np.searchsorted(starts, last_frame + max_gap, side="right")
    counts = np.maximum(high - low, 0)
    earlier = np.repeat(np.arange(len(counts)), counts)
    later = by_start[np.arange(len(earlier)) - np.repeat(np.cumsum(counts) - counts, counts) + low[earlier]]
    return earlier, later


def _near(
    rows: Rows, last: Int64[np.ndarray, " k"], first: Int64[np.ndarray, " k"], max_speed: int | float
) -> Bool[np.ndarray, " k"]:
    """True where an object can have come from its last box to its first box again in the time between."""
    return np.asarray(way_in_sides(rows, last, first) <= 1 + max_speed * (rows.frame[first] - rows.frame[last]))


def way_in_sides(rows: Rows, last: Int64[np.ndarray, " k"], first: Int64[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """How far the centre moves between two boxes, in lengths of the longest side of either."""
    before, after = rows.xyxy[last].astype(np.float64), rows.xyxy[first].astype(np.float64)
    way = np.linalg.norm((after[:, :2] + after[:, 2:] - before[:, :2] - before[:, 2:]) / 2, axis=1)
    side = np.maximum((before[:, 2:] - before[:, :2]).max(axis=1), (after[:, 2:] - after[:, :2]).max(axis=1))
    return np.asarray(way / np.maximum(side, 1e-9))


def _best_joins(
    earlier: Int64[np.ndarray, " k"],
    later: Int64[np.ndarray, " k"],
    cost: Float[np.ndarray, " k"],
    tracks: int,
    threshold: float,
) -> Int64[np.ndarray, " tracks"]:
    """Each track's successor, -1 for none.

    Candidates fall into groups that share no track end and no track start; each is solved for itself, which keeps the
    cost matrices small however long the video is.
    """
    successor = np.full(tracks, -1, np.int64)
    edges = coo_array((np.ones(len(cost)), (earlier, tracks + later)), shape=(2 * tracks, 2 * tracks))
    _, group = connected_components(edges, directed=False)
    order = np.argsort(group[earlier], kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(group[earlier][order])) + 1):
        made = members[assign(earlier[members], later[members], cost[members], threshold)]
        successor[earlier[made]] = later[made]
    return successor
