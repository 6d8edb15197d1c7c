"""torch.export: an exported program (``.pt2``) for AOTInductor, ExecuTorch and Python without clmot."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch

from clmot.config import Config
from clmot.errors import UserError, reason_of
from clmot.export.graph import EXAMPLE_SIZE, Graph
from clmot.export.parity import Array, Run

if TYPE_CHECKING:
    from torch.export import ExportedProgram

log = logging.getLogger(__name__)


def to_program(graph: Graph, config: Config) -> tuple[ExportedProgram, bool]:
    """A graph as an exported program of any batch, and of any size where the network allows that.

    Returns:
        The program, and whether other sizes than the configured one are possible.

    Raises:
        UserError: the network cannot be converted.
    """
    if graph.any_size:
        try:
            return _convert(graph, config, any_size=True), True
        except Exception as error:  # torch's own, and those of encoders that want to know the size
            log.info("this network can be exported for one size only (%s)", reason_of(error))
    try:
        return _convert(graph, config, any_size=False), False
    except Exception as error:
        raise UserError(f"export: this network cannot be traced ({reason_of(error)})") from error


def _convert(graph: Graph, config: Config, any_size: bool) -> ExportedProgram:
    example = graph.example(EXAMPLE_SIZE if any_size else graph.size_in_use(config))
    return torch.export.export(graph, example, dynamic_shapes=graph.dynamic_shapes(any_size), strict=False)


def run_program(program: ExportedProgram) -> Run:
    """An exported program's outputs in order."""
    module = program.module()

    def run(inputs: dict[str, Array]) -> list[Array]:
        with torch.inference_mode():
            return [tensor.numpy() for tensor in module(*(torch.from_numpy(each) for each in inputs.values()))]

    return run
