import numpy as np
import pytest
from data_builders import sample_of

from clmot.config import load_config
from clmot.errors import UserError
from clmot.structures import Dataset, Sample
from clmot.views.labels import labels_of, with_labels


def sample(sequence: str, frame: int, identities: list[int], ignore: tuple[int, ...] = ()) -> Sample:
    n = len(identities)
    known = {"ignore": np.isin(np.arange(n), ignore), "identities": identities}
    return sample_of([[0, 0, 10, 20]] * n, sequence=sequence, frame=frame, **known)


@pytest.fixture
def dataset() -> Dataset:
    samples = [
        sample("a", 1, [3, 7, -1]),
        sample("a", 2, [7, 12, 3], ignore=(1,)),
        sample("b", 1, [3, -1]),
        sample("b", 2, []),
        sample("c", 1, [9], ignore=(0,)),
    ]
    return Dataset(samples=samples, classes=("person",))


def identities(dataset: Dataset) -> list[list[int]]:
    return [sample.identities.tolist() for sample in dataset.samples]


def test_none_drops_every_identity(dataset):
    labelled, count = with_labels(dataset, "none")
    assert count == 0
    assert identities(labelled) == [[-1] * 3, [-1] * 3, [-1] * 2, [], [-1]]


def test_known_identities_are_numbered_without_gaps_and_by_sequence(dataset):
    """Person 3 of sequence a keeps a number over frames; person 3 of b is another; who is ignored needs none."""
    labelled, count = with_labels(dataset, "known")
    assert identities(labelled) == [[0, 1, -1], [1, -1, 0], [2, -1], [], [-1]]
    assert count == 3


def test_instances_give_every_box_a_number_of_its_own(dataset):
    labelled, count = with_labels(dataset, "instances")
    assert identities(labelled) == [[0, 1, 2], [3, -1, 4], [5, 6], [], [-1]]
    assert count == 7


@pytest.mark.parametrize("labels", ["none", "known", "instances"])
def test_everything_else_stays(dataset, labels):
    labelled, _ = with_labels(dataset, labels)
    assert labelled.classes == dataset.classes
    for before, after in zip(dataset.samples, labelled.samples, strict=True):
        assert (after.image, after.sequence, after.frame) == (before.image, before.sequence, before.frame)
        assert after.boxes is before.boxes
        assert after.ignore is before.ignore
    assert identities(dataset)[0] == [3, 7, -1], "the data set itself is left alone"


def test_instances_do_not_depend_on_annotated_identities(dataset):
    unknown = Dataset(samples=[sample.without_identities() for sample in dataset.samples], classes=dataset.classes)
    assert identities(with_labels(unknown, "instances")[0]) == identities(with_labels(dataset, "instances")[0])


def test_no_identity_where_some_are_asked_for():
    with pytest.raises(UserError, match=r"data\.identities=true"):
        with_labels(Dataset(samples=[sample("a", 1, [-1, -1])], classes=("person",)), "known")


@pytest.mark.parametrize(
    ("overrides", "labels"),
    [
        ([], "none"),
        (["data.identities=true"], "known"),
        (["loss.objective=identity", "data.identities=true"], "known"),
        (["loss.objective=instance"], "instances"),
        (["loss.objective=instance", "data.identities=true"], "instances"),
        (["loss.objective=none"], "none"),
    ],
)
def test_labels_that_a_configuration_learns_from(overrides, labels):
    assert labels_of(load_config(overrides=overrides)) == labels


@pytest.mark.parametrize("objective", ["identity"])
def test_supervision_without_permission_is_refused(objective):
    with pytest.raises(UserError, match=f"loss.objective={objective}.*data.identities=true"):
        labels_of(load_config(overrides=[f"loss.objective={objective}"]))


@pytest.mark.parametrize(("share", "kept"), [(1.0, 10), (0.5, 5), (0.1, 1), (0.01, 1)])
def test_a_share_of_the_identities(share, kept):
    """Who is kept is kept everywhere, the others nowhere; the seed says who."""
    data = Dataset(samples=[sample("a", frame, list(range(10))) for frame in (1, 2)], classes=("person",))
    labelled, count = with_labels(data, "known", share, seed=1)
    first, second = identities(labelled)
    assert first == second
    assert count == kept == sum(number >= 0 for number in first)
    assert identities(with_labels(data, "known", share, seed=1)[0])[0] == first
    chosen = {tuple(number >= 0 for number in identities(with_labels(data, "known", share, s)[0])[0]) for s in range(9)}
    assert len(chosen) == 1 if share == 1 else len(chosen) > 2
    assert with_labels(data, "instances", share)[1] == 20
