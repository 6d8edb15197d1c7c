"""What says "as it was before" is: everything is thrown at every entry, and the whole state compared."""

import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from clmot.config.tracker import TrackerConfig
from clmot.errors import UserError
from clmot.reid.gallery import Gallery
from clmot.structures import Detections
from clmot.tracking.multi_stream import Trackers
from clmot.tracking.tracker import Tracker

REFUSED = (TypeError, ValueError, UserError)
"""What a caller may be told; anything else is a fault of ours."""

CONFIG = TrackerConfig(camera="sparse-flow", observation_reupdate=True, recovery_iou_threshold=0.5)
WALL = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
STEP = np.array([1, 0, 1, 0, 0, 0])
BOXES = np.array([[5, 5, 20, 40, 0.9, 0], [30, 5, 45, 40, 0.8, 1]])


def tracker_in_the_middle():
    tracker = Tracker(CONFIG)
    for t in range(4):
        tracker.update(looks(BOXES + t * STEP), WALL)
    return tracker


def looks(table):
    return Detections(xyxy=table[:, :4], score=table[:, 4], class_id=table[:, 5], embedding=np.eye(len(table), 3))


SHAPES = st.lists(st.sampled_from([0, 1, 2, 3, 4, 6, 8]), min_size=0, max_size=4)
NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.integers(-(2**70), 2**70)
ODD = st.one_of(
    st.sampled_from([None, True, "x", b"x", "", 3, -1, 2**70, 1.5, np.nan, (), [], {}, object(), [None], [[]], Image]),
    NUMBERS,
    st.lists(NUMBERS, max_size=6),
    st.builds(
        lambda shape, kind, value: np.full(shape, value).astype(kind),
        SHAPES,
        st.sampled_from(["u1", "i8", "f2", "f4", "f8", "?", "O", "U3"]),
        st.sampled_from([0, 1, 3, 7]),
    ),
)
BOX = st.lists(NUMBERS | st.floats(-100, 100), min_size=4, max_size=6)
TABLES = st.integers(4, 6).flatmap(lambda n: st.lists(st.lists(NUMBERS, min_size=n, max_size=n), max_size=3))
FOUND = st.one_of(ODD, TABLES, st.just(BOXES), st.just(looks(BOXES)), st.just([BOXES, BOXES]))
IMAGES = st.one_of(ODD, st.just(WALL), st.just(WALL[:, :, :1]), st.just(WALL.transpose(2, 0, 1)), st.just(WALL[:0]))
FRAMES = st.one_of(ODD, st.integers(4, 9), st.none())


def same(before, after):
    assert before.keys() == after.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(value, after[name], err_msg=name)


def thrown(state, entry, *arguments, **named):
    """Call an entry; where it refuses, the state is as it was."""
    before = state()
    try:
        with np.errstate(all="ignore"):
            entry(*arguments, **named)
    except REFUSED:
        same(before, state())


EASY = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


@EASY
@given(found=FOUND, image=IMAGES, frame=FRAMES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::DeprecationWarning")
def test_what_a_tracker_refuses_leaves_it_as_it_was(found, image, frame):
    tracker = tracker_in_the_middle()
    thrown(tracker.state, tracker.update, found, image, frame=frame)


@EASY
@given(found=st.dictionaries(st.sampled_from(["a", "b", 3, None]), FOUND, max_size=3), image=IMAGES, frame=FRAMES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::DeprecationWarning")
def test_what_one_stream_refuses_leaves_all_as_they_were(found, image, frame):
    trackers = Trackers(CONFIG)
    for _ in range(3):
        trackers.update(dict.fromkeys("ab", BOXES), dict.fromkeys("ab", WALL))
    images = {"a": WALL, "b": image, 3: WALL}
    thrown(trackers.state, trackers.update, {"a": BOXES, **found}, images, frames={"b": frame})
    thrown(trackers.state, trackers.update, found, dict.fromkeys(found, image))


@EASY
@given(data=st.data(), value=ODD)
def test_a_state_that_does_not_fit_changes_nothing(data, value):
    trackers = Trackers(CONFIG)
    trackers.update({"a": BOXES, 1: BOXES[:0]}, {"a": WALL, 1: WALL})
    for owner in (tracker_in_the_middle(), trackers):
        state = tracker_in_the_middle().state() if isinstance(owner, Tracker) else owner.state()
        key = data.draw(st.sampled_from(sorted(state)))
        thrown(owner.state, owner.restore, value)
        thrown(owner.state, owner.restore, {**state, key: value})
        thrown(owner.state, owner.restore, {**state, f"{key}x": value})
        with pytest.raises(ValueError, match="not the state"):
            owner.restore({name: each for name, each in state.items() if name != key})


@EASY
@given(name=ODD, embeddings=ODD)
def test_what_a_gallery_refuses_leaves_it_as_it_was(name, embeddings):
    gallery = Gallery(size=2)
    gallery.enrol("Ada", np.eye(3))

    def state():
        return {each: gallery.embeddings(each) for each in gallery.names}

    thrown(state, gallery.enrol, name, embeddings)
    thrown(state, gallery.recognise, embeddings)


def test_every_missing_array_is_refused():
    tracker = tracker_in_the_middle()
    state, other = tracker.state(), Tracker(CONFIG)
    other.update(BOXES, WALL)
    before = other.state()
    for key in state:
        with pytest.raises(ValueError, match="not the state of a tracker"):
            other.restore({name: value for name, value in state.items() if name != key})
        same(before, other.state())


def test_a_camera_of_the_user_that_fails_leaves_the_tracks_as_they_were():
    from clmot.tracking.camera_motion import CameraMotion

    class Broken(CameraMotion):
        def estimate(self, image, boxes=None, frame=None):
            if frame == 5:
                raise OSError("gimbal")
            return self.answer if frame == 6 else super().estimate(image, boxes, frame)

    camera = Broken("none")
    tracker = Tracker(TrackerConfig(), camera)
    for _ in range(4):
        tracker.update(looks(BOXES))
    before = tracker.state()
    with pytest.raises(OSError, match="gimbal"):
        tracker.update(looks(BOXES))
    for camera.answer in ("left", np.eye(3), np.full((2, 3), np.nan)):
        with pytest.raises(ValueError, match=r"camera's motion must be a finite \[2, 3\] matrix"):
            tracker.update(looks(BOXES), frame=6)
    same(before, tracker.state())


def test_files_of_images_are_taken_and_bad_ones_change_nothing(tmp_path):
    tracker = tracker_in_the_middle()
    before = tracker.state()
    (tmp_path / "bad.png").write_bytes(b"\x89PNG")
    for path in (tmp_path / "bad.png", str(tmp_path / "none.png")):
        with pytest.raises(UserError, match=r"bad\.png|none\.png"):
            tracker.update(looks(BOXES), path)
        same(before, tracker.state())
    Image.fromarray(WALL).save(tmp_path / "good.png")
    buffer = io.BytesIO()
    Image.fromarray(WALL).save(buffer, "PNG")
    states = []
    for image in (WALL, tmp_path / "good.png", str(tmp_path / "good.png"), Image.open(buffer)):
        tracker.restore(before)
        tracker.update(looks(BOXES), image)
        states.append(tracker.state())
    for state in states[1:]:
        same(states[0], state)


def test_a_box_that_the_filter_does_not_believe_in_is_given_as_it_came():
    """In the middle of an update nothing may fail any more, however odd the boxes."""
    tracker, boxes = Tracker(TrackerConfig(boxes="filter")), np.array([[0, 0, 1e-30, 1e7, 0.9], [0, 0, 20, 40, 0.9]])
    with np.errstate(all="ignore"):
        tracked = tracker.update(boxes)
    assert tracked.rows.tolist() == [0, 1]
    np.testing.assert_array_equal(tracked.detections.xyxy[0], boxes[0, :4].astype(np.float32))
