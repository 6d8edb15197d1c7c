"""The one-shot network: one image in, detections and embeddings out of shared features."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from clmot.config import ModelConfig
from clmot.models.embedding_pool import CenterPointPool, StripePool
from clmot.models.encoder import STRIDES, Encoder
from clmot.models.heads import (
    Channels,
    DenseHead,
    ExtentHead,
    IdentityClassifier,
    LevelEmbeddingHead,
    PointEmbeddingHead,
    heatmap_head,
)
from clmot.models.levels import STRIDE, pool_levels
from clmot.models.necks import make_neck
from clmot.models.task_weights import TaskWeights
from clmot.models.whitening import WhitenedPool
from clmot.models.yolox import Pyramid
from clmot.structures import OutputMaps, TrainingOutput


class Network(nn.Module):
    """Encoder, neck to stride 4, four heads and the embedding pooling (after FairMOT, Zhang et al. 2021).

    Works at any input whose sides are multiples of 32, if its encoder does (`takes_any_size`). What only training uses
    (identity classifier, weights of the two tasks) belongs to it too, so that a checkpoint holds everything that was
    learned.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.detector_is_frozen = False
        self.encoder = Encoder(config.encoder, config.encoder_options)
        self.neck = make_neck(config, self.encoder.channels)
        inside = (self.neck.width, config.head_width or config.width, not config.head_width)
        self.heatmap: nn.Module
        self.size: nn.Module
        self.offset: nn.Module
        if isinstance(self.neck, Pyramid):  # which has heads of its own
            self.heatmap, self.size, self.offset = Channels(0, -6), Channels(-6, -2), Channels(-2, None)
        else:
            self.heatmap = heatmap_head(*inside, len(config.classes))
            sides = config.size == "sides"
            self.size = DenseHead(*inside, 4, bias=2.0) if sides else ExtentHead(*inside)
            self.offset = DenseHead(*inside, 2, bias=0.5)
        self.joint: DenseHead | None = None  # the three as one, of a network in use (`clmot.models.fold`)
        self.embedding: nn.Module
        self.parts: tuple[slice, ...] = ()
        self.read_out = make_embedding_pool(config, dict(zip(STRIDES, self.encoder.channels, strict=True)))
        self.contrasted_dimension = config.embedding_dimension
        if isinstance(self.read_out, WhitenedPool):
            self.embedding = LevelEmbeddingHead(config.levels, self.neck.width, config.width)
            self.contrasted_dimension, self.parts = self.read_out.plain.dimension, self.read_out.plain.parts
        else:
            self.embedding = PointEmbeddingHead(*inside, config.embedding_dimension)
        self.classifier: IdentityClassifier | None = None
        if config.identities:
            self.classifier = IdentityClassifier(self.contrasted_dimension, config.identities)
        self.task_weights = TaskWeights()
        mean, std = (self.encoder.mean, self.encoder.std) if config.normalise == "encoder" else ((0.0,) * 3, (1.0,) * 3)
        self.register_buffer("mean", 255 * torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def freeze_detector(self) -> None:
        """Let the embedding alone learn, on what is there; training then has no loss of detection either.

        Everything that detections come from keeps its weights and its normalisation statistics, to the bit.
        """
        self.detector_is_frozen = True
        for part in (*self._detector(), self.task_weights):
            part.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Network:
        """Set the mode of what learns."""
        super().train(mode)
        if self.detector_is_frozen:
            for part in self._detector():
                part.eval()
        return self

    def _detector(self) -> tuple[nn.Module, ...]:
        return self.encoder, self.neck, self.heatmap, self.size, self.offset

    def takes_any_size(self) -> bool:
        """Whether the encoder works at sizes that it was not built for; some transformers do not."""
        if all(value.ndim in (1, 4) for value in self.encoder.parameters()):
            return True  # nothing but convolutions and norms, which saves a second
        # shapes without numbers
        weights = {name: torch.empty_like(value, device="meta") for name, value in self.encoder.state_dict().items()}
        with torch.inference_mode():
            try:
                for height, width in ((64, 96), (96, 64)):
                    images = torch.empty(1, 3, height, width, device="meta")
                    torch.func.functional_call(self.encoder, weights, (images,))
            except Exception:  # timm's models have no error of their own for it
                return False
        return True

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
        if self.joint is None:
            found = self.heatmap(merged), self.size(merged), self.offset(merged)
        else:
            joint = self.joint(merged)
            found = joint[:, :-6], joint[:, -6:-2], joint[:, -2:]
        return OutputMaps(*found, embedding=self.embedding(images, features, merged))

    def forward(self, images: Tensor, boxes: Tensor, image_index: Tensor) -> TrainingOutput:
        """What training needs of some images and boxes in them.

        Args:
            images: uint8 [v, 3, height, width], RGB.
            boxes: float32 [m, 4], xyxy input pixels, where the embeddings are read.
            image_index: int64 [m], which image each box lies in.
        """
        maps = self.maps(images)
        read_out = self.read_out.plain if isinstance(self.read_out, WhitenedPool) else self.read_out
        embeddings = read_out(maps.embedding, boxes, image_index)
        logits = None if self.classifier is None else self.classifier(embeddings)
        return TrainingOutput(None if self.detector_is_frozen else maps, embeddings, logits, self.parts)


def make_embedding_pool(config: ModelConfig, channels: Mapping[int, int]) -> WhitenedPool | CenterPointPool:
    """The configured pooling: maps, boxes and their images to unit vectors.

    Args:
        config: of the model.
        channels: of the encoder's maps, by stride.
    """
    match config.pooling:
        case "stripes":
            stripes = StripePool(pool_levels(config, channels), config.stripes, config.width)
            return WhitenedPool(stripes, config.embedding_dimension)
        case "center":
            return CenterPointPool(STRIDE)
