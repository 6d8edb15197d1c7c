"""After training: the metric of the embedding, from the same objects at several times."""

from __future__ import annotations

import copy
import logging

import numpy as np
import torch
from torch import nn

from clmot.config import Config
from clmot.errors import UserError
from clmot.evaluation.embedding import embed_sequences
from clmot.inference import Model
from clmot.models.network import Network
from clmot.models.whitening import WhitenedReadOut
from clmot.types import Dataset

log = logging.getLogger(__name__)

MAX_FRAMES = 400
"""Frames that are looked at, of all that have identities or tracklets: evenly spread over each sequence."""

LEAST_BOXES = 3
"""Boxes of an object, at least, for it to say how its embedding changes."""


def fit_whitening(network: nn.Module, config: Config, dataset: Dataset, device: torch.device) -> None:
    """Learn the metric of a trained network's embedding (`WhitenedReadOut.fit`), in place.

    Args:
        network: a `clmot.models.network.Network` whose read-out is a `WhitenedReadOut`.
        config: the run's.
        dataset: as training saw it, with identities or tracklets.
        device: to embed on.

    Raises:
        UserError: no object is seen often enough.
    """
    assert isinstance(network, Network)
    read_out = network.read_out
    assert isinstance(read_out, WhitenedReadOut)
    read_out.forget()
    known = [sample for sample in dataset.samples if (sample.identities >= 0).any()]
    # those of each sequence in order of time, so that every n-th is spread over it
    known.sort(key=lambda sample: (sample.sequence, sample.frame))
    known = known[:: max(1, -(-len(known) // MAX_FRAMES))]
    model = Model(copy.deepcopy(network), config, str(device))
    parts = embed_sequences(known, model.embed, {sample.sequence: 1.0 for sample in known}, 1)
    spread = []
    for part in parts:
        for identity in np.unique(part.identities):
            own = part.embeddings[part.identities == identity].astype(np.float64)
            if len(own) >= LEAST_BOXES:
                spread.append(own - own.mean(axis=0))
    if not spread:
        raise UserError(
            f"model.whitening=true, but no object is in {LEAST_BOXES} or more of the {len(known)} frames looked at"
        )
    around = np.concatenate(spread)
    centre = np.mean([part.embeddings.mean(axis=0) for part in parts], axis=0)
    read_out.fit(torch.from_numpy(centre), torch.from_numpy(around.T @ around / len(around)))
    log.info("whitening: %d boxes of %d objects in %d frames", len(around), len(spread), len(known))
