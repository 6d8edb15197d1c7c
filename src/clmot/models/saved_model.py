"""Saved models: weights and the configuration they belong to, from a run, a checkpoint or a file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from safetensors import SafetensorError, safe_open

from clmot.config import Config
from clmot.errors import UserError, did_you_mean, reason_of
from clmot.io.kinds import kind_of
from clmot.shipped import NAMES

if TYPE_CHECKING:
    from torch import Tensor, nn

MODEL_FILE = "model.safetensors"
BEST = "best"
"""Folder of a validated run with the weights that scored highest."""
# while a checkpoint gives way to another of its step it is called .before, see `clmot.io.atomic.publish`
CHECKPOINT_NAME = re.compile(r"checkpoint-(\d{6,})(\.before)?")


class SavedModel(NamedTuple):
    """Weights and the configuration they belong to."""

    config: Config
    weights: dict[str, Tensor]
    file: Path


def find_checkpoint(run: Path) -> Path | None:
    """The newest complete checkpoint of a run folder, or None."""
    found = [(match, path) for path in run.glob("checkpoint-*") if (match := CHECKPOINT_NAME.fullmatch(path.name))]
    steps = {(int(match[1]), not match[2]): path for match, path in found if path.is_dir()}
    return steps[max(steps)] if steps else None


def load_saved_model(path: Path, weights: bool = True) -> SavedModel:
    """Read weights and configuration from a run folder, a checkpoint folder or a ``.safetensors`` file.

    Of a run, those are its best weights where it was validated, else its newest checkpoint.

    Args:
        path: the run, checkpoint or file.
        weights: read them too, which needs torch.

    Raises:
        UserError: there is no checkpoint, or the file is broken or not clmot's.
    """
    if not path.exists():
        raise UserError(f"{path}: no such run or model file{did_you_mean(str(path), NAMES)}")
    file = path
    if path.is_dir():
        places = [place for place in (path, path / BEST) if (place / MODEL_FILE).is_file()]
        checkpoint = places[0] if places else find_checkpoint(path)
        if checkpoint is None:
            raise UserError(f"{path}: holds no checkpoint (expected checkpoint-NNNNNN/{MODEL_FILE}); train one first")
        file = checkpoint / MODEL_FILE
    try:
        with safe_open(file, framework="pt" if weights else "numpy") as opened:
            metadata = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()} if weights else {}
    except (OSError, SafetensorError) as error:
        hint = (
            "; clmot import-weights reads those of FairMOT and CL-MOT" if file.suffix in (".pt", ".pth", ".tar") else ""
        )
        kind = kind_of(file)
        raise UserError(f"{file}: is {kind}, no model of clmot{hint} ({reason_of(error)})") from error
    if "config" not in metadata:
        raise UserError(f"{file}: is {kind_of(file)} without clmot's configuration; was it made by clmot train?")
    config = Config.from_yaml(metadata["config"], str(file))
    return SavedModel(config, tensors, file)


def is_model_file(path: Path) -> bool:
    """Whether a path is a file of weights with clmot's configuration, under whatever name."""
    try:
        with safe_open(path, framework="numpy") as opened:
            return "config" in (opened.metadata() or {})
    except (OSError, SafetensorError):
        return False


def load_weights(network: nn.Module, saved: SavedModel) -> None:
    """Put saved weights into a network.

    Raises:
        UserError: a tensor is missing, unknown or of another shape; the first is named.
    """
    wanted = network.state_dict()
    for name, value in wanted.items():
        if name not in saved.weights:
            raise UserError(f"{saved.file}: does not fit this network: '{name}' is missing")
        if saved.weights[name].shape != value.shape:
            raise UserError(
                f"{saved.file}: does not fit this network: '{name}' is {list(saved.weights[name].shape)}, "
                f"the network has {list(value.shape)}"
            )
    for name in saved.weights:
        if name not in wanted:
            raise UserError(f"{saved.file}: does not fit this network: '{name}' is not part of it")
    network.load_state_dict(saved.weights)
