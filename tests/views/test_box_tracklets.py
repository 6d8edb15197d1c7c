from dataclasses import replace

import numpy as np
import pytest
from data_builders import sample_of

from clmot.datasets.readers import read_dataset
from clmot.errors import UserError
from clmot.structures import Dataset
from clmot.views.tracklets import with_tracklets


def frame(number, centres, sequence="street", identities=None, ignore=()):
    centres = np.array(centres, np.float32).reshape(-1, 2)
    half = np.array([15, 40], np.float32)
    boxes = np.concatenate([centres - half, centres + half], axis=1)
    n = len(boxes)
    known = {"ignore": np.isin(np.arange(n), ignore), "identities": [-1] * n if identities is None else identities}
    file = f"{sequence}/{number:06d}.jpg"
    return sample_of(boxes, image=file, size=(640, 480), sequence=sequence, frame=number, **known)


def dataset(*samples):
    return Dataset(samples=tuple(samples), classes=("person",))


def tracklets(*samples):
    return [sample.identities.tolist() for sample in with_tracklets(dataset(*samples)).samples]


def test_walkers_are_followed_until_they_meet():
    def walk(t):
        return [[100 + 5 * t, 200], [400 - 5 * t, 200], [300, 90], [500, 90]]

    found = tracklets(*[frame(t + 1, walk(t)) for t in range(60)])
    before, after = np.array(found[:20]), np.array(found[40:])
    assert (before == before[0]).all()
    assert (after == after[0]).all()
    assert (before[0, 2:] == after[0, 2:]).all()  # who stands apart is one tracklet throughout
    assert not {*before[0, :2]} & {*after[0, :2]}  # nobody can say which of the two came out on which side


def test_order_of_samples_and_annotated_identities_do_not_matter():
    rng = np.random.default_rng(0)
    samples = [frame(t, [[100 + 4 * t, 200], [300 - 4 * t, 300]]) for t in range(1, 20)]
    expected = tracklets(*samples)
    order = rng.permutation(len(samples))
    shuffled = tracklets(*[samples[i] for i in order])
    assert [shuffled[np.argmax(order == i)] for i in range(len(samples))] == expected
    assert tracklets(*[replace(each, identities=rng.integers(0, 9, 2)) for each in samples]) == expected


def test_stills_ignored_boxes_and_other_sequences_have_none():
    video = [frame(t, [[100, 200], [300, 200]], ignore=[1]) for t in (1, 2, 3)]
    still = frame(1, [[100, 200]], "still")
    found = tracklets(*video, still)
    assert found == [[0, -1]] * 3 + [[-1]]


def test_a_cut_ends_them_all():
    first, second = [[100, 100], [200, 100], [300, 100]], [[105, 100], [400, 300], [500, 300]]
    found = tracklets(*[frame(t, first if t < 5 else second) for t in range(1, 9)])
    assert found[0] == found[3] == [0, 1, 2]
    assert found[4] == found[7] == [3, 4, 5]


def test_stills_of_one_place_are_no_video():
    rng = np.random.default_rng(0)
    places = [[100, 100], [200, 100], [300, 100], [400, 300], [500, 300]]
    stills = [frame(t, [places[i] for i in rng.choice(5, 3, replace=False)], "stills") for t in range(1, 30)]
    video = [frame(t, places) for t in range(1, 4)]
    assert tracklets(*stills, *video) == [[-1] * 3] * 29 + [[0, 1, 2, 3, 4]] * 3


def test_stills_alone_are_refused():
    with pytest.raises(UserError, match=r"data\.tracklets=true, but no box could be followed"):
        with_tracklets(dataset(frame(1, [[100, 200]], "a"), frame(1, [[100, 200]], "b")))


@pytest.mark.parametrize("name", ["PETS09-S2L1", "TUD-Campus", "TUD-Stadtmitte"])
def test_on_real_people_no_tracklet_holds_two(real_data, name):
    true = read_dataset([real_data / "mot" / name], identities=True)
    people: dict[int, set[int]] = {}
    followed = []
    for sample, made in zip(true.samples, with_tracklets(true).samples, strict=True):
        followed.extend(made.identities >= 0)
        for tracklet, person in zip(made.identities, sample.identities, strict=True):
            people.setdefault(int(tracklet), set()).add(int(person))
    people.pop(-1, None)
    assert {len(each) for each in people.values()} == {1}
    assert np.mean(followed) > 0.94
