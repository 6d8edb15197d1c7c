import numpy as np
import pytest
import torch
from torch import nn

from clmot.config import load_config
from clmot.export.crops import CropsGraph
from clmot.models import whitening
from clmot.models.network import Network
from clmot.models.readout import StripeReadOut
from clmot.models.whitening import WhitenedReadOut


def read(read_out, vectors):
    """Embeddings of boxes that the read-out is given embeddings for."""
    return read_out((vectors,), torch.zeros(len(vectors), 4), torch.zeros(len(vectors), dtype=torch.long))


class Given(nn.Module):
    """A read-out that reads what it is given."""

    def forward(self, maps, boxes, image_index):
        return maps[0]


@pytest.fixture
def people():
    """Embeddings [50 people, 40 times, d] that differ within a person along some directions more than along others."""
    rng = np.random.default_rng(0)
    d = 6
    within = np.diag([4.0, 1, 1, 0.25, 0.25, 0.25]) ** 0.5 @ np.linalg.qr(rng.normal(size=(d, d)))[0]
    return 3 + rng.normal(size=(50, 1, d)) + rng.normal(size=(50, 40, d)) @ within


def covariance(people):
    around = (people - people.mean(axis=1, keepdims=True)).reshape(-1, people.shape[-1])
    return torch.from_numpy(around.T @ around / len(around))


def test_before_it_is_fitted_and_while_training_nothing_changes(people):
    read_out = WhitenedReadOut(Given(), 6)
    plain = nn.functional.normalize(torch.from_numpy(people[:, 0]).float(), dim=1)
    torch.testing.assert_close(read(read_out.eval(), plain), plain)
    read_out.fit(torch.ones(6), covariance(people))
    assert not torch.allclose(read(read_out, plain), plain, atol=0.1)
    assert torch.equal(read(read_out.train(), plain), plain)
    read_out.forget()
    torch.testing.assert_close(read(read_out.eval(), plain), plain)


def test_within_a_person_all_directions_count_alike(people, monkeypatch):
    monkeypatch.setattr(whitening, "SHRINKAGE", 0.0)
    read_out = WhitenedReadOut(Given(), 6)
    read_out.fit(torch.from_numpy(people.mean(axis=(0, 1))), covariance(people))
    spread = read_out.matrix.double() @ covariance(people) @ read_out.matrix.double()
    torch.testing.assert_close(spread / spread.diagonal().mean(), torch.eye(6, dtype=torch.float64), atol=1e-4, rtol=0)


def test_people_are_told_apart_better(people):
    values = torch.from_numpy(people).float()
    read_out = WhitenedReadOut(Given(), 6).eval()

    def rank_1():
        vectors = read(read_out, values.flatten(0, 1))
        cosine = (vectors @ vectors.T).fill_diagonal_(-2)
        person = torch.arange(50).repeat_interleave(40)
        return (person[cosine.argmax(dim=1)] == person).float().mean().item()

    before = rank_1()
    read_out.fit(values.mean(dim=(0, 1)), covariance(people))
    assert rank_1() > before + 0.04


def test_the_network_has_it_where_asked_and_crops_agree():
    config = load_config(
        overrides=[
            "model.encoder=resnet10t",
            "model.encoder_options={channels: [8, 8, 16, 16]}",
            "model.pretrained=none",
            "model.width=8",
            "model.stripes=2",
            "model.embedding_dimension=16",
            "model.whitening=true",
        ]
    ).model
    torch.manual_seed(0)
    network = Network(config).eval()
    assert isinstance(network.read_out, WhitenedReadOut)
    assert isinstance(network.read_out.read_out, StripeReadOut)
    noise = torch.randn(16, 16, dtype=torch.float64)
    network.read_out.fit(0.1 * torch.randn(16), noise @ noise.T)
    crops = torch.randint(0, 256, (3, 3, 64, 32), dtype=torch.uint8)
    with torch.inference_mode():
        (portable,) = CropsGraph(network, (32, 64), (32, 64), "bytes")(crops)
        (expected,) = CropsGraph(network, (32, 64), (32, 64), "bytes", portable=False)(crops)
        maps = network.maps(crops)
        boxes = torch.tensor([[0.0, 0, 32, 64]]).repeat(3, 1)
        direct = network.read_out(maps.embedding, boxes, torch.arange(3))
    torch.testing.assert_close(portable, expected, atol=2e-4, rtol=0)
    torch.testing.assert_close(direct, expected, atol=2e-4, rtol=0)
