"""Did training work? Scores of an embedding that need boxes and no identities.

Two views of each frame are made as for training. The same box in both views is a genuine pair; other boxes of its
frame, and boxes of other sequences, are impostors. Boxes in other frames of the same sequence are not compared: they
may show the same object. Views are easier than time: what fails here fails in a video, what passes may fail there too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clmot.config import ViewsConfig
from clmot.structures import BoolArray, Embed, Float32Array, Int64Array, View, ViewPair
from clmot.table import Table
from clmot.tracking.mean_subtraction import RunningMean

VIEWS = ViewsConfig()
"""What the two views differ by: the same for every model, whatever it was trained with."""

COLLAPSED_RANK = 2.0
"""Effective rank below which embeddings are said to have collapsed: they vary along one direction or none."""

COLLAPSED_COSINE = 0.9
"""Median cosine of impostors above which they have: all boxes look alike."""

SUGGESTED_SHARE = 0.99
"""Share of genuine pairs that lie within the suggested threshold. It is meant to be lenient: time makes the same object
differ more than views do, and the tracker's motion gate keeps most impostors away."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EmbeddedViews(Table):
    """The boxes of several pairs of views, n in all.

    Attributes:
        embeddings: float32 [n, d], unit vectors.
        object_index, frame_index, sequence_index: int64 [n]; equal object and frame: the same object.
    """

    embeddings: Float32Array
    object_index: Int64Array
    frame_index: Int64Array
    sequence_index: Int64Array


def embed_views(pairs: Iterable[ViewPair], embed: Embed) -> EmbeddedViews:
    """Embed the boxes of views, ignored ones left out.

    Args:
        pairs: two views each.
        embed: image (uint8 [height, width, 3], RGB) and boxes ([n, 4], xyxy pixels) to unit vectors [n, d].
    """
    return embed_each((view for pair in pairs for view in pair.views), embed)


def embed_each(views: Iterable[View], embed: Embed) -> EmbeddedViews:
    """`embed_views` of views one by one."""
    labels = ("object_index", "frame_index", "sequence_index")
    nothing: dict[str, Int64Array] = dict.fromkeys(labels, np.empty(0, np.int64))
    parts = [EmbeddedViews(embeddings=np.empty((0, 1), np.float32), **nothing)]
    for view in views:
        seen = view.take(~view.ignore & (view.object_index >= 0))
        if len(seen):
            embeddings = embed(view.image, seen.boxes).astype(np.float32)
            parts.append(EmbeddedViews(embeddings=embeddings, **{name: getattr(seen, name) for name in labels}))
    return EmbeddedViews.join(parts[1:] or parts)


def put_together(first: EmbeddedViews, second: EmbeddedViews) -> EmbeddedViews:
    """The boxes of both, compared as one."""
    return EmbeddedViews.join([each for each in (first, second) if len(each)] or [first])


class ViewComparison(NamedTuple):
    """The pairs of embedded views.

    Attributes:
        genuine: float32 [g], cosines of genuine pairs (each from both ends).
        impostor: float32 [i], cosines of impostor pairs (each from both ends).
        first: bool [q], whether a box's nearest is genuine, for the boxes that have a genuine and an impostor pair.
        chance: float64 [q], how likely a guess would be right.
    """

    genuine: Float32Array
    impostor: Float32Array
    first: BoolArray
    chance: npt.NDArray[np.float64]


def compare_views(views: EmbeddedViews) -> ViewComparison:
    """All pairs of embedded boxes that are known to be one object or two."""
    same_frame = views.frame_index[:, None] == views.frame_index
    same = same_frame & (views.object_index[:, None] == views.object_index)
    other = (same_frame & ~same) | (views.sequence_index[:, None] != views.sequence_index)
    np.fill_diagonal(same, False)
    cosine = views.embeddings @ views.embeddings.T
    queries = same.any(axis=1) & other.any(axis=1)
    nearest = np.where(same, cosine, -np.inf).max(axis=1, initial=-np.inf)
    rival = np.where(other, cosine, -np.inf).max(axis=1, initial=-np.inf)
    chance = same.sum(axis=1) / np.maximum(same.sum(axis=1) + other.sum(axis=1), 1)
    return ViewComparison(cosine[same], cosine[other], (nearest > rival)[queries], chance[queries])


def label_free_scores(views: EmbeddedViews, pairs: ViewComparison) -> dict[str, float]:
    """What can be said of an embedding without identities.

    Args:
        views: embedded boxes.
        pairs: of the same views.

    Returns:
        ``rank-1``: share of boxes whose nearest comparable box is the same object in the other view, and ``chance``,
        what guessing would give; ``TPR@FAR=0.01``: share of genuine pairs at least as similar as the most similar
        hundredth of impostors; ``alignment``: mean squared distance of genuine pairs, and ``uniformity``: log of the
        mean of ``exp(-2 d^2)`` over impostor pairs (Wang and Isola 2020; both the lower the better); ``impostor
        cosine``: their median; ``effective rank`` of all embeddings (Roy and Vetterli 2007; RankMe, Garrido et al.
        2023); ``collapsed``: 1 if it is (see `COLLAPSED_RANK` and `COLLAPSED_COSINE`); ``boxes``: how many there were.
        NaN where nothing can be compared.
    """
    genuine, impostor = pairs.genuine, pairs.impostor
    nearest = np.quantile(impostor, 0.99) if len(impostor) else float("nan")
    scores = {
        "rank-1": _mean(pairs.first),
        "chance": _mean(pairs.chance),
        "TPR@FAR=0.01": _mean(genuine >= nearest) if len(impostor) else float("nan"),
        "alignment": _mean(2 - 2 * genuine),
        "uniformity": float(np.log(_mean(np.exp(4 * impostor - 4)))) if len(impostor) else float("nan"),
        "impostor cosine": float(np.median(impostor)) if len(impostor) else float("nan"),
        "effective rank": effective_rank(views.embeddings),
        "boxes": float(len(views.embeddings)),
    }
    collapsed = scores["effective rank"] < COLLAPSED_RANK or scores["impostor cosine"] > COLLAPSED_COSINE
    return scores | {"collapsed": float(collapsed)}


def mean_subtracted(views: EmbeddedViews, prior: float) -> EmbeddedViews:
    """The same boxes after online mean subtraction (`clmot.tracking.mean_subtraction`), as a tracker uses them.

    Args:
        views: embedded boxes.
        prior: as `tracker.mean_subtraction`. As many as the fullest frame shows are taken to be known.
    """
    embeddings = views.embeddings.copy()
    for sequence in np.unique(views.sequence_index):
        here = views.sequence_index == sequence
        known = max(
            len(np.unique(views.object_index[here & (views.frame_index == frame)]))
            for frame in np.unique(views.frame_index[here])
        )
        embeddings[here] = RunningMean(prior)(embeddings[here], int(here.sum()), known)
    return replace(views, embeddings=embeddings)


def suggested_threshold(pairs: ViewComparison) -> float:
    """The cosine distance that `SUGGESTED_SHARE` of genuine pairs stay within, for `tracker.appearance_threshold`.

    Args:
        pairs: of `mean_subtracted` views, if the tracker subtracts the mean.
    """
    return float(1 - np.quantile(pairs.genuine, 1 - SUGGESTED_SHARE)) if len(pairs.genuine) else float("nan")


def effective_rank(embeddings: Float32Array) -> float:
    """Exponential of the entropy of the normalised singular values: how many directions n vectors [n, d] really use."""
    if not len(embeddings):
        return float("nan")
    values = np.linalg.svd(embeddings.astype(np.float64), compute_uv=False)
    share = values / max(values.sum(), 1e-12)
    share = share[share > 1e-12]
    return float(np.exp(-(share * np.log(share)).sum()))


def _mean(values: npt.NDArray[Any]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
