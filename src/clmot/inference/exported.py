"""Exported files in use: the same results as `clmot.Model` has by torch, from another runtime and without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clmot.devices import device_name
from clmot.errors import UserError
from clmot.inference.export_metadata import Metadata
from clmot.inference.model import Model
from clmot.inference.read_out import ArrayMaps, Found, find_objects
from clmot.io.runtimes import RuntimeNetwork, open_network
from clmot.structures import Float32Array, Image


class ExportedModel(Model):
    """An exported network as a `clmot.Model`; decoding and embedding pooling, where left to us, on CPU.

    Args:
        file: named in errors.
        network: the graph, with channels last.
        metadata: what the file says about itself.
    """

    def __init__(self, file: Path, network: RuntimeNetwork, metadata: Metadata) -> None:
        self.config, self.classes = metadata.config, metadata.config.model.classes
        self.fingerprint, self.precision = metadata.fingerprint, network.precision
        self.device = "cuda" if network.on_gpu else "cpu"
        self.file = file
        self.any_size = metadata.any_size
        self.decoded = metadata.outputs == "detections"
        self._run, self._pool = network.run, metadata.pool

    def maps(self, pixels: Image) -> ArrayMaps:
        """Output maps of letterboxed images, uint8 [v, height, width, 3]; they hold until the next call."""
        heatmap, size, offset, *embedding = self._run({"images": pixels})
        levels = self.config.model.levels
        if len(embedding) < len(levels) and self.config.model.pooling == "stripes":
            embedding.insert(levels.index("colour"), pixels)
        return ArrayMaps(heatmap, size, offset, tuple(embedding))

    def _find(self, pixels: Image) -> Found:
        options = self.config.detect
        if self._pool is not None:
            return find_objects(self.maps(pixels), self._pool, options.score_threshold, options.max_detections)
        threshold = np.array(options.score_threshold, np.float32)
        outputs = self._run({"images": pixels, "score_threshold": threshold})
        boxes, score, class_id, embeddings = (each[:, : options.max_detections] for each in outputs)
        kept = score > 0
        return Found(boxes[kept], score[kept], class_id[kept], np.nonzero(kept)[0], embeddings[kept])

    def _read(self, pixels: Image, boxes: Float32Array) -> Float32Array:
        if self._pool is None:
            raise UserError(f"{self.file}: finds boxes itself and embeds no others; export it without --decode")
        return self._pool(self.maps(pixels).embedding, boxes, np.zeros(len(boxes), np.int64))


def load_exported(file: Path, device: str = "auto", precision: str | None = None, runtime: str = "") -> ExportedModel:
    """Load an exported ``.onnx`` or OpenVINO's ``.xml``.

    Args:
        file: the file.
        device: ``auto``, ``cpu`` or ``cuda``, for which ONNX Runtime needs its GPU package.
        precision: ``float32``, or (None) the one that the runtime is fastest in here, unless the network was trained in
            float32.
        runtime: ``openvino`` or ``onnxruntime``; by default OpenVINO for ``.xml`` alone.

    Raises:
        UserError: there is no such file, it was not made by clmot, or its runtime cannot be imported or has no such
            device.
    """
    if not file.is_file():
        raise UserError(f"{file}: no such model file")
    if precision not in (None, "float32"):
        raise UserError(f"{file}: precision '{precision}': an exported file computes in float32, or as its runtime can")
    device = device_name(device)
    exact = precision == "float32"
    network = open_network(file, device, runtime=runtime, exact=exact, channels_last=True)
    if reason := network.cpu_only(device):
        raise UserError(f"{file}: device '{device}': {reason}; use cpu or auto")
    metadata = Metadata.from_strings(network.metadata, file)
    if not exact and network.precision != "float32" and metadata.config.train.precision == "32-true":
        network = open_network(file, device, runtime=runtime, exact=True, channels_last=True)
    return ExportedModel(file, network, metadata)
