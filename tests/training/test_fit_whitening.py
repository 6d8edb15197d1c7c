"""The metric learned when training ends, against covariances taken by loops, object by object."""

import copy
import dataclasses
import logging
from collections.abc import Sequence

import cv2
import numpy as np
import pytest
import torch
from data_builders import TINY_NETWORK, sample_of

from clmot.config import Config, load_config
from clmot.detectors.python_function import FunctionDetector
from clmot.evaluation.embedding import embed_sequences
from clmot.inference.attached import AttachedModel
from clmot.inference.model import Model
from clmot.inference.network_model import NetworkModel
from clmot.io.image import read_image
from clmot.models.attached import AttachedNetwork
from clmot.models.network import Network
from clmot.models.whitening import WhitenedPool
from clmot.structures import Dataset, Sample
from clmot.training import fit_whitening as fit_module
from clmot.training.fit_whitening import LEAST_BOXES, fit_whitening, whitening_of
from clmot.training.learn_metric import learn_metric
from clmot.views.labels import with_labels
from clmot.views.pair_dataset import PairDataset

CPU = torch.device("cpu")
READ = 2 * (8 + 8)
"""Length of what is read: two stripes of two levels, of eight channels each."""


def settings(*changes: str) -> Config:
    return load_config(
        overrides=[
            *TINY_NETWORK,
            "model.image_size=[96, 64]",
            "model.levels=[stride4, stride8]",
            "model.embedding_dimension=20",
            *changes,
        ]
    )


def new_network(config: Config) -> Network:
    torch.manual_seed(0)
    return Network(config.model).eval()


@pytest.fixture(autouse=True)
def _few_objects_are_enough(monkeypatch):
    monkeypatch.setattr(fit_module, "LEAST_OBJECTS", 1)


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """A data set of noise with a row of boxes, from the identities of each frame of each sequence."""
    folder = tmp_path_factory.mktemp("frames")

    def sample(sequence: str, frame: int, identities: list[int]) -> Sample:
        rng = np.random.default_rng([*sequence.encode(), frame])
        path, count = folder / f"{sequence}-{frame}.png", len(identities)
        cv2.imwrite(str(path), rng.integers(0, 256, (64, 96, 3), np.uint8))
        corner = np.stack([np.arange(count) * 16, rng.uniform(0, 20, count)], axis=1)
        boxes = np.concatenate([corner, corner + rng.uniform(14, 40, (count, 2))], axis=1)
        return sample_of(boxes, image=path, size=(96, 64), sequence=sequence, frame=frame, identities=identities)

    def dataset(**sequences: list[list[int]]) -> Dataset:
        samples = [
            sample(name, frame, identities)
            for name, frames in sequences.items()
            for frame, identities in enumerate(frames, 1)
        ]
        return Dataset(samples=tuple(samples), classes=("person",))

    return dataset


@pytest.fixture(scope="module")
def video(make) -> Dataset:
    """Two sequences whose objects have equal numbers and are others, a box nobody knows, an object seen twice."""
    return make(a=[[0, 1, 2, -1]] * 9 + [[0, 5, 1]] * 2, b=[[1, 0], [0, 1, 2]] * 5)


@pytest.fixture(scope="module")
def stills(make) -> Dataset:
    """Nobody is known, though places in the list of boxes come again and again."""
    return make(a=[[-1] * 4] * 6, b=[[-1] * 3] * 4)


Found = dict[str, list[tuple[tuple[int, ...], np.ndarray]]]
"""Of each sequence: which object each box is, and its embedding in double precision."""


def model_of(network: Network | AttachedNetwork, config: Config, plain: bool = True) -> Model:
    """A network in use, by default without a metric."""
    network = copy.deepcopy(network)
    if plain:
        whitening_of(network).pass_through()
    return (AttachedModel if isinstance(network, AttachedNetwork) else NetworkModel)(network, config, "cpu")


def over_time(model: Model, dataset: Dataset) -> Found:
    """The boxes of known identity."""
    found: Found = {}
    for sample in dataset.samples:
        known = sample.identities >= 0
        embeddings = model.embed(read_image(sample.image), sample.boxes[known]).astype(np.float64)
        objects = [(identity,) for identity in sample.identities[known].tolist()]
        found.setdefault(sample.sequence, []).extend(zip(objects, embeddings, strict=True))
    return found


def in_two_views(model: Model, dataset: Dataset, indices: Sequence[int]) -> Found:
    """All boxes of some frames, in both views of each."""
    config = model.config
    pairs = PairDataset(dataset, config.views, config.model.image_size, config.train.seed)
    found: Found = {}
    for number, index in enumerate(indices):
        for view in pairs[index, number].views:
            for row in np.flatnonzero(~view.ignore & (view.object_index >= 0)):
                (embedding,) = model.embed(view.image, view.boxes[row : row + 1]).astype(np.float64)
                boxes = found.setdefault(pairs.sequences[view.sequence_index[row]], [])
                boxes.append(((int(view.frame_index[row]), int(view.object_index[row])), embedding))
    return found


def within_objects(found: Found, least: int = LEAST_BOXES) -> torch.Tensor:
    """The covariance of an object's embeddings around their mean, one object of one sequence after the other."""
    total, count = 0, 0
    for boxes in found.values():
        for which in {which for which, _ in boxes}:
            own = [embedding for other, embedding in boxes if other == which]
            if len(own) < least:
                continue
            for embedding in own:
                total = total + np.outer(embedding - np.mean(own, axis=0), embedding - np.mean(own, axis=0))
                count += 1
    return torch.from_numpy(total / count)


def centre_and_spread(found: Found) -> tuple[torch.Tensor, torch.Tensor]:
    """The mean over sequences of their mean embedding, and the covariance of all around that of their sequence."""
    means = {name: np.mean([embedding for _, embedding in boxes], axis=0) for name, boxes in found.items()}
    around = [embedding - means[name] for name, boxes in found.items() for _, embedding in boxes]
    spread = sum(np.outer(each, each) for each in around) / len(around)
    return torch.from_numpy(np.mean(list(means.values()), axis=0)), torch.from_numpy(spread)


def expected_metric(network: Network | AttachedNetwork, found: Found, least: int = LEAST_BOXES) -> WhitenedPool:
    expected = copy.deepcopy(whitening_of(network))
    centre, overall = centre_and_spread(found)
    expected.fit(centre, within_objects(found, least), overall)
    return expected


def assert_same_metric(actual: WhitenedPool, expected: WhitenedPool) -> None:
    """Up to a rotation, which no cosine sees."""
    torch.testing.assert_close(actual.centre, expected.centre, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(actual.matrix @ actual.matrix.T, expected.matrix @ expected.matrix.T, atol=1e-3, rtol=0)


@pytest.mark.parametrize("length", [20, READ, 40])
def test_objects_known_at_several_times_whiten(video, length):
    config = settings(f"model.embedding_dimension={length}")
    network = new_network(config)
    expected = expected_metric(network, over_time(model_of(network, config), video))
    fit_whitening(network, config, video, CPU)
    assert_same_metric(network.read_out, expected)
    assert_whitens(network.read_out)


def assert_whitens(metric: WhitenedPool) -> None:
    counted = torch.linalg.svdvals(metric.matrix)[: min(metric.matrix.shape)]
    assert counted[0] > 1.1 * counted[-1], "all directions count alike"


def test_a_handful_of_objects_does_not_say_how_objects_change(video, monkeypatch):
    config = settings()
    nobody, over_time_alone, two_views = (new_network(config) for _ in range(3))
    fit_whitening(nobody, config, with_labels(video, "none")[0], CPU)
    objects = 6  # of the two sequences, in three frames or more
    monkeypatch.setattr(fit_module, "LEAST_OBJECTS", objects)
    fit_whitening(over_time_alone, config, video, CPU)
    monkeypatch.setattr(fit_module, "LEAST_OBJECTS", objects + 1)
    fit_whitening(two_views, config, video, CPU)
    assert torch.equal(two_views.read_out.matrix, nobody.read_out.matrix)
    assert not torch.allclose(over_time_alone.read_out.matrix, nobody.read_out.matrix, atol=1e-3)


def test_only_the_metric_changes(video):
    config = settings()
    network = new_network(config).train()
    before = copy.deepcopy(network.state_dict())
    fit_whitening(network, config, video, CPU)
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"read_out.centre", "read_out.matrix"}
    assert network.training


def test_it_is_learned_anew_each_time(video, stills):
    """Whatever metric there was before."""
    config = settings()
    network = new_network(config)
    fit_whitening(network, config, video, CPU)
    first = copy.deepcopy(network.read_out.state_dict())
    fit_whitening(network, config, stills, CPU)
    assert not torch.equal(network.read_out.matrix, first["matrix"])
    fit_whitening(network, config, video, CPU)
    assert all(torch.equal(value, first[name]) for name, value in network.read_out.state_dict().items())


def separate(dataset: Dataset) -> Dataset:
    """Every picture as a sequence of its own."""
    samples = [dataclasses.replace(sample, sequence=sample.image.name, frame=1) for sample in dataset.samples]
    return dataclasses.replace(dataset, samples=tuple(samples))


SAYS_NOTHING_ABOUT_TIME = {
    "nobody known": lambda stills: stills,
    "each picture a sequence": separate,
    "instances": lambda stills: with_labels(stills, "instances")[0],
}


@pytest.mark.parametrize("kind", SAYS_NOTHING_ABOUT_TIME)
def test_stills_whiten_by_their_two_views(stills, kind):
    config, dataset = settings(), SAYS_NOTHING_ABOUT_TIME[kind](stills)
    network = new_network(config)
    found = in_two_views(model_of(network, config), dataset, range(len(dataset.samples)))
    if kind == "each picture a sequence":  # whose means would take along what tells its objects from those of others
        found = {"all": [box for boxes in found.values() for box in boxes]}
    expected = expected_metric(network, found, least=2)
    fit_whitening(network, config, dataset, CPU)
    assert_same_metric(network.read_out, expected)
    assert_whitens(network.read_out)


def test_objects_seen_less_often_than_three_times_say_nothing(make):
    dataset = make(a=[[0, 1, 2, 3], [3, 2, 1, 0], [4, 5, 6, 7], [7, 6, 5, 4]] + [[8, 9, 10]] * 2)
    config = settings()
    known, unknown = new_network(config), new_network(config)
    fit_whitening(known, config, dataset, CPU)
    fit_whitening(unknown, config, with_labels(dataset, "none")[0], CPU)
    assert torch.equal(known.read_out.matrix, unknown.read_out.matrix)
    assert torch.equal(known.read_out.centre, unknown.read_out.centre)


def test_views_are_of_one_frame(video):
    """Whatever training did: in its neighbours, it is not known who is who."""
    unknown = with_labels(video, "none")[0]
    networks = []
    for changes in ([], ["views.neighbour=1", "views.neighbour_frames=3"]):
        config = settings(*changes)
        networks.append(new_network(config))
        fit_whitening(networks[-1], config, unknown, CPU)
    assert torch.equal(networks[0].read_out.matrix, networks[1].read_out.matrix)


def ignored(dataset: Dataset) -> Dataset:
    samples = [dataclasses.replace(sample, ignore=np.ones_like(sample.ignore)) for sample in dataset.samples]
    return dataclasses.replace(dataset, samples=tuple(samples))


@pytest.mark.parametrize("further", [False, True])
@pytest.mark.parametrize("kind", ["no boxes", "all ignored", "known and ignored", "no frames"])
def test_nothing_annotated_leaves_the_random_projection(make, video, stills, kind, further, caplog):
    nothing = {
        "no boxes": make(a=[[], []]),
        "all ignored": ignored(stills),
        "known and ignored": ignored(video),
        "no frames": Dataset(samples=(), classes=("person",)),
    }
    config = settings()
    network = new_network(config)
    before = copy.deepcopy(network.state_dict())
    with caplog.at_level(logging.WARNING, "clmot"):
        fit_whitening(network, config, nothing[kind], CPU, further=further)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    if not further:
        (warning,) = caplog.messages
        assert "not fitted: there are too few boxes" in warning


@pytest.fixture
def frames_looked_at(monkeypatch):
    """Fits a metric and says of which frames, by sequence and number."""

    def fit(config: Config, dataset: Dataset) -> list[tuple[str, int]]:
        seen, embed_sequences, embed_views = [], fit_module.embed_sequences, fit_module.embed_views

        def sequences_noted(samples, *others):
            samples = list(samples)
            seen.extend((sample.sequence, sample.frame) for sample in samples)
            return embed_sequences(samples, *others)

        def views_noted(pairs, *others):
            pairs = list(pairs)
            indices = [next(iter(set(pair.views[0].frame_index.tolist()))) for pair in pairs]
            seen.extend((dataset.samples[index].sequence, dataset.samples[index].frame) for index in indices)
            return embed_views(pairs, *others)

        with monkeypatch.context() as patched:
            patched.setattr(fit_module, "embed_sequences", sequences_noted)
            patched.setattr(fit_module, "embed_views", views_noted)
            fit_whitening(new_network(config), config, dataset, CPU)
        return seen

    return fit


def test_known_frames_are_few_and_spread_over_the_sequences(make, monkeypatch, frames_looked_at):
    dataset = make(a=[[0]] * 12, b=[[0]] * 6)
    # in no order, as where data sets are mixed
    shuffled = [dataset.samples[index] for index in np.random.default_rng(0).permutation(18)]
    dataset = dataclasses.replace(dataset, samples=tuple(shuffled))
    # beyond that, an object is seen less often than three times in one of the sequences
    for most, each in ((100, 1), (18, 1), (17, 2), (9, 2), (8, 3), (6, 3)):
        monkeypatch.setattr(fit_module, "MAX_IMAGES", most)
        seen = frames_looked_at(settings(), dataset)
        assert len(seen) <= most
        assert seen == [("a", frame) for frame in range(1, 13, each)] + [("b", frame) for frame in range(1, 7, each)]


def test_views_are_few_and_of_frames_from_first_to_last(make, monkeypatch, frames_looked_at):
    dataset = make(a=[[-1, -1]] * 10, b=[[-1, -1]] * 7)
    everything = [(sample.sequence, sample.frame) for sample in dataset.samples]
    config = settings("views.scale=[1, 1]", "views.shift=0")  # every box stays in view
    for most, each in ((100, 1), (34, 1), (18, 2), (10, 4), (6, 8)):
        monkeypatch.setattr(fit_module, "MAX_IMAGES", most)
        assert frames_looked_at(config, dataset) == everything[::each]
        assert 2 * len(everything[::each]) <= most


def test_frames_without_known_objects_are_left_out(make, frames_looked_at):
    dataset = make(a=[[0, 1], [-1, -1], [], [1, 0], [0, 1]], b=[[-1], [-1]])
    assert frames_looked_at(settings(), dataset) == [("a", 1), ("a", 4), ("a", 5)]


@pytest.mark.parametrize("labels", ["known", "none"])
def test_an_image_that_cannot_be_read_is_left_out(video, labels):
    """As training did: a night's work is not lost at its end."""
    config, (whole, _) = settings(), with_labels(video, labels)
    samples = list(whole.samples)
    samples.insert(3, dataclasses.replace(samples[0], image=samples[0].image.with_name("gone.png"), frame=99))
    network = new_network(config)
    fit_whitening(network, config, dataclasses.replace(whole, samples=tuple(samples)), CPU)
    assert_whitens(network.read_out)
    if labels == "known":
        other = new_network(config)
        fit_whitening(other, config, whole, CPU)
        assert torch.equal(network.read_out.matrix, other.read_out.matrix)


@pytest.fixture(scope="module")
def other_video(make) -> Dataset:
    return make(c=[[0, 1, 2]] * 8, d=[[0, 1, 2, 3]] * 6)


def test_going_on_tells_the_objects_of_other_videos_apart(video, other_video):
    config = settings()
    network = new_network(config)
    fit_whitening(network, config, video, CPU)
    seconds = {sample.sequence: 1.0 for sample in other_video.samples}
    parts = embed_sequences(other_video.samples, model_of(network, config, plain=False).embed, seconds)
    expected = network.read_out.matrix @ learn_metric(parts)
    before = copy.deepcopy(network.state_dict())
    fit_whitening(network, config, other_video, CPU, further=True)
    torch.testing.assert_close(network.read_out.matrix, expected, atol=1e-4, rtol=1e-3)
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"read_out.matrix"}


def test_where_there_is_no_metric_to_go_on_from_one_is_learned(video):
    config = settings()
    going_on, anew = new_network(config), new_network(config)
    fit_whitening(going_on, config, video, CPU, further=True)
    fit_whitening(anew, config, video, CPU)
    assert torch.equal(going_on.read_out.matrix, anew.read_out.matrix)
    assert torch.equal(going_on.read_out.centre, anew.read_out.centre)


@pytest.mark.parametrize("kind", SAYS_NOTHING_ABOUT_TIME)
def test_going_on_changes_nothing_where_no_object_is_known_at_several_times(video, stills, kind):
    config = settings()
    network = new_network(config)
    fit_whitening(network, config, video, CPU)
    before = copy.deepcopy(network.state_dict())
    dataset = SAYS_NOTHING_ABOUT_TIME[kind](stills)
    fit_whitening(network, config, dataset, CPU, further=True)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def find(image: np.ndarray) -> np.ndarray:
    return np.array([[10, 10, 30, 50, 0.9, 0]])


def test_an_attached_embedding_gets_one_too(video, stills):
    config = settings("detector.head=crops", "detector.crop_size=[32, 64]")
    torch.manual_seed(0)
    network = AttachedNetwork(config, FunctionDetector(find)).eval()
    metric = whitening_of(network)
    assert metric is network.head.read_out
    model = model_of(network, config)
    expected = expected_metric(network, over_time(model, video))
    fit_whitening(network, config, video, CPU)
    assert_same_metric(metric, expected)
    expected = expected_metric(network, in_two_views(model, stills, range(len(stills.samples))), least=2)
    fit_whitening(network, config, stills, CPU)
    assert_same_metric(metric, expected)
