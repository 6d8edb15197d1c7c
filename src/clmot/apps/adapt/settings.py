"""How an adapted model learns, as far as the user does not say otherwise."""

from __future__ import annotations

import dataclasses

import numpy as np
from torch import nn

from clmot.config import Config
from clmot.inference.model import Model
from clmot.io.frame_choice import frames_in
from clmot.losses.criterion import CONTRASTIVE
from clmot.structures import Dataset
from clmot.training.fit_whitening import MAX_IMAGES, whitening_of

STEPS = 200
"""Training steps: an embedding that is nearly right needs few."""


NEIGHBOUR_SECONDS = 2.0
"""How far apart in time the two views of a tracklet are at most."""


def thinned(frames: Dataset) -> Dataset:
    """So many frames as a metric is learned from, evenly spread."""
    return dataclasses.replace(frames, samples=frames.samples[:: -(-len(frames.samples) // MAX_IMAGES)])


def reading_size(model: Model, frames: Dataset) -> int | None:
    """The longer side of images from which boxes are better read, where most are so small that stripes share cells.

    Then boxes of half the frames have two cells of the finest map a stripe, or images are read as they are.

    Returns:
        Pixels, a multiple of 32; None where boxes are tall enough, or the size is the model's or the user's own.
    """
    network = getattr(model, "network", None)
    pool = whitening_of(network) if isinstance(network, nn.Module) else None
    tall = [box[3] - box[1] for sample in frames.samples for box in sample.boxes[sample.identities >= 0]]
    if pool is None or not model.any_size or model.config.detect.size or not tall:
        return None
    sample = frames.samples[0]
    wide, high = model.input_size(sample.width, sample.height)
    scale = min(wide / sample.width, high / sample.height)
    least = pool.plain.stripes * min(level.stride for level in pool.plain.levels)
    factor = 2 * least / (scale * float(np.median(tall)))
    if factor <= 2:
        return None
    return round(max(sample.width, sample.height) * min(scale * factor, 1) / 32) * 32


def training_config(model: Config, start: str, frame_rate: float) -> Config:
    """The configuration that a model is trained with on tracklets.

    Views, loss and network are the model's own. The two views of a pair show a tracklet at two times; negatives are
    other boxes of the same frame, because two videos may show the same people, and so may two moments of one.

    Args:
        model: the model's configuration.
        start: its run folder or file, or the name of one that comes with the package.
        frame_rate: frames a second of the videos.
    """
    objective = model.loss.objective if model.loss.objective in CONTRASTIVE else "nt_xent"
    return model.updated(
        {
            "data": {"identities": False, "tracklets": True},
            "views": {
                "neighbour": 0.8,
                "neighbour_frames": frames_in(NEIGHBOUR_SECONDS, frame_rate),
            },
            "model": {"pretrained": start},
            "loss": {"objective": objective, "negatives": "frame"},
            "train": {
                "steps": STEPS,
                "learn": "embedding",
                "optimizer": "adamw",
                "learning_rate": 5e-4,
                "schedule": "cosine",
                "warmup_steps": 20,
                "ema": 0.98,
                "save_every": 50,
            },
        }
    )
