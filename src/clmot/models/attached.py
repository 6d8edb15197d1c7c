"""The embedding that is attached to a detector: read from its own maps, or from crops of its boxes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.ops import roi_align

from clmot.config import Config, ModelConfig
from clmot.errors import UserError
from clmot.models.encoder import STRIDES, Encoder
from clmot.models.heads import LevelEmbeddingHead
from clmot.models.network import make_embedding_pool
from clmot.models.whitening import WhitenedPool
from clmot.protocols import Detector, FeatureDetector, FeatureMaps
from clmot.structures import Image, TrainingOutput
from clmot.views.transforms import warp_image


class StripeEmbedding(nn.Module):
    """Stripe pooling from several levels, and its whitening.

    Args:
        config: levels, width, stripes and length of the embedding.
        channels: of the given maps, by stride.

    Raises:
        UserError: a level is asked for that there is no map of.
    """

    def __init__(self, config: ModelConfig, channels: dict[int, int]) -> None:
        super().__init__()
        offered = ("colour", *(f"stride{stride}" for stride in channels))
        for level in config.levels:
            if level not in offered:
                raise UserError(f"model.levels: the detector has no map '{level}'; it has {', '.join(offered)}")
        self.needs_pixels = "colour" in config.levels
        self.maps = LevelEmbeddingHead(config.levels, 0, config.width)
        read_out = make_embedding_pool(config, channels)
        assert isinstance(read_out, WhitenedPool)
        self.read_out = read_out

    def chosen_maps(self, pixels: Tensor, maps: dict[int, Tensor]) -> tuple[Tensor, ...]:
        """What is read from: of pixels [v, 3, h, w] from 0 to 255 and maps by stride, one for each level."""
        nothing = pixels.new_empty(0)
        return self.maps(pixels, [maps.get(stride, nothing) for stride in STRIDES], nothing)  # type: ignore[no-any-return]


def keep_outside(module: nn.Module, detector: Detector) -> None:
    """Let a module use a detector that is no part of it, even where it is a module itself.

    It is in no checkpoint, no optimiser sees it, and the module's mode and device are not its own. If it is a network,
    or holds one, that is put into evaluation mode: what its normalisation has learned would change with every image.
    """
    for part in (detector, *getattr(detector, "__dict__", {}).values()):
        if isinstance(part, nn.Module):
            part.eval()
    # past `nn.Module.__setattr__`, which takes modules in
    object.__setattr__(module, "detector", detector)


class AttachedNetwork(nn.Module):
    """What is learned beside a frozen detector, trained as the one-shot network is.

    The detector itself is no part of the module (`keep_outside`), and copies share it.

    Args:
        config: sections model and detector.
        detector: a frozen one.

    Attributes:
        parts: where the parts of an embedding that learn lie.
        contrasted_dimension: length of the embeddings that training sees.
    """

    detector: Detector

    def __init__(self, config: Config, detector: Detector) -> None:
        super().__init__()
        keep_outside(self, detector)
        self.head: FeatureHead | CropHead
        if config.detector.head == "crops":
            self.head = CropHead(config)
        elif isinstance(detector, FeatureDetector):
            self.head = FeatureHead(config.model, detector)
        else:
            raise UserError(f"detector {config.detector.name}: shows no feature maps; learn on crops with --head crops")
        self.parts = self.head.read_out.plain.parts
        self.contrasted_dimension = self.head.read_out.plain.dimension
        self.task_weights = EmbeddingAlone()

    def __deepcopy__(self, memo: dict[int, Any]) -> AttachedNetwork:
        memo[id(self.detector)] = self.detector
        other = object.__new__(type(self))
        memo[id(self)] = other
        other.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return other

    def forward(self, images: Tensor, boxes: Tensor, image_index: Tensor) -> TrainingOutput:
        """What training needs of some images and boxes in them.

        Args:
            images: uint8 [v, 3, height, width], RGB.
            boxes: float32 [m, 4], xyxy pixels.
            image_index: int64 [m], which image each box lies in.
        """
        embeddings = self.head.read_out.plain(*self.head.pooled_from(images, boxes, image_index))
        return TrainingOutput(None, embeddings[: len(boxes)], None, self.parts)


class EmbeddingAlone(nn.Module):
    """The balance of losses where there is one: the detector is not trained."""

    def forward(self, detection: Tensor, embedding: Tensor, has_embedding: Tensor | bool = True) -> Tensor:
        """The embedding's loss."""
        return embedding


class FeatureHead(nn.Module):
    """Embeddings from the detector's own maps, all in the pixels of its input.

    Args:
        config: the embedding.
        detector: gives the maps.
    """

    detector: FeatureDetector

    def __init__(self, config: ModelConfig, detector: FeatureDetector) -> None:
        super().__init__()
        self.embedding = StripeEmbedding(config, detector.channels)
        keep_outside(self, detector)

    def forward(self, images: Sequence[Image], boxes: Tensor, image_index: Tensor) -> Tensor:
        """Images, boxes [m, 4] in their pixels and the image of each, to unit vectors [m, d]."""
        return self.read_out(*self.pooled_from(images, boxes, image_index))  # type: ignore[no-any-return]

    def pooled_from(
        self, images: Sequence[Image] | Tensor, boxes: Tensor, image_index: Tensor, features: FeatureMaps | None = None
    ) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
        """Maps (made unless detection has made them), boxes in them and the image of each: what is pooled."""
        if isinstance(images, Tensor):
            # detectors take arrays, as users have them: one copy for the batch
            images = list(images.permute(0, 2, 3, 1).cpu().contiguous().numpy())
        if features is None:
            with torch.no_grad():
                features = self.detector.features(images)
        # a zoom and a shift along each axis
        matrices = torch.from_numpy(np.stack(features.matrices)).to(boxes)
        zoom = matrices[:, [0, 1], [0, 1]].repeat(1, 2)[image_index]
        shift = matrices[:, :2, 2].repeat(1, 2)[image_index]
        pixels = boxes.new_empty(0)
        if self.embedding.needs_pixels:
            placed = [warp_image(image, m, features.size) for image, m in zip(images, features.matrices, strict=True)]
            pixels = torch.from_numpy(np.stack(placed)).to(boxes.device).permute(0, 3, 1, 2)
        # a detector of the caller's own may run elsewhere
        maps = {stride: each.to(boxes.device) for stride, each in zip(features.strides, features.maps, strict=True)}
        return self.embedding.chosen_maps(pixels, maps), boxes * zoom + shift, image_index

    @property
    def read_out(self) -> WhitenedPool:
        """Maps and boxes to unit vectors."""
        return self.embedding.read_out


class CropHead(nn.Module):
    """Embeddings from crops of the boxes by an encoder of their own, for detectors that show no maps.

    Args:
        config: encoder, embedding, and the size of the crops.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.width, self.height = config.detector.crop_size
        self.encoder = Encoder(config.model.encoder, config.model.encoder_options)
        self.embedding = StripeEmbedding(config.model, dict(zip(STRIDES, self.encoder.channels, strict=True)))
        self.register_buffer("mean", 255 * torch.tensor(self.encoder.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(self.encoder.std).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Sequence[Image], boxes: Tensor, image_index: Tensor) -> Tensor:
        """Images, boxes [m, 4] in their pixels and the image of each, to unit vectors [m, d]."""
        return self.read_out(*self.pooled_from(images, boxes, image_index))[: len(boxes)]  # type: ignore[no-any-return]

    def pooled_from(
        self, images: Sequence[Image] | Tensor, boxes: Tensor, image_index: Tensor
    ) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
        """Maps of crops (at least of one, an empty one), boxes and the crop of each: what is pooled."""
        crops = boxes.new_empty(max(len(boxes), 1), 3, self.height, self.width, dtype=torch.float32).zero_()
        for index, image in enumerate(images):
            mine = (image_index == index).nonzero()[:, 0]
            if len(mine):
                pixels = image if isinstance(image, Tensor) else torch.from_numpy(image).permute(2, 0, 1)
                pixels = pixels.to(boxes.device)[None].float()
                # as many samples as there are pixels: no aliasing
                crops[mine] = roi_align(pixels, [boxes[mine].float()], (self.height, self.width), aligned=True)
        whole = boxes.new_tensor([0, 0, self.width, self.height], dtype=torch.float32).expand(len(crops), 4)
        return self.maps(crops), whole, torch.arange(len(crops), device=boxes.device)

    @property
    def read_out(self) -> WhitenedPool:
        """Maps and boxes to unit vectors."""
        return self.embedding.read_out

    def maps(self, crops: Tensor) -> tuple[Tensor, ...]:
        """Crops [m, 3, h, w] from 0 to 255 to the maps that are read from."""
        encoded = self.encoder(((crops - self.mean) / self.std).contiguous(memory_format=torch.channels_last))
        return self.embedding.chosen_maps(crops, dict(zip(STRIDES, encoded, strict=True)))
