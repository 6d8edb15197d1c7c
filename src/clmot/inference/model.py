"""A model in use: images in, `Detections` with embeddings out. Nothing here needs torch."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from clmot.config import Config
from clmot.detectors.registry import is_detector
from clmot.devices import device_name
from clmot.errors import UserError
from clmot.inference.read_out import Found
from clmot.io.any_image import AnyImage, as_images
from clmot.io.box_input import as_boxes
from clmot.protocols import Detector, require_detector
from clmot.shipped import find_model, shipped_graph
from clmot.structures import Dataset, Detections, Float32Array, Image
from clmot.tracking.tracker import Tracker
from clmot.views.transforms import input_of_longer_side, input_size, letterbox_matrix, warp_image


class Model:
    """Detector and embedding in one, whatever computes it.

    Attributes:
        config: the configuration it was trained with, with `config.detect` and `config.tracker` for use.
        classes: class names, indexed by `Detections.class_id`.
        embeds: whether detections have embeddings.
        name: what it was loaded from; empty where it was made of a network.
        fingerprint: tells its weights from others'; galleries and results name it.
        any_size: whether `config.detect.size` says what its input is, which others bring with them.

    Examples:
        >>> model = clmot.load_model("clmot-pedestrian")
        >>> found = model.detect(image)
        >>> vectors = model.embed(image, found.xyxy)
    """

    embeds = any_size = True
    name = ""

    config: Config
    classes: Sequence[str]
    device: Any = "cpu"
    precision = ""
    fingerprint = ""

    def __repr__(self) -> str:
        """What it is, on one line."""
        model, detector = self.config.model, self.config.detector.name
        size = "x".join(map(str, self.config.detect.size or model.image_size))
        size = f"of the picture's shape, {size} pixels" if self.any_size and not self.config.detect.size else size
        facts = [
            f"detector {detector}" if detector else f"recipe {self.config.recipe}, input {size}",
            f"classes {', '.join(self.classes)}",
            f"embeddings of {model.embedding_dimension} numbers" if self.embeds else "no embedding",
            *([f"{self.device}, {self.precision}"] if self.precision else []),
        ]
        return f"<clmot {type(self).__name__}: {'; '.join(facts)}>"

    @overload
    def detect(self, images: AnyImage) -> Detections: ...

    @overload
    def detect(self, images: Sequence[Image]) -> list[Detections]: ...

    def detect(self, images: Any) -> Detections | list[Detections]:
        """Objects of one image; of a list of images, as of any `clmot.protocols.Detector`, a list.

        Args:
            images: uint8 [height, width, 3], RGB, any size; or what `clmot.io.any_image.as_image` takes: a PIL image, a
                path, a grey image, ...

        Returns:
            Boxes in pixels of the image, best first, with unit embeddings.

        Raises:
            TypeError: it is no image.
            ValueError: an array of another shape or type.
            UserError: there is no such file, or it cannot be read.
        """
        return self.detect_batch(images) if isinstance(images, list | tuple) else self.detect_batch([images])[0]

    def detect_batch(self, images: Iterable[AnyImage]) -> list[Detections]:
        """`detect` for several images in one pass."""
        taken = as_images(images)
        return self._detect(taken) if taken else []

    def embed(self, image: AnyImage, boxes: Any) -> Float32Array:
        """Embeddings of external boxes.

        Args:
            image: as the images of `detect`.
            boxes: float [n, 4], xyxy pixels of the image; or detections of whatever kind.

        Returns:
            float32 [n, d], unit vectors.

        Raises:
            TypeError: as `detect`.
            ValueError: as `detect`; boxes of another shape, or not finite.
            UserError: as `detect`.
        """
        return self._embed(as_images([image])[0], as_boxes(boxes))

    def tracker(self, frame_rate: float | None = None) -> Tracker:
        """A new tracker with the constants that `clmot track` has for this model (`config.tracker`).

        Args:
            frame_rate: frames a second of the video; by default that of the configuration.
        """
        return Tracker(self.config.tracker.at(frame_rate))

    def _detect(self, images: list[Image]) -> list[Detections]:
        """The objects of one image or more: those of one input size in one pass."""
        indices: dict[tuple[int, int], list[int]] = {}
        for index, image in enumerate(images):
            height, width = image.shape[:2]
            indices.setdefault(self.input_size(width, height), []).append(index)
        found = {
            index: detections
            for alike in indices.values()
            for index, detections in zip(alike, self._detect_alike([images[each] for each in alike]), strict=True)
        }
        return [found[index] for index in range(len(images))]

    def _detect_alike(self, images: list[Image]) -> list[Detections]:
        """The objects of images of one input size, in one pass."""
        pixels, matrices = self.letterbox(images)
        boxes, score, class_id, image_index, embedding = self._find(pixels)
        found = []
        for index, matrix in enumerate(matrices):
            mine = image_index == index
            # letterboxing is a zoom and a shift
            zoom, shift = matrix[0, 0], np.tile(matrix[:2, 2], 2)
            found.append(
                Detections(
                    xyxy=((boxes[mine] - shift) / zoom).astype(np.float32),
                    score=score[mine],
                    class_id=class_id[mine],
                    embedding=embedding[mine],
                )
            )
        return found

    def _embed(self, image: Image, boxes: Float32Array) -> Float32Array:
        """Embeddings of boxes [n, 4]."""
        pixels, (matrix,) = self.letterbox([image])
        placed = boxes * matrix[0, 0] + np.tile(matrix[:2, 2], 2)
        return self._read(pixels, placed.astype(np.float32))

    def push_to_hub(self, repository: str, **card: Any) -> str:
        """Upload it with a model card; `card` is what `clmot.inference.push.push_model` takes: licence, data, scores.

        Raises:
            UserError: it was made of a network and not loaded, or as there.
        """
        from clmot.inference.push import push_model

        if not self.name:
            raise UserError("push_to_hub: this model has no file; save it, and load that with clmot.load_model")
        return push_model(self.name, repository, **card)

    def with_random_weights(self) -> Model:
        """A model like this one that has learned nothing, by torch."""
        from clmot.inference.network_model import random_model

        return random_model(self.config, str(self.device), self.precision)

    def _find(self, pixels: Image) -> Found:
        """Objects in letterboxed images, uint8 [v, height, width, 3]."""
        raise NotImplementedError

    def _read(self, pixels: Image, boxes: Float32Array) -> Float32Array:
        """Embeddings of boxes [n, 4] in one letterboxed image, uint8 [1, height, width, 3]."""
        raise NotImplementedError

    def require_size(self) -> None:
        """Refuse a `config.detect.size` where the input is not ours to choose.

        Raises:
            UserError: it is set, and the model brings its own input.
        """
        if self.config.detect.size and not self.any_size:
            raise UserError(f"{self.name}: has an input size of its own; leave out --size (detect.size)")

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the input that an image is letterboxed into, as `config.detect.size` says.

        Args:
            width: of the image in pixels.
            height: of the image in pixels.
        """
        if not self.any_size:
            return self.config.model.image_size
        match self.config.detect.size:
            case ():
                return input_size(width, height, self.config.model.image_size)
            case (longer,):
                return input_of_longer_side(width, height, longer)
            case (wide, high):
                return wide, high
        raise AssertionError("the configuration has more sides than two")

    def view_size(self, dataset: Dataset) -> tuple[int, int]:
        """The most frequent input size of a data set's images: of views of them, which have one size."""
        sizes = Counter(self.input_size(sample.width, sample.height) for sample in dataset.samples)
        return sizes.most_common(1)[0][0]

    def letterbox(self, images: Sequence[Image]) -> tuple[Image, list[np.ndarray]]:
        """Images at the input size of the first one, and the matrices that took them there.

        Returns:
            uint8 [v, height, width, 3], and 3x3 matrices from pixels of each image to those.
        """
        size = self.input_size(images[0].shape[1], images[0].shape[0])
        matrices = [letterbox_matrix(image.shape[1], image.shape[0], size) for image in images]
        placed = [warp_image(image, m, size) for image, m in zip(images, matrices, strict=True)]
        return placed[0][None] if len(placed) == 1 else np.stack(placed), matrices


def load_model(
    path: str | Path,
    *,
    device: str = "auto",
    precision: str | None = None,
    detector: Detector | None = None,
    size: int | Sequence[int] | None = None,
) -> Model:
    """Load a trained model.

    Args:
        path: a run folder, one of its checkpoints, a ``model.safetensors`` file, what `clmot export` wrote for ONNX
            (``.onnx``) or OpenVINO (``.xml``), the name of a model that comes with the package (``clmot-pedestrian``),
            the address of one on the Hugging Face Hub (``hf://OWNER/NAME``, downloaded once), or ``LIBRARY:NAME`` of a
            detector of others without an embedding (`clmot.detectors.registry.KINDS`).
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; also as torch has it, or a GPU's number.
        precision: ``bf16`` or ``float32``, by default as it was trained; an exported file keeps its own.
        detector: what an attached embedding was learned on; by default the one that the run describes.
        size: of its input in pixels, multiples of 32: the longer side, the other following the picture (ultralytics'
            ``imgsz``), or width and height; by default as `config.detect.size` says.

    Raises:
        TypeError: the path, or the detector, is something else.
        UserError: there is nothing to load, no such device, or it does not fit; or the runtime of an exported file is
            not installed.

    Examples:
        >>> model = clmot.load_model("runs/mine", device="cpu")
    """
    if not isinstance(path, str | Path):
        raise TypeError(f"a model is named by a path or a name, not by {path!r:.60}")
    if detector is not None:
        require_detector(detector)
    model = _load(path, device_name(device), precision, detector)
    model.name = str(path)
    if size is not None:
        sides = [size] if isinstance(size, int) else list(size)
        model.config = model.config.updated({"detect": {"size": sides}}, "size")
    model.require_size()
    return model


def _load(path: str | Path, device: str, precision: str | None, detector: Detector | None) -> Model:
    # what needs torch, which takes seconds, is imported where it is needed
    file = find_model(path)
    graph = shipped_graph(path)
    if graph is not None and importlib.util.find_spec("torch") is None:
        file = graph
    saved = None
    if not is_detector(path) and file.suffix not in (".onnx", ".xml"):
        from clmot.models.saved_model import load_saved_model

        saved = load_saved_model(file)
    if saved is not None and saved.config.detector.name:
        from clmot.inference.attached import load_attached

        return load_attached(saved, device=device, precision=precision, detector=detector)
    if detector is not None:
        raise UserError(
            f"{saved.file if saved else path}: finds objects itself; detector= goes with embeddings of clmot attach"
        )
    if saved is not None:
        from clmot.inference.network_model import NetworkModel, network_of

        return NetworkModel(*network_of(saved), device, precision)
    if is_detector(path):
        from clmot.inference.attached import load_detector

        return load_detector(Config().updated({"detector": {"name": str(path)}}, "detector"), device)
    from clmot.inference.exported import load_exported

    return load_exported(file, device, precision)
