"""OpenVINO: for processors and graphics of Intel; converted from the ONNX graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clmot.errors import UserError, reason_of
from clmot.export.packages import import_extra
from clmot.export.parity import Run

_SECTION = "clmot"


def to_openvino(onnx_file: Path) -> Any:
    """An ONNX file as an OpenVINO model, which asks for every input.

    Raises:
        UserError: openvino is missing.
    """
    return import_extra("openvino", "openvino").convert_model(str(onnx_file))


def save_openvino(model: Any, file: Path, strings: dict[str, str], half: bool) -> None:
    """Write ``.xml`` and the ``.bin`` beside it, with strings in the former.

    Args:
        model: of `to_openvino`.
        file: the ``.xml``.
        strings: the metadata.
        half: store weights in float16.
    """
    openvino = import_extra("openvino", "openvino")
    for key, value in strings.items():
        model.set_rt_info(value, [_SECTION, key])
    openvino.save_model(model, str(file), compress_to_fp16=half)


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
    if not model.has_rt_info([_SECTION]):
        return model, {}
    return model, {
        key: str(getattr(value, "value", value)) for key, value in model.get_rt_info([_SECTION]).value.items()
    }
