"""The one-shot network: one image in, detections and embeddings out of shared features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clmot.config import ModelConfig
from clmot.models.backbones import Encoder
from clmot.models.heads import CenterEmbeddingHead, DenseHead, LevelEmbeddingHead, heatmap_head
from clmot.models.necks import TopDownNeck
from clmot.models.readout import CenterPointReadOut, StripeReadOut
from clmot.models.task_weights import TaskWeights
from clmot.types import OutputMaps

STRIDE = 4
"""Input pixels a cell of the output maps."""


class Network(nn.Module):
    """Encoder, top-down neck to stride 4, four heads and the embedding read-out (after FairMOT, Zhang et al. 2021).

    Works at any input whose sides are multiples of 32. The weights of the two tasks belong to it, so that a
    checkpoint holds everything that was learned.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.encoder = Encoder(config.encoder, config.encoder_options)
        self.neck = TopDownNeck(self.encoder.channels, config.width)
        self.heatmap = heatmap_head(config.width, len(config.classes))
        self.size = DenseHead(config.width, 4, bias=2.0)
        self.offset = DenseHead(config.width, 2, bias=0.5)
        self.embedding: nn.Module
        self.read_out: nn.Module
        if config.read_out == "center":
            self.embedding = CenterEmbeddingHead(config.width, config.embedding_dimension)
            self.read_out = CenterPointReadOut(STRIDE)
        else:
            self.embedding = LevelEmbeddingHead(self.encoder.channels[0], config.width)
            self.read_out = StripeReadOut(
                (config.width, config.width), (STRIDE, STRIDE), config.stripes, config.embedding_dimension
            )
        self.task_weights = TaskWeights()
        self.register_buffer("mean", 255 * torch.tensor(self.encoder.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(self.encoder.std).view(1, 3, 1, 1), persistent=False)

    def maps(self, images: Tensor) -> OutputMaps:
        """Images, uint8 RGB [v, 3, height, width] with sides that are multiples of 32, to maps of stride 4.

        Raises:
            ValueError: a side is not a multiple of 32.
        """
        height, width = images.shape[-2:]
        if height % 32 or width % 32:
            raise ValueError(f"image sides must be multiples of 32, got {width}x{height}")
        pixels = ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        features = self.encoder(pixels)
        merged = self.neck(features)
        return OutputMaps(
            heatmap=self.heatmap(merged),
            size=self.size(merged),
            offset=self.offset(merged),
            embedding=self.embedding(features[0], merged),
        )

    def forward(self, images: Tensor, boxes: Tensor, image_index: Tensor) -> tuple[OutputMaps, Tensor]:
        """Maps of the images and the embeddings [m, d] of boxes in them, as training needs both.

        Args:
            images: uint8 [v, 3, height, width], RGB.
            boxes: float32 [m, 4], xyxy input pixels.
            image_index: int64 [m], which image each box lies in.
        """
        maps = self.maps(images)
        return maps, self.read_out(maps.embedding, boxes, image_index)
