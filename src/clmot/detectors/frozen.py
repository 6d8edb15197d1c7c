"""What adapters of torch networks share."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from clmot.errors import UserError
from clmot.models.encoder import read_state_dict
from clmot.structures import Image


def frozen(model: nn.Module, device: torch.device | str) -> Any:
    """The network in evaluation mode, on a device, without gradients."""
    return model.eval().requires_grad_(False).to(device)


def fingerprint(model: nn.Module) -> str:
    """Tells weights apart: the start of their SHA-256."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def to_tensors(images: Sequence[Image], device: torch.device | str) -> list[Tensor]:
    """uint8 [h, w, 3] arrays to float32 [3, h, w] tensors in [0, 1]."""
    return [torch.from_numpy(np.ascontiguousarray(image)).to(device).permute(2, 0, 1).float() / 255 for image in images]


def load_into(model: nn.Module, file: Path, name: str) -> None:
    """Give a network the weights in a safetensors or PyTorch file.

    Raises:
        UserError: the file cannot be read, or a tensor is missing, unknown or of another shape.
    """
    saved, wanted = read_state_dict(file), model.state_dict()
    for key, value in wanted.items():
        if key not in saved and not key.endswith("num_batches_tracked"):
            raise UserError(f"{file}: no weights of {name}: '{key}' is missing")
        if key in saved and saved[key].shape != value.shape:
            raise UserError(
                f"{file}: no weights of {name}: '{key}' is {list(saved[key].shape)}, the detector has "
                f"{list(value.shape)} (its number of classes, or another option, goes into detector.options)"
            )
    others = [key for key in saved if key not in wanted]
    if others:
        raise UserError(f"{file}: no weights of {name}: '{others[0]}' is not part of it")
    model.load_state_dict(saved, strict=False)


def names_of(given: Sequence[str], known: Mapping[int, str], first: int = 0) -> dict[int, str]:
    """What labels mean: as given, numbered from `first`, or else as the library knows it."""
    return {first + index: name for index, name in enumerate(given)} if given else dict(known)
