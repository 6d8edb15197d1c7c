"""Embedding scores without a tracker: does an embedding tell objects apart that it sees again a while later?

Boxes come from the ground truth, so that detection plays no part. A pair is two boxes of one sequence whose frames lie
within a range of seconds; it is genuine if both are the same object. Pairs of different sequences are not compared:
they differ by scenery, which says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from clmot.boxes import iou
from clmot.io.image import read_image
from clmot.structures import BoolArray, Embed, Float32Array, Float64Array, Int64Array, Sample
from clmot.table import Table
from clmot.tracking.mean_subtraction import RunningMean

FALSE_ACCEPT_RATES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
"""Shares of impostor pairs that pass, at which the share of genuine pairs that pass is reported."""

_DENSE = 0.5
"""Median overlap from which on motion alone tells who is who."""
_BINS = 20_000
_ROWS = 1024
_MOST_BOXES = 200
_LEAST_DEVIATION = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class EmbeddedSequence(Table):
    """The embedded boxes of one sequence.

    Attributes:
        embeddings: float32 [n, d], unit vectors.
        identities: int64 [n].
        seconds: float64 [n], when each box was seen.
    """

    embeddings: Float32Array
    identities: Int64Array
    seconds: Float64Array

    def mean_subtracted(self, prior: float) -> EmbeddedSequence:
        """The same boxes after online mean subtraction (`clmot.tracking.mean_subtraction`), as the tracker does it.

        Args:
            prior: as `tracker.mean_subtraction`; annotated identities count as known from when they are first seen.
        """
        subtraction, known = RunningMean(prior), set[int]()
        embeddings = self.embeddings.copy()
        for second in np.unique(self.seconds):
            here = np.flatnonzero(self.seconds == second)
            known |= set(self.identities[here].tolist())
            embeddings[here] = subtraction(embeddings[here], len(here), len(known))
        return replace(self, embeddings=embeddings)


def embed_sequences(
    samples: Iterable[Sample],
    embed: Embed,
    frame_rates: dict[str, float],
    every: int = 1,
) -> list[EmbeddedSequence]:
    """Embed the annotated boxes of known identity.

    Args:
        samples: frames with identities; ignored boxes are left out.
        embed: image (uint8 [height, width, 3], RGB) and boxes ([n, 4], xyxy pixels) to unit vectors [n, d], as
            `clmot.Model.embed`.
        frame_rates: frames a second of each sequence.
        every: use frames 1, 1 + every, ... only.
    """
    parts: dict[str, list[EmbeddedSequence]] = {}
    for sample in samples:
        chosen = ~sample.ignore & (sample.identities >= 0)
        if (sample.frame - 1) % every or not chosen.any():
            continue
        embeddings = embed(read_image(sample.image), sample.boxes[chosen])
        seconds = np.full(len(embeddings), sample.frame / frame_rates[sample.sequence])
        seen = EmbeddedSequence(embeddings=embeddings, identities=sample.identities[chosen], seconds=seconds)
        parts.setdefault(sample.sequence, []).append(seen)
    return [EmbeddedSequence.join(part) for part in parts.values()]


def embedding_scores(
    sequences: Sequence[EmbeddedSequence], gap: tuple[float, float] = (1.0, np.inf), *, together: bool = False
) -> dict[str, float]:
    """Verification and retrieval among pairs whose frames lie `gap` seconds apart.

    Args:
        sequences: embedded boxes.
        gap: least (inclusive) and greatest (exclusive) distance in seconds. A box is never compared with its own frame.
        together: compare two identities only if some moment shows both. Identities of tracklets are told apart so: two
            that are never seen together may show one object.

    Returns:
        ``rank-1``: share of boxes whose nearest other box is the same object, among boxes that have a genuine pair;
        ``mAP``: mean average precision of the same ranking; ``TPR@FAR=0.1`` and so on: share of genuine pairs at least
        as similar as the threshold that lets this share of impostor pairs pass (cosines told apart to 1e-4), NaN where
        that share is less than one pair;
        ``queries``, ``genuine``, ``impostors``: counts. Shares are NaN where nothing can be compared.
    """
    genuine, impostor = np.zeros(_BINS, np.int64), np.zeros(_BINS, np.int64)
    first: list[bool] = []
    precision: list[float] = []
    for cosine, apart, same, compared in _pairs(sequences, together):
        compared &= (apart >= gap[0]) & (apart < gap[1])
        bins = _binned(cosine)
        genuine += np.bincount(bins[compared & same], minlength=_BINS)
        impostor += np.bincount(bins[compared & ~same], minlength=_BINS)
        for row in np.flatnonzero((compared & same).any(axis=1)):
            gallery = compared[row]
            hits = same[row, gallery][np.argsort(-cosine[row, gallery], kind="stable")]
            first.append(bool(hits[0]))
            places = np.flatnonzero(hits)
            precision.append(float(np.mean(np.arange(1, len(places) + 1) / (places + 1))))
    scores = {"rank-1": _mean(first), "mAP": _mean(precision)}
    scores |= {f"TPR@FAR={rate:g}": _true_positive_rate(genuine, impostor, rate) for rate in FALSE_ACCEPT_RATES}
    # each pair was met from both ends
    counts = {"queries": len(first), "genuine": int(genuine.sum()) // 2, "impostors": int(impostor.sum()) // 2}
    return scores | counts


def areas_by_gap(
    sequences: Sequence[EmbeddedSequence], edges: Sequence[float], *, together: bool = False
) -> list[float]:
    """Area under the ROC curve of verification, by how far apart in time the two boxes were seen.

    That is the chance that a genuine pair is more similar than an impostor pair of the same gap, ties counting half:
    1 is perfect, 0.5 says nothing.

    Args:
        sequences: embedded boxes.
        edges: seconds, rising; gap i is from the i-th (inclusive) to the next (exclusive). A box is never compared with
            its own frame.
        together: as of `embedding_scores`.

    Returns:
        For each gap, NaN where there are no pairs of either kind.
    """
    gaps = len(edges) - 1
    counts = np.zeros((2, gaps, _BINS), np.int64)
    for cosine, apart, same, compared in _pairs(sequences, together):
        gap = np.searchsorted(edges, apart, side="right") - 1
        compared &= (gap >= 0) & (gap < gaps)
        bins = _binned(cosine) + _BINS * gap
        for kind, chosen in enumerate((compared & ~same, compared & same)):
            counts[kind] += np.bincount(bins[chosen], minlength=gaps * _BINS).reshape(gaps, _BINS)
    impostor, genuine = counts
    below = np.cumsum(impostor, axis=1) - impostor / 2
    with np.errstate(invalid="ignore"):
        area = (genuine * below).sum(axis=1) / (genuine.sum(axis=1) * impostor.sum(axis=1).astype(np.float64))
    return [float(value) for value in area]


def hardest_decidability(sequence: EmbeddedSequence, gap: float) -> dict[int, float]:
    """The decidability d' (Daugman 2000) of each identity against the one it is hardest to tell from.

    The cosines of an identity's pairs are compared with those of it and one other that some moment shows beside it: by
    how many deviations their means are apart, ``(m - n) / sqrt((s^2 + t^2) / 2)``; the least counts. Most pairs of two
    objects are easy, so that a mean over all, and any share of pairs in the right order, is near its best for every
    embedding.

    Args:
        sequence: embedded boxes; of an identity `_MOST_BOXES` are looked at, evenly spread.
        gap: seconds that the two boxes of a pair are apart, at least; for an identity that is seen for less than twice
            as long, half of that time.

    Returns:
        By identity, for those seen at two times and beside another. Deviations count as `_LEAST_DEVIATION` and more.
    """
    together, number = seen_together(sequence)
    rows = [_thinned(np.flatnonzero(number == each)) for each in range(len(together))]
    found: dict[int, float] = {}
    for each, own in enumerate(rows):
        seconds = sequence.seconds[own]
        apart = max(min(gap, np.ptp(seconds) / 2), 1e-9)
        moments: list[tuple[float, float]] = []
        for other in (each, *np.flatnonzero(together[each])):
            far = np.abs(seconds[:, None] - sequence.seconds[rows[other]]) >= apart
            cosine = (sequence.embeddings[own] @ sequence.embeddings[rows[other]].T)[far].astype(np.float64)
            if other != each or not moments:
                moments.append((cosine.mean(), cosine.var()) if len(cosine) else (np.nan, np.nan))
        (mean, variance), *others = moments
        deviations = [
            (mean - theirs) / max(((variance + spread) / 2) ** 0.5, _LEAST_DEVIATION)
            for theirs, spread in others
            if np.isfinite(theirs + mean)
        ]
        if deviations:
            found[int(sequence.identities[own[0]])] = float(min(deviations))
    return found


class SelfOverlap(NamedTuple):
    """How much objects overlap themselves from one frame to the next: what tracking by motion lives on.

    Attributes:
        median: of the overlaps (IoU); NaN where no object is in two frames running.
        none: share of those that do not overlap themselves at all.
        steps: how many there are.
    """

    median: float
    none: float
    steps: int

    @property
    def sparse(self) -> bool:
        """Whether overlap says little about who is who."""
        return self.median < _DENSE


def self_overlap(samples: Iterable[Sample]) -> SelfOverlap:
    """Compare each object's box with its box in the next frame there is.

    Args:
        samples: frames with identities, those of a sequence in order; boxes without one are left out.
    """
    before: dict[str, dict[int, Float32Array]] = {}
    overlaps: list[float] = []
    for sample in samples:
        boxes = dict(zip(sample.identities.tolist(), sample.boxes, strict=True))
        boxes.pop(-1, None)
        known = before.get(sample.sequence, {})
        overlaps += [float(iou(known[each][None], boxes[each][None])[0, 0]) for each in boxes.keys() & known.keys()]
        before[sample.sequence] = boxes
    if not overlaps:
        return SelfOverlap(float("nan"), float("nan"), 0)
    return SelfOverlap(float(np.median(overlaps)), float(np.mean(np.array(overlaps) == 0)), len(overlaps))


def seen_together(sequence: EmbeddedSequence) -> tuple[BoolArray, Int64Array]:
    """Which identities some moment shows both, bool [k, k], and where in there the identity of each box [n] stands."""
    _, moment = np.unique(sequence.seconds, return_inverse=True)
    known, number = np.unique(sequence.identities, return_inverse=True)
    present = np.zeros((moment.max(initial=-1) + 1, len(known)), np.float32)
    present[moment, number] = 1
    return present.T @ present > 0, number


def _pairs(
    sequences: Sequence[EmbeddedSequence], together: bool
) -> Iterator[tuple[Float32Array, Float64Array, BoolArray, BoolArray]]:
    """Some boxes of a sequence against all: cosines, seconds apart, which are one object, and which may be compared."""
    for sequence in sequences:
        together_seen, number = seen_together(sequence)
        for start in range(0, len(sequence.identities), _ROWS):
            rows = slice(start, start + _ROWS)
            apart = np.abs(sequence.seconds[rows, None] - sequence.seconds)
            compared = apart >= 1e-9  # never with its own frame
            if together:
                compared &= together_seen[number[rows]][:, number]
            same = sequence.identities[rows, None] == sequence.identities
            yield sequence.embeddings[rows] @ sequence.embeddings.T, apart, same, compared


def _binned(cosine: Float32Array) -> Int64Array:
    return np.asarray(((cosine + 1) * (_BINS / 2)).astype(np.int64).clip(0, _BINS - 1))


def _thinned(rows: Int64Array) -> Int64Array:
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _MOST_BOXES)).round().astype(np.int64))]


def _true_positive_rate(genuine: Int64Array, impostor: Int64Array, rate: float) -> float:
    """From histograms over rising similarity: the lowest threshold that at most this share of impostors reaches."""
    # a share of less than one pair (met from both ends) says nothing
    if not genuine.sum() or rate * impostor.sum() < 2:
        return float("nan")
    passing = np.cumsum(impostor[::-1])[::-1] <= rate * impostor.sum()
    return float(genuine[passing].sum() / genuine.sum())


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
