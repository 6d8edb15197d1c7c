"""Time by the second: the same pictures track alike, however their frames are counted."""

from dataclasses import replace

import numpy as np
import pytest

from clmot.config.tracker import TrackerConfig
from clmot.structures import Detections
from clmot.tracking.multi_stream import Trackers
from clmot.tracking.tracker import Tracker


def walkers(seed, frames=120, n=8):
    """People who walk, are hidden now and then, and look like themselves."""
    rng = np.random.default_rng(seed)
    place, speed, looks = rng.uniform(0, 900, (n, 2)), rng.normal(0, 2, (n, 2)), rng.normal(size=(n, 16))
    video = []
    for _ in range(frames):
        place = place + speed
        seen = rng.random(n) < 0.9
        video.append(
            Detections(
                xyxy=np.tile(place, 2)[seen] + np.array([-15, -40, 15, 40]) + rng.normal(0, 1, (seen.sum(), 4)),
                score=rng.uniform(0.3, 0.9, seen.sum()),
                class_id=np.zeros(seen.sum()),
                embedding=looks[seen] + rng.normal(0, 0.3, (seen.sum(), 16)),
            )
        )
    return video


@pytest.mark.parametrize("every", [2, 5, 12])
@pytest.mark.parametrize("seed", range(3))
def test_every_nth_frame_tracks_as_the_same_pictures_in_a_slower_video(seed, every):
    """By frame numbers of the fast video, by times, and by the slower frame rate alone."""
    video = walkers(seed)[::every]
    fast, slow = TrackerConfig(frame_rate=25, lost_seconds=1.3), TrackerConfig(frame_rate=25 / every, lost_seconds=1.3)
    numbered, timed, plain = Tracker(fast), Tracker(fast), Tracker(slow)
    for index, found in enumerate(video):
        ids = [
            numbered.update(found, frame=1 + index * every).track_id.tolist(),
            timed.update(found, time=7 + index * every / 25).track_id.tolist(),
            plain.update(found).track_id.tolist(),
        ]
        assert ids[0] == ids[1] == ids[2]


@pytest.mark.parametrize("seed", range(3))
def test_jittered_times_change_no_id_on_an_easy_clip(seed):
    rng = np.random.default_rng(seed)
    steady, jittered = Tracker(), Tracker()
    for index, found in enumerate(walkers(seed, n=4)):
        sure = replace(found, score=np.full(len(found), 0.9))
        time = (index + rng.uniform(-0.3, 0.3)) / 30
        assert steady.update(sure).track_id.tolist() == jittered.update(sure, time=time).track_id.tolist()


def test_a_lost_track_lives_for_so_many_seconds_whatever_the_frame_numbers():
    person = Detections(xyxy=np.array([[0.0, 0, 40, 100]]), score=np.array([0.9]), class_id=np.zeros(1))
    for gap, expected in ((1.9, 1), (2.4, 2)):
        tracker = Tracker()
        for t in range(4):
            tracker.update(person, time=t / 10)
        tracker.update(person, time=0.3 + gap)
        assert tracker.update(person, time=0.4 + gap).track_id.tolist() == [expected]


def test_times_that_do_not_grow_are_refused_and_streams_have_their_own():
    trackers = Trackers()
    nothing = np.empty((0, 4))
    trackers.update({"a": nothing, "b": nothing}, times={"a": 5.0, "b": 1.0})
    for wrong in (5.0, float("nan")):
        with pytest.raises(ValueError, match=r"stream 'a': time .* s comes after 5 s; times are finite and must grow"):
            trackers.update({"a": nothing, "b": nothing}, times={"a": wrong})
    trackers.update({"b": nothing}, times={"b": 2.0})
    with pytest.raises(ValueError, match="has an image, frame number or time, but no detections"):
        trackers.update({"b": nothing}, times={"a": 6.0})
