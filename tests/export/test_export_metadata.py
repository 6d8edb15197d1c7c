"""What an exported file says about itself, read back."""

import base64
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

from clmot.config import Config
from clmot.errors import UserError
from clmot.inference.export_metadata import Metadata
from clmot.models.network import Network

FILE = Path("model.onnx")

READ_OUTS = {
    "levels longer and shorter than the width": {"levels": ["stride16", "colour", "stride4", "neck"]},
    "no level of the encoder": {"levels": ["neck", "colour"]},
    "longer than what is read": {"levels": ["stride16"], "embedding_dimension": 40},
    "center": {"pooling": "center"},
}


def described(config: Config, changes: dict[str, object]) -> tuple[Network, Metadata]:
    config = config.updated({"model": changes}, "test")
    torch.manual_seed(0)
    network = Network(config.model).eval()
    weights = {name: value.numpy() for name, value in network.read_out.state_dict().items()}
    return network, Metadata(config=config, outputs="maps", any_size=True, weights=weights)


@pytest.mark.parametrize("kind", READ_OUTS)
def test_the_read_out_comes_back(config, kind):
    network, metadata = described(config, READ_OUTS[kind])
    read = Metadata.from_strings(metadata.as_strings(), FILE)
    assert (read.config, read.outputs, read.any_size) == (metadata.config, "maps", True)
    boxes, index = torch.tensor([[4.0, 4, 30, 60], [20, 10, 50, 60]]), torch.tensor([0, 1])
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        maps = network.maps(images).embedding
        expected = network.read_out(maps, boxes, index)
    arrays = [np.moveaxis(each.numpy(), 1, -1) for each in maps]
    np.testing.assert_allclose(read.pool(arrays, boxes.numpy(), index.numpy()), expected, atol=1e-5)
    for name, value in metadata.weights.items():
        np.testing.assert_array_equal(read.weights[name], value)


def changed(strings: dict[str, str], name: str, value: np.ndarray | None) -> dict[str, str]:
    weights = safetensors.numpy.load(base64.b64decode(strings["read_out"]))
    del weights[name]
    if value is not None:
        weights[name] = value
    return strings | {"read_out": base64.b64encode(safetensors.numpy.save(weights)).decode()}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("plain.projection.0", None),
        ("plain.projection.0", np.zeros((2, 16, 5), np.float32)),
        ("matrix", None),
        ("matrix", np.zeros((3, 3), np.float32)),
    ],
)
def test_a_read_out_that_does_not_fit_is_broken(config, name, value):
    strings = described(config, {"levels": ["stride16", "neck"]})[1].as_strings()
    assert Metadata.from_strings(strings, FILE).pool is not None
    with pytest.raises(UserError, match=r"model\.onnx: the pooling in its metadata is broken; export it"):
        Metadata.from_strings(changed(strings, name, value), FILE)
