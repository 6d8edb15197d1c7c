"""Whose embeddings `benchmarks/adaptation.py` compares: networks with identities, ours, and what ours learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from clmot.apps.adapt.frames import read_frames
from clmot.apps.adapt.judgement import embedded
from clmot.apps.adapt.run import HELD_OUT, LEARNED, adapt
from clmot.apps.adapt.settings import reading_size
from clmot.boxes import iou
from clmot.datasets.readers import read_dataset
from clmot.errors import UserError
from clmot.evaluation.baselines import histogram_embedding
from clmot.inference.model import load_model
from clmot.io.mot_sequences import read_sequence_info
from clmot.io.progress import progress_bar
from clmot.io.runtimes import openvino_core
from clmot.models.network import Network
from clmot.models.saved_model import load_saved_model
from clmot.shipped import DEFAULT, find_model
from clmot.structures import Dataset, Embed, Float32Array, Image, Sample
from clmot.training.checkpoint import save_checkpoint
from clmot.training.data import read_training_data
from clmot.training.fit_whitening import fit_whitening
from clmot.training.init_weights import initialise
from clmot.training.learn_metric import learn_metric
from clmot.views.pixels import region_in

SEQUENCES = ("TUD-Stadtmitte", "TUD-Campus", "PETS09-S2L1", "MOT16-11")
LEAST_OVERLAP = 0.5
PIXELS = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""ImageNet's mean and deviation."""


def start(sequence: str, data: Path, out: Path) -> Path:
    """The model that is adapted: published weights of YOLOX-nano, a metric from tracklets of the other sequences."""
    folder = out / sequence
    if not folder.is_dir():
        weights = data / "weights" / "yolox_nano.onnx"
        config = load_saved_model(find_model(DEFAULT)).config
        config = config.updated({"model": {"pretrained": str(weights)}, "data": {"tracklets": True}})
        others, config, _ = read_training_data([data / "mot" / each for each in SEQUENCES if each != sequence], config)
        torch.manual_seed(0)
        network = Network(config.model)
        initialise(network, config.model)
        fit_whitening(network.eval(), config, others, torch.device("cpu"))
        config = config.updated({"model": {"pretrained": "none"}})
        save_checkpoint(folder, 0, config, network.state_dict(), state=None)
    return folder


def crop_embedding(file: Path, bgr: bool = False) -> Embed:
    """A re-identification network on crops of 128x256 pixels: BGR from 0 to 255, or RGB as ImageNet's networks see it.

    As `clmot.evaluation.baselines.onnx_embedding`, in OpenVINO, which takes less time.
    """
    settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    network = openvino_core().compile_model(str(file), "CPU", settings)
    mean, deviation = (
        (0.0, 1.0) if bgr else (np.array([0.485, 0.456, 0.406]) * 255, np.array([0.229, 0.224, 0.225]) * 255)
    )

    def embed(image: Image, boxes: Float32Array) -> Float32Array:
        rows = []
        for box in boxes:
            crop = region_in(box, (image.shape[1], image.shape[0])).of(image)
            pixels = cv2.resize(crop, (128, 256)) if crop.size else np.zeros((256, 128, 3), np.uint8)
            pixels = ((pixels[:, :, ::-1] if bgr else pixels) - mean) / deviation
            rows.append(network(pixels.transpose(2, 0, 1)[None].astype(np.float32))[0].reshape(-1).copy())
        found = np.array(rows, np.float32).reshape(len(rows), -1)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)

    return embed


class Arms:
    """Where each arm's embeddings come from.

    Args:
        data: folder of data and weights.
        out: where models are kept.
        overrides: settings of the adaptation.
    """

    def __init__(self, data: Path, out: Path, overrides: Sequence[str]) -> None:
        self._data, self._out, self._overrides = data, out, overrides

    def embed(self, arm: str, name: str, video: Path, boxes: Path) -> Embed:
        """Of an arm; ours in all that `name` stands for learns from the boxes in a sequence folder."""
        weights = self._data / "weights"
        if arm == "histogram":
            return histogram_embedding
        if arm == "OSNet":
            return crop_embedding(weights / "osnet_x0_25_msmt17.onnx")
        if arm == "retail":
            return crop_embedding(weights / "openvino" / "person-reidentification-retail-0288.xml", bgr=True)
        return load_model(self._model(arm, name, video, boxes), device="cpu").embed

    def _model(self, arm: str, name: str, video: Path, boxes: Path) -> Path:
        begin = start(video.name, self._data, self._out / "start")
        if arm == "ours":
            return begin
        folder = self._out / "adapted" / name
        try:
            adapt(begin, [video], folder, boxes=boxes, overrides=self._overrides, resume=True)
        except UserError as error:  # too few tracklets: the model stays what it was
            print(error, flush=True)
            return begin if arm == "adapted" else self._supervised(video, begin, folder)
        return folder if arm == "adapted" else self._supervised(video, begin, folder)

    def _supervised(self, video: Path, begin: Path, adapted: Path) -> Path:
        """The same boxes at the same size, but who is who is annotated."""
        model, saved = load_model(begin, device="cpu"), load_saved_model(begin)
        learned = read_frames(adapted / LEARNED, model.classes)
        held_out = read_frames(adapted / HELD_OUT, model.classes).samples if (adapted / HELD_OUT).is_dir() else ()
        frames = [*learned.samples, *held_out]
        truth = {each.frame: each for each in read_dataset([video], identities=True).samples}
        known = Dataset(samples=[identified(each, truth.get(each.frame)) for each in frames], classes=())
        rates = {video.name: read_sequence_info(video).frame_rate}
        own = saved.config.updated({"detect": {"size": [size] if (size := reading_size(model, learned)) else []}})
        model.config = own
        with progress_bar() as bar:
            parts = embedded(model.embed, known, rates, adapted.name, bar)
        metric = learn_metric([*parts.values()], apart=True)
        saved.weights["read_out.matrix"] = saved.weights["read_out.matrix"] @ metric
        folder = self._out / "supervised" / adapted.name
        save_checkpoint(folder, 0, own, saved.weights, state=None)
        return folder


def identified(sample: Sample, truth: Sample | None) -> Sample:
    """A frame with the annotated identity of each box that counts, in place of its tracklet."""
    found = np.full(len(sample.boxes), -1, np.int64)
    if truth is not None and len(truth.boxes) and len(found):
        overlap = iou(sample.boxes, truth.boxes) * ~truth.ignore
        clear = (overlap.max(axis=1) >= LEAST_OVERLAP) & ~sample.ignore
        found[clear] = truth.identities[overlap.argmax(axis=1)[clear]]
    return replace(sample, identities=found)
