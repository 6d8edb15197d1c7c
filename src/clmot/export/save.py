"""A trained network to a file of another runtime: converted, compared, and only then written."""

from __future__ import annotations

import contextlib
import copy
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from clmot.config import Config
from clmot.detectors.frozen import fingerprint
from clmot.errors import UserError, reason_of, require
from clmot.export.calibration import Frame, Frames, draw_frames
from clmot.export.crops import CROP_SIZE, CropsGraph, Pixels, cut_out
from clmot.export.graphs import DetectionsGraph, Graph, MapsGraph
from clmot.export.int8 import quantise
from clmot.export.int8_agreement import Agreement, check_agreement, check_crops
from clmot.export.onnx_target import set_default, set_metadata, to_onnx
from clmot.export.openvino_target import save_openvino, to_openvino
from clmot.export.parity import ANY, FLOAT32, HALF, check_parity, parity_sizes
from clmot.inference.export_metadata import Metadata
from clmot.inference.exported import load_exported
from clmot.inference.network_model import NetworkModel, load_network
from clmot.io.atomic import whole_file
from clmot.io.runtimes import Array, import_extra, open_network
from clmot.models.attached import CropHead
from clmot.models.network import Network
from clmot.structures import Float32Array, Image

log = logging.getLogger(__name__)

Target = Literal["onnx", "openvino"]

SUFFIXES: dict[Target, str] = {"onnx": ".onnx", "openvino": ".xml"}
"""How a target's file must end."""


@dataclass(frozen=True, kw_only=True)
class Export:
    """What was written.

    Attributes:
        file: the file.
        outputs: what the graph gives, in order.
        any_size: input sizes other than the one in use are possible.
        apart: the largest difference from the network, as a share of what is allowed.
        agreement: what int8 cost, on images.
    """

    file: Path
    outputs: tuple[str, ...]
    any_size: bool
    apart: float
    agreement: Agreement | None = None


@dataclass(frozen=True, kw_only=True)
class Quantisation:
    """How a graph is quantised, and how the file is judged after that.

    Attributes:
        inputs: what to calibrate on, by name; asked whether the graph takes any size.
        check: of the file.
    """

    inputs: Callable[[bool], Iterator[dict[str, Array]]]
    check: Callable[[Path], Agreement]


def export(
    network: Network,
    config: Config,
    to: Target,
    out: Path,
    *,
    decode: bool = False,
    half: bool = False,
    int8: Sequence[Path] = (),
    int8_frames: int = 100,
) -> Export:
    """Write a network for another runtime, unless it says something else there.

    Args:
        network: trained; left as it is.
        config: its configuration; `config.model.image_size` is the size in use, `config.detect` the defaults of
            decoding.
        to: the runtime.
        out: the file.
        decode: detections with embeddings instead of maps.
        half: float16 where it can be (``openvino``: for storage).
        int8: where there are images (`clmot.export.calibration.draw_frames`) to calibrate 8-bit integers on, and to
            compare the answers on. Empty: no integers.
        int8_frames: how many of them are used.

    Raises:
        UserError: the file's name does not end as it must, a package is missing, images cannot be read, the file cannot
            be written, or its answers differ from the network's by more than `FLOAT32`, `HALF` or
            `clmot.export.int8_agreement` allow.
    """
    _check_options(to, out, half, int8)

    def graph(half: bool) -> MapsGraph:
        return DetectionsGraph(network, config.detect.max_detections, half) if decode else MapsGraph(network, half)

    reference = graph(half=False)

    def metadata(any_size: bool) -> Metadata:
        state = {} if decode else reference.network.read_out.state_dict()
        weights = {name: value.numpy() for name, value in state.items()}
        outputs: Literal["maps", "detections"] = "detections" if decode else "maps"
        told = fingerprint(network)
        # a file of one size has no choice
        own = config if any_size else config.updated({"detect": {"size": []}})
        return Metadata(config=own, outputs=outputs, any_size=any_size, weights=weights, fingerprint=told)

    exported = graph(half=half and to != "openvino")
    if not int8:
        return _write(exported, reference, metadata, config, to, out, half)
    frames = draw_frames(int8, int8_frames)
    model = NetworkModel(reference.network, config, "cpu", "float32")

    def inputs(any_size: bool) -> Iterator[dict[str, Array]]:
        model.any_size = any_size
        for frame in frames.calibration:
            pixels = model.letterbox([frame.image])[0].transpose(0, 3, 1, 2)
            tensors = exported.inputs_of(torch.from_numpy(np.ascontiguousarray(pixels)))
            yield {name: tensor.numpy() for name, tensor in zip(exported.inputs, tensors, strict=True)}

    def check(made: Path) -> Agreement:
        quantised = load_exported(made, "cpu")
        return check_agreement(f"export to {to}", quantised, model, frames.held_out, frames.classes)

    return _write(exported, reference, metadata, config, to, out, half, Quantisation(inputs=inputs, check=check))


def export_model(model: str | Path, to: Target, out: str | Path, **options: Any) -> Export:
    """`export` of a run, a checkpoint, a model file or a shipped model, with the options of that.

    Examples:
        >>> written = clmot.export_model("runs/mine", "onnx", "mine.onnx")
    """
    network, config = load_network(Path(model))
    return export(network, config, to, Path(out), **options)


def export_crops(
    source: Network | CropHead,
    config: Config,
    to: Target,
    out: Path,
    *,
    size: tuple[int, int] = CROP_SIZE,
    pixels: Pixels = "imagenet",
    half: bool = False,
    int8: Sequence[Path] = (),
    int8_frames: int = 100,
) -> Export:
    """Write an embedding of crops for trackers of others, unless it says something else there.

    Args:
        source: of `clmot.export.crops.load_crop_embedding`; left as it is.
        config: its configuration; crops are reduced to `config.detector.crop_size`.
        to: the runtime.
        out: the file.
        size: width and height of the crops, whole multiples of what they are reduced to.
        pixels: what their numbers are.
        half: compute in float16 what can be (``openvino``: for storage).
        int8: as `export`; the boxes are those of data sets, elsewhere what the network finds.
        int8_frames: how many images are used.

    Raises:
        UserError: as `export`; the size is no multiple; or nobody knows where boxes are in the images.
    """
    _check_options(to, out, half, int8)
    inner = config.detector.crop_size
    exported = CropsGraph(source, size, inner, pixels, half=half and to != "openvino")
    reference = CropsGraph(source, size, inner, "bytes", portable=False)

    def metadata(any_size: bool) -> Metadata:
        return Metadata(config=config, outputs="embeddings", any_size=any_size, pixels=pixels)

    if not int8:
        return _write(exported, reference, metadata, config, to, out, half)
    frames = draw_frames(int8, int8_frames)
    boxes = _box_finder(source, config, frames)

    def inputs(_: bool) -> Iterator[dict[str, Array]]:
        for frame in frames.calibration:
            if len(there := boxes(frame)):
                (tensor,) = exported.inputs_of(cut_out(frame.image, there, size))
                yield {exported.inputs[0]: tensor.numpy()}

    def embed(image: Image, there: Float32Array) -> Float32Array:
        with torch.inference_mode():
            (found,) = reference(*reference.inputs_of(cut_out(image, there, size)))
        return np.asarray(found.numpy(), np.float32)

    def check(made: Path) -> Agreement:
        run = open_network(made).run

        def quantised(image: Image, there: Float32Array) -> Float32Array:
            (tensor,) = exported.inputs_of(cut_out(image, there, size))
            return np.asarray(run({exported.inputs[0]: tensor.numpy()})[0], np.float32)

        return check_crops(f"export to {to}", quantised, embed, frames.held_out, boxes)

    return _write(exported, reference, metadata, config, to, out, half, Quantisation(inputs=inputs, check=check))


def _box_finder(source: Network | CropHead, config: Config, frames: Frames) -> Callable[[Frame], Float32Array]:
    """Annotated boxes; in images alone, what the one-shot network finds."""
    if isinstance(source, Network):
        model = NetworkModel(copy.deepcopy(source), config, "cpu", "float32")
    else:
        known = all(frame.sample is not None for frame in frames.held_out)
        require(known, "export: --int8 of this head needs boxes: calibrate it on a data set, not on images alone")

    def boxes(frame: Frame) -> Float32Array:
        if frame.sample is not None:
            return frame.sample.boxes[~frame.sample.ignore]
        found = model.detect(frame.image)
        return found.xyxy[found.score >= config.tracker.high_score]

    return boxes


def _check_options(to: Target, out: Path, half: bool, int8: Sequence[Path]) -> None:
    require(to in SUFFIXES, f"export: unknown target '{to}'; known: {', '.join(SUFFIXES)}")
    require(out.suffix == SUFFIXES[to], f"{out}: a file for {to} must end in {SUFFIXES[to]}")
    # before minutes of work
    above = next(folder for folder in out.absolute().parents if folder.exists())
    require(above.is_dir(), f"{out}: cannot be written: {above} is a file")
    if to == "openvino":
        import_extra("openvino", "openvino")
    require(not int8 or not half, "export: --int8 and --half exclude each other; leave out one")


def _write(
    exported: Graph,
    reference: Graph,
    metadata: Callable[[bool], Metadata],
    config: Config,
    to: Target,
    out: Path,
    half: bool,
    quantisation: Quantisation | None = None,
) -> Export:
    """Convert, compare, and only then put the file in its place; `metadata` is asked whether any size is possible."""
    tolerance = HALF if half else ANY if quantisation else FLOAT32
    with _scratch_folder(out) as folder:
        made = folder / out.name
        model, any_size = to_onnx(exported, config)
        if quantisation:
            model = quantise(model, quantisation.inputs(any_size))
        strings = metadata(any_size).as_strings()
        if to == "onnx":
            if isinstance(exported, DetectionsGraph):
                set_default(model, "score_threshold", config.detect.score_threshold)
            set_metadata(model, strings)
            made.write_bytes(model.SerializeToString())
        else:
            source = made.with_suffix(".onnx")
            source.write_bytes(model.SerializeToString())
            save_openvino(to_openvino(source), made, strings, half)
        sizes = parity_sizes(exported.size_in_use(config), any_size)
        apart = check_parity(f"export to {to}", exported, reference, open_network(made).run, sizes, tolerance)
        agreement = quantisation.check(made) if quantisation else None
        names = [out.name, made.with_suffix(".bin").name] if to == "openvino" else [out.name]
        _publish(made.parent, out.parent, names)
    apart = max(apart, agreement.apart if agreement else 0.0)
    return Export(file=out, outputs=exported.outputs, any_size=any_size, apart=apart, agreement=agreement)


@contextlib.contextmanager
def _scratch_folder(out: Path) -> Iterator[Path]:
    """A folder for the time of an export; where it is full, the message names what was to be written."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
    except OSError as error:
        raise UserError(f"{out}: cannot be written by way of {tempfile.gettempdir()}: {reason_of(error)}") from error


def _publish(source: Path, folder: Path, names: list[str]) -> None:
    """Put complete files in their place, the first one last: it is the one that names the export."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in reversed(names):
            with whole_file(folder / name, "the export") as partial:
                shutil.copyfile(source / name, partial)
    except OSError as error:
        raise UserError(f"{folder / names[0]}: cannot be written: {reason_of(error)}") from error
