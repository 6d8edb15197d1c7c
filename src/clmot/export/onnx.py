"""ONNX: for ONNX Runtime and whatever else reads it."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from clmot.config import Config
from clmot.errors import UserError, reason_of
from clmot.export.graph import EXAMPLE_SIZE, Graph
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
    return model, any_size


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
