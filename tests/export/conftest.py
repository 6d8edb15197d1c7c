"""One tiny random network, and what it looks like elsewhere: conversion takes seconds, so it is done once."""

import numpy as np
import pytest
import torch

from clmot.config import Config, load_config
from clmot.export.save import Export, export
from clmot.inference.model import Model
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
    return Model(network, config, "cpu", "float32")


@pytest.fixture(scope="session")
def maps_file(network: Network, config: Config, tmp_path_factory: pytest.TempPathFactory) -> Export:
    pytest.importorskip("onnxruntime")
    return export(network, config, "onnx", tmp_path_factory.mktemp("onnx") / "maps.onnx")


@pytest.fixture(scope="session")
def decoded_file(network: Network, config: Config, tmp_path_factory: pytest.TempPathFactory) -> Export:
    pytest.importorskip("onnxruntime")
    return export(network, config, "onnx", tmp_path_factory.mktemp("onnx") / "decoded.onnx", decode=True)


def picture(width: int, height: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def random_pictures() -> list[np.ndarray]:
    return [picture(160, 100), picture(128, 96, 1), picture(90, 200, 2)]
