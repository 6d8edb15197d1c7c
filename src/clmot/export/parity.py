"""Whether an exported graph gives what the network gives: without that, nothing is written."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from clmot.boxes import iou
from clmot.errors import UserError, reason_of
from clmot.export.crops import CropsGraph
from clmot.export.graphs import SMALLEST_SIDE, DetectionsGraph, Graph
from clmot.io.runtimes import Array, Run
from clmot.structures import Float32Array


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """How far an exported graph may be from the float32 network.

    Attributes:
        maps: largest difference of a map's value, relative to the largest value of that map (at least 1).
        score: largest difference of a detection's score.
        overlap: least IoU of a detection's two boxes.
        cosine: largest cosine distance of a detection's two embeddings.
        missing: largest share of detections that the other side lacks. Two cells of a heatmap that differ by less
            than rounding change places: a peak may move by a cell, or appear and vanish.
    """

    maps: float
    score: float
    overlap: float
    cosine: float
    missing: float


FLOAT32 = Tolerance(maps=1e-3, score=1e-3, overlap=0.99, cosine=1e-4, missing=0.02)
"""Other kernels add in another order."""
HALF = Tolerance(maps=5e-2, score=2e-2, overlap=0.9, cosine=1e-2, missing=0.1)
"""float16 has eleven bits."""
ANY = Tolerance(maps=math.inf, score=math.inf, overlap=0.0, cosine=math.inf, missing=1.0)
"""It runs, and gives numbers in the right shapes: what eight bits change is judged on images, not on noise."""


def check_parity(
    name: str, graph: Graph, reference: Graph, run: Run, sizes: Iterable[tuple[int, int]], tolerance: Tolerance
) -> float:
    """Compare an exported graph with the network on random pictures: each size, one image and three.

    Args:
        name: of the target, for the message.
        graph: what was exported, which names the inputs.
        reference: the same in float32.
        run: runs the exported one.
        sizes: widths and heights.
        tolerance: how far apart they may be.

    Returns:
        The largest difference found, as a share of what is allowed.

    Raises:
        UserError: it is larger, or the exported graph does not run.
    """
    worst = 0.0
    for size in sizes:
        for batch in (1, 3):
            images = pictures(batch, size)
            with torch.inference_mode():
                expected = [tensor.numpy() for tensor in reference(*reference.inputs_of(images))]
            arrays = {key: tensor.numpy() for key, tensor in zip(graph.inputs, graph.inputs_of(images), strict=True)}
            case = f"{name}: not written: {batch} of {size[0]}x{size[1]}"
            try:
                actual = list(run(arrays))
            except Exception as error:  # every runtime has its own
                raise UserError(f"{case} cannot be run ({reason_of(error)})") from error
            for got, wanted, output in zip(actual, expected, graph.outputs, strict=True):
                if got.shape != wanted.shape:
                    raise UserError(
                        f"{case}: output {output} is {list(got.shape)}, the network's {list(wanted.shape)}; "
                        "the encoder may allow one size only"
                    )
            for what, apart, allowed in _apart(graph)(actual, expected, graph.outputs, tolerance):
                if not apart <= allowed:  # NaN is no number that is small enough
                    raise UserError(f"{case}: {what} differs by {apart:.2g}, {allowed:.2g} is allowed")
                worst = max(worst, apart / allowed)
    return worst


def pictures(batch: int, size: tuple[int, int], seed: int = 0) -> torch.Tensor:
    """Random blobs with noise, uint8 [batch, 3, height, width]; the same for the same arguments."""
    generator = torch.Generator().manual_seed(seed)
    width, height = size
    blobs = F.interpolate(torch.rand(batch, 3, 8, 8, generator=generator), (height, width), mode="bicubic")
    noise = torch.rand(batch, 3, height, width, generator=generator) - 0.5
    return (255 * blobs + 40 * noise).clamp(0, 255).to(torch.uint8)


def parity_sizes(size: tuple[int, int], any_size: bool) -> list[tuple[int, int]]:
    """The size in use, and where others are possible one that is higher and less wide."""
    width, height = (max(side, SMALLEST_SIDE) for side in size)
    return [(width, height), (max(width - 32, SMALLEST_SIDE), height + 64)] if any_size else [size]


Difference = tuple[str, float, float]
"""What differs, by how much, and how much is allowed."""


Compare = Callable[[Sequence[Array], Sequence[Array], Sequence[str], Tolerance], list[Difference]]


def _apart(graph: Graph) -> Compare:
    if isinstance(graph, CropsGraph):
        return _embeddings_apart
    return _detections_apart if isinstance(graph, DetectionsGraph) else _maps_apart


def _maps_apart(
    actual: Sequence[Array], expected: Sequence[Array], names: Sequence[str], tolerance: Tolerance
) -> list[Difference]:
    return [
        (name, float(np.abs(got - wanted).max() / max(1.0, float(np.abs(wanted).max()))), tolerance.maps)
        for got, wanted, name in zip(actual, expected, names, strict=True)
    ]


def _embeddings_apart(
    actual: Sequence[Array], expected: Sequence[Array], names: Sequence[str], tolerance: Tolerance
) -> list[Difference]:
    cosine = (actual[0].astype(np.float64) * expected[0]).sum(axis=1)
    length = np.linalg.norm(actual[0].astype(np.float64), axis=1)
    return [
        (f"the cosine of {names[0]}", float((1 - cosine).max()), tolerance.cosine),
        (f"the length of {names[0]}", float(np.abs(length - 1).max()), tolerance.cosine),
    ]


def _detections_apart(
    actual: Sequence[Array], expected: Sequence[Array], names: Sequence[str], tolerance: Tolerance
) -> list[Difference]:
    """The share of detections without a like one on the other side, looked for both ways."""
    if not all(np.isfinite(each).all() for each in actual):
        return [("a value", float("nan"), 0.0)]
    missing, total = 0, 0
    rows = expected[1].shape[1]
    for image in range(len(expected[0])):
        sides = [_objects(side, image) for side in (actual, expected)]
        for (boxes, scores, classes, embeddings), other in (sides, sides[::-1]):
            # who comes last among the K best may be another on the other side
            last = float(other[1].min()) if len(other[1]) == rows else 0.0
            counted = scores > last + tolerance.score
            alike = (
                (classes[:, None] == other[2])
                & (np.abs(scores[:, None] - other[1]) <= tolerance.score)
                & (iou(boxes, other[0]) >= tolerance.overlap)
                & (embeddings @ other[3].T >= 1 - tolerance.cosine)
            )
            total += int(counted.sum())
            missing += int((counted & ~alike.any(axis=1)).sum())
    return [("the set of detections", missing / max(total, 1), tolerance.missing)]


def _objects(side: Sequence[Array], image: int) -> tuple[Float32Array, ...]:
    kept = side[1][image] > 0
    return tuple(each[image][kept] for each in side)
