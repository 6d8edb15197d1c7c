"""Weights of FairMOT, CL-MOT and CenterNet in our network: the same maps from the same pixels.

An imported run works as its original does: in float32, embeddings from the cell of the heatmap's peak (of boxes that
others found, from the cell of their centre), the tracker's preset ``fairmot`` with the original's thresholds, and of
persons no results that are wide or tiny. FairMOT and CL-MOT feed RGB in [0, 1], as does ``model.normalise=none``.

CenterNet feeds BGR with a mean and deviation, and has no embedding. Its first convolution is changed to take RGB in
[0, 1]; its embedding head starts from random weights and has to be trained.
"""

import dataclasses
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from clmot.config import Config, load_config, parse_overrides
from clmot.errors import UserError
from clmot.models.encoder import read_state_dict
from clmot.models.fairmot_names import TRAINING_ONLY, Architecture, find_architecture
from clmot.models.network import Network

log = logging.getLogger(__name__)

COCO_CLASSES = tuple(
    name.strip()
    for name in """
    person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign,
    parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella,
    handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard,
    surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange,
    broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv, laptop,
    mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase, scissors,
    teddy bear, hair drier, toothbrush""".split(",")
)
"""Channels of CenterNet's heatmap."""

CENTERNET_MEAN = (0.408, 0.447, 0.470)
CENTERNET_STD = (0.289, 0.274, 0.278)
"""Pixel statistics that CenterNet feeds its networks with, blue, green, red."""


class LegacyModel(NamedTuple):
    """A network with an original's weights.

    Attributes:
        config: the recipe of the same network, with the sizes of the file's heads and the original's thresholds.
        network: in evaluation mode.
        summary: one line that says what was read and what is still random.
    """

    config: Config
    network: Network
    summary: str


def read_legacy(
    file: Path, *, recipe: str | None = None, classes: Sequence[str] = (), overrides: Iterable[str] = ()
) -> LegacyModel:
    """Read a checkpoint of FairMOT, CL-MOT or CenterNet (dla_34, resdcn_18/34/50, resfpndcn_18/34/50, hrnet_18/32).

    The network, the number of classes, the form of the size (width and height, or four sides) and the length of the
    embedding are taken from keys and shapes. Keys that are neither used nor known to be unused are listed in a warning.

    Args:
        file: a PyTorch file; nothing but tensors is loaded from it.
        recipe: take all other settings from this recipe; by default the one that has the same network.
        classes: names of the heatmap's channels, or which of COCO's 80 to keep; by default ``person`` where there is
            one, COCO's where there are 80.
        overrides: ``section.key=value`` strings laid over everything.

    Raises:
        UserError: the file cannot be read, is of none of these networks, lacks a tensor or has one of another shape;
            the number of classes does not fit; an unknown recipe or setting.
    """
    tensors = read_state_dict(file)
    architecture = find_architecture(tensors, file)
    # CenterNet's: none of its networks has a pyramid of ResNet, or HRNet
    embedded = architecture.neck not in ("dla", "deconvolution-last") or any(key.startswith("id.") for key in tensors)
    count = _outputs(tensors, "hm.2", file)
    names, channels = _classes(count, classes, file)
    config = _config(tensors, architecture, names, embedded, recipe, overrides, file)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.train.seed)
        network = Network(config.model).eval()
    chosen = dict(tensors)
    for key in ("hm.2.weight", "hm.2.bias"):
        if key in tensors and len(tensors[key]) == count:
            chosen[key] = tensors[key][channels]
    used = _fill(network, chosen, architecture, TRAINING_ONLY if embedded else (*TRAINING_ONLY, "embedding."), file)
    if not embedded:
        _take_rgb(network)
    unused = {key for key in tensors.keys() - used if architecture.unused.fullmatch(key)}
    unknown = sorted(key for key in tensors.keys() - used - unused if not key.endswith("num_batches_tracked"))
    if unknown:
        log.warning("%s: %d tensors are no part of %s: %s", file, len(unknown), architecture.name, ", ".join(unknown))
    size = "four sides" if config.model.size == "sides" else "width and height"
    embedding = f"embedding {config.model.embedding_dimension}"
    if not embedded:
        embedding += " from random weights: train it, or track with tracker.appearance=false"
    objects = f"{len(names)} classes" if len(names) > 1 else names[0]
    summary = f"{architecture.name}: {len(used)} tensors, {objects}, {size}, {embedding}"
    return LegacyModel(config, network, summary)


def _outputs(tensors: Mapping[str, Tensor], layer: str, file: Path) -> int:
    """How many channels a convolution of a head gives."""
    key = f"{layer}.weight"
    if key not in tensors:
        raise UserError(f"{file}: '{key}' is missing")
    return len(tensors[key])


def _classes(count: int, wanted: Sequence[str], file: Path) -> tuple[tuple[str, ...], list[int]]:
    """Names of the classes, and their channels in the file's heatmap."""
    if not wanted and count not in (1, len(COCO_CLASSES)):
        raise UserError(f"{file}: has {count} classes; name them in their order with --classes")
    known = COCO_CLASSES if count == len(COCO_CLASSES) else ("person",)
    names = tuple(wanted) or known
    if len(names) == count:
        return names, list(range(count))
    if count == len(COCO_CLASSES) and set(names) <= set(known):
        return names, [known.index(name) for name in names]
    stranger = next((name for name in names if name not in known), None)
    what = f"'{stranger}' is not one of COCO's" if len(known) == count > 1 and stranger else f"{len(names)} are named"
    raise UserError(f"{file}: has {count} classes, {what}")


def _config(
    tensors: Mapping[str, Tensor],
    architecture: Architecture,
    classes: tuple[str, ...],
    embedded: bool,
    recipe: str | None,
    overrides: Iterable[str],
    file: Path,
) -> Config:
    """The recipe's settings with what the file's heads are like, and with the original's decoding and tracker."""
    same, config = load_config(architecture.recipe), load_config(recipe or architecture.recipe)
    if config.model.encoder != same.model.encoder:
        raise UserError(f"{file}: is {architecture.name}, which recipe '{recipe}' is not; leave --recipe out")
    values = _outputs(tensors, "wh.2", file)
    if values not in (2, 4):
        raise UserError(f"{file}: 'wh.2.weight' gives {values} values a cell, not 2 (width, height) or 4 (sides)")
    model = dataclasses.replace(
        config.model,
        pretrained="none",
        normalise="none",
        classes=classes,
        neck=architecture.neck,
        deformable=same.model.deformable,
        head_width=_outputs(tensors, "hm.0", file),
        size="extent" if values == 2 else "sides",
        pooling="center",
        embedding_dimension=_outputs(tensors, "id.2", file) if embedded else config.model.embedding_dimension,
    )
    config = dataclasses.replace(
        config,
        model=model,
        # as the originals train and track; bfloat16 moves the scores of such weights by up to a quarter
        train=dataclasses.replace(config.train, precision="32-true"),
    )
    first = embedded and values == 2  # CL-MOT, and FairMOT's first version; the last one says four sides
    detect: dict[str, Any] = {"max_detections": 128 if first else 500}
    tracker: dict[str, Any] = {"preset": "fairmot"}
    if first:
        tracker |= {"high_score": 0.6, "low_score": 0.6, "new_track_score": 0.6, "appearance_threshold": 0.7}
    if embedded and classes == ("person",):  # what they leave out when they write results
        tracker |= {"max_aspect": 1.6, "min_area": 200.0 if first else 100.0}
    config = config.updated({"detect": detect, "tracker": tracker})
    return config.updated(parse_overrides(overrides), "override")


def _fill(
    network: Network, tensors: Mapping[str, Tensor], architecture: Architecture, random: tuple[str, ...], file: Path
) -> set[str]:
    """Put the file's tensors into the network, except where a name begins with one of `random`; the keys used."""
    used = set()
    state = network.state_dict()
    for name, value in state.items():
        if name.endswith("num_batches_tracked") or name.startswith(random):
            continue
        key = architecture.original(name)
        if key not in tensors:
            raise UserError(f"{file}: not all of {architecture.name}: '{key}' {list(value.shape)} is missing")
        if tensors[key].shape != value.shape:
            raise UserError(
                f"{file}: '{key}' is {list(tensors[key].shape)}, {architecture.name} has {list(value.shape)}"
            )
        state[name] = tensors[key].to(value.dtype)
        used.add(key)
    network.load_state_dict(state)
    return used


def _take_rgb(network: Network) -> None:
    """Make CenterNet's first convolution, and the normalisation behind it, ready for RGB in [0, 1].

    Equal but for the outermost pixels: beyond the image, the original sees the mean colour and this one black.
    """
    state = network.state_dict()
    # timm's DLA and ResNet
    names = ("base_layer.0.weight", "base_layer.1.running_mean", "conv1.weight", "bn1.running_mean")
    weight, running_mean = (state[f"encoder.body.{name}"] for name in names if f"encoder.body.{name}" in state)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (CENTERNET_MEAN, CENTERNET_STD))
    scaled = weight / std
    running_mean += (scaled * mean).sum(dim=(1, 2, 3))
    weight.copy_(scaled.flip(1))
