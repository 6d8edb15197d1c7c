import sys
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

from clmot.config.tracker import TrackerConfig
from clmot.errors import UserError
from clmot.structures import Detections, TrackedFrame
from clmot.tracking.adapters import as_detections, to_supervision
from clmot.tracking.tracker import Tracker

BOXES = np.array([[10, 20, 40, 100], [60.5, 20, 90, 110.25]])
SCORES = np.array([0.9, 0.75])
CLASSES = np.array([0, 2])
EMBEDDING = np.eye(2, 8, dtype=np.float32)


@dataclass
class FakeSupervision:
    xyxy: np.ndarray
    confidence: np.ndarray | None = None
    class_id: np.ndarray | None = None
    data: dict = field(default_factory=dict)


def fake_results(boxes=BOXES, scores=SCORES, classes=CLASSES, wrap=np.asarray):
    """As ultralytics keeps them: classes as floating-point numbers."""
    found = SimpleNamespace(xyxy=wrap(boxes), conf=wrap(scores), cls=wrap(np.asarray(classes, np.float32)))
    return SimpleNamespace(boxes=found, names={0: "person"})


class FakeTensor:
    """A tensor of half precision on a GPU: only `cpu().float().numpy()` of what is detached gives numbers."""

    def __init__(self, values, moved=()):
        self.values, self.moved, self.shape = np.asarray(values, np.float32), moved, np.shape(values)

    def __array__(self, *_, **__):
        raise TypeError("can't convert cuda tensor to numpy")

    def detach(self):
        return FakeTensor(self.values, (*self.moved, "detach"))

    def cpu(self):
        return FakeTensor(self.values, (*self.moved, "cpu"))

    def double(self):
        return FakeTensor(self.values, (*self.moved, "float"))

    def numpy(self):
        assert set(self.moved) == {"detach", "cpu", "float"}
        return self.values


def same(found, scores=SCORES, classes=CLASSES, embedding=None):
    assert isinstance(found, Detections)
    assert found.xyxy.dtype == np.float32
    assert np.array_equal(found.xyxy, BOXES.astype(np.float32))
    assert np.array_equal(found.score, np.asarray(scores, np.float32))
    assert np.array_equal(found.class_id, classes)
    assert found.class_id.dtype == np.int64
    assert (found.embedding is None) == (embedding is None)
    assert embedding is None or np.array_equal(found.embedding, embedding)


def test_ours_pass_through_untouched():
    ours = Detections(xyxy=BOXES, score=SCORES, class_id=CLASSES, embedding=EMBEDDING)
    assert as_detections(ours) is ours


def test_arrays_with_more_and_more_columns():
    table = np.column_stack([BOXES, SCORES, CLASSES])
    same(as_detections(table[:, :4]), [1, 1], [0, 0])
    same(as_detections(table[:, :5]), SCORES, [0, 0])
    same(as_detections(table))
    same(as_detections(table.tolist()))
    same(as_detections(FakeTensor(table)))


@pytest.mark.parametrize("nothing", [[], np.empty(0), np.empty((0, 4)), np.empty((0, 6), np.float32)])
def test_nothing_found(nothing):
    assert len(as_detections(nothing)) == 0


def test_supervision_like():
    same(as_detections(FakeSupervision(BOXES, SCORES, CLASSES)))
    same(as_detections(FakeSupervision(BOXES)), [1, 1], [0, 0])
    same(as_detections(FakeSupervision(BOXES, SCORES, CLASSES, {"embedding": EMBEDDING})), embedding=EMBEDDING)


def test_ultralytics_like():
    same(as_detections(fake_results()))
    same(as_detections(fake_results().boxes))
    same(as_detections(fake_results(wrap=FakeTensor)))


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (None, TypeError, "NoneType"),
        ("boxes.txt", TypeError, "str"),
        (42, TypeError, "int"),
        ({"boxes": BOXES}, TypeError, "dict"),
        ([fake_results()], TypeError, "one by one"),
        (SimpleNamespace(boxes=None), TypeError, "no boxes"),
        (np.zeros((3, 7)), ValueError, r"\[3, 7\]"),
        (np.ones(6), ValueError, r"\[6\]"),
        ([["a", "b", "c", "d"]], ValueError, "these values"),
        ([[1, 2], [3, 4, 5]], ValueError, "these values"),
        ([[0, 0, 1, 1, 90]], ValueError, "scores from 90 to 90; .*divide percentages by 100"),
        ([[0, 0, 1, 1, 0.9], [0, 0, 1, 1, -0.5]], ValueError, "scores from -0.5 to 0.9"),
        ([[0, 0, 1, 1, 0.5, 0.5]], ValueError, "whole number"),
        ([[0, 0, 1, 1, 0.5, np.nan]], ValueError, "whole number"),
        ([[0, 0, 1, 1, 0.5, np.inf]], ValueError, "whole number"),
        ([[0, 0, 1, 1 + 1j]], ValueError, "complex"),
        (np.array([[0, 0, 1, 1]], "datetime64[s]"), ValueError, "datetime64"),
    ],
)
def test_what_cannot_be_taken_leaves_the_tracker_as_it_was(wrong, error, message):
    tracker = Tracker(TrackerConfig(confirm_frames=1))
    tracker.update(BOXES)
    before = tracker.state()
    with pytest.raises(error, match=message):
        tracker.update(wrong)
    after = tracker.state()
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert tracker.update(BOXES).track_id.tolist() == [1, 2]


BROKEN = np.array([[5, 5, 5, 9], [9, 5, 1, 9], [0, np.nan, 1, 1], [0, 0, np.inf, 1], [0, 0, 1e30, 1], [5, 5, 9, 9]])


@pytest.mark.parametrize("kind", ["table", "supervision", "results"])
def test_boxes_without_area_or_not_finite_are_left_out_and_counted(kind, caplog):
    """With the row of what is left in what was given, for masks and key points."""
    boxes = np.concatenate([BROKEN, BOXES])
    scores, classes = np.array([0.9, 0.9, 0.9, 0.9, 0.9, np.nan, *SCORES]), np.array([0, 0, 0, 0, 0, 0, *CLASSES])
    given = {
        "table": np.column_stack([boxes, scores, classes]),
        "supervision": FakeSupervision(boxes, scores, classes),
        "results": fake_results(boxes, scores, classes, FakeTensor),
    }[kind]
    tracker = Tracker()
    for _ in range(3):
        tracked = tracker.update(given)
        same(tracked.detections)
        assert tracked.track_id.tolist() == [1, 2]
        assert tracked.rows.tolist() == [6, 7]
    assert tracker.left_out == {"box without area": 6, "box or score that is not finite": 12}
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2  # once each, not in every frame
    tracker.reset()
    assert not tracker.left_out
    assert len(tracker.update(BROKEN)) == 1


def test_rows_are_those_of_what_was_given():
    tracker, rng = Tracker(), np.random.default_rng(0)
    seen = {}
    for _ in range(5):
        order = rng.permutation(2)
        tracked = tracker.update(Detections(xyxy=BOXES[order], score=SCORES[order], class_id=CLASSES[order]))
        for track, row in zip(tracked.track_id, tracked.rows, strict=True):
            assert seen.setdefault(int(track), int(order[row])) == order[row]
    assert len(seen) == 2
    assert tracker.update([[500, 500, 540, 560, 0.2, 0], *np.column_stack([BOXES, SCORES, CLASSES])]).rows.tolist() == [
        1,
        2,
    ]


def test_scores_of_half_precision_may_round_beyond_one():
    tracker = Tracker()
    tracker.update([[*BOXES[0], np.float16(1.001)]])
    assert tracker.update([[*BOXES[0], np.float16(1.001)]]).track_id.tolist() == [1]


def test_lost_tracks_are_where_they_are_expected():
    tracker = Tracker()
    for t in range(40):
        tracker.update([[4 * t, 0, 4 * t + 40, 100], [300, 300, 340, 400]])
    assert len(tracker.lost()) == 0
    for t in range(40, 43):
        assert tracker.update([[300, 300, 340, 400]]).track_id.tolist() == [2]
        lost = tracker.lost()
        assert (lost.frame, lost.track_id.tolist(), lost.rows.tolist()) == (t + 1, [1], [-1])
        np.testing.assert_allclose(lost.detections.xyxy, [[4 * t, 0, 4 * t + 40, 100]], atol=1)
    assert tracker.update([[172, 0, 212, 100], [300, 300, 340, 400]]).track_id.tolist() == [1, 2]
    assert len(tracker.lost()) == 0


def test_a_tracker_takes_every_kind_alike():
    rng = np.random.default_rng(0)
    trackers = [Tracker() for _ in range(4)]
    for _ in range(20):
        xyxy = (BOXES + rng.normal(0, 3, BOXES.shape)).astype(np.float32)
        order = rng.permutation(2)
        table = np.column_stack([xyxy, SCORES, CLASSES])[order]
        kinds = (
            Detections(xyxy=xyxy[order], score=SCORES[order], class_id=CLASSES[order]),
            table,
            FakeSupervision(xyxy[order], SCORES[order], CLASSES[order]),
            fake_results(xyxy[order], SCORES[order], CLASSES[order], FakeTensor),
        )
        first, *others = (each.update(kind).as_array() for each, kind in zip(trackers, kinds, strict=True))
        assert len(first) == 2
        for other in others:
            assert np.array_equal(first, other)


def test_rows_of_a_tracked_frame():
    found = Detections(xyxy=BOXES, score=SCORES, class_id=CLASSES)
    tracked = TrackedFrame(frame=3, detections=found, track_id=np.array([2**40 + 1, 7]))
    rows = tracked.as_array()
    assert rows.shape == (2, 7)
    assert rows[0].tolist() == [10, 20, 40, 100, 2**40 + 1, np.float32(0.9), 0]
    nothing = TrackedFrame(frame=1, detections=as_detections([]), track_id=np.empty(0, np.int64))
    assert nothing.as_array().shape == (0, 7)


def test_without_supervision_one_line_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    tracked = Tracker().update(BOXES)
    with pytest.raises(UserError, match="pip install supervision"):
        to_supervision(tracked)


def test_supervision_itself():
    supervision = pytest.importorskip("supervision")
    theirs = supervision.Detections(
        xyxy=BOXES.astype(np.float32), confidence=SCORES, class_id=CLASSES, data={"embedding": EMBEDDING}
    )
    same(as_detections(theirs), embedding=EMBEDDING)
    assert len(as_detections(supervision.Detections.empty())) == 0
    tracker = Tracker()
    back = to_supervision(tracker.update(theirs))
    assert back.tracker_id.tolist() == [1, 2]
    assert np.array_equal(back.xyxy, theirs.xyxy)
    assert np.array_equal(back.data["embedding"], EMBEDDING)
    same(as_detections(back), embedding=EMBEDDING)
    assert len(to_supervision(tracker.update([]))) == 0


def test_ultralytics_itself():
    torch = pytest.importorskip("torch")
    results = pytest.importorskip("ultralytics.engine.results")
    table = torch.tensor(np.column_stack([BOXES, SCORES, CLASSES]), dtype=torch.float32)
    image = np.zeros((120, 160, 3), np.uint8)
    found = results.Results(image, "x.jpg", {0: "person", 2: "car"}, boxes=table)
    same(as_detections(found))
    same(as_detections(found.numpy()))
    same(as_detections(found.boxes))
    assert len(as_detections(results.Results(image, "x.jpg", {}, boxes=table[:0]))) == 0
    with pytest.raises(TypeError, match="no boxes"):
        as_detections(results.Results(image, "x.jpg", {0: "person"}))
    with pytest.raises(TypeError, match="one by one"):
        as_detections([found])
    same(as_detections(table))


def test_key_points_and_oriented_boxes_go_with_their_rows():
    torch = pytest.importorskip("torch")
    results = pytest.importorskip("ultralytics.engine.results")
    supervision = pytest.importorskip("supervision")
    image = np.zeros((120, 160, 3), np.uint8)
    table = torch.tensor(np.column_stack([BOXES, SCORES, CLASSES]), dtype=torch.float32)
    points = torch.rand(len(table), 17, 3)
    pose = results.Results(image, "x.jpg", {0: "person"}, boxes=table, keypoints=points)
    assert np.allclose(as_detections(pose).data["keypoints"], points)
    turned = results.Results(image, "x.jpg", {0: "ship"}, obb=torch.tensor([[60.0, 50, 40, 20, 0.3, 0.9, 0]]))
    found = as_detections(turned)
    assert np.allclose(found.xyxy, turned.obb.xyxy)
    assert np.allclose(found.data["corners"], turned.obb.xyxyxyxy)
    tracked = Tracker().update(turned)
    assert np.allclose(tracked.detections.data["corners"], turned.obb.xyxyxyxy)
    back = to_supervision(tracked)
    assert np.allclose(back.data["xyxyxyxy"], turned.obb.xyxyxyxy)
    same_again = as_detections(supervision.Detections.from_ultralytics(turned))
    assert np.allclose(same_again.data["corners"], found.data["corners"])
