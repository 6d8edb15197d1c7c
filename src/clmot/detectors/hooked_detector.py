"""What detectors of all libraries have in common whose feature maps are read off their modules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from clmot.detectors.feature_hooks import FeatureHooks
from clmot.detectors.frozen import fingerprint
from clmot.detectors.output_parser import OutputParser
from clmot.protocols import FeatureMaps, Matrix
from clmot.structures import Detections, Image

Pass = tuple[list[Detections], list[Matrix], tuple[int, int]]
"""Of a forward pass: the objects of each image, the matrices from its pixels to the input's, and the input's size."""


class HookedDetector:
    """Base of such detectors: who makes one sets its parts, and `_run`.

    Attributes:
        model: the frozen network.
    """

    model: Any
    _parse: OutputParser
    _hooks: FeatureHooks

    @property
    def classes(self) -> Sequence[str]:
        """Class names."""
        return self._parse.classes

    @property
    def channels(self) -> dict[int, int]:
        """Channels of its maps by their stride."""
        return self._hooks.channels

    def fingerprint(self) -> str:
        """Of its weights."""
        return fingerprint(self.model)

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """The objects of each image."""
        return [found for group in self._groups(images) for found in self._run(group)[0]]

    def features(self, images: Sequence[Image]) -> FeatureMaps:
        """The maps of the images, without gradients."""
        return self.detect_with_features(images)[1]

    def detect_with_features(self, images: Sequence[Image]) -> tuple[list[Detections], FeatureMaps]:
        """Objects and maps from one forward pass over each group of images."""
        found, features = [], []
        for group in self._groups(images):
            with self._hooks.recording() as maps:
                detections, matrices, size = self._run(group)
            found += detections
            features.append(FeatureMaps(self._hooks.in_order(maps), tuple(self.channels), matrices, size))
        return found, joined(features)

    def _run(self, images: Sequence[Image]) -> Pass:
        """One forward pass."""
        raise NotImplementedError

    def _groups(self, images: Sequence[Image]) -> list[Sequence[Image]]:
        """What can go through the network together."""
        return [images]

    def _probe(self) -> tuple[int, int]:
        """Run the network once, for `FeatureHooks`."""
        return self._run([np.zeros((160, 256, 3), np.uint8)])[2]


def joined(features: Sequence[FeatureMaps]) -> FeatureMaps:
    """Maps of several passes as one, those of smaller inputs padded with zeros at the right and at the bottom."""
    if len(features) == 1:
        return features[0]
    levels = []
    for maps in zip(*(each.maps for each in features), strict=True):
        height, width = max(each.shape[2] for each in maps), max(each.shape[3] for each in maps)
        padded = [nn.functional.pad(m, (0, width - m.shape[3], 0, height - m.shape[2])) for m in maps]
        levels.append(torch.cat(padded))
    size = (max(each.size[0] for each in features), max(each.size[1] for each in features))
    matrices = [matrix for each in features for matrix in each.matrices]
    return FeatureMaps(tuple(levels), features[0].strides, matrices, size)
