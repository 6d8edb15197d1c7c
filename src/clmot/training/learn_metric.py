"""A linear metric that tells tracklets apart, learned by contrast on embeddings that are there already.

What makes the tracklets of one place differ is learned in seconds, for nothing but a square matrix learns and no image
is looked at again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from clmot.evaluation.embedding import EmbeddedSequence, seen_together
from clmot.models.whitening import whitening
from clmot.structures import BoolArray, Int64Array

STEPS = 300
LEARNING_RATE = 1e-3
TEMPERATURE = 0.1

PULL = 1.0
"""Weight of the squared distance from the whitening, divided by the number of tracklets: few say little."""

TRACKLETS, BOXES = 42, 6
"""Of a step, and of each of these, at most."""


def learn_metric(
    sequences: Sequence[EmbeddedSequence], least: int = 2, seed: int = 0, *, apart: bool = False
) -> Float[Tensor, "d d"] | None:
    """A matrix that embeddings are multiplied with, so that each is nearer to its own tracklet than to others.

    A step compares boxes of some tracklets, and of as many that some moment shows beside them, all with all (NT-Xent,
    van den Oord et al. 2018, with several positives, Khosla et al. 2020): those of one tracklet, which count the more
    the more time lies between, with those of tracklets seen together, which are other objects. Tracklets that follow
    each other may be one object, and are not compared. Before, embeddings are whitened within tracklets: how one person
    changes is much alike for all, and so for those who come later.

    Args:
        sequences: embedded boxes of tracklets.
        least: tracklets, at least, that are seen twice and beside another.
        seed: of what is drawn.
        apart: any two of a sequence are two objects, seen together or not: identities instead of tracklets.

    Returns:
        The matrix, near the whitening; None where there are fewer tracklets.
    """
    if not sequences:
        return None
    embeddings = torch.from_numpy(np.concatenate([each.embeddings for each in sequences]))
    seconds = torch.from_numpy(np.concatenate([each.seconds for each in sequences]))
    tracklet, others = _known(sequences, apart)
    rows = np.split(np.argsort(tracklet, kind="stable"), np.cumsum(np.bincount(tracklet, minlength=len(others)))[:-1])
    beside = [np.flatnonzero(each) for each in others]
    usable = np.array([index for index, own in enumerate(rows) if len(own) > 1 and len(beside[index])], np.int64)
    if len(usable) < max(least, 1):
        return None
    first = _whitening(embeddings, [rows[each] for each in usable])
    embeddings = F.normalize(embeddings @ first, dim=1)
    identity = torch.eye(embeddings.shape[1])
    matrix = identity.clone().requires_grad_()
    optimizer = torch.optim.Adam([matrix], lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    rng = np.random.default_rng(seed)
    for _ in range(STEPS):
        drawn = rng.choice(usable, min(TRACKLETS // 2, len(usable)), replace=False)
        drawn = np.union1d(drawn, [rng.choice(beside[each]) for each in drawn])
        boxes = np.concatenate([rng.choice(rows[each], min(BOXES, len(rows[each])), replace=False) for each in drawn])
        of, row = tracklet[boxes], torch.from_numpy(boxes)
        looks = F.normalize(embeddings[row] @ matrix, dim=1)
        similarity = looks @ looks.T / TEMPERATURE
        weight = torch.from_numpy(of[:, None] == of) * (seconds[row, None] - seconds[row]).abs()
        impostor = torch.from_numpy(others[of][:, of])
        # only boxes that have both are compared
        compared = (weight.sum(dim=1) > 0) & impostor.any(dim=1)
        against = similarity.masked_fill(~impostor, -torch.inf)[compared].logsumexp(dim=1, keepdim=True)
        share = weight[compared] / weight[compared].sum(dim=1, keepdim=True)
        loss = (F.softplus(against - similarity[compared]) * share).sum(dim=1).mean()
        loss = loss + PULL / len(usable) * (matrix - identity).square().sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return first @ matrix.detach()


def _whitening(embeddings: Float[Tensor, "n d"], rows: Sequence[Int64Array]) -> Float[Tensor, "d d"]:
    """What changes within tracklets counts less (within-class covariance normalisation, as `WhitenedPool.fit`)."""
    around = [embeddings[each].double() - embeddings[each].double().mean(dim=0) for each in map(torch.from_numpy, rows)]
    changes = torch.cat(around)
    return whitening(changes.T @ changes / len(changes)).float()


def moved(sequence: EmbeddedSequence, metric: Float[Tensor, "d d"] | None) -> EmbeddedSequence:
    """The same boxes, their embeddings multiplied with a metric and of unit length again."""
    if metric is None:
        return sequence
    return replace(sequence, embeddings=F.normalize(torch.from_numpy(sequence.embeddings) @ metric, dim=1).numpy())


def _known(sequences: Sequence[EmbeddedSequence], apart: bool) -> tuple[Int64Array, BoolArray]:
    """The tracklet of each box, numbered through all sequences, and bool [k, k], which are known to be two objects."""
    numbers: list[Int64Array] = []
    blocks: list[BoolArray] = []
    for each in sequences:
        together, number = seen_together(each)
        numbers.append(number + sum(map(len, blocks)))
        blocks.append(together | apart)
    others = np.zeros((sum(map(len, blocks)),) * 2, np.bool_)
    start = 0
    for block in blocks:
        others[start : start + len(block), start : start + len(block)] = block
        start += len(block)
    np.fill_diagonal(others, False)
    return np.concatenate(numbers), others
