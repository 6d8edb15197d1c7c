"""What an exported file says about itself, read back."""

import base64
from pathlib import Path

import pytest
import safetensors.torch
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
    return network, Metadata(config=config, outputs="maps", any_size=True, pool=network.read_out)


@pytest.mark.parametrize("kind", READ_OUTS)
def test_the_read_out_comes_back(config, kind):
    network, metadata = described(config, READ_OUTS[kind])
    read = Metadata.from_strings(metadata.as_strings(), FILE)
    assert (read.config, read.outputs, read.any_size) == (metadata.config, "maps", True)
    boxes, index = torch.tensor([[4.0, 4, 30, 60], [20, 10, 50, 60]]), torch.tensor([0, 1])
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        maps = network.maps(images).embedding
        assert torch.equal(read.pool(maps, boxes, index), network.read_out(maps, boxes, index))


def changed(strings: dict[str, str], name: str, value: torch.Tensor | None) -> dict[str, str]:
    weights = safetensors.torch.load(base64.b64decode(strings["read_out"]))
    del weights[name]
    if value is not None:
        weights[name] = value
    return strings | {"read_out": base64.b64encode(safetensors.torch.save(weights)).decode()}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("plain.projection.0", None),
        ("plain.projection.0", torch.zeros(2, 16, 5)),
        ("matrix", None),
        ("matrix", torch.zeros(3, 3)),
    ],
)
def test_a_read_out_that_does_not_fit_is_broken(config, name, value):
    strings = described(config, {"levels": ["stride16", "neck"]})[1].as_strings()
    assert Metadata.from_strings(strings, FILE).pool is not None
    with pytest.raises(UserError, match=r"model\.onnx: the pooling in its metadata is broken; export it"):
        Metadata.from_strings(changed(strings, name, value), FILE)
