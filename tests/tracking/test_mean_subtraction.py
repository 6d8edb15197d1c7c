"""What all embeddings of a video have in common, taken out."""

import numpy as np
import pytest

from clmot.config.tracker import TrackerConfig
from clmot.structures import Detections
from clmot.tracking.mean_subtraction import RunningMean
from clmot.tracking.tracker import Tracker


def looks(individuals, frames, common=3.0, noise=0.3, seed=0):
    """Unit vectors [frames, individuals, 16] around each individual's own direction and one that all share."""
    rng = np.random.default_rng(seed)
    own = np.eye(16)[:individuals]
    own[:, 15] = common
    seen = own + rng.normal(size=(frames, individuals, 16)) * noise / 4
    return (seen / np.linalg.norm(seen, axis=2, keepdims=True)).astype(np.float32)


def test_is_the_mean_of_all_frames_so_far():
    video, centring = looks(5, 7), RunningMean(2.0)
    for t, frame in enumerate(video, 1):
        given = centring(frame, high=4, known=5)
        expected = frame - video[:t, :4].reshape(-1, 16).mean(axis=0, dtype=np.float64) * 5 / (5 + 2)
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        np.testing.assert_allclose(given, expected, atol=1e-5)


def test_tells_individuals_apart_that_have_much_in_common():
    video, centring = looks(12, 30), RunningMean(2.0)
    centred = [centring(frame, 12, 12) for frame in video][-1]
    apart = ~np.eye(12, dtype=bool)
    assert (video[-1] @ video[-1].T)[apart].min() > 0.8
    assert (centred @ centred.T)[apart].max() < 0.4


def test_leaves_one_individual_recognisable():
    video, centring, all_of_it = looks(1, 300, common=1.0), RunningMean(2.0), RunningMean(1e-3)
    centred = np.concatenate([centring(frame, 1, 1) for frame in video])
    noise = np.concatenate([all_of_it(frame, 1, 1) for frame in video])
    limit = TrackerConfig().appearance_threshold
    assert (1 - centred[100:] @ centred[-1]).max() < limit
    assert (1 - noise[100:] @ noise[-1]).max() > limit


@pytest.mark.parametrize(("individuals", "known"), [(0.0, 5), (3.0, 0)])
def test_changes_nothing_where_it_is_off_or_knows_nobody(individuals, known):
    frame = looks(5, 1)[0]
    assert RunningMean(individuals)(frame, 5, known) is frame


def test_begins_anew_with_embeddings_of_another_length():
    centring, fresh = RunningMean(2.0), RunningMean(2.0)
    centring(np.eye(6, dtype=np.float32), 6, 6)
    frame = looks(5, 1)[0]
    np.testing.assert_array_equal(centring(frame, 5, 5), fresh(frame, 5, 5))


def test_a_tracker_gives_nobody_the_track_of_another_who_was_there():
    # nine stand apart; one leaves, and another who looks different comes to where that one was
    places = np.array([[100.0 * i, 20, 100 * i + 40, 120] for i in range(9)])
    vectors = looks(10, 24, common=2.0)
    there = [*range(1, 9)]

    def last(config):
        tracker = Tracker(config)
        for t in range(24):
            who = [0, *there] if t < 20 else there if t < 22 else [9, *there]
            where = places[1:] if 20 <= t < 22 else places
            found = Detections(
                xyxy=where, score=np.ones(len(who)), class_id=np.zeros(len(who)), embedding=vectors[t, who]
            )
            ids = tracker.update(found).track_id.tolist()
        return ids

    only = {"lost_overlap_weight": 0.0, "recovery_iou_threshold": 0.0}
    assert last(TrackerConfig(mean_subtraction=1.0, **only)) == [10, 2, 3, 4, 5, 6, 7, 8, 9]
    assert last(TrackerConfig(mean_subtraction=0.0, **only)) == [1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_a_state_goes_on_and_a_strange_one_is_refused():
    config = TrackerConfig()
    tracker, other = Tracker(config), Tracker(config)
    for vectors in looks(3, 5):
        boxes = np.array([[0.0, 0, 30, 80], [50, 0, 80, 80], [100, 0, 130, 80]])
        tracker.update(Detections(xyxy=boxes, score=np.ones(3), class_id=np.zeros(3), embedding=vectors))
    state = tracker.state()
    other.restore(state)
    for name, value in other.state().items():
        np.testing.assert_array_equal(value, state[name])
    before = other.state()
    with pytest.raises(ValueError, match="same configuration"):
        other.restore({name: value for name, value in state.items() if name != "centring.total"})
    assert all(np.array_equal(value, before[name]) for name, value in other.state().items())
