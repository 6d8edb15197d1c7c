"""Networks in files of other runtimes: ONNX Runtime and OpenVINO, loaded only where they are used."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from clmot.errors import UserError, reason_of

Array = npt.NDArray[Any]
Run = Callable[[dict[str, Array]], Sequence[Array]]
"""Named inputs to the outputs of a network, in order."""

METADATA_SECTION = "clmot"
"""Where an OpenVINO file holds what it says about itself."""


def import_extra(package: str, extra: str) -> Any:
    """Import a package of one of clmot's extras.

    Raises:
        UserError: it is not installed; the message names the extra.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise UserError(f"{package} is not installed; pip install 'clmot[{extra}]'") from error


def onnx_session(model: str | bytes, device: str = "cpu") -> Any:
    """An ONNX Runtime session.

    Args:
        model: path or content of the file.
        device: ``cpu``; ``auto``, ``cuda`` and ``cuda:N`` use a GPU where the installed package can.

    Raises:
        UserError: onnxruntime is missing.
    """
    runtime = import_extra("onnxruntime", "onnx")
    options = runtime.SessionOptions()
    options.log_severity_level = 3  # errors: what it thinks of a graph is not the user's business
    providers: list[Any] = ["CPUExecutionProvider"]
    if device != "cpu" and "CUDAExecutionProvider" in runtime.get_available_providers():
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": int(device.partition(":")[2] or 0)}))
    return runtime.InferenceSession(model, options, providers=providers)


def run_onnx(session: Any) -> Run:
    """A session's outputs in order."""
    return lambda inputs: session.run(None, inputs)


def run_openvino(model: Any, device: str = "CPU") -> Run:
    """Compile a model; outputs in order. Computes in float32, also where weights are stored in less."""
    openvino = import_extra("openvino", "openvino")
    compiled = openvino.Core().compile_model(model, device, {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda inputs: [value.copy() for value in compiled(inputs).values()]


def read_openvino(file: Path) -> tuple[Any, dict[str, str]]:
    """A model and its metadata from an ``.xml`` file.

    Raises:
        UserError: openvino is missing, or the file cannot be read.
    """
    openvino = import_extra("openvino", "openvino")
    try:
        model = openvino.Core().read_model(str(file))
    except RuntimeError as error:
        raise UserError(f"{file}: not a readable OpenVINO model ({reason_of(error)})") from error
    if not model.has_rt_info([METADATA_SECTION]):
        return model, {}
    return model, {
        key: str(getattr(value, "value", value)) for key, value in model.get_rt_info([METADATA_SECTION]).value.items()
    }
