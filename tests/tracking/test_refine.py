from dataclasses import replace

import numpy as np
import pytest

from clmot.config import RefineConfig
from clmot.errors import UserError
from clmot.structures import Detections, TrackedFrame
from clmot.tracking.postprocess import refine as offline
from clmot.tracking.postprocess.interpolation import interpolate
from clmot.tracking.postprocess.merge_tracks import join_tracklets
from clmot.tracking.postprocess.refine import refine


def one_object(seen, rng, renamed_from):
    """An object that walks right with jitter and is called 2 instead of 1 from some frame on."""
    return [
        TrackedFrame(
            frame=t,
            detections=Detections(
                xyxy=np.array([[4.0 * t, 50, 4 * t + 40, 150]]) + rng.normal(size=4),
                score=np.array([0.8]),
                class_id=np.array([0]),
                embedding=np.array([[1.0, 0.1 * rng.normal()]]),
            ),
            track_id=np.array([1 if t < renamed_from else 2]),
        )
        for t in seen
    ]


@pytest.fixture
def frames():
    seen = [*range(1, 20), *range(30, 50)]
    return one_object(seen, np.random.default_rng(0), renamed_from=25)


def ids(frames):
    return {int(i) for tracked in frames for i in tracked.track_id}


def test_nothing_is_done_unless_asked_for(frames):
    assert not RefineConfig()
    assert refine(frames[::-1], RefineConfig(), 10) == frames
    assert all(RefineConfig(**{name: 1}) for name in ("join", "individuals", "interpolate_seconds", "smooth"))


def test_joins_first_then_closes_gaps_then_smooths(frames):
    config = RefineConfig(join=0.2, interpolate_seconds=1, smooth=True)
    refined = refine(frames, config, frame_rate=10)
    assert ids(refined) == {1}
    assert [tracked.frame for tracked in refined] == list(range(1, 50))
    joined, _ = join_tracklets(frames, 0.2, 50, 0.3)
    expected = interpolate(joined, 10, "gaussian")
    for ours, theirs in zip(refined, expected, strict=True):
        np.testing.assert_array_equal(ours.detections.xyxy, theirs.detections.xyxy)


@pytest.mark.parametrize(
    ("frame_rate", "changes", "tracks", "length"),
    [
        (10, {}, 1, 49),
        (1, {"interpolate_seconds": 10}, 2, 39),  # the second begins 11 seconds after the first's end
        (1.1, {"interpolate_seconds": 10}, 1, 49),
        (10, {"interpolate_seconds": 0.9}, 1, 39),
        (11, {"interpolate_seconds": 0.9}, 1, 49),
        (10, {"join": 0.0}, 2, 39),
    ],
)
def test_seconds_become_frames_at_the_videos_rate(frames, frame_rate, changes, tracks, length):
    config = RefineConfig(**({"join": 0.2, "interpolate_seconds": 1} | changes))
    refined = refine(frames, config, frame_rate)
    assert (len(ids(refined)), len(refined)) == (tracks, length)


def test_speed_is_a_matter_of_seconds(monkeypatch):
    """236 pixels in 59 frames, of a box 100 high: one height, and 0.023 in each frame."""
    monkeypatch.setattr(offline, "JOIN_SPEED", 1)
    rng = np.random.default_rng(0)
    frames = [*one_object(range(1, 3), rng, 100), *one_object(range(61, 100), rng, 0)]
    config = RefineConfig(join=0.2)
    assert len(ids(refine(frames, config, frame_rate=30))) == 1
    assert len(ids(refine(frames, config, frame_rate=60))) == 2


def test_smoothing_alone_adds_nothing(frames):
    refined = refine(frames, RefineConfig(smooth=True), 10)
    assert [tracked.frame for tracked in refined] == [tracked.frame for tracked in frames]
    assert ids(refined) == {1, 2}
    path = {tracked.frame: np.array([4.0 * tracked.frame, 50, 4 * tracked.frame + 40, 150]) for tracked in frames}

    def jitter(frames):
        return np.mean([np.abs(tracked.detections.xyxy[0] - path[tracked.frame]) for tracked in frames])

    assert jitter(refined) < 0.6 * jitter(frames)


def test_out_of_range():
    for field, value in (("join", 3), ("interpolate_seconds", np.inf)):
        with pytest.raises(UserError, match=rf"refine\.{field} must be"):
            RefineConfig(**{field: value})


def test_what_was_found_keeps_its_row_and_what_was_filled_in_has_none(frames):
    found = [replace(tracked, rows=np.array([tracked.frame])) for tracked in frames]
    refined = refine(found, RefineConfig(join=0.2, interpolate_seconds=1, smooth=True), 30)
    rows = {tracked.frame: tracked.rows.tolist() for tracked in refined}
    assert rows == {t: [t if not 20 <= t < 30 else -1] for t in range(1, 50)}
