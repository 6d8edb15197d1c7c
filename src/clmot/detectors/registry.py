"""A detector by its description: library and name."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clmot.config import DetectorConfig
from clmot.errors import UserError, did_you_mean
from clmot.protocols import Detector

if TYPE_CHECKING:
    import torch

KINDS = {
    "torchvision": "torchvision:fasterrcnn_resnet50_fpn",
    "transformers": "transformers:FOLDER or a model's name on the hub",
    "rfdetr": "rfdetr:nano or rfdetr:checkpoint.pth",
    "ultralytics": "ultralytics:yolo11n.pt",
    "onnx": "onnx:detector.onnx",
    "openvino": "openvino:detector.xml",
    "python": "python:package.module:function or python:file.py:function",
    "encoder": "encoder:mobilenetv2_100 (timm), for boxes from files",
}
"""Libraries, and how their detectors are named."""


_OPENERS = {
    "torchvision": ("torchvision", "open_torchvision"),
    "transformers": ("transformers", "open_transformers"),
    "rfdetr": ("rfdetr", "open_rfdetr"),
    "ultralytics": ("ultralytics", "open_ultralytics"),
    "onnx": ("onnx_file", "open_onnx"),
    "openvino": ("onnx_file", "open_onnx"),
    "python": ("python_function", "open_function"),
    "encoder": ("encoder", "open_encoder"),
}
"""Module and function, which takes the name, its configuration, a device and the least score."""


def is_detector(name: str | Path) -> bool:
    """Whether this is LIBRARY:NAME and not a path."""
    return str(name).partition(":")[0] in KINDS and ":" in str(name) and not Path(name).exists()


def open_detector(
    config: DetectorConfig,
    *,
    device: torch.device | str = "cpu",
    min_score: float = 0.0,
    image_size: tuple[int, int] = (512, 288),
) -> Detector:
    """The detector that a configuration describes. Its library is imported only now.

    Args:
        config: which, with which weights and classes.
        device: where it runs.
        min_score: boxes with lower scores are left out.
        image_size: width and height of the input where the detector has no own opinion.

    Raises:
        UserError: there is no such library or detector, its package is missing, its weights cannot be had, or they are
            not those that `config.fingerprint` tells.
    """
    kind, _, name = config.name.partition(":")
    if kind not in KINDS or not name:
        known = "; ".join(KINDS.values())
        raise UserError(f"detector '{config.name}': write LIBRARY:NAME{did_you_mean(kind, KINDS)}: {known}")
    with _repeatable() if config.weights == "none" else contextlib.nullcontext():
        module, opener = _OPENERS[kind]
        options: dict[str, Any] = {"kind": kind} if module == "onnx_file" else {}
        options |= {"size": image_size} if module == "encoder" else {}
        # only now, for it imports its library
        opened = getattr(importlib.import_module(f"clmot.detectors.{module}"), opener)
        detector = opened(name, config, device, min_score, **options)
    actual = fingerprint_of(detector)
    if config.fingerprint and actual != config.fingerprint:
        raise UserError(
            f"detector {config.name}: its weights are not those that the embedding was learned on "
            f"({actual or 'none'} instead of {config.fingerprint}); name the right file with detector.weights"
        )
    return detector  # type: ignore[no-any-return]


@contextlib.contextmanager
def _repeatable() -> Iterator[None]:
    """Random weights that are the same every time: an embedding was learned on them."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def absolute_name(name: str) -> str:
    """LIBRARY:NAME with a file or folder in it that is found from wherever one stands."""
    kind, _, rest = name.partition(":")
    place, colon, function = rest.rpartition(":") if kind == "python" else (rest, "", "")
    is_file = kind not in ("torchvision", "encoder") and bool(place) and Path(place).exists()
    return f"{kind}:{Path(place).absolute()}{colon}{function}" if is_file else name


def fingerprint_of(detector: Any) -> str:
    """Of a detector's weights; empty where it does not tell."""
    tell = getattr(detector, "fingerprint", None)
    return str(tell()) if tell else ""
