"""A linear metric that tells tracklets apart, learned by contrast on embeddings that are there already.

What makes the tracklets of one place differ is learned in seconds, for nothing but a square matrix learns and no image
is looked at again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from clmot.evaluation.embedding import EmbeddedSequence, seen_together
from clmot.structures import Int64Array

STEPS = 300
LEARNING_RATE = 1e-3
TEMPERATURE = 0.1

PULL = 1.0
"""Weight of the squared distance from the identity, divided by the number of tracklets: few say little."""

ANCHORS, NEGATIVES = 32, 32
"""Boxes in a step, and boxes of other tracklets that each is compared with."""


def learn_metric(sequences: Sequence[EmbeddedSequence], least: int = 2, seed: int = 0) -> Float[Tensor, "d d"] | None:
    """A matrix that embeddings are multiplied with, so that each is nearer to its own tracklet than to others.

    A step compares boxes with another of their tracklet, the likelier the more time lies between, and with boxes of
    tracklets that some moment shows beside theirs: those are other objects (NT-Xent, van den Oord et al. 2018).
    Tracklets that follow each other may be one object, and are not compared.

    Args:
        sequences: embedded boxes of tracklets.
        least: tracklets, at least, that are seen twice and beside another.
        seed: of what is drawn.

    Returns:
        The matrix, near the identity; None where there are fewer tracklets.
    """
    if not sequences:
        return None
    embeddings = torch.from_numpy(np.concatenate([each.embeddings for each in sequences]))
    rows: list[Int64Array] = []
    beside: list[Int64Array] = []
    start = 0
    for each in sequences:
        together, number = seen_together(each)
        np.fill_diagonal(together, False)
        beside += [len(rows) + np.flatnonzero(others) for others in together]
        rows += [start + np.flatnonzero(number == index) for index in range(len(together))]
        start += len(number)
    seconds = np.concatenate([each.seconds for each in sequences])
    usable = np.array([index for index, own in enumerate(rows) if len(own) > 1 and len(beside[index])], np.int64)
    if len(usable) < max(least, 1):
        return None
    share = np.minimum([len(rows[index]) for index in usable], 50).astype(np.float64)
    share /= share.sum()
    identity = torch.eye(embeddings.shape[1])
    matrix = identity.clone().requires_grad_()
    optimizer = torch.optim.Adam([matrix], lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    order = np.concatenate(rows)
    count = np.array([len(own) for own in rows])
    first = np.cumsum(count) - count
    rng = np.random.default_rng(seed)
    for _ in range(STEPS):
        drawn = []
        for tracklet in rng.choice(usable, ANCHORS, p=share):
            own = rows[tracklet]
            anchor = rng.choice(own)
            apart = np.abs(seconds[own] - seconds[anchor])
            other = rng.choice(beside[tracklet], NEGATIVES)
            box = order[first[other] + (rng.random(NEGATIVES) * count[other]).astype(np.int64)]
            drawn.append([anchor, rng.choice(own, p=apart / apart.sum()), *box])
        looked_at = F.normalize(embeddings[torch.tensor(np.array(drawn))] @ matrix, dim=2)
        logits = torch.einsum("ad,akd->ak", looked_at[:, 0], looked_at[:, 1:]) / TEMPERATURE
        loss = F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.int64))
        loss = loss + PULL / len(usable) * (matrix - identity).square().sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return matrix.detach()
