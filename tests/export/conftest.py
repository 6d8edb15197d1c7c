"""One tiny random network, and what it looks like elsewhere: conversion takes seconds, so it is done once."""

import copy

import numpy as np
import pytest
import torch

from clmot.config import Config, load_config
from clmot.detectors.frozen import fingerprint
from clmot.export import save
from clmot.export.graphs import Graph
from clmot.export.save import Export, export, export_crops
from clmot.inference.model import Model
from clmot.inference.network_model import NetworkModel
from clmot.models.network import Network


@pytest.fixture(scope="session")
def config() -> Config:
    return load_config(
        overrides=[
            "model.encoder=resnet10t",
            "model.encoder_options={channels: [8, 8, 16, 16]}",
            "model.image_size=[128, 96]",
            "model.width=8",
            "model.classes=[person, car]",
            "model.levels=[colour, stride8, neck]",
            "model.stripes=2",
            "model.embedding_dimension=24",
            "detect.score_threshold=0.2",
            "detect.max_detections=20",
        ]
    )


@pytest.fixture(scope="session", autouse=True)
def _each_graph_is_converted_once():
    """Conversion to ONNX takes most of the time of an export, and gives the same for the same graph."""
    to_onnx, made = save.to_onnx, {}

    def once(graph: Graph, config: Config):
        options = [getattr(graph, name, None) for name in ("size", "inner", "pixels", "max_detections")]
        key = (type(graph), fingerprint(graph), config.model.image_size, str(options))
        if key not in made:
            made[key] = to_onnx(graph, config)
        return copy.deepcopy(made[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(save, "to_onnx", once)
        yield


@pytest.fixture(scope="session")
def network(config: Config) -> Network:
    torch.manual_seed(0)
    network = Network(config.model).eval()
    torch.nn.init.normal_(network.heatmap.out.weight, std=2.0)  # peaks here and there
    torch.nn.init.zeros_(network.heatmap.out.bias)
    torch.nn.init.normal_(network.size.out.weight, std=0.5)  # of all sizes
    torch.nn.init.normal_(network.read_out.centre, std=0.05)  # as where a metric was learned
    return network


@pytest.fixture(scope="session")
def model(network: Network, config: Config) -> Model:
    return NetworkModel(network, config, "cpu", "float32")


@pytest.fixture(scope="session")
def maps_file(network: Network, config: Config, tmp_path_factory: pytest.TempPathFactory) -> Export:
    pytest.importorskip("onnxruntime")
    return export(network, config, "onnx", tmp_path_factory.mktemp("onnx") / "maps.onnx")


@pytest.fixture(scope="session")
def decoded_file(network: Network, config: Config, tmp_path_factory: pytest.TempPathFactory) -> Export:
    pytest.importorskip("onnxruntime")
    return export(network, config, "onnx", tmp_path_factory.mktemp("onnx") / "decoded.onnx", decode=True)


@pytest.fixture(scope="session")
def crop_config(config: Config) -> Config:
    """Of crops that are reduced to 32x64, as the model's images are."""
    return config.updated({"detector": {"crop_size": [32, 64]}, "model": {"image_size": [32, 64]}}, "test")


@pytest.fixture(scope="session")
def crops_file(network: Network, crop_config: Config, tmp_path_factory: pytest.TempPathFactory) -> Export:
    pytest.importorskip("onnxruntime")
    return export_crops(network, crop_config, "onnx", tmp_path_factory.mktemp("onnx") / "reid.onnx", size=(64, 128))


def picture(width: int, height: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def random_pictures() -> list[np.ndarray]:
    return [picture(160, 100), picture(128, 96, 1), picture(90, 200, 2)]
