"""Exported files in use: the same results as `clmot.Model`, from another runtime."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from clmot.devices import device_name
from clmot.errors import UserError
from clmot.inference.export_metadata import Metadata
from clmot.inference.model import Model
from clmot.io.runtimes import Run, open_network
from clmot.models.network import Network
from clmot.structures import Float32Array, Image, OutputMaps


class ExportedModel(Model):
    """An exported network as a `clmot.Model`; decoding and embedding pooling, where left to us, on CPU.

    Args:
        file: named in errors.
        forward: runs the graph.
        metadata: what the file says about itself.
    """

    def __init__(self, file: Path, forward: Run, metadata: Metadata) -> None:
        network = ExportedNetwork(forward, metadata.pool or nn.Identity())
        # of the network, a model uses what `ExportedNetwork` has
        super().__init__(cast(Network, network), metadata.config, "cpu", "float32")
        self.fingerprint = metadata.fingerprint
        self.file = file
        self.any_size = metadata.any_size
        self.decoded = metadata.outputs == "detections"
        self._forward = forward

    def _embed(self, image: Image, boxes: Float32Array) -> Float32Array:
        if self.decoded:
            raise UserError(f"{self.file}: finds boxes itself and embeds no others; export it without --decode")
        return super()._embed(image, boxes)

    def _find(self, pixels: Tensor) -> tuple[Tensor, ...]:
        if not self.decoded:
            return super()._find(pixels)
        options = self.config.detect
        threshold = np.array(options.score_threshold, np.float32)
        outputs = self._forward({"images": np.ascontiguousarray(pixels.numpy()), "score_threshold": threshold})
        boxes, score, class_id, embeddings = (torch.from_numpy(each)[:, : options.max_detections] for each in outputs)
        kept = score > 0
        image_index = torch.arange(len(kept))[:, None].expand_as(kept)[kept]
        return boxes[kept], score[kept], class_id[kept], image_index, embeddings[kept]


class ExportedNetwork(nn.Module):
    """The part of `Network` that tracking uses, with its maps from another runtime.

    Args:
        forward: runs the graph.
        pool: maps and boxes to embeddings.
    """

    def __init__(self, forward: Run, pool: nn.Module) -> None:
        super().__init__()
        self._run = forward
        self.read_out = pool

    def maps(self, images: Tensor) -> OutputMaps:
        """As `Network.maps`."""
        outputs = self._run({"images": np.ascontiguousarray(images.numpy())})
        heatmap, size, offset, *embedding = (torch.from_numpy(each) for each in outputs)
        return OutputMaps(heatmap, size, offset, tuple(embedding))


def load_exported(file: Path, device: str = "auto") -> ExportedModel:
    """Load an exported ``.onnx`` or OpenVINO's ``.xml``.

    Args:
        file: the file.
        device: ``auto``, ``cpu`` or ``cuda``, for which ONNX Runtime needs its GPU package.

    Raises:
        UserError: there is no such file, it was not made by clmot, or its runtime cannot be imported or has no such
            device.
    """
    if not file.is_file():
        raise UserError(f"{file}: no such model file")
    network = open_network(file, device_name(device))
    if reason := network.cpu_only(device_name(device)):
        raise UserError(f"{file}: device '{device}': {reason}; use cpu or auto")
    return ExportedModel(file, network.run, Metadata.from_strings(network.metadata, file))
