"""Each switch of the association: what it changes, and that it does when it is on only."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from clmot.boxes import xyxy_to_cxcyah
from clmot.config import Config
from clmot.config.tracker import PRESETS, TrackerConfig
from clmot.errors import UserError
from clmot.structures import Detections
from clmot.tracking import association, kalman
from clmot.tracking.tracker import Tracker


def detect(centres, looks=None, score=0.9, class_id=0, width=30.0, height=80.0):
    centres = np.asarray(centres, np.float64).reshape(-1, 2)
    n, half = len(centres), np.array([width / 2, height / 2])
    return Detections(
        xyxy=np.concatenate([centres - half, centres + half], axis=1),
        score=np.broadcast_to(score, n),
        class_id=np.broadcast_to(class_id, n),
        embedding=looks,
    )


NOTHING = detect(np.empty((0, 2)))
LOOKS = np.eye(6)


def last_ids(config, frames):
    """Ids in the last of some frames, each a `Detections`."""
    tracker = Tracker(config)
    for found in frames:
        ids = tracker.update(found).track_id.tolist()
    return ids


def crowd(seed=0, frames=80, n=15, embeddings=True, classes=2):
    """Walkers that cross, vanish and are mistaken."""
    rng = np.random.default_rng(seed)
    place, speed = rng.uniform(0, 400, (n, 2)), rng.normal(0, 3, (n, 2))
    looks = rng.normal(size=(n, 16))
    kind = rng.integers(0, classes, n)
    for t in range(frames):
        place, speed = place + speed, speed + rng.normal(0, 0.3, speed.shape)
        seen = rng.random(n) < (0.3 if t % 20 > 15 else 0.95)
        vectors = looks[seen] + rng.normal(0, 0.3, (seen.sum(), 16))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        noisy = place[seen] + rng.normal(0, 1, (seen.sum(), 2))
        yield detect(noisy, vectors if embeddings else None, rng.uniform(0.1, 1, seen.sum()), kind[seen])


EVERYTHING = TrackerConfig(
    fuse_score=True,
    direction_weight=0.2,
    recovery_iou_threshold=0.7,
    observation_reupdate=True,
    confirm_frames=3,
    lost_seconds=0.5,
)
CONFIGS = {
    **{name: replace(preset, camera="none") for name, preset in PRESETS.items()},
    **{f"all-{kind}": replace(EVERYTHING, association=kind) for kind in ("fused", "gated", "overlap")},
}


@pytest.fixture(params=CONFIGS, name="config")
def _config(request):
    return CONFIGS[request.param]


def history(tracker, video, images=False):
    image = np.zeros((400, 400, 3), np.uint8) if images else None
    return [
        (tracked.frame, tracked.track_id.tolist(), tracked.detections.xyxy.tolist())
        for tracked in (tracker.update(found, image) for found in video)
    ]


@pytest.mark.parametrize("embeddings", [True, False])
def test_equal_results_on_repeated_runs_and_any_order_of_detections(config, embeddings):
    video = list(crowd(embeddings=embeddings))
    shown = history(Tracker(config), video, images=True)
    assert history(Tracker(config), video, images=True) == shown
    assert max(len(ids) for _, ids, _ in shown) > 3
    rng = np.random.default_rng(1)
    shuffled = history(Tracker(config), [found[rng.permutation(len(found))] for found in video], images=True)
    for (_, ids, boxes), (_, other_ids, other_boxes) in zip(shown, shuffled, strict=True):
        assert sorted(zip(ids, boxes, strict=True)) == sorted(zip(other_ids, other_boxes, strict=True))


def test_a_restored_tracker_goes_on_bit_for_bit(config, tmp_path):
    video = list(crowd())
    straight, first = Tracker(config), Tracker(config)
    expected = history(straight, video, images=True)
    history(first, video[:37], images=True)
    np.savez(tmp_path / "state.npz", **first.state())
    second = Tracker(config)
    with np.load(tmp_path / "state.npz") as saved:
        second.restore(saved)
    assert history(second, video[37:], images=True) == expected[37:]
    for name, value in straight.state().items():
        np.testing.assert_array_equal(second.state()[name], value)
    history(first, video[37:38])  # and the saved one has a life of its own
    assert second.state()["clock"][0] == 80


def test_a_restored_camera_goes_on_bit_for_bit():
    rng = np.random.default_rng(0)
    scene = np.kron(rng.integers(0, 256, (60, 80, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
    images = [scene[t : t + 240, 2 * t : 2 * t + 320].copy() for t in range(20)]
    video = list(crowd(frames=20))
    config = replace(EVERYTHING, camera="sparse-flow")
    straight, first, second = Tracker(config), Tracker(config), Tracker(config)
    for found, image in zip(video[:9], images, strict=False):
        straight.update(found, image)
        first.update(found, image)
    second.restore(first.state())
    for found, image in zip(video[9:], images[9:], strict=True):
        expected, shown = straight.update(found, image), second.update(found, image)
        np.testing.assert_array_equal(shown.track_id, expected.track_id)
    for name, value in straight.state().items():
        np.testing.assert_array_equal(second.state()[name], value)


def test_a_state_of_another_configuration_is_refused():
    tracker = Tracker(EVERYTHING)
    history(tracker, crowd(frames=3))
    other = Tracker()
    history(other, crowd(frames=5))
    before = other.state()
    for state in (tracker.state(), {}, {"clock": np.zeros(4, np.int64)}):
        with pytest.raises(ValueError, match="same configuration"):
            other.restore(state)
    for name, value in other.state().items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frame": 3}, "frame 3 comes after"),
        ({"image": np.zeros((5, 5, 3))}, "image must be"),
        ({}, "length 5"),
    ],
)
def test_what_is_refused_leaves_the_tracker_as_it_was(arguments, message):
    tracker = Tracker()
    history(tracker, crowd(frames=8))
    before = tracker.state()
    with pytest.raises(ValueError, match=message):
        tracker.update(detect([1, 1], np.eye(5)[:1]), **arguments)
    assert before.keys() == tracker.state().keys()
    for name, value in tracker.state().items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("broken", [[np.nan, 0, 1, 1], [5, 5, 1, 9], [0, 0, np.inf, 2], [3, 3, 3, 8]])
def test_broken_boxes_never_reach_the_tracker(broken):
    with pytest.raises(ValueError, match=r"finite|no area"):
        Detections(xyxy=[broken], score=[0.9], class_id=[0])


def test_memory_holds_the_live_tracks_only(config):
    tracker, rng = Tracker(config), np.random.default_rng(0)
    bytes_each, alive = set(), []
    for t in range(300):
        place = [[(40 * i + 4 * t) % 2000, 100 * (i % 5)] for i in range(10)]
        tracker.update(detect(place, rng.normal(size=(10, 8)), rng.uniform(0.3, 1, 10)))
        state = tracker.state()
        alive.append(len(state["tracks.track_id"]))
        bytes_each.add(sum(value.nbytes for name, value in state.items() if name.startswith("tracks")) / alive[-1])
    assert len(bytes_each) == 1
    assert max(alive) < 80


def test_a_thousand_detections_at_once_in_one_place(config):
    rng = np.random.default_rng(0)
    looks = rng.normal(size=(1000, 8))
    tracker = Tracker(replace(config, new_track_overlap=1.0))
    for _ in range(3):
        tracked = tracker.update(detect(100 + rng.normal(0, 20, (1000, 2)), looks))
    assert len(set(tracked.track_id.tolist())) == len(tracked) > 300


def test_skipped_frames_move_tracks_on_as_unseen_ones_would():
    step, skip = Tracker(), Tracker()
    for tracker in (step, skip):
        for t in range(10):
            tracker.update(detect([50 + 5 * t, 50]))
    for _ in range(3):
        step.update(NOTHING)
    there = detect([50 + 5 * 13, 50])
    assert step.update(there).track_id.tolist() == skip.update(there, frame=14).track_id.tolist() == [1]
    state, skipped = step.state()["tracks.motion"], skip.state()["tracks.motion"]
    np.testing.assert_allclose(state[0], skipped[0], atol=0.5)
    assert skip.update(there, frame=10_000).frame == 10_000  # all tracks are long gone, in no time
    assert skip.state()["tracks.track_id"].tolist() == [0]


def test_score_fusion_prefers_the_surer_of_two_boxes():
    start = [detect([100, 100])] * 3
    two = detect([[104, 100], [97, 100]], score=[0.95, 0.55])

    def id_of_the_surer(fuse):
        tracker = Tracker(TrackerConfig(fuse_score=fuse, association="overlap"))
        for found in start:
            tracker.update(found)
        tracked = tracker.update(two)
        return [i for i, s in zip(tracked.track_id, tracked.detections.score, strict=True) if s > 0.9]

    assert id_of_the_surer(True) == [1]
    assert id_of_the_surer(False) == []


def test_gated_appearance_decides_between_near_boxes_but_never_reaches_far(monkeypatch):
    config = TrackerConfig(association="gated", iou_threshold=0.0, nearest_distance=0.0, new_track_overlap=1.0)
    beside = [detect([[100, 100], [108, 100]], LOOKS[:2])] * 3
    swapped = detect([[101, 100], [107, 100]], LOOKS[[1, 0]])
    assert last_ids(config, [*beside, swapped]) == [2, 1]
    assert last_ids(replace(config, appearance=False), [*beside, swapped]) == [1, 2]
    far = [detect([100, 100], LOOKS[:1])] * 3 + [detect([200, 100], LOOKS[:1])] * 2
    assert last_ids(config, far) == [2]
    # appearance helps where overlap alone is too little, within its reach
    apart = [detect([100, 100], LOOKS[:1])] * 3 + [detect([114, 100], LOOKS[:1])]
    strict = replace(config, motion_only_iou_threshold=0.2)
    assert last_ids(strict, apart) == []
    monkeypatch.setattr(association, "PROXIMITY", 0.7)
    assert last_ids(strict, apart) == [1]


def test_gated_appearance_costs_half_its_distance():
    """A cosine distance of 0.4 costs 0.2, which is within reach, and less than an overlap of two thirds."""
    config = TrackerConfig(association="gated", fuse_score=False, height_overlap=False, new_track_overlap=1.0)
    config = replace(config, mean_subtraction=0.0, appearance_trust=0.0)
    like, unlike = np.array([0.6, 0.8, 0, 0, 0, 0]), LOOKS[3]
    two = detect([[100 + 7, 100], [100 - 6, 100]], np.stack([like, unlike]))
    tracker = Tracker(config)
    for _ in range(3):
        tracker.update(detect([100, 100], LOOKS[:1]))
    tracked = tracker.update(two)
    assert tracked.rows[tracked.track_id == 1].tolist() == [0]


def test_a_sure_box_is_held_to_the_limit_of_sure_ones():
    """An IoU distance of 0.3 is within the limit of low scores, and beyond that of high ones."""
    config = TrackerConfig(
        iou_threshold=0.2, recovery_iou_threshold=0.0, nearest_distance=0.0, new_track_overlap=1.0, camera="none"
    )
    config = replace(config, association="overlap", motion_only_iou_threshold=0.2, height_overlap=False)
    aside = [[100 + 30 * 0.3 / 1.7, 100]]  # two boxes 30 wide share 0.7 of their union
    for score, expected in ((0.9, []), (0.3, [1])):
        assert last_ids(config, [detect([100, 100])] * 4 + [detect(aside, score=score)]) == expected, score


def test_direction_decides_for_who_goes_on_the_way_he_went():
    def after(weight):
        config = TrackerConfig(association="overlap", direction_weight=weight, height_overlap=False, frame_rate=12.0)
        tracker = Tracker(config)
        for t in range(4):  # too short for the filter to know the speed
            tracker.update(detect([100 + 6 * t, 100]))
        # two boxes about as near to where it is expected: one ahead, one aside
        tracked = tracker.update(detect([[133, 100], [116, 111]]))
        return tracked.detections.xyxy[tracked.track_id == 1][:, 0].tolist()

    assert after(0.9) == [118.0]
    assert after(0.0) == [101.0]


def test_recovery_looks_where_a_track_was_last_seen():
    walk = [detect([100 + 8 * t, 100]) for t in range(15)]
    stopped = [NOTHING] * 10 + [detect([100 + 8 * 14, 100])] * 2
    config = TrackerConfig(association="overlap", iou_threshold=0.0, recovery_iou_threshold=0.0)
    assert last_ids(replace(config, recovery_iou_threshold=0.7), walk + stopped) == [1]
    assert last_ids(config, walk + stopped) == [2]


@pytest.mark.parametrize("frames", [1, 2, 3, 5])
def test_confirmation_takes_as_many_frames_as_configured(frames):
    tracker = Tracker(TrackerConfig(confirm_frames=frames))
    tracker.update(NOTHING)
    shown = [len(tracker.update(detect([50, 50]))) for _ in range(6)]
    assert shown == [0] * (frames - 1) + [1] * (7 - frames)


def test_a_restart_of_confirmation_after_a_miss():
    tracker = Tracker(TrackerConfig(confirm_frames=3))
    tracker.update(NOTHING)
    for found in [detect([50, 50])] * 2 + [NOTHING] + [detect([50, 50])] * 2:
        assert len(tracker.update(found)) == 0
    assert len(tracker.update(detect([50, 50]))) == 1


def test_confidence_decides_how_much_is_learnt():
    def look(config, score):
        tracker = Tracker(config)
        for _ in range(3):
            tracker.update(detect([100, 100], LOOKS[:1]))
        tracker.update(detect([100, 100], LOOKS[:1] * 0.8 + LOOKS[1:2] * 0.6, score=score))
        return tracker.state()["tracks.embedding"][0, 1]

    weighted, even = (TrackerConfig(published_bookkeeping=each, high_score=0.5) for each in (False, True))
    plain = look(even, 0.6)
    assert look(weighted, 1.0) == plain == look(even, 1.0)
    assert 0 < look(weighted, 0.6) < 0.3 * plain
    assert look(weighted, 0.5) == 0


def test_looks_alone_do_not_find_a_lost_track_far_away():
    # half alike, within the gate that has grown, at the next place or at one beyond it
    alike = 0.5 * LOOKS[:1] + np.sqrt(0.75) * LOOKS[1:2]

    def found(config, x):
        return last_ids(config, [detect([100, 100], LOOKS[:1])] * 4 + [NOTHING] * 6 + [detect([x, 100], alike)] * 2)

    far = 135
    assert found(TrackerConfig(), 102) == [1]
    assert found(TrackerConfig(), far) == [2]
    assert found(TrackerConfig(lost_overlap_weight=0.0), far) == [1]


def test_observation_reupdate_equals_a_filter_that_saw_the_straight_line():
    config = TrackerConfig(observation_reupdate=True, association="overlap", recovery_iou_threshold=1.0)
    tracker = Tracker(config)
    walk = [[100 + 3 * t, 100 + t] for t in range(6)]
    for centre in walk:
        tracker.update(detect(centre))
    for _ in range(3):
        tracker.update(NOTHING)
    tracker.update(detect([135, 109]))
    assert len(tracker.state()["tracks.track_id"]) == 1
    line = [[115 + 5 * k, 105 + k] for k in range(1, 5)]
    state = kalman.initiate(xyxy_to_cxcyah(detect(walk[0]).xyxy.astype(np.float64)))
    for centre in walk[1:] + line:
        state = kalman.predict(state, np.zeros(1, bool))
        state = kalman.update(state, xyxy_to_cxcyah(detect(centre).xyxy.astype(np.float64)))
    np.testing.assert_allclose(tracker.state()["tracks.motion"], state.values, atol=1e-9)
    drifted = Tracker(replace(config, observation_reupdate=False))
    for found in [*map(detect, walk), *[NOTHING] * 3, detect([135, 109])]:
        drifted.update(found)
    assert np.abs(drifted.state()["tracks.motion"] - state.values).max() > 0.5


def test_tracks_move_with_the_camera(tmp_path):
    path = tmp_path / "motion.txt"
    path.write_text("".join(f"{t} 1 0 {40 if t == 6 else 0} 0 1 0\n" for t in range(1, 9)))
    video = [detect([100, 100])] * 5 + [detect([140, 100])] * 3
    config = TrackerConfig(camera="file", camera_file=str(path), association="overlap", nearest_distance=0.0)
    assert last_ids(config, video) == [1]
    assert last_ids(replace(config, camera="none", camera_file=""), video) == [2]
    everything = replace(EVERYTHING, camera="file", camera_file=str(path), association="overlap")
    assert last_ids(everything, video) == [1]


def test_a_camera_that_needs_images_says_so():
    tracker = Tracker(TrackerConfig.named("botsort"))
    with pytest.raises(ValueError, match="needs the image of every frame"):
        tracker.update(NOTHING)
    assert tracker.update(NOTHING, np.zeros((40, 60, 3), np.uint8)).frame == 1


def panned(frame: int) -> np.ndarray:
    """A textured picture that the camera pans over, ten pixels a frame."""
    grain = np.random.default_rng(3).integers(0, 255, (24, 60), np.uint8)
    wide = cv2.resize(grain, (600, 240), interpolation=cv2.INTER_CUBIC)
    return np.repeat(wide[:, 10 * frame : 10 * frame + 360, None], 3, axis=2)


def test_the_camera_is_followed_where_images_are_given():
    auto = Tracker(TrackerConfig(association="overlap"))
    flow = Tracker(TrackerConfig(association="overlap", camera="sparse-flow"))
    blind = Tracker(TrackerConfig(association="overlap"))
    video = [detect([300 - 10 * t, 120], width=100, height=60) for t in range(9)]
    for t, found in enumerate(video):
        auto.update(found, panned(t))
        flow.update(found, panned(t))
        blind.update(found)
    for name, value in flow.state().items():
        np.testing.assert_array_equal(auto.state()[name], value)
    moved = {name: each.state()["tracks.motion"] for name, each in (("auto", auto), ("blind", blind))}
    assert np.abs(moved["auto"] - moved["blind"]).max() > 1
    assert not any(name.startswith("camera.") for name in blind.state())


def test_the_frame_after_one_without_its_image_makes_up_for_it():
    every, some = (Tracker(TrackerConfig(association="overlap")) for _ in range(2))
    for t in range(7):
        found = detect([300 - 10 * t, 120], width=100, height=60) if t < 4 else NOTHING
        every.update(found, panned(t))
        some.update(found, None if t == 4 else panned(t))
    first, second = (each.state()["tracks.motion"] for each in (every, some))
    assert first.shape[1] == 1
    np.testing.assert_allclose(first, second, atol=1)
    # the camera alone moved it: to where it stands in the last frame
    np.testing.assert_allclose(second[0, 0, :2], [240, 120], atol=3)


@pytest.mark.parametrize(("wider", "taller"), [(2, 2), (3, 1), (1, 3)])
def test_tracks_scale_with_the_size_of_the_frame(wider, taller):
    small, large = np.zeros((100, 200, 3), np.uint8), np.zeros((100 * taller, 200 * wider, 3), np.uint8)
    tracker = Tracker(TrackerConfig(association="overlap"))
    for t in range(6):
        tracker.update(detect([50 + 3 * t, 50]), small)
    ids = []
    for t in range(6, 9):
        larger = detect([wider * (50 + 3 * t), 50 * taller], width=30 * wider, height=80 * taller)
        ids.append(tracker.update(larger, large).track_id.tolist())
    assert ids == [[1]] * 3


def test_presets_by_name():
    assert TrackerConfig.named("byte", low_score=0.2) == replace(PRESETS["byte"], low_score=0.2)
    with pytest.raises(UserError, match=r"unknown tracker preset 'bite' \(did you mean 'byte'\?\)"):
        TrackerConfig.named("bite")
    config = Config().updated({"tracker": {"preset": "ocsort", "confirm_frames": 4}})
    assert config.tracker == replace(PRESETS["ocsort"], confirm_frames=4)
    assert Config().updated(config.as_dict()) == config
    assert PRESETS["clmot"] == TrackerConfig()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"confirm_frames": 0}, "tracker.confirm_frames must be >= 1"),
        ({"camera": "file"}, "tracker.camera_file goes with"),
        ({"camera_file": "x.txt"}, "tracker.camera_file goes with"),
    ],
)
def test_values_out_of_range(values, message):
    with pytest.raises(UserError, match=message):
        TrackerConfig(**values)


def test_wide_and_tiny_boxes_are_tracked_and_not_shown():
    """FairMOT writes no box with w / h > 1.6 or an area of at most 100."""
    boxes = np.array([[0, 0, 16, 10], [100, 0, 117, 10], [200, 0, 210, 10], [300, 0, 310, 11]], np.float32)
    frame = Detections(xyxy=boxes, score=np.full(4, 0.9), class_id=np.zeros(4))
    shown = Tracker(TrackerConfig(max_aspect=1.6, min_area=100)).update(frame)
    np.testing.assert_array_equal(shown.detections.xyxy, boxes[[0, 3]])
    tracker = Tracker(TrackerConfig(max_aspect=1.6))
    first = tracker.update(frame).track_id
    # the second one turns upright: it has been followed all the time
    upright = replace(frame, xyxy=np.array([[0, 0, 16, 10], [100, 0, 116, 10], *boxes[2:]], np.float32))
    assert [*first, *tracker.update(upright).track_id] == [1, 3, 4, 1, 2, 3, 4]
    assert len(Tracker(TrackerConfig()).update(frame)) == 4


def test_the_filters_box_is_nearer_to_the_truth_where_detections_jitter():
    """4 % of jitter on a walk in a straight line; the detection's own box is given out to the bit by default."""
    rng = np.random.default_rng(0)
    errors = {}
    for boxes in ("detection", "filter"):
        tracker, total = Tracker(TrackerConfig(boxes=boxes)), []
        for t in range(60):
            true = np.array([[100.0 + 3 * t, 200]])
            found = detect(true + rng.normal(0, 3, (1, 2)))
            (given,) = tracker.update(found).detections.xyxy
            if boxes == "detection":
                assert given.tobytes() == found.xyxy.tobytes()
            total.append(np.hypot(*((given[:2] + given[2:]) / 2 - true[0])))
        errors[boxes] = np.mean(total[10:])
    assert errors["filter"] < 0.85 * errors["detection"]


def test_who_is_found_twice_gets_one_id():
    """A second box, 5 pixels beside the first, has IoU .71 with it; one 12 pixels beside has .43 and is somebody."""
    twice, two = detect([[100, 200], [105, 200]], score=[0.9, 0.8]), detect([[100, 200], [112, 200]], score=[0.9, 0.8])
    for alone in (0, 3):  # from the first frame on, and later beside who is tracked already
        frames = [twice[:1]] * alone
        assert last_ids(TrackerConfig(), [*frames, twice, twice]) == [1]
        assert last_ids(TrackerConfig(), [*frames, two, two]) == [1, 2]
        assert last_ids(TrackerConfig(new_track_overlap=1.0), [*frames, twice, twice]) == [1, 2]
    of_two_classes = replace(twice, class_id=np.array([0, 1]))
    assert last_ids(TrackerConfig(), [of_two_classes, of_two_classes]) == [1, 2]


def test_heights_tell_who_is_behind():
    """A tall track's detection is missed; a smaller one behind it overlaps it most, and is nobody's."""
    front, behind = np.array([[100, 100, 140, 200]]), np.array([[100, 100, 140, 130]])

    def boxes(xyxy):
        return Detections(xyxy=xyxy, score=np.full(len(xyxy), 0.9), class_id=np.zeros(len(xyxy)))

    frames = [boxes(front)] * 4 + [boxes(behind)] * 2
    assert last_ids(TrackerConfig(height_overlap=False, nearest_distance=0.0), frames) == [1]
    assert last_ids(TrackerConfig(nearest_distance=0.0), frames) == [2]
