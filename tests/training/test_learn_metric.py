import numpy as np
import torch

from clmot.evaluation.embedding import EmbeddedSequence, hardest_decidability
from clmot.training.learn_metric import learn_metric, moved


def people(seed: int, count: int = 20, moments: int = 12, together: bool = True) -> EmbeddedSequence:
    """Who differ in four directions of 32, and change in the others."""
    rng = np.random.default_rng(seed)
    looks = np.zeros((count, 32))
    looks[:, :4] = 0.7 * rng.normal(size=(count, 4))
    identities = np.tile(np.arange(count), moments)
    embeddings = looks[identities] + rng.normal(size=(len(identities), 32)) * np.where(np.arange(32) < 4, 0.1, 0.3)
    seconds = np.repeat(np.arange(moments) * 1.0, count)
    return EmbeddedSequence(
        embeddings=(embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).astype(np.float32),
        identities=identities,
        seconds=seconds if together else seconds + 1000.0 * identities,
    )


def told_apart(sequence: EmbeddedSequence, metric: torch.Tensor) -> float:
    return float(np.mean(list(hardest_decidability(moved(sequence, metric), 1.0).values())))


def test_others_of_the_same_place_are_told_apart_better():
    metric = learn_metric([people(0), people(1)])
    assert metric is not None
    assert told_apart(people(2), metric) > told_apart(people(2), torch.eye(32)) + 0.15
    # it looks at the directions in which people differ
    weight = metric.square().sum(dim=1)
    assert weight[:4].min() > 1.2 > 0.95 > weight[4:].max()


def test_what_is_never_seen_together_is_not_contrasted():
    """It may be one and the same."""
    assert learn_metric([people(0, together=False)]) is None
    assert learn_metric([people(0, count=1), people(1, count=1)]) is None
    # as impostors they change nothing: the same is learned with them and without
    apart = people(3, count=1, together=False)
    one, two = learn_metric([people(0)]), learn_metric([people(0), apart])
    assert torch.equal(one, two)


def test_who_is_known_to_be_another_is_contrasted_unseen():
    """Identities instead of tracklets."""
    assert learn_metric([people(0, together=False)], apart=True) is not None
    assert learn_metric([people(0, count=1), people(1, count=1)], apart=True) is None


def test_few_tracklets_say_nothing():
    assert learn_metric([people(0, count=5)], least=6) is None
    assert learn_metric([people(0, count=6)], least=6) is not None


def test_the_seed_decides():
    assert torch.equal(learn_metric([people(0)], seed=1), learn_metric([people(0)], seed=1))
    assert not torch.equal(learn_metric([people(0)], seed=1), learn_metric([people(0)], seed=2))
