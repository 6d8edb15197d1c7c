"""How an adapted model learns, as far as the user does not say otherwise."""

from __future__ import annotations

from clmot.config import Config
from clmot.io.frame_choice import frames_in
from clmot.losses.criterion import CONTRASTIVE

STEPS = 200
"""Training steps: an embedding that is nearly right needs few."""


NEIGHBOUR_SECONDS = 2.0
"""How far apart in time the two views of a tracklet are at most."""


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
