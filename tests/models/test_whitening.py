import numpy as np
import pytest
import torch
from data_builders import TINY_NETWORK
from torch import nn

from clmot.config import load_config
from clmot.export.crops import CropsGraph
from clmot.models import whitening as metric
from clmot.models.embedding_pool import StripePool
from clmot.models.levels import Level
from clmot.models.network import Network
from clmot.models.whitening import WhitenedPool


def read(read_out, vectors):
    """Embeddings of boxes that the pooling is given embeddings for."""
    return read_out((vectors,), torch.zeros(len(vectors), 4), torch.zeros(len(vectors), dtype=torch.long))


class Given(StripePool):
    """A pooling that reads what it is given."""

    def __init__(self, dimension=6):
        super().__init__([Level(dimension, 4)], stripes=1, width=dimension)

    def forward(self, maps, boxes, image_index):
        return maps[0]


@pytest.fixture
def people():
    """Embeddings [50 people, 40 times, d] that differ within a person along some directions more than along others."""
    rng = np.random.default_rng(0)
    d = 6
    within = np.diag([16.0, 16, 0.25, 0.25, 0.1, 0.1]) ** 0.5 @ np.linalg.qr(rng.normal(size=(d, d)))[0]
    return 3 + rng.normal(size=(50, 1, d)) + rng.normal(size=(50, 40, d)) @ within


def covariance(values):
    around = (values - values.mean(axis=-2, keepdims=True)).reshape(-1, values.shape[-1])
    return torch.from_numpy(around.T @ around / len(around))


def overall(people):
    return covariance(people.reshape(-1, people.shape[-1]))


def fitted(people, length=6, within=True):
    read_out = WhitenedPool(Given(), length)
    # what differs alike in all directions whitens nothing
    whitened_by = covariance(people) if within else torch.eye(6, dtype=torch.float64)
    read_out.fit(torch.from_numpy(people.mean(axis=(0, 1))), whitened_by, overall(people))
    return read_out


def rank_1(embeddings):
    """Share of the embeddings [people, times, d] whose nearest neighbour is of the same person."""
    vectors = nn.functional.normalize(embeddings.flatten(0, 1), dim=1)
    cosine = (vectors @ vectors.T).fill_diagonal_(-2)
    person = torch.arange(len(embeddings)).repeat_interleave(embeddings.shape[1])
    return (person[cosine.argmax(dim=1)] == person).float().mean().item()


def in_metric(read_out, people):
    values = torch.from_numpy(people).float()
    return read(read_out, values.flatten(0, 1)).unflatten(0, values.shape[:2])


def test_passing_through_changes_nothing(people):
    read_out = fitted(people, 4)
    plain = nn.functional.normalize(torch.from_numpy(people[:, 0]).float(), dim=1)
    assert read(read_out, plain).shape == (50, 4)
    read_out.pass_through()
    torch.testing.assert_close(read(read_out, plain), plain)


def test_before_it_is_learned_cosines_are_kept_roughly():
    torch.manual_seed(0)
    vectors = nn.functional.normalize(torch.randn(30, 400), dim=1)
    shortened = read(WhitenedPool(Given(400), 200), vectors)
    assert shortened.shape == (30, 200)
    assert (shortened @ shortened.T - vectors @ vectors.T).abs().max() < 0.35


def test_a_loaded_model_knows_whether_its_whitening_was_fitted(people):
    for saved in (fitted(people), WhitenedPool(Given(), 6)):
        loaded = WhitenedPool(Given(), 6)
        loaded.load_state_dict(saved.state_dict())
        assert loaded.is_fitted == saved.is_fitted == bool(saved.centre.any())
    loaded = fitted(people)
    loaded.pass_through()
    assert not loaded.is_fitted


def test_within_a_person_all_directions_count_alike(people, monkeypatch):
    monkeypatch.setattr(metric, "SHRINKAGE", 0.0)
    matrix = fitted(people).matrix.double()
    spread = matrix.T @ covariance(people) @ matrix
    torch.testing.assert_close(spread / spread.diagonal().mean(), torch.eye(6, dtype=torch.float64), atol=1e-4, rtol=0)


def test_going_on_multiplies_what_is_in_use(people):
    read_out = fitted(people)
    before, centre = in_metric(read_out, people), read_out.centre.clone()
    turn = torch.from_numpy(np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]).float()
    read_out.go_on(turn)
    torch.testing.assert_close(in_metric(read_out, people), before @ turn, atol=1e-5, rtol=0)
    assert torch.equal(read_out.centre, centre)


def test_people_are_told_apart_better(people):
    assert rank_1(in_metric(fitted(people), people)) > rank_1(in_metric(fitted(people, within=False), people)) + 0.04


def test_a_shorter_embedding_keeps_the_directions_in_which_most_differs(people):
    ours = fitted(people, 3, within=False).matrix.double()
    _, _, expected = np.linalg.svd((people - people.mean(axis=(0, 1))).reshape(-1, 6), full_matrices=False)
    # the same subspace as that of the first three principal components
    torch.testing.assert_close(ours @ ours.T, torch.from_numpy(expected[:3].T @ expected[:3]), atol=1e-5, rtol=0)


def test_a_longer_embedding_than_what_is_read_has_nothing_in_the_rest(people):
    longer, same = (in_metric(fitted(people, length), people) for length in (9, 6))
    torch.testing.assert_close(longer, nn.functional.pad(same, (0, 3)))


def test_the_network_trains_without_it_and_crops_agree():
    config = load_config(
        overrides=[
            *TINY_NETWORK,
            "model.levels=[colour, stride4, stride16]",
            "model.embedding_dimension=16",
        ]
    ).model
    torch.manual_seed(0)
    network = Network(config).eval()
    assert isinstance(network.read_out, WhitenedPool)
    length = 2 * (128 + 8 + 8)  # 16 channels become 8
    noise = torch.randn(length, length, dtype=torch.float64)
    network.read_out.fit(0.01 * torch.randn(length), noise @ noise.T, noise.T @ noise)
    crops = torch.randint(0, 256, (3, 3, 64, 32), dtype=torch.uint8)
    with torch.inference_mode():
        (portable,) = CropsGraph(network, (32, 64), (32, 64), "bytes")(crops)
        (expected,) = CropsGraph(network, (32, 64), (32, 64), "bytes", portable=False)(crops)
        maps = network.maps(crops)
        boxes = torch.tensor([[0.0, 0, 32, 64]]).repeat(3, 1)
        direct = network.read_out(maps.embedding, boxes, torch.arange(3))
        trained = network(crops, boxes, torch.arange(3))
    assert direct.shape == (3, 16)
    assert trained.embeddings.shape == (3, length) == (3, network.contrasted_dimension)
    torch.testing.assert_close(portable, expected, atol=2e-4, rtol=0)
    torch.testing.assert_close(direct, expected, atol=2e-4, rtol=0)
