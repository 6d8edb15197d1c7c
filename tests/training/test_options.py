"""Every choice the configuration offers for training, two steps each: it runs, and it makes a difference."""

import pytest
import torch
from data_builders import TINY_NETWORK
from lightning_fabric import Fabric

from clmot.config import Config, load_config
from clmot.datasets.readers import read_dataset
from clmot.structures import Dataset, LossTerms
from clmot.synthetic import write_scenes
from clmot.training.data import read_training_data
from clmot.training.distributed import DistributedContext
from clmot.training.state import new_state
from clmot.training.step import train_step
from clmot.views.loader import make_loader

TINY = [
    *TINY_NETWORK,
    "model.image_size=[96, 64]",
    "model.embedding_dimension=24",
    "train.batch_size=3",
    "train.steps=2",
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
    "width and height": ["model.size=extent"],
    "pixels in [0, 1]": ["model.normalise=none"],
    "center": ["model.pooling=center"],
    "levels": ["model.levels=[stride8, stride16, neck]"],
    # what teaches
    "triplet": ["loss.objective=triplet"],
    "triplet, hard": ["loss.objective=triplet_hard"],
    "identity": ["loss.objective=identity", "data.identities=true"],
    "instance": ["loss.objective=instance"],
    "none": ["loss.objective=none"],
    "contrast with identities": ["data.identities=true"],
    "temperature": ["loss.temperature=0.5"],
    "negatives of the frame": ["loss.negatives=frame"],
    "detection on the first view": ["loss.detection_views=first"],
    "fixed task weights": ["loss.task_weights=fixed"],
    "size weight": ["loss.size_weight=0.1"],
    # views
    "published": ["views.published=true"],
    "no colour": ["views.colour=0"],
    "hsv": ["views.hsv=0.5"],
    "neighbour": ["views.neighbour=1", "views.neighbour_frames=3"],
    # the optimiser
    "adam": ["train.optimizer=adam"],
    "bfloat16": ["train.precision=bf16-mixed"],
}


def tiny(*changes: str) -> Config:
    return load_config(overrides=[*TINY, *changes])


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Dataset:
    """Two short clips: consecutive frames, so that there are neighbours."""
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder, still_frames=0, still_sequences=0, clips=2, clip_frames=3, size=(160, 96), seed=2)
    return read_dataset([folder / "clips"], identities=True)


def outcome(clips: Dataset, *changes: str) -> tuple[LossTerms, dict[str, torch.Tensor]]:
    """The losses of the first step, and the weights after two."""
    dataset, config, _ = read_training_data(clips, tiny(*changes))
    fabric, alone = Fabric(accelerator="cpu", devices=1, precision=config.train.precision), DistributedContext()
    state = new_state(config, fabric.device, found=None)
    network, optimizer = state.set_up(fabric)
    size = config.model.image_size
    first = None
    for batch in make_loader(dataset, config.data, config.views, size, batch_size=config.train.batch_size, steps=2):
        terms = train_step(fabric, network, optimizer, batch, config, 1e-3, alone)
        state.advance()
        first = first or terms
    return first, state.network.state_dict()


@pytest.fixture(scope="module")
def plain(clips):
    return outcome(clips)


@pytest.mark.parametrize("name", OPTIONS)
def test_two_steps(name, clips, plain):
    losses, weights = outcome(clips, *OPTIONS[name])
    assert ("embedding" in losses.parts) == (name != "none")
    _, before = plain
    assert weights.keys() != before.keys() or any(not torch.equal(weights[key], before[key]) for key in weights)


@pytest.mark.parametrize(
    ("name", "part", "ratio"),
    [
        # fewer negatives are less to be told from; sides weigh less, and are what they are
        ("negatives of the frame", "embedding", (0.1, 0.99)),
        ("size weight", "total", (0.1, 0.99)),
        ("size weight", "size", (1, 1)),
        ("fixed task weights", "heatmap", (1, 1)),
        ("temperature", "heatmap", (1, 1)),
    ],
)
def test_the_first_losses_move_as_the_option_says(name, part, ratio, clips, plain):
    first, before = (each._asdict() | each.parts for each in (outcome(clips, *OPTIONS[name])[0], plain[0]))
    assert ratio[0] <= float(first[part] / before[part]) <= ratio[1]
