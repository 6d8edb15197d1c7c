"""ONNX: for ONNX Runtime and whatever else reads it."""

from __future__ import annotations

import logging
import re
import warnings
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from clmot.config import Config
from clmot.errors import UserError, reason_of
from clmot.export.graphs import EXAMPLE_SIZE, Graph
from clmot.io.runtimes import import_extra

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch.export import ExportedProgram

log = logging.getLogger(__name__)

OPSET = 18
"""Of 2022: the first in which every operation we use means what we mean."""


def to_onnx(graph: Graph, config: Config) -> tuple[ModelProto, bool]:
    """A graph as ONNX, of any batch, and of any size where the network allows that.

    Args:
        graph: what is exported.
        config: for the input size.

    Returns:
        The model, and whether other sizes than the configured one are possible.

    Raises:
        UserError: the packages of ``clmot[onnx]`` are missing, or the network cannot be converted.
    """
    import_extra("onnxscript", "onnx")
    import_extra("onnxruntime", "onnx")
    program, any_size = _traced(graph, config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            converted: Any = torch.onnx.export(
                program,
                dynamo=True,
                opset_version=OPSET,
                input_names=graph.inputs,
                output_names=graph.outputs,
                verbose=False,
            )
        except Exception as error:  # the exporter's own
            raise UserError(f"export to ONNX: an operation is not known ({reason_of(error)})") from error
    model = converted.model_proto
    for node in model.graph.node:
        node.ClearField("metadata_props")  # which lines of whose files it came from
    _name_axes(model.graph)
    return model, any_size


def _name_axes(graph: Any) -> None:
    """Call axes batch, height and width, or shares of these (``height/4``), in place of torch's numbered symbols."""
    axes = graph.input[0].type.tensor_type.shape.dim
    symbols: dict[str, tuple[str, int]] = {}
    for axis, name in ((0, "batch"), (2, "height"), (3, "width")):
        match = re.fullmatch(r"(?:(\d+)\*)?(\w+)", axes[axis].dim_param)
        if match:
            symbols[match[2]] = (name, int(match[1] or 1))

    def named(match: re.Match[str]) -> str:
        if match[2] not in symbols:
            return match[0]
        name, unit = symbols[match[2]]
        times, parts = Fraction(int(match[1] or 1), unit).as_integer_ratio()
        return (f"{times}*" if times > 1 else "") + name + (f"/{parts}" if parts > 1 else "")

    for value in (*graph.input, *graph.output, *graph.value_info):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param:
                axis.dim_param = re.sub(r"(?:(\d+)\*)?\b([a-z]\w*)\b", named, axis.dim_param)


def _traced(graph: Graph, config: Config) -> tuple[ExportedProgram, bool]:
    """A graph as a program of any batch, and of any size where the network allows that; whether it does.

    Raises:
        UserError: the network cannot be traced.
    """
    if graph.any_size:
        try:
            return _trace(graph, config, any_size=True), True
        except Exception as error:  # torch's own, and those of encoders that want to know the size
            log.info("this network can be exported for one size only (%s)", reason_of(error))
    try:
        return _trace(graph, config, any_size=False), False
    except Exception as error:
        raise UserError(f"export: this network cannot be traced ({reason_of(error)})") from error


def _trace(graph: Graph, config: Config, any_size: bool) -> ExportedProgram:
    example = graph.example(EXAMPLE_SIZE if any_size else graph.size_in_use(config))
    return torch.export.export(graph, example, dynamic_shapes=graph.dynamic_shapes(any_size), strict=False)


def set_default(model: ModelProto, name: str, value: float) -> None:
    """Give a float32 scalar input a value where none is given: that of the initializer of its name."""
    from onnx import numpy_helper

    model.graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), name=name))


def set_metadata(model: ModelProto, strings: dict[str, str]) -> None:
    """Store strings in the file, where every ONNX tool shows them."""
    from onnx import helper

    helper.set_model_props(model, strings)
