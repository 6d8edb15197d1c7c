"""A plain Python function as a detector."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clmot.config import DetectorConfig
from clmot.detectors.frozen import names_of
from clmot.detectors.output_parser import OutputParser
from clmot.errors import UserError, reason_of
from clmot.structures import Detections, Image


class FunctionDetector:
    """Calls a function for each image.

    Args:
        function: takes uint8 [h, w, 3] RGB; gives `Detections`, a tuple (boxes [n, 4], scores [n], labels [n]), a
            mapping with ``boxes``, ``scores`` and ``labels`` (what else is in it goes with the boxes, such as
            ``keypoints``), or rows [n, 6] of x1, y1, x2, y2, score, label.
        labels: names of the labels 0, 1, ...
        classes: names of those to find; empty: all.
        min_score: boxes with lower scores are left out.
        name: for messages.
    """

    def __init__(
        self,
        function: Callable[[Image], Any],
        labels: Sequence[str] = ("person",),
        *,
        classes: Sequence[str] = (),
        min_score: float = 0.0,
        name: str = "",
    ) -> None:
        self._function = function
        self._name = name or getattr(function, "__name__", type(function).__name__)
        self._parse = OutputParser(self._name, dict(enumerate(labels)), classes, min_score)

    @property
    def classes(self) -> Sequence[str]:
        """Class names."""
        return self._parse.classes

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """The objects of each image.

        Raises:
            UserError: the function gives something else, or nonsense.
        """
        return [self._parse(*self._parts(self._function(image))) for image in images]

    def _parts(self, output: Any) -> tuple[Any, ...]:
        if isinstance(output, Detections):
            return output.xyxy, output.score, output.class_id, output.data
        if isinstance(output, dict) and {"boxes", "scores", "labels"} <= output.keys():
            others = dict(output)
            return *(others.pop(name) for name in ("boxes", "scores", "labels")), others
        if isinstance(output, tuple) and len(output) == 3:
            return output
        rows = output if isinstance(output, np.ndarray | list) or hasattr(output, "shape") else None
        if rows is not None and not len(rows):
            return np.empty((0, 4)), np.empty(0), np.empty(0)
        if rows is not None:
            table = np.asarray(rows, np.float64)
            if table.ndim == 2 and table.shape[1] == 6:
                return table[:, :4], table[:, 4], table[:, 5]
        shape = f" {list(output.shape)}" if hasattr(output, "shape") else ""
        raise UserError(
            f"detector {self._name}: gave {type(output).__name__}{shape}; Detections, (boxes, scores, labels) or rows "
            "[n, 6] of x1, y1, x2, y2, score, label are needed"
        )


def open_function(name: str, config: DetectorConfig, device: torch.device | str, min_score: float) -> FunctionDetector:
    """A function by where it is: ``package.module:function`` or ``file.py:function``.

    Raises:
        UserError: there is none.
    """
    place, colon, attribute = name.rpartition(":")
    if not colon:
        raise UserError(
            f"detector python:{name}: write it as python:package.module:function or python:file.py:function"
        )
    try:
        module = _module_of_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
        function = getattr(module, attribute)
    except (ImportError, AttributeError, OSError) as error:
        raise UserError(f"detector python:{name}: no such function ({reason_of(error)})") from error
    if not callable(function):
        raise UserError(f"detector python:{name}: is {type(function).__name__}, not a function")
    labels = list(names_of(config.labels, {0: "person"}).values())
    return FunctionDetector(function, labels, classes=config.classes, min_score=min_score, name=f"python:{name}")


def _module_of_file(file: Path) -> Any:
    if not file.is_file():
        raise ImportError(f"{file}: no such file")
    specification = importlib.util.spec_from_file_location(f"clmot_detector_{file.stem}", file)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module
