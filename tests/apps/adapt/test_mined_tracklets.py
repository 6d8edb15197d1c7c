import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clmot.apps.adapt.mined_tracklets import _Rules, cut_tracks, find_tracklets
from clmot.apps.track.detection import finder_of
from clmot.config import AdaptConfig
from clmot.config.tracker import TrackerConfig
from clmot.errors import UserError
from clmot.io.frame_source import FrameSource
from clmot.io.progress import progress_bar
from clmot.structures import Detections, TrackedFrame
from tests.apps.adapt.conftest import Finder


def naive_cut(frame, track, clear, sure, max_gap, split, least):
    """One box after the other, as the definition says."""
    pieces, current = [], []
    for i in range(len(frame)):
        goes_on = (
            current
            and track[i] == track[current[-1]]
            and current[-1] == i - 1
            and sure[i]
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
    long = [piece for piece in pieces if len(piece) > 1 and frame[piece[-1]] - frame[piece[0]] >= least]
    for number, piece in enumerate(long):
        tracklet[piece] = number
    return tracklet


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(0, 4))
def test_cutting_is_its_definition(seed, max_gap, least):
    rng = np.random.default_rng(seed)
    frame, track = [], []
    for number in range(1, 4):
        frames = np.flatnonzero(rng.random(15) < 0.8) + 1
        frame += frames.tolist()
        track += [number] * len(frames)
    frame, track = np.array(frame, np.int64), np.array(track, np.int64)
    clear, sure = rng.random(len(frame)) < 0.85, rng.random(len(frame)) < 0.9
    split = int(rng.integers(1, 16))
    got = cut_tracks(frame, track, clear, sure, max_gap=max_gap, split=split, least=least)
    np.testing.assert_array_equal(got, naive_cut(frame, track, clear, sure, max_gap, split, least))


def test_nothing_can_be_cut():
    none = np.empty(0, np.int64)
    assert len(cut_tracks(none, none, none > 0, none > 0, max_gap=1, split=1, least=1)) == 0


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


def tracklets(frames, frame_rate=10, **changes):
    blank = np.zeros((100, 200, 3), np.uint8)
    source = FrameSource(
        name="street",
        frame_rate=frame_rate,
        length=len(frames),
        decode=lambda: (pair for pair in enumerate([blank] * len(frames), 1)),
    )
    config = dataclasses.replace(AdaptConfig(min_seconds=0.2, held_out=0.2), **changes)
    with progress_bar(False) as bar:
        return find_tracklets(source, finder_of(Scripted(frames)), TrackerConfig(), config, bar)


def person(left, score=0.9):
    return [left, 20, left + 20, 70, score]


def nearer(left, score=0.9):
    return [left, 21, left + 20, 75, score]


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
    meeting = [t for t in range(21) if abs((10 + 4 * t) - (90 - 4 * t)) < 20 * (1 - 0.3)]
    for t in range(21):
        assert (found.numbers[t + 1] < 0).all() == (t in meeting or t == 20), t  # the last frame is held out, alone
    before, after = found.numbers[1], found.numbers[19]
    assert not set(before.tolist()) & set(after.tolist())


def test_only_the_covered_box_is_spoilt():
    """The nearer of two who pass each other, whose feet are lower in the picture, is one tracklet throughout."""
    frames = [[nearer(10 + 4 * t), person(90 - 4 * t)] for t in range(21)]
    found = tracklets(frames, held_out=0.01)
    near, far = (np.array([found.numbers[t + 1][row] for t in range(20)]) for row in (0, 1))
    assert set(near.tolist()) == {near[0]} != {-1}
    covered = [t for t in range(20) if abs((10 + 4 * t) - (90 - 4 * t)) < 20 * (1 - 0.3)]
    assert [t for t in range(20) if not found.clear[t + 1][1]] == covered
    assert (far[covered] < 0).all()
    assert far[0] != far[19]
    assert -1 not in (far[0], far[19])


@pytest.mark.parametrize(("score", "clear"), [(0.3, False), (0.1, True)])
def test_a_box_in_front_counts_if_it_is_half_sure(score, clear):
    frames = [[person(10)] for _ in range(15)]
    frames[7] = [person(10), nearer(13, score=score)]
    found = tracklets(frames, held_out=0.01)
    assert found.clear[8].tolist() == [clear, False]  # the other is not sure enough to learn from
    assert (found.numbers[7].tolist() == found.numbers[9].tolist()) == clear


def test_where_two_are_about_as_near_a_tracklet_ends():
    """At two frames a second people move by more than their width; whoever may be either of two is not followed."""
    apart = [[person(10 + 30 * t), person(180 - 3 * t)] for t in range(4)]
    found = tracklets(apart, frame_rate=2, held_out=0.01)
    assert [found.numbers[t + 1].tolist() for t in range(3)] == [[0, 1]] * 3
    near = [[person(10 + 20 * t), person(50 + 20 * t)] for t in range(4)]  # either way is as far
    found = tracklets(near, frame_rate=2, held_out=0.01)
    assert (found.numbers[1] < 0).all()


def naive_sure(seen, tracked, boxes, max_gap):
    """The ratio test, one track after the other."""
    number, result = tracked.frame, []
    centre = [((b[0] + b[2]) / 2, (b[1] + b[3]) / 2) for b in boxes.tolist()]
    expected = {
        track: (x + vx * (number - frame), y + vy * (number - frame))
        for track, (frame, (x, y), (vx, vy)) in seen.items()
        if number - frame <= max_gap
    }
    for row, track in zip(tracked.rows.tolist(), tracked.track_id.tolist(), strict=True):
        if track not in expected:
            result.append(True)
            continue
        rivals = [math.dist(expected[track], c) for i, c in enumerate(centre) if i != row]
        rivals += [math.dist(place, centre[row]) for other, place in expected.items() if other != track]
        result.append(math.dist(expected[track], centre[row]) <= 0.5 * min(rivals, default=math.inf))
    for row, track in zip(tracked.rows.tolist(), tracked.track_id.tolist(), strict=True):
        x, y = centre[row]
        speed = (0.0, 0.0)
        if track in expected:
            frame, (x0, y0), _ = seen[track]
            speed = ((x - x0) / (number - frame), (y - y0) / (number - frame))
        seen[track] = (number, (x, y), speed)
    return result


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32))
def test_the_ratio_test_is_its_definition(seed):
    rng = np.random.default_rng(seed)
    rules, seen = _Rules(0.4, 3), {}
    for frame in range(1, 12):
        n = int(rng.integers(0, 5))
        left_top = rng.uniform(0, 30, (n, 2))
        boxes = np.concatenate([left_top, left_top + 10], axis=1)
        found = Detections(xyxy=boxes, score=np.full(n, 0.9, np.float32), class_id=np.zeros(n, np.int64))
        rows = rng.permutation(n)[: rng.integers(0, n + 1)]
        tracked = TrackedFrame(frame=frame, detections=found[rows], track_id=rng.permutation(5)[: len(rows)], rows=rows)
        assert rules.sure(tracked, found).tolist() == naive_sure(seen, tracked, boxes, 3)


def test_a_jump_ends_a_track_and_short_pieces_are_left_out():
    found = tracklets([[person(10 if t < 8 else 60)] for t in range(10)], held_out=0.01)
    assert [found.numbers[t + 1].tolist() for t in range(8)] == [[0]] * 8
    assert [found.numbers[t + 1].tolist() for t in (8, 9)] == [[-1]] * 2


def test_no_high_score_is_a_users_mistake():
    with pytest.raises(UserError, match=r"street: the model finds no objects in 5 frames: .* 0\.20"):
        tracklets([[person(10, score=0.2)]] * 5)
    with pytest.raises(UserError, match="finds no objects in 0 frames"):
        tracklets([])
