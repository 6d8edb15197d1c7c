"""What a device may be called: one rule for `--device`, `train.device` and every `device=`."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from clmot.errors import UserError


def device_name(device: Any, name: str = "device") -> str:
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N`` for what a device is called in any case, or as number of a GPU.

    Args:
        device: a string, a number, or torch's device.
        name: of the option, for the message.

    Raises:
        UserError: it means something else.
    """
    said = str(device).strip().lower()
    numbered = re.fullmatch(r"(?:(?:cuda|gpu):)?(\d+)", said)
    if numbered:
        return f"cuda:{int(numbered[1])}"
    known = {"auto": "auto", "cpu": "cpu", "cpu:0": "cpu", "cuda": "cuda", "gpu": "cuda"}
    if said not in known:
        raise UserError(f"{name} '{device}': clmot computes on cpu and cuda; write auto, cpu, cuda or cuda:N")
    return known[said]


def has_gpu() -> bool:
    """Whether there may be a CUDA device here; asks no library, as importing torch takes seconds."""
    return any(Path("/dev").glob("nvidia[0-9]*")) or shutil.which("nvidia-smi") is not None


def choose_device(device: Any, name: str = "device") -> str:
    """``cpu``, ``cuda`` or ``cuda:N`` of this machine; ``auto`` is a GPU where there is one.

    Arguments as of `device_name`.

    Raises:
        UserError: as `device_name`, or there is no such GPU.
    """
    import torch  # configurations are checked without it

    chosen, count = device_name(device, name), torch.cuda.device_count() if torch.cuda.is_available() else 0
    if chosen == "auto":
        return "cuda" if count else "cpu"
    if chosen != "cpu" and not count:
        raise UserError(f"{name} '{device}': no CUDA device here; use cpu or auto")
    if int(chosen.partition(":")[2] or 0) >= max(count, 1):
        raise UserError(f"{name} '{device}': the CUDA devices here are {', '.join(f'cuda:{n}' for n in range(count))}")
    return chosen
