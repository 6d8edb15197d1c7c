from dataclasses import replace

import numpy as np
import pytest

from clmot.config.tracker import TrackerConfig
from clmot.structures import Detections
from clmot.tracking.track_state import Found, Tracks, unit
from clmot.tracking.tracker import Tracker


def some_detections(rng, n):
    corner = rng.uniform(0, 200, (n, 2))
    return Detections(
        xyxy=np.concatenate([corner, corner + rng.uniform(20, 80, (n, 2))], axis=1),
        score=rng.uniform(0, 1, n),
        class_id=rng.integers(0, 2, n),
        embedding=rng.normal(size=(n, 4)),
    )


def found_in(detections):
    return Found(detections, unit(detections.embedding))


@pytest.mark.parametrize("confirm_frames", [1, 2, 4])
def test_the_oldest_come_first_and_with_them_those_that_have_an_id(confirm_frames):
    rng = np.random.default_rng(confirm_frames)
    tracker, frame = Tracker(TrackerConfig(confirm_frames=confirm_frames, lost_seconds=0.3)), 0
    both = 0
    for _ in range(120):
        frame += 1 if rng.random() < 0.95 else int(rng.integers(2, 6))
        tracker.update(some_detections(rng, rng.integers(0, 9)), frame=frame)
        tracks = tracker._tracks
        has_id = tracks.track_id > 0
        assert (np.diff(tracks.first_frame) >= 0).all()
        assert (np.diff(has_id.astype(int)) <= 0).all()
        assert has_id.sum() == tracks.confirmed
        assert (np.diff(tracks.track_id[has_id]) > 0).all()
        both += has_id.any() and not has_id.all()
    assert both > 5 or confirm_frames == 1


def test_found_is_ordered_and_counted_by_score():
    detections = some_detections(np.random.default_rng(0), 20)
    found = found_in(detections)
    assert (np.diff(found.score) <= 0).all()
    for least in (0.0, 0.3, float(detections.score[3]), 1.0):
        assert found.count(least) == np.count_nonzero(detections.score >= np.float32(least))
        assert (found.score[: found.count(least)] >= np.float32(least)).all()


def test_found_is_the_same_however_equal_scores_are_listed():
    rng = np.random.default_rng(1)
    detections = some_detections(rng, 12)
    detections = replace(detections, score=rng.integers(1, 4, 12) / 4)
    shuffle = rng.permutation(12)
    first, second = found_in(detections), found_in(detections[shuffle])
    np.testing.assert_array_equal(first.order, shuffle[second.order])
    for name in ("xyxy", "measurement", "score", "class_id", "embedding"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    np.testing.assert_array_equal(first.xyxy, detections.xyxy[first.order])


@pytest.mark.parametrize("options", [{}, {"observation_reupdate": True}, {"direction_weight": 0.0}])
def test_rows_of_all_arrays_stay_together(options):
    rng = np.random.default_rng(1)
    tracks = Tracks(TrackerConfig(**options), 4)
    first, second = (found_in(some_detections(rng, n)) for n in (6, 3))
    tracks.start(first, np.array([4, 0, 5]), 7)
    tracks.start(second, np.array([1]), 8)
    np.testing.assert_array_equal(tracks.motion.position, [*first.measurement[[4, 0, 5]], second.measurement[1]])
    np.testing.assert_array_equal(tracks.first_frame, [7, 7, 7, 8])
    np.testing.assert_array_equal(tracks.last_frame, tracks.first_frame)
    np.testing.assert_array_equal(tracks.detection, [4, 0, 5, 1])
    before = {name: value.copy() for name, value in tracks.arrays().items()}
    tracks.keep(np.array([True, False, True, True]))
    assert len(tracks) == 3
    for name, value in tracks.arrays().items():
        np.testing.assert_array_equal(value, np.delete(before[name], 1, axis=1 if name in ("motion", "anchor") else 0))
    other = Tracks(TrackerConfig(**options))
    other.restore(tracks.arrays())
    for name, value in other.arrays().items():
        np.testing.assert_array_equal(value, tracks.arrays()[name])


def test_a_match_changes_the_rows_that_are_seen_only():
    rng = np.random.default_rng(2)
    tracks = Tracks(TrackerConfig(observation_reupdate=True), 4)
    tracks.start(found_in(some_detections(rng, 5)), np.arange(5), 1)
    before = {name: value.copy() for name, value in tracks.arrays().items()}
    found = found_in(some_detections(rng, 3))
    tracks.match(np.array([-1, 2, -1, 0, -1]), found, 2)
    np.testing.assert_array_equal(tracks.hits, [1, 2, 1, 2, 1])
    np.testing.assert_array_equal(tracks.last_frame, [1, 2, 1, 2, 1])
    np.testing.assert_array_equal(tracks.observed[[1, 3], -1], found.measurement[[2, 0]])
    for name, value in tracks.arrays().items():
        axis = 1 if name in ("motion", "anchor") else 0
        unseen = np.take(value, [0, 2, 4], axis), np.take(before[name], [0, 2, 4], axis)
        if name != "detection":
            np.testing.assert_allclose(*unseen, rtol=1e-6)


@pytest.mark.parametrize(("score", "share"), [(0.3, 0.0), (0.65, 0.05), (1.0, 0.1)])
def test_the_surer_the_more_is_learned(score, share):
    tracks = Tracks(TrackerConfig(high_score=0.3), 2)
    box = np.array([[0.0, 0, 10, 20]])
    looks = np.eye(2, dtype=np.float32)
    for frame, look in enumerate(looks, 1):
        detections = Detections(xyxy=box, score=np.array([score]), class_id=np.zeros(1, int), embedding=look[None])
        found = found_in(detections)
        if frame == 1:
            tracks.start(found, np.zeros(1, int), 1)
        else:
            tracks.match(np.zeros(1, int), found, 2)
    expected = np.array([1 - share, share]) / np.hypot(1 - share, share)
    np.testing.assert_allclose(tracks.embedding[0], expected, atol=1e-6)
