import pytest
import torch

from clmot.config import load_config
from clmot.models.network import Network
from clmot.training.optim import make_optimizer
from tests.apps.adapt.conftest import OVERRIDES

pytestmark = pytest.mark.slow

DETECTING = ("encoder.", "neck.", "heatmap.", "size.", "offset.", "task_weights.")


def test_only_the_embedding_learns_and_detections_stay_to_the_bit():
    config = load_config(overrides=[*OVERRIDES, "train.learn=embedding"])
    torch.manual_seed(0)
    network = Network(config.model)
    images = torch.randint(0, 255, (2, 3, 96, 160), dtype=torch.uint8)
    boxes = torch.tensor([[10.0, 10, 40, 80], [60, 20, 90, 90]])
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        maps = network.eval().maps(images)
    network.freeze_detector()
    network.train()
    optimizer = make_optimizer(network, config.train)
    for _ in range(2):
        output = network(images, boxes, torch.tensor([0, 1]))
        assert output.maps is None
        optimizer.zero_grad()
        (output.embeddings * torch.randn_like(output.embeddings)).sum().backward()
        optimizer.step()
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert not [name for name in changed if name.startswith(DETECTING)]
    # of the neck's map, and of what is read of each level
    assert {name for name in changed if "bodies.1." in name} >= {"embedding.bodies.1.0.weight"}
    assert {name for name in changed if name.startswith("read_out.")} == {
        "read_out.plain.projection.0",
        "read_out.plain.projection.1",
    }
    with torch.no_grad():
        after = network.eval().maps(images)
    assert torch.equal(maps.heatmap, after.heatmap)
    assert torch.equal(maps.size, after.size)
    assert torch.equal(maps.embedding[0], after.embedding[0]), "the encoder's map is what it was"
    assert not torch.equal(maps.embedding[1], after.embedding[1])
    # what is trained later is all of it again
    assert Network(config.model).train()(images, boxes, torch.tensor([0, 1])).maps is not None
