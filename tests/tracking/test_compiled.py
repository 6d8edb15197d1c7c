"""The compiled tracker is the tracker: same ids, boxes and state, ties among them."""

import copy
import pickle
import subprocess
import sys
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from clmot import Detections, Tracker, TrackerConfig
from clmot.config.tracker import PRESETS
from clmot.tracking.tracker import load_compiled


@pytest.fixture(scope="module")
def compiled() -> ModuleType:
    pytest.importorskip("numba")
    from clmot.tracking import compiled

    return compiled


def in_both_forms(config: TrackerConfig) -> tuple[Tracker, Tracker]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLMOT_COMPILED", "0")
        plain = Tracker(config)
        patch.delenv("CLMOT_COMPILED")
        return plain, Tracker(config)


def scene(seed: int, people: int, coarse: bool, dimensions: int) -> list[Detections]:
    """People who come, go and cross, on a small field; coarse: on a grid, with scores and embeddings full of ties."""
    rng = np.random.default_rng(seed)
    place, step = rng.uniform(0, 60 + 5 * people, (people, 2)), rng.normal(0, 6, (people, 2))
    height = rng.uniform(20, 60, people)
    looks = np.eye(dimensions)[rng.integers(dimensions, size=people)] if dimensions else np.empty((people, 0))
    frames = []
    for _ in range(12):
        place = place + step
        step[rng.random(people) < 0.1] *= -4
        there = rng.random(people) < 0.8
        corner, size = place[there] + rng.normal(0, 1, (there.sum(), 2)), height[there, None] * [0.4, 1]
        score, embedding = rng.uniform(0.05, 1, there.sum()), looks[there]
        if coarse:
            corner, size, score = np.round(corner / 8) * 8, np.round(size / 8) * 8, np.ceil(score * 5) / 5
        else:
            embedding = embedding + rng.normal(0, 0.6, embedding.shape) / max(dimensions, 1) ** 0.5
        frames.append(
            Detections(
                xyxy=np.concatenate([corner, corner + np.maximum(size, 8)], axis=1),
                score=score,
                class_id=rng.integers(2, size=there.sum()),
                embedding=embedding if dimensions else None,
            )
        )
    return frames


def assert_same(config: TrackerConfig, frames: list[Detections], numbers: list[int]) -> None:
    plain, fast = in_both_forms(replace(config, camera="none"))
    for number, found in zip(numbers, frames, strict=True):
        expected, tracked = plain.update(found, frame=number), fast.update(found, frame=number)
        np.testing.assert_array_equal(tracked.track_id, expected.track_id)
        np.testing.assert_array_equal(tracked.rows, expected.rows)
        np.testing.assert_array_equal(tracked.detections.xyxy, expected.detections.xyxy)
    state = fast.state()
    for name, value in plain.state().items():
        # sums of products in float32, in another order
        rounding = {"tracks.embedding": 1e-5, "centring.total": 1e-5, "trust.sums": 1e-3}.get(name, 0)
        np.testing.assert_allclose(state[name], value, rtol=0, atol=rounding, err_msg=name)
        assert state[name].dtype == value.dtype


choices: dict[str, Any] = {
    "association": st.sampled_from(["fused", "gated", "overlap"]),
    "fuse_score": st.booleans(),
    "height_overlap": st.booleans(),
    "new_track_overlap": st.sampled_from([0.0, 0.5, 1.0]),
    "direction_weight": st.sampled_from([0.0, 0.2]),
    "lost_overlap_weight": st.sampled_from([0.0, 0.3]),
    "recovery_iou_threshold": st.sampled_from([0.0, 0.6]),
    "nearest_distance": st.sampled_from([0.0, 1.0]),
    "published_bookkeeping": st.booleans(),
    "mean_subtraction": st.sampled_from([0.0, 2.0]),
    "appearance_trust": st.sampled_from([0.0, 0.4]),
    "boxes": st.sampled_from(["detection", "filter"]),
    "confirm_frames": st.integers(1, 3),
    "lost_seconds": st.sampled_from([0.0, 0.1, 1.0]),
    "frame_rate": st.sampled_from([30.0, 10.0]),
}


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    st.fixed_dictionaries(choices),
    st.integers(0, 10_000),
    st.sampled_from([0, 1, 3, 12, 40]),
    st.booleans(),
    st.sampled_from([0, 4]),
    st.lists(st.sampled_from([1, 1, 1, 1, 2, 5]), min_size=12, max_size=12),
)
def test_every_setting_gives_the_same_tracks_compiled(compiled, options, seed, people, coarse, dimensions, steps):
    assert_same(TrackerConfig(**options), scene(seed, people, coarse, dimensions), np.cumsum(steps).tolist())


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_gives_the_same_tracks_compiled(compiled, name):
    for seed in range(3):
        assert_same(PRESETS[name], scene(seed, 100, False, 16), list(range(1, 13)))


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(0, 5), st.integers(1, 4))
def test_ties_are_resolved_as_scipy_resolves_them(compiled, seed, rows, more, costs):
    table = np.random.default_rng(seed).integers(costs, size=(rows, rows + more)).astype(float)
    np.testing.assert_array_equal(compiled.assignment.assigned.py_func(table), linear_sum_assignment(table)[1])


def test_a_state_goes_on_in_the_other_form(compiled):
    plain, fast = in_both_forms(TrackerConfig(camera="none"))
    frames = scene(5, 20, False, 8)
    for found in frames[:6]:
        fast.update(found)
    plain.restore(fast.state())
    for found in frames[6:]:
        np.testing.assert_array_equal(plain.update(found).track_id, fast.update(found).track_id)


def test_a_copied_or_pickled_tracker_goes_on_as_the_first(compiled):
    tracker, frames = Tracker(TrackerConfig(camera="none")), scene(5, 20, False, 8)
    for found in frames[:6]:
        tracker.update(found)
    copies = [copy.deepcopy(tracker), pickle.loads(pickle.dumps(tracker))]
    for found in frames[6:]:
        expected = tracker.update(found).track_id
        for each in copies:
            np.testing.assert_array_equal(each.update(found).track_id, expected)


def test_what_is_asked_between_frames_changes_no_track(compiled):
    for preset in ("clmot", "fairmot", "ocsort"):
        plain, fast = in_both_forms(replace(PRESETS[preset], camera="none"))
        for i, found in enumerate(scene(7, 30, False, 8)):
            expected = plain.update(found)
            np.testing.assert_array_equal(fast.update(found, explain=i % 3 == 2).track_id, expected.track_id)
            if i % 2:
                for lost, expected_lost in zip(vars(fast.lost()).values(), vars(plain.lost()).values(), strict=True):
                    if isinstance(lost, np.ndarray):
                        np.testing.assert_array_equal(lost, expected_lost)


def test_arrays_that_cannot_be_written_or_lie_otherwise_are_taken(compiled):
    plain, fast = in_both_forms(TrackerConfig(camera="none"))
    for found in scene(9, 20, False, 8):
        expected = plain.update(found).track_id
        other = copy.copy(found)
        vars(other).update(xyxy=np.asfortranarray(found.xyxy), embedding=found.embedding[:, ::-1].copy()[:, ::-1])
        other.score.setflags(write=False)
        np.testing.assert_array_equal(fast.update(other).track_id, expected)


def test_the_compiled_form_can_be_turned_off(compiled, monkeypatch):
    assert Tracker().compiled
    monkeypatch.setenv("CLMOT_COMPILED", "0")
    assert not Tracker().compiled


def test_the_next_process_finds_what_was_compiled(compiled):
    code = "import clmot.tracking.compiled"
    again = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200)
    assert (again.returncode, again.stderr) == (0, "")  # "compiling the tracker, once for this installation"


def test_without_numba_the_tracker_runs_in_numpy(monkeypatch):
    monkeypatch.setitem(sys.modules, "clmot.tracking.compiled", None)  # importing it fails
    assert load_compiled.__wrapped__() is None
