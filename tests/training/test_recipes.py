"""The published recipes: their numbers (METHOD of FairMOT and CL-MOT), and that they train."""

import pytest
import torch

from clmot.config import load_config
from clmot.losses.detection import l1_at_objects
from clmot.models.saved_model import load_saved_model
from clmot.synthetic import write_scenes
from clmot.training.checkpoint import load_state
from clmot.training.trainer import train

SHARED = {
    "data": {"min_visibility": 0},
    "model": {
        "encoder": "dla34",
        "neck": "dla",
        "deformable": True,
        "image_size": (1088, 608),
        "normalise": "none",
        "head_width": 256,
        "pooling": "center",
    },
    "views": {
        "scale": (0.5, 1.2),
        "shift": 0.1,
        "rotate": 5,
        "aspect": 0,
        "hsv": 0.5,
        "colour": 0,
        "neighbour": 0,
    },
    "train": {
        "epochs": 30,
        "batch_size": 12,
        "optimizer": "adam",
        "learning_rate": 1e-4,
        "warmup_steps": 0,
        "ema": 0,
        "precision": "32-true",
    },
    "tracker": {
        "appearance_weight": 0.98,
        "iou_threshold": 0.5,
        "published_bookkeeping": True,
        "lost_seconds": 1,
    },
}
OWN = {
    "paper": {
        "data": {"identities": False},
        "model": {"embedding_dimension": 512, "size": "extent"},
        "views": {"published": True},
        "loss": {
            "objective": "nt_xent",
            "temperature": 0.5,
            "negatives": "frame",
            "detection_views": "first",
            "task_weights": "fixed",
            "size_weight": 0.2,
        },
        "train": {"schedule": "two-steps"},
        "detect": {"max_detections": 128, "score_threshold": 0.6},
        "tracker": {"high_score": 0.6, "low_score": 0.6, "new_track_score": 0.6, "appearance_threshold": 0.7},
    },
    "fairmot": {
        "data": {"identities": True},
        "model": {"embedding_dimension": 128, "size": "sides"},
        "views": {"mirror": 0.5, "published": False},
        "loss": {"objective": "identity", "task_weights": "learned", "size_weight": 0.1},
        "train": {"schedule": "step"},
        "detect": {"max_detections": 500, "score_threshold": 0.4},
        "tracker": {"high_score": 0.4, "low_score": 0.4, "new_track_score": 0.4, "appearance_threshold": 0.4},
    },
}


@pytest.mark.parametrize("recipe", OWN)
def test_numbers_are_the_published_ones(recipe):
    config = load_config(recipe)
    for table in (SHARED, OWN[recipe]):
        for section, values in table.items():
            got = {name: getattr(getattr(config, section), name) for name in values}
            assert got == values


def test_the_weight_of_width_and_height():
    """Published: 0.1 x the mean error of width and height. Here the same boxes are four halves, from the centre."""
    generator = torch.Generator().manual_seed(0)
    said, true = torch.rand(2, 7, 2, generator=generator)
    published = 0.1 * (said - true).abs().mean()
    total, count = l1_at_objects(said.repeat(1, 2) / 2, true.repeat(1, 2) / 2)
    torch.testing.assert_close(load_config("paper").loss.size_weight * total / count, published)


@pytest.mark.parametrize("override", ["train.steps=50", "train={steps: 50}"])
def test_steps_put_the_epochs_out_of_force(override):
    assert load_config("paper", overrides=[override]).train.epochs == 0
    assert load_config("paper", overrides=["train.steps=50", "train.epochs=2"]).train.epochs == 2


SMALL_ENCODER = ["model.encoder=resnet10t", "model.encoder_options={channels: [8, 8, 16, 16]}", "model.head_width=8"]


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "encoder"), [("paper", []), ("fairmot", SMALL_ENCODER)])
def test_two_steps(recipe, encoder, tmp_path):
    write_scenes(tmp_path, still_frames=4, still_sequences=2, clips=0, clip_frames=2, size=(160, 96), seed=1)
    small = ["model.pretrained=none", "model.image_size=[64, 32]", "train.batch_size=2", "data.workers=0"]
    config = load_config(recipe, overrides=[*small, *encoder, "train.epochs=1"])
    checkpoint = train(tmp_path / "stills", tmp_path / "run", config, progress=False)
    assert checkpoint.name == "checkpoint-000002"
    # without a moving average, the last weights are what tracking gets
    state, saved = load_state(checkpoint)["network"], load_saved_model(checkpoint).weights
    assert all(torch.equal(state[name], value) for name, value in saved.items())
