import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clmot import boxes as box
from clmot.structures import Detections, TrackedFrame
from clmot.tracking.postprocess.interpolation import _NOISE, interpolate, smooth


def make_frames(rows, numbers=(), embeddings=None):
    """Frames from (frame, id, x, y, w, h, score, class) rows, and empty ones."""
    frames = []
    for number in sorted({*numbers, *(row[0] for row in rows)}):
        here = [i for i, row in enumerate(rows) if row[0] == number]
        values = np.array([rows[i] for i in here], np.float64).reshape(-1, 8)
        frames.append(
            TrackedFrame(
                frame=number,
                detections=Detections(
                    xyxy=box.ltwh_to_xyxy(values[:, 2:6]).astype(np.float32),
                    score=values[:, 6],
                    class_id=values[:, 7],
                    embedding=None if embeddings is None else embeddings[here],
                ),
                track_id=values[:, 1].astype(np.int64),
            )
        )
    return frames


def table(frames):
    """(frame, id) to box, score and class."""
    return {
        (tracked.frame, track_id): (*xyxy, score, class_id)
        for tracked in frames
        for track_id, xyxy, score, class_id in zip(
            tracked.track_id.tolist(),
            tracked.detections.xyxy.tolist(),
            tracked.detections.score.tolist(),
            tracked.detections.class_id.tolist(),
            strict=True,
        )
    }


def random_rows(rng, tracks=5, length=30, present=0.6):
    rows = []
    for track_id in range(1, tracks + 1):
        start, velocity = rng.uniform((0, 0, 20, 20), 500), rng.uniform(-5, 5, 4) * (1, 1, 0.05, 0.05)
        for frame in range(1, length + 1):
            if rng.random() < present:
                place = start + velocity * frame + rng.normal(size=4)
                rows.append((frame, track_id, *place, rng.uniform(0.1, 1), track_id % 3))
    return rows


def naive(frames, max_gap):
    """One track and one gap at a time."""
    known = table(frames)
    filled = dict(known)
    for track_id in {track_id for _, track_id in known}:
        seen = sorted(frame for frame, other in known if other == track_id)
        for a, b in itertools.pairwise(seen):
            if 0 < b - a - 1 <= max_gap:
                first, second = np.array(known[a, track_id]), np.array(known[b, track_id])
                for frame in range(a + 1, b):
                    share = (frame - a) / (b - a)
                    middle = first + share * (second - first)
                    filled[frame, track_id] = (*middle[:4], min(first[4], second[4]), first[5])
    return filled


def assert_equal_tables(actual, expected, tolerance=1e-3):
    assert actual.keys() == expected.keys()
    for key, values in expected.items():
        np.testing.assert_allclose(actual[key], values, atol=tolerance, err_msg=str(key))


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), max_gap=st.integers(0, 12))
def test_equals_the_naive_loop(seed, max_gap):
    frames = make_frames(random_rows(np.random.default_rng(seed)))
    filled = interpolate(frames, max_gap)
    assert_equal_tables(table(filled), naive(frames, max_gap))
    assert [tracked.frame for tracked in filled] == sorted({frame for frame, _ in table(filled)})


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), max_gap=st.integers(0, 12))
def test_given_boxes_stay_bit_by_bit_in_their_places_and_twice_is_once(seed, max_gap):
    rng = np.random.default_rng(seed)
    frames = make_frames(random_rows(rng), numbers=[3, 50], embeddings=None)
    filled = interpolate(frames, max_gap)
    by_number = {tracked.frame: tracked for tracked in filled}
    for tracked in frames:
        n = len(tracked)
        after = by_number[tracked.frame]
        np.testing.assert_array_equal(after.track_id[:n], tracked.track_id)
        for name in ("xyxy", "score", "class_id"):
            np.testing.assert_array_equal(getattr(after.detections, name)[:n], getattr(tracked.detections, name))
    assert table(interpolate(filled, max_gap)) == table(filled)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), method=st.sampled_from(["linear", "gaussian"]))
def test_the_order_of_frames_and_tracks_and_the_other_tracks_do_not_matter(seed, method):
    rng = np.random.default_rng(seed)
    rows = random_rows(rng)
    expected = table(interpolate(make_frames(rows), 8, method))
    shuffled = make_frames([rows[i] for i in rng.permutation(len(rows))])
    assert table(interpolate([shuffled[i] for i in rng.permutation(len(shuffled))], 8, method)) == expected
    alone = table(interpolate(make_frames([row for row in rows if row[1] == 2]), 8, method))
    assert alone == {key: value for key, value in expected.items() if key[1] == 2}


@pytest.mark.parametrize("method", ["linear", "gaussian"])
@pytest.mark.parametrize("length", [3, 40, 400])
def test_constant_velocity_is_met_exactly(method, length):
    rng = np.random.default_rng(0)
    path = {t: (100 + 2.5 * t, 300 - 0.75 * t, 40 + 0.1 * t, 80 + 0.2 * t) for t in range(1, length + 1)}
    seen = [t for t in path if t in (1, length) or rng.random() < 0.5]
    frames = make_frames([(t, 7, *path[t], 0.9, 1) for t in seen])
    expected = make_frames([(t, 7, *path[t], 0.9, 1) for t in path])
    assert_equal_tables(table(interpolate(frames, length, method)), table(expected), 2e-3)


def test_the_limit_counts_missing_frames():
    rows = [(1, 1, 0, 0, 10, 10, 0.9, 0), (5, 1, 40, 0, 10, 10, 0.5, 0), (9, 2, 0, 0, 10, 10, 0.5, 0)]
    assert [t.frame for t in interpolate(make_frames(rows), 2)] == [1, 5, 9]
    filled = interpolate(make_frames(rows), 3)
    assert [(t.frame, len(t)) for t in filled] == [(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (9, 1)]
    assert table(filled)[2, 1] == (10, 0, 20, 10, 0.5, 0)


def test_embeddings_go_along_if_all_have_one():
    rows = [(1, 1, 0, 0, 9, 9, 0.9, 0), (3, 1, 0, 0, 9, 9, 0.9, 0)]
    filled = interpolate(make_frames(rows, numbers=[2], embeddings=np.eye(2, 3, dtype=np.float32)), 5)
    np.testing.assert_allclose(filled[1].detections.embedding, [[0.5**0.5, 0.5**0.5, 0]], atol=1e-6)
    np.testing.assert_array_equal(filled[2].detections.embedding, [[0, 1, 0]])
    mixed = [filled[0], *make_frames([rows[1]])]
    assert all(tracked.detections.embedding is None for tracked in interpolate(mixed, 5))


def test_nothing_in_nothing_out():
    assert interpolate([], 5) == []
    for method in ("linear", "gaussian"):
        [empty] = interpolate(make_frames([], numbers=[4]), 5, method)
        assert (empty.frame, len(empty), empty.detections.xyxy.shape) == (4, 0, (0, 4))


def test_wrong_input():
    frames = make_frames([(1, 1, 0, 0, 9, 9, 1, 0), (1, 1, 5, 5, 9, 9, 1, 0)])
    with pytest.raises(ValueError, match="track id 1 occurs twice in frame 1"):
        interpolate(frames, 1)
    with pytest.raises(ValueError, match="frame number occurs twice"):
        interpolate([*make_frames([], [2]), *make_frames([], [2])], 1)
    with pytest.raises(ValueError, match="max_gap"):
        interpolate([], -1)


def gaussian_process(values):
    """The textbook formula for a straight line, of which nothing is known before, plus an RBF process."""
    n = len(values)
    t = np.arange(n, dtype=float)
    scale = np.clip(10 * np.log(1000 / n), 0.1, 100)
    kernel = np.exp(-0.5 * ((t[:, None] - t) / scale) ** 2)
    line = np.polynomial.polynomial.polyfit(t, values, 1)
    expected = np.polynomial.polynomial.polyval(t, line).T
    alpha = np.linalg.inv(kernel + _NOISE * np.eye(n)) @ (values - expected)
    return expected + np.array([sum(kernel[i, j] * alpha[j] for j in range(n)) for i in range(n)])


@pytest.mark.parametrize("n", [2, 3, 17, 128])
def test_smoothing_is_the_posterior_mean(n):
    values = np.cumsum(np.random.default_rng(n).normal(size=(n, 4)), axis=0)
    np.testing.assert_allclose(smooth(values), gaussian_process(values), atol=1e-7)


def test_smoothing_takes_jitter_off_and_leaves_the_path():
    rng = np.random.default_rng(0)
    for n in (60, 1000):
        t = np.arange(n)
        path = np.stack([3 * t, 40 * np.sin(t / 40), np.full(n, 50.0), 100 + 10 * np.cos(t / 60)], axis=1)
        noisy = path + rng.normal(scale=4, size=path.shape)
        before, after = np.abs(noisy - path).mean(), np.abs(smooth(noisy) - path).mean()
        assert after < 0.5 * before
        assert np.abs(smooth(path) - path).max() < 1


def test_windows_of_a_long_track_meet_without_a_step():
    rng = np.random.default_rng(0)
    noisy = np.cumsum(rng.normal(size=(700, 4)), axis=0)
    steps = np.abs(np.diff(smooth(noisy), n=2, axis=0)).max(axis=1)
    assert steps.max() < 10 * np.median(steps)


def test_smoothing_does_not_look_across_open_gaps():
    rng = np.random.default_rng(0)
    first = [(t, 1, *rng.uniform(0, 5, 2), 20, 40, 1, 0) for t in range(1, 20)]
    second = [(t, 1, *rng.uniform(300, 305, 2), 20, 40, 1, 0) for t in range(60, 80)]
    together = table(interpolate(make_frames(first + second), 10, "gaussian"))
    apart = [table(interpolate(make_frames(rows), 10, "gaussian")) for rows in (first, second)]
    assert together == apart[0] | apart[1]
    given = np.array([row[2:4] for row in second])
    smoothed = np.array([apart[1][t, 1][:2] for t in range(60, 80)])
    np.testing.assert_allclose(smoothed, smooth(given), atol=1e-3)


def test_boxes_stay_boxes():
    """A width that jumps to almost nothing: smoothing alone would swing below zero."""
    rows = [(t, 1, 0, 0, 400 if t < 20 else 0.5, 50, 1, 0) for t in range(1, 60)]
    frames = interpolate(make_frames(rows), 0, "gaussian")
    assert all(box.well_formed(tracked.detections.xyxy).all() for tracked in frames)


def test_long_tracks_are_interpolated_whole():
    n = 20_000
    frames = make_frames([])
    rng = np.random.default_rng(0)
    frames = [
        TrackedFrame(
            frame=t,
            detections=Detections(
                xyxy=np.array([[t, 0, t + 20, 40]]) + rng.normal(size=(1, 4)), score=np.ones(1), class_id=np.zeros(1)
            ),
            track_id=np.array([1]),
        )
        for t in range(1, n, 2)
    ]
    assert len(interpolate(frames, 1, "gaussian")) == n - 1
