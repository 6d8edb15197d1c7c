"""The embedding as a graph that takes crops of boxes: what other trackers know as a re-identification network."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import roi_align

from clmot.config import Config
from clmot.config.networks import LONGEST_SIDE
from clmot.errors import UserError, require
from clmot.export.graphs import Graph, halve_encoder
from clmot.inference.network_model import network_of
from clmot.models.attached import CropHead
from clmot.models.embedding_pool import StripePool, unit_length
from clmot.models.levels import COLUMNS
from clmot.models.network import Network
from clmot.models.saved_model import load_saved_model, load_weights
from clmot.models.whitening import WhitenedPool
from clmot.shipped import find_model
from clmot.structures import Float32Array, Image
from clmot.views.pixels import region_in

Pixels = Literal["imagenet", "unit", "bytes"]
"""What the crops' numbers are, always RGB: float32 from 0 to 1 without ImageNet's mean and deviation (boxmot, OSNet),
float32 from 0 to 1 (ultralytics), or uint8."""

CROP_SIZE = (128, 256)
"""Width and height that most re-identification networks take."""

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class CropsGraph(Graph):
    """Crops, of which each is one object, to unit embeddings.

    The one-shot network sees a crop as an image with one box, which fills it; a person then has nothing around. A crop
    is reduced first to about the size that people have in training: larger, it would show them as nothing the network
    has ever seen.

    Args:
        source: the one-shot network or the head of an attached embedding that takes crops; copied.
        size: width and height of the crops.
        inner: width and height that they are reduced to, by the mean of whole pixels.
        pixels: what their numbers are.
        portable: pool the embedding without RoIAlign; without it this is what the others are compared with.
        half: compute what the encoder does in float16.

    Raises:
        UserError: `size` is not a whole multiple of `inner`.
    """

    inputs = ("images",)  # as boxmot calls them
    outputs = ("embeddings",)
    any_size = False
    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        source: Network | CropHead,
        size: tuple[int, int] = CROP_SIZE,
        inner: tuple[int, int] = (64, 128),
        pixels: Pixels = "imagenet",
        portable: bool = True,
        half: bool = False,
    ) -> None:
        super().__init__()
        require(
            all(0 < side <= LONGEST_SIDE and side % within == 0 for side, within in zip(size, inner, strict=True)),
            f"--size {size[0]} {size[1]}: crops must be whole multiples of detector.crop_size={list(inner)}, "
            f"at most {LONGEST_SIDE}",
        )
        self.source = copy.deepcopy(source).cpu().float().eval()
        if half:
            halve_encoder(self.source.encoder)
            if isinstance(self.source, Network):
                self.source.neck.half()
                self.source.embedding.half()
        self.size, self.inner, self.pixels = size, inner, pixels
        self.pool: nn.Module = self.source.read_out
        if portable:
            self.pool = _portable(self.pool, inner)
        mean, deviation = (_MEAN, _DEVIATION) if pixels == "imagenet" else ((0.0,) * 3, (1.0,) * 3)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).view(1, 3, 1, 1))

    def forward(self, crops: Tensor) -> tuple[Tensor]:
        """Crops [n, 3, height, width] to unit vectors [n, d], float32."""
        if self.pixels == "bytes":
            crops = crops.float()
        else:
            crops = 255 * (crops * self.deviation + self.mean)
        (width, height), (inner_width, inner_height) = self.size, self.inner
        if self.size != self.inner:
            crops = F.avg_pool2d(crops, (height // inner_height, width // inner_width))
        if isinstance(self.source, Network):  # `Network.maps` without the heads that find boxes
            features = self.source.encoder((crops - self.source.mean) / self.source.std)
            maps = self.source.embedding(crops, features, self.source.neck(features))
        else:
            maps = self.source.maps(crops)
        whole = crops.new_tensor([0, 0, inner_width, inner_height]).expand(crops.shape[0], 4)
        maps = tuple(each.float() for each in maps)
        return (self.pool(maps, whole, torch.arange(crops.shape[0], device=crops.device)),)

    def size_in_use(self, config: Config) -> tuple[int, int]:
        """Width and height of the crops."""
        return self.size

    def inputs_of(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images, uint8 RGB, as this graph wants them."""
        return (images if self.pixels == "bytes" else (images / 255 - self.mean) / self.deviation,)


def cut_out(image: Image, boxes: Float32Array, size: tuple[int, int]) -> Tensor:
    """What lies inside boxes and image, stretched to one size: uint8 RGB [n, 3, height, width].

    Args:
        image: uint8 [height, width, 3], RGB.
        boxes: [n, 4], xyxy pixels; of one outside the image comes a black crop.
        size: width and height of the crops.
    """
    crops = np.zeros((len(boxes), size[1], size[0], 3), np.uint8)
    for row, box in enumerate(np.asarray(boxes, np.float64)):
        crop = region_in(box, (image.shape[1], image.shape[0])).of(image)
        if crop.size:
            crops[row] = cv2.resize(crop, size)
    return torch.from_numpy(crops).permute(0, 3, 1, 2).contiguous()


def _portable(pool: nn.Module, size: tuple[int, int]) -> nn.Module:
    """The same pooling without RoIAlign, where that is known; for images of one size, each of one box."""
    if isinstance(pool, WhitenedPool):
        pool = copy.deepcopy(pool)
        pool.plain = WholeImagePool(pool.plain, size)  # type: ignore[assignment]
    return pool


class WholeImagePool(nn.Module):
    """`StripePool` of the one box that fills its image.

    RoIAlign is linear in the map, and along each axis by itself. Where the box never moves it is a product with two
    matrices, which runtimes without RoIAlign (OpenCV) can do. Other boxes cover nothing: every part is visible.

    Args:
        pool: its levels, stripes and projections.
        size: width and height of the image.
    """

    def __init__(self, pool: StripePool, size: tuple[int, int]) -> None:
        super().__init__()
        self.pool = pool
        width, height = size
        across = torch.tensor(COLUMNS)
        for index, level in enumerate(pool.levels):
            rows = _pooling(height // level.stride, pool.stripes)
            columns = _pooling(width // level.stride, len(across))
            self.register_buffer(f"rows_{index}", rows.T.contiguous(), persistent=False)
            self.register_buffer(f"columns_{index}", (across @ columns)[:, None], persistent=False)

    def forward(self, maps: tuple[Tensor, ...], boxes: Tensor, image_index: Tensor) -> Tensor:
        """One map [n, c_l, h_l, w_l] a level to unit vectors [n, D]; the boxes are known."""
        parts = []
        for index, values in enumerate(maps):
            rows, columns = getattr(self, f"rows_{index}"), getattr(self, f"columns_{index}")
            pooled = (self.pool.mapped(index, values) @ columns)[..., 0] @ rows
            parts.append(self.pool.part(index, pooled.permute(2, 0, 1)))
        return unit_length(torch.cat(parts, dim=1), dim=1)


def _pooling(cells: int, bins: int) -> Tensor:
    """What RoIAlign over all cells of one axis takes of each of them, [bins, cells]."""
    each = torch.eye(cells)[:, None, :, None]
    boxes = torch.tensor([[index, 0, 0, 1, cells] for index in range(cells)], dtype=torch.float32)
    taken: Tensor = roi_align(each, boxes, (bins, 1), sampling_ratio=2, aligned=True)
    return taken[:, 0, :, 0].T.contiguous()


def load_crop_embedding(path: Path) -> tuple[Network | CropHead, Config]:
    """What can embed crops: a one-shot network, or an attached embedding that was learned on crops.

    Args:
        path: what `clmot.load_model` takes, exported files aside.

    Raises:
        UserError: there is nothing to load, or the embedding is read from the maps of a detector.
    """
    saved = load_saved_model(find_model(path))
    described = saved.config.detector
    if not described.name:
        return network_of(saved)
    if described.head != "crops":
        raise UserError(
            f"{saved.file}: its embedding is read from the maps of {described.name}, which no crop has; "
            "learn one on crops with clmot attach --head crops"
        )
    # its detector takes no part, and need not be there
    head = CropHead(saved.config)
    weights = {name.removeprefix("head."): value for name, value in saved.weights.items()}
    load_weights(head, saved._replace(weights=weights))
    return head, saved.config
