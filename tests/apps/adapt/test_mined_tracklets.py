import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clmot.apps.adapt.mined_tracklets import cut_tracks, find_tracklets
from clmot.config import AdaptConfig
from clmot.errors import UserError
from clmot.io.frame_source import FrameSource
from clmot.io.progress import progress_bar
from clmot.structures import Detections
from tests.apps.adapt.conftest import Finder


def naive_cut(frame, track, clear, max_gap, split, min_frames):
    """One box after the other, as the definition says."""
    pieces, current = [], []
    for i in range(len(frame)):
        goes_on = (
            current
            and track[i] == track[current[-1]]
            and current[-1] == i - 1
            and frame[i] - frame[current[-1]] <= max_gap
            and (frame[i] >= split) == (frame[current[-1]] >= split)
        )
        if not goes_on:
            pieces.append(current)
            current = []
        if clear[i]:
            current = [*current, i]
        else:
            pieces.append(current)
            current = []
    pieces.append(current)
    tracklet = np.full(len(frame), -1)
    for number, piece in enumerate([piece for piece in pieces if len(piece) >= min_frames]):
        tracklet[piece] = number
    return tracklet


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(1, 4))
def test_cutting_is_its_definition(seed, max_gap, min_frames):
    rng = np.random.default_rng(seed)
    frame, track = [], []
    for number in range(1, 4):
        frames = np.flatnonzero(rng.random(15) < 0.8) + 1
        frame += frames.tolist()
        track += [number] * len(frames)
    frame, track = np.array(frame, np.int64), np.array(track, np.int64)
    clear = rng.random(len(frame)) < 0.85
    split = int(rng.integers(1, 16))
    got = cut_tracks(frame, track, clear, max_gap=max_gap, split=split, min_frames=min_frames)
    np.testing.assert_array_equal(got, naive_cut(frame, track, clear, max_gap, split, min_frames))


def test_nothing_can_be_cut():
    none = np.empty(0, np.int64)
    assert len(cut_tracks(none, none, none > 0, max_gap=1, split=1, min_frames=1)) == 0


class Scripted(Finder):
    """Finds what a list says, frame by frame."""

    def __init__(self, frames):
        super().__init__()
        self._frames = iter(frames)

    def detect(self, images):
        found = []
        for _ in images:
            rows = np.array(next(self._frames), np.float32).reshape(-1, 5)
            found.append(Detections(xyxy=rows[:, :4], score=rows[:, 4], class_id=np.zeros(len(rows), np.int64)))
        return found


def tracklets(frames, **changes):
    blank = np.zeros((100, 200, 3), np.uint8)
    source = FrameSource(
        name="street",
        frame_rate=10,
        length=len(frames),
        decode=lambda: (pair for pair in enumerate([blank] * len(frames), 1)),
    )
    config = dataclasses.replace(AdaptConfig(min_frames=3, held_out=0.2), **changes)
    with progress_bar(False) as bar:
        return find_tracklets(source, Scripted(frames), config, bar)


def person(left, score=0.9):
    return [left, 20, left + 20, 70, score]


def test_people_apart_are_one_tracklet_each_until_the_part_held_out():
    found = tracklets([[person(10 + t), person(100 - t)] for t in range(20)])
    assert found.split == 17
    assert [found.numbers[frame].tolist() for frame in (1, 16)] == [[0, 2], [0, 2]]
    assert [found.numbers[frame].tolist() for frame in (17, 20)] == [[1, 3], [1, 3]]
    assert found.found[3].embedding is None


def test_where_people_overlap_tracklets_end():
    """Two walk through each other: who is who afterwards nobody knows."""
    frames = [[person(10 + 4 * t), person(90 - 4 * t)] for t in range(21)]
    found = tracklets(frames, held_out=0.01)
    meeting = [t for t in range(21) if abs((10 + 4 * t) - (90 - 4 * t)) < 20 * (1 - 0.3) / 1.3]
    for t in range(21):
        assert (found.numbers[t + 1] < 0).all() == (t in meeting or t == 20), t  # the last frame is held out, alone
    before, after = found.numbers[1], found.numbers[19]
    assert not set(before.tolist()) & set(after.tolist())


def test_a_low_score_box_in_the_way_ends_a_tracklet_too():
    frames = [[person(10)] for _ in range(15)]
    frames[7] = [person(10), person(13, score=0.1)]
    found = tracklets(frames, held_out=0.01)
    assert found.numbers[8].tolist() == [-1, -1]
    assert found.numbers[7].tolist() != found.numbers[9].tolist()


def test_a_jump_ends_a_track_and_short_pieces_are_left_out():
    found = tracklets([[person(10 if t < 8 else 60)] for t in range(10)], held_out=0.01)
    assert [found.numbers[t + 1].tolist() for t in range(8)] == [[0]] * 8
    assert [found.numbers[t + 1].tolist() for t in (8, 9)] == [[-1]] * 2


def test_no_high_score_is_a_users_mistake():
    with pytest.raises(UserError, match=r"street: the model finds no objects in 5 frames: .* 0\.20"):
        tracklets([[person(10, score=0.2)]] * 5)
    with pytest.raises(UserError, match="finds no objects in 0 frames"):
        tracklets([])
