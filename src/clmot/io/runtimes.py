"""Networks in files of other runtimes: ONNX Runtime and OpenVINO, imported only where they are used."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy.typing as npt

from clmot.errors import UserError, reason_of

Array = npt.NDArray[Any]
Run = Callable[[dict[str, Array]], Sequence[Array]]
"""Named inputs to the outputs of a network, in order."""

METADATA_SECTION = "clmot"
"""Where an OpenVINO file holds what it says about itself."""


class Port(NamedTuple):
    """An input or output of a network; lengths that may differ are -1."""

    name: str
    shape: tuple[int, ...]


class RuntimeNetwork(NamedTuple):
    """A network in a file, ready to run.

    Attributes:
        inputs, outputs: what goes in and comes out.
        run: computes the outputs.
        metadata: what the file says about itself.
        on_gpu: whether it computes on a GPU.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    run: Run
    metadata: dict[str, str]
    on_gpu: bool = False

    def cpu_only(self, device: str) -> str:
        """Why it computes on the CPU although a GPU is asked for; empty where it does as it is asked."""
        if self.on_gpu or not device.startswith("cuda"):
            return ""
        return "its runtime here has no CUDA (of ONNX Runtime, onnxruntime-gpu has; OpenVINO has none)"


def import_extra(package: str, extra: str) -> Any:
    """Import a package of one of clmot's extras.

    Raises:
        UserError: it cannot be imported; the message names the extra.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise UserError(
            f"the package {package} cannot be imported ({reason_of(error)}); pip install 'clmot[{extra}]'"
        ) from error


def open_network(file: Path, device: str = "cpu") -> RuntimeNetwork:
    """The network in an ONNX file, or in an ``.xml`` of OpenVINO with the ``.bin`` beside it. Computes in float32.

    Args:
        file: the file.
        device: ``cpu``; ``auto``, ``cuda`` and ``cuda:N`` use a GPU where the runtime can.

    Raises:
        UserError: the runtime cannot be imported, or not read the file.
    """
    is_openvino = file.suffix == ".xml"
    runtime = import_extra("openvino", "openvino") if is_openvino else import_extra("onnxruntime", "onnx")
    try:
        return _openvino(runtime, file) if is_openvino else _onnx(runtime, file, device)
    except Exception as error:  # every runtime has its own, and a class for each reason
        kind = "OpenVINO" if is_openvino else "ONNX"
        raise UserError(f"{file}: not a readable {kind} model ({reason_of(error)})") from error


def _onnx(runtime: Any, file: Path, device: str) -> RuntimeNetwork:
    options = runtime.SessionOptions()
    options.log_severity_level = 3  # errors: what it thinks of a graph is not the user's business
    providers: list[Any] = ["CPUExecutionProvider"]
    if device != "cpu" and "CUDAExecutionProvider" in runtime.get_available_providers():
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": int(device.partition(":")[2] or 0)}))
    session = runtime.InferenceSession(str(file), options, providers=providers)

    def ports(values: Sequence[Any]) -> tuple[Port, ...]:
        lengths = [[side if isinstance(side, int) else -1 for side in value.shape or ()] for value in values]
        return tuple(Port(value.name, tuple(each)) for value, each in zip(values, lengths, strict=True))

    return RuntimeNetwork(
        ports(session.get_inputs()),
        ports(session.get_outputs()),
        lambda inputs: session.run(None, inputs),
        session.get_modelmeta().custom_metadata_map,
        on_gpu="CUDAExecutionProvider" in session.get_providers(),
    )


def _openvino(runtime: Any, file: Path) -> RuntimeNetwork:
    core = runtime.Core()
    model = core.read_model(str(file))
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def ports(values: Sequence[Any]) -> tuple[Port, ...]:
        lengths = [[side.get_length() if side.is_static else -1 for side in each.partial_shape] for each in values]
        return tuple(Port(value.get_any_name(), tuple(each)) for value, each in zip(values, lengths, strict=True))

    found = model.get_rt_info([METADATA_SECTION]).value if model.has_rt_info([METADATA_SECTION]) else {}
    return RuntimeNetwork(
        ports(model.inputs),
        ports(model.outputs),
        lambda inputs: [value.copy() for value in compiled(inputs).values()],
        {key: str(getattr(value, "value", value)) for key, value in found.items()},
    )
