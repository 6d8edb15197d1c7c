"""A trained network in use, by torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from clmot.config import Config
from clmot.detectors.frozen import fingerprint
from clmot.devices import choose_device
from clmot.errors import UserError
from clmot.inference.model import Model
from clmot.inference.read_out import ArrayMaps, Found, Pool, find_objects, make_pool
from clmot.models.decode import decode
from clmot.models.embedding_pool import embed_peaks
from clmot.models.fold import computes_bfloat16, fold_batch_norm, fuse_for_cpu, leave_out_colours
from clmot.models.levels import STRIDE
from clmot.models.network import Network
from clmot.models.saved_model import SavedModel, load_saved_model, load_weights
from clmot.shipped import find_model
from clmot.structures import Float32Array, Image, OutputMaps


class NetworkModel(Model):
    """A network as a model.

    On a GPU objects are found and read there; else on arrays, as what an exported network finds is.

    Args:
        network: its mode is set to evaluation. On CPU, and in float32, a copy is used that takes fewer steps
            (`clmot.models.fold`); else it is used itself, and its weights are moved to `device`.
        config: the configuration it was trained with.
        device: ``auto`` (a GPU where there is one), ``cpu``, ``cuda`` or ``cuda:N``.
        precision: ``bf16`` (on CPU faster where the processor knows it) or ``float32``; by default as it was trained
            (`train.precision`): imported weights, and others that learned in float32, are not rounded. On a processor
            that does not compute in bfloat16, ``float32``.
    """

    def __init__(self, network: Network, config: Config, device: str = "auto", precision: str | None = None) -> None:
        if precision not in (None, "bf16", "float32"):
            raise UserError(f"precision: '{precision}' is not one of bf16, float32")
        self.config = config
        self.classes = config.model.classes
        self.device = torch.device(choose_device(device))
        if str(self.device) == "cuda":
            # another thread, such as the one that tracking uses, has a current device of its own
            self.device = torch.device("cuda", torch.cuda.current_device())
        if precision is None:
            exact = config.train.precision == "32-true" or (self.device.type == "cpu" and not computes_bfloat16())
            precision = "float32" if exact else "bf16"
        self.precision = precision
        self.fingerprint = fingerprint(network)
        if isinstance(network, Network):
            self.any_size = network.takes_any_size()
        if isinstance(network, Network) and (precision == "float32" or self.device.type == "cpu"):
            network = fold_batch_norm(network)
            if self.device.type == "cpu":
                fused = fuse_for_cpu(network, torch.float32 if precision == "float32" else torch.bfloat16)
                if fused is not network:
                    leave_out_colours(fused)
                network = fused
        self.network = network.to(self.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]

    @torch.inference_mode()
    def _find(self, pixels: Image) -> Found:
        options = self.config.detect
        maps = self._maps(pixels)
        if self.device.type == "cpu":
            arrays = _arrays(maps, pixels)
            return find_objects(arrays, self._pool, options.score_threshold, options.max_detections)
        peaks = decode(maps, STRIDE, options.score_threshold, options.max_detections)
        boxes, score, class_id, image_index, cells = peaks
        embeddings = embed_peaks(self.network.read_out, maps.embedding, boxes, cells, image_index)
        return Found(*(each.cpu().numpy() for each in (boxes, score, class_id, image_index, embeddings.float())))

    @torch.inference_mode()
    def _read(self, pixels: Image, boxes: Float32Array) -> Float32Array:
        maps = self._maps(pixels)
        index = np.zeros(len(boxes), np.int64)
        if self.device.type == "cpu":
            return self._pool(_arrays(maps, pixels).embedding, boxes, index)
        placed, images = (torch.from_numpy(each).to(self.device) for each in (boxes, index))
        return self.network.read_out(maps.embedding, placed, images).float().cpu().numpy()  # type: ignore[no-any-return]

    def _maps(self, pixels: Image) -> OutputMaps:
        images = torch.from_numpy(pixels).to(self.device).permute(0, 3, 1, 2)
        with self._autocast():
            return self.network.maps(images)  # type: ignore[no-any-return]

    @property
    def _pool(self) -> Pool:
        """The network's, whose weights it shares."""
        state = self.network.read_out.state_dict()
        return make_pool(self.config.model, {name: value.float().numpy() for name, value in state.items()})

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")


def _arrays(maps: OutputMaps, pixels: Image) -> ArrayMaps:
    """Maps with channels last, as which they lie in memory; an empty one is that of colours, which the pixels show."""
    heatmap, size, offset, *embedding = (
        each.permute(0, 2, 3, 1).float().numpy() if each.numel() else pixels
        for each in (maps.heatmap, maps.size, maps.offset, *maps.embedding)
    )
    return ArrayMaps(heatmap, size, offset, tuple(embedding))


def random_model(config: Config, device: str, precision: str) -> NetworkModel:
    """A model that has learned nothing; precisions of other runtimes are taken for the nearest."""
    known = "float32" if precision == "float32" else "bf16"
    return NetworkModel(Network(config.model), config, device, known)


def load_network(path: Path) -> tuple[Network, Config]:
    """A trained network and its configuration, from what `load_model` takes, exported files aside."""
    return network_of(load_saved_model(find_model(path)))


def network_of(saved: SavedModel) -> tuple[Network, Config]:
    """The network that was saved, and its configuration.

    Raises:
        UserError: it is an embedding attached to a detector of others, or the weights do not fit.
    """
    if saved.config.detector.name:
        raise UserError(
            f"{saved.file}: an embedding attached to {saved.config.detector.name}, not a network of clmot train "
            "(clmot export takes it with --crops)"
        )
    network = Network(saved.config.model)
    load_weights(network, saved)
    return network, saved.config


def untrained(model: Model, seed: int) -> Model:
    """The same network with random weights throughout."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed + 1)
        return model.with_random_weights()
