"""Checkpoints: one folder a checkpoint, complete or not there at all.

A run folder holds ``checkpoint-000200/`` and so on, each with ``model.safetensors`` (the averaged weights, with the
configuration in its metadata: all that tracking needs, and a file that can be moved anywhere) and ``state.pt``
(everything that resuming needs). A checkpoint is written beside its final name and renamed when it is complete, and
the previous one is deleted only then: a kill or a full disk at any moment leaves the last good one.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from clmot.config import Config
from clmot.errors import UserError, reason_of
from clmot.io.whole import whole_folder

MODEL_FILE = "model.safetensors"
STATE_FILE = "state.pt"
# while a checkpoint gives way to another of its step it is called .before, see `clmot.io.whole.publish`
_PATTERN = re.compile(r"checkpoint-(\d{6,})(\.before)?")


class SavedModel(NamedTuple):
    """Weights and the configuration they belong to."""

    config: Config
    weights: dict[str, Tensor]
    file: Path


def save_checkpoint(
    run: Path, step: int, config: Config, weights: dict[str, Tensor], state: dict[str, Any] | None
) -> Path:
    """Write the checkpoint of a step and delete the run's older ones.

    Args:
        run: the run folder.
        step: steps done.
        config: saved beside the weights.
        weights: what tracking uses.
        state: what resuming needs: tensors, numbers and strings only; None: weights that no run can resume.

    Raises:
        UserError: it could not be written (a full disk, no permission); older checkpoints are untouched.
    """
    final = run / f"checkpoint-{step:06d}"
    metadata = {"format": "clmot", "step": str(step), "config": config.to_yaml()}
    try:
        with whole_folder(final, "the checkpoint", replace=True) as partial:
            (partial / MODEL_FILE).write_bytes(
                save({name: value.contiguous() for name, value in weights.items()}, metadata=metadata)
            )
            if state is not None:
                _write_state(state, partial / STATE_FILE)
    except UserError as error:
        kept = find_checkpoint(run)
        raise UserError(f"{error}; {f'the last good one is {kept}' if kept else 'there is none yet'}") from error
    for other in run.glob("checkpoint-*"):
        if other != final and _PATTERN.fullmatch(other.name):
            shutil.rmtree(other, ignore_errors=True)
    return final


def _write_state(state: dict[str, Any], path: Path) -> None:
    """Write it; a full disk is an `OSError`."""
    with path.open("wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:
            # after a write that failed torch fails once more, while it ends its archive
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def find_checkpoint(run: Path) -> Path | None:
    """The newest complete checkpoint of a run folder, or None."""
    found = [(match, path) for path in run.glob("checkpoint-*") if (match := _PATTERN.fullmatch(path.name))]
    steps = {(int(match[1]), not match[2]): path for match, path in found if path.is_dir()}
    return steps[max(steps)] if steps else None


def load_saved_model(path: Path) -> SavedModel:
    """Read weights and configuration from a run folder, a checkpoint folder or a ``.safetensors`` file.

    Raises:
        UserError: there is no checkpoint, or the file is broken or not clmot's.
    """
    if not path.exists():
        raise UserError(f"{path}: no such run or model file")
    file = path
    if path.is_dir():
        checkpoint = path if (path / MODEL_FILE).is_file() else find_checkpoint(path)
        if checkpoint is None:
            raise UserError(f"{path}: holds no checkpoint (expected checkpoint-NNNNNN/{MODEL_FILE}); train one first")
        file = checkpoint / MODEL_FILE
    try:
        with safe_open(file, framework="pt") as opened:
            metadata = opened.metadata() or {}
            weights = {name: opened.get_tensor(name) for name in opened.keys()}
    except (OSError, SafetensorError) as error:
        raise UserError(f"{file}: not a readable model file ({reason_of(error)})") from error
    if "config" not in metadata:
        raise UserError(f"{file}: safetensors without clmot's configuration; was it made by clmot train?")
    config = Config.from_yaml(metadata["config"], str(file))
    return SavedModel(config, weights, file)


def is_model_file(path: Path) -> bool:
    """Whether a path is a file of weights with clmot's configuration, under whatever name."""
    try:
        with safe_open(path, framework="pt") as opened:
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


def load_state(checkpoint: Path) -> dict[str, Any]:
    """What `save_checkpoint` was given as state.

    Raises:
        UserError: the file is missing or broken.
    """
    file = checkpoint / STATE_FILE
    if not file.exists() and (checkpoint / MODEL_FILE).exists():
        raise UserError(
            f"{checkpoint}: holds weights and no run to resume; train from them with --start and another --out"
        )
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken archive raises many types
        raise UserError(f"{file}: cannot resume from it ({reason_of(error)})") from error
    if not isinstance(state, dict):
        raise UserError(f"{file}: cannot resume from it (no state inside)")
    return state
