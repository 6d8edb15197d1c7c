"""A known number of individuals: exactly so many tracks, whatever the tracker made of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clmot.errors import UserError
from clmot.structures import Detections, TrackedFrame
from clmot.tracking.postprocess.individuals import join_individuals

SIDE = 10.0


def frame_of(number, boxes, embeddings=None):
    """A frame of boxes {track id: (x, y)} with sides of 10 pixels, and embeddings {track id: vector}."""
    centre = np.array(list(boxes.values()), np.float32).reshape(-1, 2)
    found = Detections(
        xyxy=np.concatenate([centre - SIDE / 2, centre + SIDE / 2], axis=1),
        score=np.full(len(centre), 0.9, np.float32),
        class_id=np.zeros(len(centre), np.int64),
        embedding=None if embeddings is None else np.array([embeddings[each] for each in boxes], np.float32),
    )
    return TrackedFrame(frame=number, detections=found, track_id=np.array(list(boxes), np.int64))


@st.composite
def seen(draw):
    """Tracks with gaps of any kind, at most so many boxes a frame, and at least so many tracks as individuals."""
    individuals = draw(st.integers(1, 4))
    ids = st.lists(st.integers(1, 9), min_size=0, max_size=individuals, unique=True)
    frames = draw(st.lists(ids, min_size=1, max_size=25))
    place = st.tuples(st.integers(0, 300), st.integers(0, 300))
    return individuals, [
        frame_of(number, {track: draw(place) for track in tracks}) for number, tracks in enumerate(frames, 1)
    ]


@settings(max_examples=150, deadline=None)
@given(seen())
def test_exactly_so_many_tracks_come_out(case):
    individuals, frames = case
    tracks = {track for each in frames for track in each.track_id.tolist()}
    joined = join_individuals(frames, individuals, 0.1)
    found = {track for each in joined for track in each.track_id.tolist()}
    if len(tracks) >= individuals:
        assert found == set(range(1, individuals + 1))
    else:
        assert found == tracks
    for before, after in zip(frames, joined, strict=True):
        assert len(np.unique(after.track_id)) == len(after)
        assert after.detections is before.detections


def test_more_at_once_than_there_are_is_one_line():
    frames = [frame_of(1, {1: (0, 0)}), frame_of(2, {1: (0, 0), 2: (50, 0), 3: (99, 0)})]
    with pytest.raises(UserError, match=r"^frame 2: 3 are seen at once, and there are to be 2 individuals; leave"):
        join_individuals(frames, 2, 0.1)


def test_tracks_that_everybody_can_be_seen_in_stay_whole():
    frames = [frame_of(number, {7: (0, 0), 3: (100, 0)} if number % 4 else {3: (100, 0)}) for number in range(1, 20)]
    joined = join_individuals(frames, 2, 0.1)
    for before, after in zip(frames, joined, strict=True):
        assert after.track_id.tolist() == [{7: 1, 3: 2}[track] for track in before.track_id.tolist()]


def lost_and_found(embeddings=None):
    """Two that stand still 100 pixels apart, lost for three frames, with new ids afterwards."""
    frames = [frame_of(number, {1: (0, 0), 2: (100, 0)}, embeddings) for number in range(1, 6)]
    return frames + [frame_of(number, {4: (95, 0), 5: (5, 0)}, embeddings) for number in range(9, 12)]


def test_the_nearest_is_gone_on_with():
    joined = join_individuals(lost_and_found(), 2, 0.1)
    assert joined[-1].track_id.tolist() == [2, 1]


def test_appearance_decides_where_they_look_unlike():
    """The two have changed places by appearance."""
    looks = {1: [1.0, 0.0], 5: [0.0, 1.0], 2: [0.0, 1.0], 4: [1.0, 0.0]}
    joined = join_individuals(lost_and_found(looks), 2, 1.0)
    assert joined[-1].track_id.tolist() == [1, 2]


def test_a_crowd_of_many_pieces_takes_no_time_and_little_memory():
    """Forty individuals that get new ids every second frame: 20,000 tracks."""
    rng = np.random.default_rng(0)
    frames = []
    for number in range(1, 1001):
        places = {40 * (number // 2) + each + 1: (100 * each, rng.normal()) for each in range(40)}
        frames.append(frame_of(number, places))
    joined = join_individuals(frames, 40, 0.1)
    first = joined[0].track_id
    assert all((each.track_id == first).all() for each in joined)
