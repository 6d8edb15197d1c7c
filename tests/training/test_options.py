"""Every choice the configuration offers for training, two steps each: it runs, and it makes a difference."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from clmot.config import Config, load_config
from clmot.models.saved_model import load_saved_model
from clmot.synthetic import write_scenes
from clmot.training.trainer import train

TINY = [
    "model.encoder=resnet10t",
    "model.encoder_options={channels: [8, 8, 16, 16]}",
    "model.image_size=[160, 96]",
    "model.width=8",
    "model.stripes=2",
    "model.embedding_dimension=24",
    "train.batch_size=3",
    "train.steps=2",
    "train.log_every=1",
    "train.warmup_steps=0",
    "train.precision=32-true",
    "data.workers=0",
]

OPTIONS = {
    # the network
    "neck dla": ["model.neck=dla"],
    "neck dla, deformable": ["model.neck=dla", "model.deformable=true"],
    "neck deconvolution": ["model.neck=deconvolution"],
    "neck deconvolution, deformable": ["model.neck=deconvolution", "model.deformable=true"],
    "neck concat": ["model.neck=concat"],
    "heads of their own width": ["model.head_width=12"],
    "heads without norm": ["model.head_norm=false"],
    "width and height": ["model.size=extent"],
    "pixels in [0, 1]": ["model.normalise=none"],
    "center": ["model.pooling=center"],
    "levels": ["model.levels=[stride8, stride16, neck]"],
    "projection": ["model.projection=[16, 8]"],
    # what teaches
    "triplet": ["loss.objective=triplet"],
    "triplet, hard": ["loss.objective=triplet_hard"],
    "identity": ["loss.objective=identity", "data.identities=true"],
    "instance": ["loss.objective=instance"],
    "none": ["loss.objective=none"],
    "contrast with identities": ["data.identities=true"],
    "temperature": ["loss.temperature=0.5"],
    "negatives of the frame": ["loss.negatives=frame"],
    "queue": ["loss.negatives=queue", "loss.queue_size=64"],
    "detection on the first view": ["loss.detection_views=first"],
    "fixed task weights": ["loss.task_weights=fixed"],
    "size weight": ["loss.size_weight=0.1"],
    # views
    "opposite mirror": ["views.opposite_mirror=true"],
    "no colour": ["views.colour=0"],
    "hsv": ["views.hsv=0.5"],
    "occlude": ["views.occlude=1"],
    "off centre": ["views.off_center=1"],
    "neighbour": ["views.neighbour=1", "views.neighbour_frames=3"],
    # the optimiser
    "adam": ["train.optimizer=adam"],
    "step schedule": ["train.schedule=step"],
    "parts": ["train.batch_size=4", "train.accumulate=2"],
    "bfloat16": ["train.precision=bf16-mixed"],
}


def tiny(*changes: str) -> Config:
    return load_config(overrides=[*TINY, *changes])


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    """Two short clips: consecutive frames, so that there are neighbours."""
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder, still_frames=0, still_sequences=0, clips=2, clip_frames=3, size=(320, 192), seed=2)
    return folder / "clips"


def outcome(clips: Path, run: Path, *changes: str) -> tuple[list[dict[str, float]], dict[str, torch.Tensor]]:
    train(clips, run, tiny(*changes), progress=False)
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()], load_saved_model(run).weights


@pytest.fixture(scope="module")
def plain(clips, tmp_path_factory):
    return outcome(clips, tmp_path_factory.mktemp("runs") / "plain")


@pytest.mark.parametrize("name", OPTIONS)
def test_two_steps(name, clips, plain, tmp_path):
    lines, weights = outcome(clips, tmp_path / "run", *OPTIONS[name])
    assert len(lines) == 2
    assert all(np.isfinite(list(line.values())).all() for line in lines)
    assert all(torch.isfinite(value).all() for value in weights.values())
    assert ("embedding" in lines[0]) == (name != "none")
    _, before = plain
    same = weights.keys() == before.keys() and all(torch.equal(weights[key], before[key]) for key in weights)
    assert not same
