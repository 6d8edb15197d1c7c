import numpy as np
import pytest

from clmot.config.tracker import PRESETS, TrackerConfig
from clmot.errors import UserError
from clmot.io.named_arrays import read_arrays, write_arrays
from clmot.structures import Detections
from clmot.tracking.tracker import Tracker

EVERYTHING = TrackerConfig(
    association="gated",
    camera="sparse-flow",
    direction_weight=0.2,
    recovery_iou_threshold=0.7,
    observation_reupdate=True,
    lost_seconds=0.3,
    frame_rate=29.97,
)


def film(frames=24, objects=5, seed=0):
    """A textured picture that the camera pans over, and boxes that come and go in it."""
    rng = np.random.default_rng(seed)
    wall = np.kron(rng.integers(0, 255, (60, 80), np.uint8), np.ones((4, 4), np.uint8))
    centre, velocity = rng.uniform(40, 120, (objects, 2)), rng.normal(0, 2, (objects, 2))
    looks = rng.normal(size=(objects, 8))
    for t in range(frames):
        centre = centre + velocity
        seen = rng.random(objects) < 0.8
        found = Detections(
            xyxy=np.tile(centre, 2)[seen] + [-8, -20, 8, 20],
            score=rng.uniform(0.3, 1, objects)[seen],
            class_id=np.zeros(seen.sum()),
            embedding=(looks + rng.normal(0, 0.2, looks.shape))[seen],
        )
        yield found, np.repeat(wall[:160, t : t + 240, None], 3, axis=2)


@pytest.mark.parametrize("at", [0, 1, 11])
@pytest.mark.parametrize("config", [PRESETS["clmot"], EVERYTHING], ids=["default", "everything"])
def test_a_loaded_tracker_goes_on_bit_for_bit(tmp_path, config, at):
    tracker, path = Tracker(config), tmp_path / "middle.safetensors"
    clip = list(film())
    for found, image in clip[:at]:
        tracker.update(found, image)
    tracker.save(path)
    other = Tracker.load(path)
    assert other.config == config
    shown = 0
    for found, image in clip[at:]:
        first, second = tracker.update(found, image), other.update(found, image)
        assert first.frame == second.frame
        assert np.array_equal(first.as_array(), second.as_array())
        shown += len(first)
    assert shown > 30
    one, two = tracker.state(), other.state()
    assert one.keys() == two.keys()
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_a_file_can_be_saved_over(tmp_path):
    tracker, path = Tracker(), tmp_path / "state"
    for found, _ in film(4):
        tracker.update(found)
        tracker.save(path)
    assert Tracker.load(path).update([]).frame == 5
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("method", ["file", "ecc"])
def test_a_camera_that_was_given_is_saved_with_the_tracker(tmp_path, method):
    from clmot.tracking.camera_motion import CameraMotion

    def camera():
        return CameraMotion(method, {t: np.array([[1, 0, 3.0 * t], [0, 1, -t]]) for t in range(2, 25)})

    config = TrackerConfig(camera="none")
    straight, tracker, clip = Tracker(config, camera()), Tracker(config, camera()), list(film())
    for found, image in clip[:11]:
        straight.update(found, image)
        tracker.update(found, image)
    tracker.save(tmp_path / "middle")
    loaded = Tracker.load(tmp_path / "middle")
    for found, image in clip[11:]:
        assert np.array_equal(loaded.update(found, image).as_array(), straight.update(found, image).as_array())
    one, two = straight.state(), loaded.state()
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert two["camera.frame"] == 24


def test_the_file_of_camera_motion_need_not_be_there_any_more(tmp_path):
    file = tmp_path / "motion.txt"
    file.write_text("".join(f"{t},1,0,3,0,1,0\n" for t in range(1, 25)))
    tracker, clip = Tracker(TrackerConfig(camera="file", camera_file=str(file))), list(film())
    for found, _ in clip[:11]:
        tracker.update(found)
    tracker.save(tmp_path / "middle")
    file.unlink()
    loaded = Tracker.load(tmp_path / "middle")
    for found, _ in clip[11:]:
        assert np.array_equal(loaded.update(found).as_array(), tracker.update(found).as_array())


@pytest.mark.parametrize("damage", ["cut", "field", "value", "array", "none"])
def test_a_file_that_does_not_fit_is_one_line(tmp_path, damage):
    path = tmp_path / "state.safetensors"
    tracker = Tracker()
    for found, _ in film(4):
        tracker.update(found)
    tracker.save(path)
    arrays, notes = read_arrays(path, "tracker state")
    if damage == "none":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    elif damage == "array":
        del arrays["tracks.motion"]
    elif damage == "field":
        notes["tracker"]["high"] = 0.5
    else:
        notes["tracker"]["high_score"] = 5
    if damage in ("array", "field", "value"):
        write_arrays(path, "tracker state", arrays, notes)
    with pytest.raises(UserError) as caught:
        Tracker.load(path)
    assert "\n" not in str(caught.value)


def test_a_camera_that_is_known_stands_in_for_the_images():
    from clmot.tracking.camera_motion import CameraMotion

    by_images, camera, matrices = Tracker(EVERYTHING), CameraMotion("sparse-flow"), {}
    clip = list(film())
    expected = [by_images.update(found, image).as_array() for found, image in clip]
    for number, (found, image) in enumerate(clip, 1):
        matrices[number] = camera.estimate(image, found.xyxy, number)
    assert not all(np.array_equal(each, np.eye(2, 3)) for each in matrices.values())
    known = Tracker(EVERYTHING, CameraMotion("file", matrices))
    assert all(np.array_equal(known.update(found).as_array(), e) for (found, _), e in zip(clip, expected, strict=True))
