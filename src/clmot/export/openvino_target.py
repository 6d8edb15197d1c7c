"""OpenVINO: for processors and graphics of Intel; converted from the ONNX graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clmot.io.runtimes import METADATA_SECTION, import_extra


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
        model.set_rt_info(value, [METADATA_SECTION, key])
    openvino.save_model(model, str(file), compress_to_fp16=half)
