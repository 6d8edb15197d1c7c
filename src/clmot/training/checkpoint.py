"""Checkpoints: one folder a checkpoint, complete or not there at all.

A run folder holds ``checkpoint-000200/`` and so on, each with ``model.safetensors`` (the averaged weights, with the
configuration in its metadata: all that tracking needs, and a file that can be moved anywhere) and ``state.pt``
(everything that resuming needs). A checkpoint is written beside its final name and renamed when it is complete, and
the previous one is deleted only then: a kill or a full disk at any moment leaves the last good one. Where a run is
validated, ``best/model.safetensors`` are the best weights so far, and what a run is loaded from.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from clmot.config import Config
from clmot.errors import UserError, reason_of
from clmot.io.atomic import whole_folder
from clmot.models.saved_model import BEST, CHECKPOINT_NAME, MODEL_FILE, find_checkpoint

STATE_FILE = "state.pt"


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
    try:
        with whole_folder(final, "the checkpoint", replace=True) as partial:
            _write_model(partial / MODEL_FILE, step, config, weights)
            if state is not None:
                _write_state(state, partial / STATE_FILE)
    except UserError as error:
        kept = find_checkpoint(run)
        raise UserError(f"{error}; {f'the last good one is {kept}' if kept else 'there is none yet'}") from error
    for other in run.glob("checkpoint-*"):
        if other != final and CHECKPOINT_NAME.fullmatch(other.name):
            shutil.rmtree(other, ignore_errors=True)
    return final


def save_best(run: Path, step: int, config: Config, weights: dict[str, Tensor]) -> None:
    """Write the weights that a validation found to be the best so far, in place of those before.

    Raises:
        UserError: they could not be written.
    """
    with whole_folder(run / BEST, "the best weights", replace=True) as partial:
        _write_model(partial / MODEL_FILE, step, config, weights)


def _write_model(path: Path, step: int, config: Config, weights: dict[str, Tensor]) -> None:
    metadata = {"format": "clmot", "step": str(step), "config": config.to_yaml()}
    path.write_bytes(save({name: value.contiguous() for name, value in weights.items()}, metadata=metadata))


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
