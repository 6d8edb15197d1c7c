"""TorchScript: for programs in C++ with LibTorch."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch

from clmot.config import Config
from clmot.export.graph import Graph
from clmot.export.parity import Array, Run


def save_torchscript(graph: Graph, config: Config, file: Path, strings: dict[str, str]) -> None:
    """Trace a graph and write it with strings beside it.

    It takes any batch and size, unless the encoder computes with them in Python: the parity check says.
    """
    with warnings.catch_warnings(), torch.inference_mode():
        # torch calls it deprecated, and warns of every size that is looked at
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(graph, graph.example(graph.size_in_use(config)), check_trace=False)  # type: ignore[no-untyped-call]
        torch.jit.save(traced, file, _extra_files=strings)


def run_torchscript(file: Path) -> Run:
    """A file's outputs in order."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = torch.jit.load(file)  # type: ignore[no-untyped-call]

    def run(inputs: dict[str, Array]) -> list[Array]:
        with torch.inference_mode():
            return [np.asarray(tensor) for tensor in module(*(torch.from_numpy(each) for each in inputs.values()))]

    return run
