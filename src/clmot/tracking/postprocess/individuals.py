"""A known number of individuals: the tracks of a whole video become exactly so many.

Tracks are joined end to start, never two that are seen at once, by where and when one ended and the other began, and by
appearance where there is any. Nothing is left over: the joins are one assignment of least cost among those that give
every individual one chain.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int64
from scipy.sparse import coo_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from clmot.errors import require
from clmot.structures import TrackedFrame
from clmot.tracking.postprocess.merge_tracks import mean_embeddings, way_in_sides, with_ids
from clmot.tracking.postprocess.track_table import Rows, to_rows

log = logging.getLogger(__name__)

APPEARANCE_WEIGHT = 10.0
"""What a cosine distance of 1 costs, beside minus the logarithm of how likely the way between two tracks is."""

OTHER_CLASS = 5.0
"""What a change of class costs: less likely than a long way, and never impossible."""

MORE_CHOICE = 20
"""How many of the next tracks one may go on with, beyond as many as there are individuals."""


def join_individuals(frames: Sequence[TrackedFrame], individuals: int, speed: float) -> list[TrackedFrame]:
    """Give the boxes of a video ids from 1 to the number of individuals, in the order in which they are first seen.

    A track stays whole unless more tracks last over a frame than there are individuals: those not seen in it may then
    be cut there. A join costs minus the logarithm of a Cauchy density of the way that it takes, which widens with time.
    Tracks that are fewer than the individuals stay as they are, with a warning.

    Args:
        frames: results of one video, in any order; appearance counts where every box has an embedding.
        individuals: how many there are, at least 1.
        speed: by how many lengths of its box's longer side a frame the place of an unseen individual becomes unsure.

    Returns:
        The frames ordered by number, with new ids and all else as it was.

    Raises:
        UserError: more than `individuals` are seen in one frame.
        ValueError: a frame number occurs twice, or a track id twice in a frame.
    """
    rows = to_rows(frames)
    for tracked in frames:
        require_no_more(tracked, individuals)
    first = _piece_starts(rows, individuals)
    if len(first) < individuals:
        log.warning("%d individuals are said to be there, and %d are tracked", individuals, len(first))
        return sorted(frames, key=lambda tracked: tracked.frame)
    before = _predecessors(rows, first, individuals, speed)
    chain = np.zeros(len(first), np.int64)
    begun = 0
    for piece in np.lexsort((rows.order[first], rows.frame[first])).tolist():
        if before[piece] < 0:
            begun += 1
            chain[piece] = begun
        else:
            chain[piece] = chain[before[piece]]
    return with_ids(frames, rows, np.repeat(chain, np.diff(first, append=len(rows))))


def require_no_more(tracked: TrackedFrame, individuals: int, where: str = "") -> None:
    """Refuse a frame in which more are seen than there are.

    Args:
        tracked: the frame.
        individuals: how many there are.
        where: what the message begins with.

    Raises:
        UserError: more are seen.
    """
    require(
        len(tracked) <= individuals,
        f"{where}frame {tracked.frame}: {len(tracked)} are seen at once, and there are to be {individuals} "
        "individuals; leave short tracks (--min-seconds) or unsure boxes (--conf) out",
    )


def _piece_starts(rows: Rows, individuals: int) -> Int64[np.ndarray, " pieces"]:
    """The rows in which tracks begin, or go on after a gap over a frame that too many tracks last over.

    At most so many pieces then last over any frame, and such intervals always fit into so many chains.
    """
    begins = np.zeros(len(rows), bool)
    begins[rows.starts] = True
    frame = rows.frame
    ends = np.append(begins[1:], True)[: len(rows)]
    numbers = np.unique(frame)
    lasting = np.searchsorted(np.sort(frame[begins]), numbers, "right") - np.searchsorted(np.sort(frame[ends]), numbers)
    crowded = numbers[lasting > individuals]
    passed = np.searchsorted(crowded, frame[1:]) > np.searchsorted(crowded, frame[:-1], "right")
    begins[1:] |= passed
    return np.flatnonzero(begins)


def _predecessors(
    rows: Rows, first: Int64[np.ndarray, " pieces"], individuals: int, speed: float
) -> Int64[np.ndarray, " pieces"]:
    """The piece that each piece goes on from; -1 for exactly as many as there are individuals.

    Sources and sinks, one each an individual, make a full matching of it. A piece goes on with one of the next ones:
    where the individual that waits longest goes on first, at most so many others begin before.
    """
    pieces = len(first)
    last = np.append(first[1:], len(rows)) - 1
    by_start = np.argsort(rows.frame[first], kind="stable")
    low = np.searchsorted(rows.frame[first][by_start], rows.frame[last], "right")
    counts = np.minimum(pieces - low, individuals + MORE_CHOICE)
    earlier = np.repeat(np.arange(pieces), counts)
    place = np.arange(len(earlier)) - np.repeat(np.cumsum(counts) - counts, counts)
    later = by_start[low[earlier] + place]
    cost = _costs(rows, first, last, earlier, later, speed)
    every = np.repeat(np.arange(pieces), individuals)
    extra = pieces + np.tile(np.arange(individuals), pieces)
    matrix = coo_array(  # zeros would count as missing
        (
            np.concatenate([cost + 1, np.ones(2 * len(every))]),
            (np.concatenate([earlier, every, extra]), np.concatenate([later, extra, every])),
        ),
        shape=(pieces + individuals, pieces + individuals),
    )
    ended, begun = min_weight_full_bipartite_matching(matrix.tocsr())
    before = np.full(pieces, -1, np.int64)
    joined = (ended < pieces) & (begun < pieces)
    before[begun[joined]] = ended[joined]
    return before


def _costs(
    rows: Rows,
    first: Int64[np.ndarray, " pieces"],
    last: Int64[np.ndarray, " pieces"],
    earlier: Int64[np.ndarray, " k"],
    later: Int64[np.ndarray, " k"],
    speed: float,
) -> Float[np.ndarray, " k"]:
    """Of joins: 0 between pieces of one track, more between others."""
    end, start = last[earlier], first[later]
    width = 1 + speed * (rows.frame[start] - rows.frame[end])
    cost = 1.5 * np.log1p((way_in_sides(rows, end, start) / width) ** 2) + 2 * np.log(width)
    cost = cost + OTHER_CLASS * (rows.class_id[end] != rows.class_id[start])
    if rows.embedding.shape[1]:
        means = mean_embeddings(rows, first)
        cost = cost + APPEARANCE_WEIGHT * (1 - np.einsum("kd,kd->k", means[earlier], means[later])).clip(min=0)
    return np.where(rows.track_id[end] == rows.track_id[start], 0.0, cost)
