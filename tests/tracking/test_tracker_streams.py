import numpy as np
import pytest

from clmot.config.tracker import PRESETS, TrackerConfig
from clmot.errors import UserError
from clmot.structures import Detections
from clmot.tracking.multi_stream import Trackers
from clmot.tracking.tracker import Tracker

NAMES = ("door", "yard/north", "été.1")


def video(seed, frames=25, objects=6):
    """Boxes that walk, some unseen, with embeddings."""
    rng = np.random.default_rng(seed)
    centre, velocity = rng.uniform(50, 250, (objects, 2)), rng.normal(0, 3, (objects, 2))
    looks = rng.normal(size=(objects, 16))
    for _ in range(frames):
        centre = centre + velocity
        seen = rng.random(objects) < 0.85
        yield Detections(
            xyxy=np.tile(centre, 2)[seen] + [-15, -40, 15, 40],
            score=rng.uniform(0.2, 1, objects)[seen],
            class_id=np.zeros(seen.sum()),
            embedding=(looks + rng.normal(0, 0.2, looks.shape))[seen],
        )


def rows(tracked):
    return tracked.frame, tracked.as_array().tolist()


@pytest.mark.parametrize("preset", ["clmot", "ocsort"])
def test_one_call_of_many_streams_is_many_calls(preset):
    config = PRESETS[preset]
    together, alone = Trackers(config), {name: Tracker(config) for name in NAMES}
    rng = np.random.default_rng(0)
    clips = {name: iter(video(seed)) for seed, name in enumerate(NAMES)}
    for _ in range(20):  # streams come late, and some frames are of some streams only
        chosen = [name for name in NAMES if rng.random() < 0.7]
        found = {name: next(clips[name]) for name in chosen}
        tracked = together.update(found)
        assert list(tracked) == chosen
        for name in chosen:
            assert rows(tracked[name]) == rows(alone[name].update(found[name]))
    assert set(together.names) == set(NAMES)


def test_each_stream_counts_from_one_and_again_after_it_was_dropped():
    trackers, boxes = Trackers(), [[0, 0, 30, 80], [60, 0, 90, 80]]
    assert trackers.update({"a": boxes})["a"].track_id.tolist() == [1, 2]
    tracked = trackers.update({"a": boxes, "b": boxes[:1]})
    assert (tracked["a"].track_id.tolist(), tracked["b"].track_id.tolist()) == ([1, 2], [1])
    trackers.drop("a")
    assert trackers.names == ("b",)
    again = trackers.update({"a": boxes})["a"]
    assert (again.frame, again.track_id.tolist()) == (1, [1, 2])
    with pytest.raises(KeyError):
        trackers.drop("c")


def test_frame_numbers_and_images_go_to_their_streams():
    trackers = Trackers(TrackerConfig(camera="sparse-flow"))
    image = np.zeros((60, 80, 3), np.uint8)
    tracked = trackers.update({"a": [], "b": []}, {"a": image, "b": image}, frames={"b": 7})
    assert (tracked["a"].frame, tracked["b"].frame) == (1, 7)


@pytest.mark.parametrize(
    ("found", "images", "frames", "message"),
    [
        ({"a": [[0, 0, 30, 80]], "b": [[5, 5, 7, 9, 90]], "new": []}, {}, {}, "stream 'b': scores from 90"),
        ({"a": [[0, 0, 30, 80]], "b": []}, {"b": np.zeros((0, 4, 3), np.uint8)}, {}, "stream 'b': image has no pixels"),
        ({"a": [[0, 0, 30, 80]], "b": []}, {}, {"b": 1}, "stream 'b': frame 1"),
        ({"a": [[0, 0, 30, 80]]}, {"b": np.zeros((4, 4, 3), np.uint8)}, {}, "stream 'b' has an image"),
    ],
)
def test_a_faulty_stream_leaves_all_as_they_were(found, images, frames, message):
    trackers = Trackers()
    trackers.update({"a": [[0, 0, 30, 80]], "b": [[0, 0, 30, 80]]})
    before = trackers.state()
    with pytest.raises(ValueError, match=message):
        trackers.update(found, images, frames=frames)
    after = trackers.state()
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("by", ["arrays", "file"])
def test_all_streams_go_on_as_if_nothing_had_been(tmp_path, by):
    config = TrackerConfig(observation_reupdate=True, frame_rate=12.5)
    trackers = Trackers(config)
    clips = {name: list(video(seed)) for seed, name in enumerate(NAMES)}
    for t in range(10):
        trackers.update({name: clip[t] for name, clip in clips.items()})
    if by == "file":
        trackers.save(tmp_path / "all")
        other = Trackers.load(tmp_path / "all")
        assert other.config == config
    else:
        other = Trackers(config)
        other.restore(trackers.state())
    for t in range(10, 25):
        found = {name: clip[t] for name, clip in clips.items()}
        first, second = trackers.update(found), other.update(found)
        assert all(rows(first[name]) == rows(second[name]) for name in NAMES)


def test_streams_have_the_same_names_in_the_same_order_after_loading(tmp_path):
    trackers, names = Trackers(), (7, "7", "yard/left", -1, "", "Hof \u00fc", 10)
    for name in names:
        trackers.update({name: [[0, 0, 30, 80]]})
    trackers.save(tmp_path / "all")
    loaded = Trackers.load(tmp_path / "all")
    assert loaded.names == names
    assert [type(name) for name in loaded.names] == [type(name) for name in names]
    assert loaded.update({7: [[0, 0, 30, 80]]})[7].frame == 2
    assert loaded[7].update([]).frame == 3
    assert tuple(loaded) == names
    assert 8 not in loaded
    with pytest.raises(KeyError):
        loaded["8"]


def test_a_stream_s_number_may_be_numpy_s(tmp_path):
    trackers = Trackers()
    trackers.update({3: []})
    assert trackers.update({number: [] for number in np.array([3, 4])})[3].frame == 2
    trackers.save(tmp_path / "all")
    assert Trackers.load(tmp_path / "all").names == (3, 4)


@pytest.mark.parametrize("name", [None, True, 1.5, ("a", 1), b"a"])
def test_names_that_could_not_be_saved_are_refused(name):
    trackers = Trackers()
    with pytest.raises(TypeError, match="named by a string or a whole number"):
        trackers.update({name: []})
    with pytest.raises(TypeError, match="by name"):
        trackers.update([[0, 0, 30, 80]])
    assert not len(trackers)


def test_no_streams_can_be_saved_too(tmp_path):
    Trackers().save(tmp_path / "none")
    assert len(Trackers.load(tmp_path / "none")) == 0


def test_one_tracker_is_not_many(tmp_path):
    Tracker().save(tmp_path / "one")
    Trackers().save(tmp_path / "none")
    with pytest.raises(UserError, match="none: cannot go on"):
        Tracker.load(tmp_path / "none")
