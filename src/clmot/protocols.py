"""What a detector must be able to do, and what one with a configuration or with feature maps can do besides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from clmot.structures import Detections, Image

if TYPE_CHECKING:
    from torch import Tensor

    from clmot.config import Config

Matrix = npt.NDArray[np.float64]
"""float64 [3, 3], takes pixels of an image to pixels of the detector's input."""


class FeatureMaps(NamedTuple):
    """A detector's feature maps of v images.

    Attributes:
        maps: [v, c_l, h_l, w_l] for each level l, finest first.
        strides: input pixels a cell, for each level.
        matrices: for each image, from its pixels to those of the detector's input.
        size: width and height of the detector's input in pixels.
    """

    maps: tuple[Tensor, ...]
    strides: tuple[int, ...]
    matrices: list[Matrix]
    size: tuple[int, int]


@runtime_checkable
class Detector(Protocol):
    """Finds objects; every `clmot.Model` is one."""

    @property
    def classes(self) -> Sequence[str]:
        """Class names, indexed by `Detections.class_id`."""

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """The objects of each image (uint8 [height, width, 3], RGB, any sizes), without embeddings."""


def require_detector(detector: object) -> None:
    """Refuse what is no `Detector`.

    Raises:
        TypeError: it is something else; names what it lacks.
    """
    missing = [name for name in ("classes", "detect") if not hasattr(detector, name)]
    if missing or isinstance(detector, type):
        lacks = f"has no {' and no '.join(missing)}" if missing else "is a class, not an object of it"
        raise TypeError(f"{detector!r:.60} is no detector: it {lacks} (clmot.protocols.Detector)")


class ConfiguredDetector(Detector, Protocol):
    """A detector that brings the configuration it is tracked with."""

    @property
    def config(self) -> Config:
        """The configuration, for its sections detect, tracker and refine."""


@runtime_checkable
class FeatureDetector(Detector, Protocol):
    """A detector that shows the feature maps it finds objects by."""

    @property
    def channels(self) -> dict[int, int]:
        """Channels of its maps by their stride."""

    def features(self, images: Sequence[Image]) -> FeatureMaps:
        """Its maps of the images, without gradients."""

    def detect_with_features(self, images: Sequence[Image]) -> tuple[list[Detections], FeatureMaps]:
        """Objects and maps from one forward pass; the objects are bit-exact those of `detect`."""
