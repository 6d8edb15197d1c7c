"""What is exported: images in, and maps or detections out, as modules of plain tensors."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from clmot.config import Config
from clmot.models.decode import decode_rows
from clmot.models.embedding_pool import embed_peaks
from clmot.models.heads import LevelEmbeddingHead
from clmot.models.levels import STRIDE
from clmot.models.network import Network

SMALLEST_SIDE = 64
"""Least width and height of an exported graph's images; at one cell of stride 32, tracing would fix the size."""

EXAMPLE_SIZE = (SMALLEST_SIDE, SMALLEST_SIDE + 32)
"""What is traced where the size is free: a small one takes less time."""

DETECTION_OUTPUTS = ("boxes", "scores", "classes", "embeddings")


def map_outputs(levels: Iterable[int]) -> tuple[str, ...]:
    """Names of the maps: the heatmap's logits, sizes, offsets and some of the embedding's levels."""
    return ("heatmap", "size", "offset", *(f"embedding_{level}" for level in levels))


class Graph(nn.Module):
    """What is traced, and what has to be known about it.

    Attributes:
        inputs, outputs: names of what goes in and comes out.
        any_size: whether other sizes than the one in use are worth trying.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    any_size = True

    def size_in_use(self, config: Config) -> tuple[int, int]:
        """Width and height of its images."""
        return config.model.image_size

    def inputs_of(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images, uint8 RGB [v, 3, height, width], as this graph wants them."""
        return (images,)

    def example(self, size: tuple[int, int], batch: int = 2) -> tuple[Tensor, ...]:
        """Inputs to trace with, of a width and height."""
        return self.inputs_of(torch.randint(0, 256, (batch, 3, size[1], size[0]), dtype=torch.uint8))

    def dynamic_shapes(self, any_size: bool) -> tuple[Any, ...]:
        """What may differ from `example`: the batch, and the sides by multiples of 32."""
        shape: dict[int, Any] = {0: torch.export.Dim("batch", min=1, max=1024)}
        if any_size:
            shape |= {
                axis: 32 * torch.export.Dim(f"{name}_32", min=SMALLEST_SIDE // 32, max=256)
                for axis, name in ((2, "height"), (3, "width"))
            }
        return (shape,)


class MapsGraph(Graph):
    """Images to the network's output maps, float32 each; without the colours, which the images have.

    Args:
        network: copied.
        half: compute in float16 what can be; pixels, the last layer of each detection head and the pooling stay
            float32.
    """

    inputs: tuple[str, ...] = ("images",)

    def __init__(self, network: Network, half: bool = False) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).cpu().float().eval()
        if half:
            _halve(self.network)
        embedding = self.network.embedding
        names = embedding.levels if isinstance(embedding, LevelEmbeddingHead) else ("center",)
        self.levels = [index for index, name in enumerate(names) if name != "colour"]
        self.outputs = map_outputs(self.levels)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images, uint8 RGB [v, 3, height, width] with sides that are multiples of 32, to `OutputMaps` in one row."""
        maps = self.network.maps(images)
        embedding = [maps.embedding[level] for level in self.levels]
        return tuple(each.float() for each in (maps.heatmap, maps.size, maps.offset, *embedding))


class DetectionsGraph(MapsGraph):
    """Images to detections with embeddings: peaks, the K best and the embeddings at them inside the graph.

    Every image has K rows, best first; where the score is 0, there is no object.

    Args:
        network: copied.
        max_detections: K.
        half: as in `MapsGraph`.
    """

    inputs = ("images", "score_threshold")

    def __init__(self, network: Network, max_detections: int, half: bool = False) -> None:
        super().__init__(network, half)
        self.max_detections = max_detections
        self.outputs = DETECTION_OUTPUTS

    def forward(self, images: Tensor, score_threshold: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        """What `Network.maps` takes, and the least score of a detection (float32 scalar), to four arrays.

        Returns:
            Boxes [v, K, 4] in xyxy input pixels, scores [v, K], classes int64 [v, K], unit embeddings [v, K, d].
        """
        maps = self.network.maps(images)
        rows = decode_rows(maps, STRIDE, score_threshold, self.max_detections)
        image_index = torch.arange(images.shape[0], device=images.device).repeat_interleave(self.max_detections)
        boxes, cells = rows.boxes.flatten(0, 1), rows.cells.flatten(0, 1)
        embeddings = embed_peaks(self.network.read_out, maps.embedding, boxes, cells, image_index)
        return (*rows[:3], embeddings.view(*rows.score.shape, embeddings.shape[1]))

    def inputs_of(self, images: Tensor) -> tuple[Tensor, ...]:
        """As `Graph.inputs_of`; without a threshold, so that there is something to see whatever was learned."""
        return images, torch.tensor(0.0)

    def dynamic_shapes(self, any_size: bool) -> tuple[Any, ...]:
        """What may differ from `example`: the batch, and the sides by multiples of 32."""
        return *super().dynamic_shapes(any_size), None


def _halve(network: Network) -> None:
    halve_encoder(network.encoder)
    for part in (network.neck, network.embedding):
        part.half()
    for head in (network.heatmap, network.size, network.offset):
        head.body.half()


def halve_encoder(encoder: nn.Module) -> None:
    """Compute in float16 from here on; the pixels are float32 until then."""
    encoder.half()
    encoder.register_forward_pre_hook(lambda _, inputs: (inputs[0].half(),))
