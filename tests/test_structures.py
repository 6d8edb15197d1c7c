import numpy as np
import pytest

import clmot
from clmot.structures import Boxes, Detections

FOUND = Detections(
    xyxy=np.array([[0, 0, 10, 20], [5, 5, 9, 9], [1, 2, 3, 4]]),
    score=np.array([0.9, 0.5, 0.2]),
    class_id=np.array([0, 2, 1]),
    embedding=np.eye(3, 5),
)


def test_dir_shows_the_public_names():
    assert set(clmot.__all__) <= set(dir(clmot))


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        (1, [1]),
        (-1, [2]),
        (np.int32(0), [0]),
        (np.array(2), [2]),
        (slice(None, None, 2), [0, 2]),
        ([2, 0], [2, 0]),
        (np.array([1, 1], np.int8), [1, 1]),
        ([True, False, True], [0, 2]),
        (FOUND.score > 0.4, [0, 1]),
        ([], []),
        (np.empty(0), []),
    ],
)
def test_rows_of_detections_are_detections(index, rows):
    chosen = FOUND[index]
    assert chosen.xyxy.tolist() == FOUND.xyxy[np.array(rows, int)].tolist()
    assert chosen.class_id.tolist() == [FOUND.class_id[row] for row in rows]
    assert chosen.embedding.shape == (len(rows), 5)
    # what comes out is as good as what the constructor makes
    assert len(Detections(**vars(chosen))) == len(rows)


def test_iteration_gives_rows_as_detections_of_one():
    assert [row.class_id.tolist() for row in FOUND] == [[0], [2], [1]]
    assert [row.xyxy.shape for row in FOUND] == [(1, 4)] * 3


@pytest.mark.parametrize("index", ["xyxy", None, 1.0, True, (0, 1, 2.5), (0, slice(2)), [[0, 1]], np.eye(3) > 0, ...])
def test_what_detections_cannot_be_indexed_by_is_refused_by_name(index):
    with pytest.raises(TypeError, match="Detections take a row number"):
        FOUND[index]


@pytest.mark.parametrize("index", [3, -4, [0, 3], np.array([3]), [True, False]])
def test_a_row_that_is_not_there_is_an_index_error(index):
    with pytest.raises(IndexError):
        FOUND[index]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"xyxy": np.zeros((2, 6))}, r"xyxy must be \[n, 4\], got \[2, 6\]"),
        ({"xyxy": np.zeros((1, 3, 4))}, r"xyxy must be \[n, 4\], got \[1, 3, 4\]"),
        ({"class_id": [0.5, 1, 2]}, "class that is not a whole number"),
        ({"class_id": [0, np.nan, 2]}, "class that is not a whole number"),
        ({"class_id": [0, 1e30, 2]}, "class that is not a whole number"),
        ({"class_id": np.array([0, 2**63, 2], np.uint64)}, "class that is not a whole number"),
        ({"class_id": ["a", "b", "c"]}, "class_id is no array of numbers"),
        ({"class_id": None}, "class_id is no array of numbers"),
        ({"score": None}, "score is no array of numbers"),
        ({"xyxy": None}, r"xyxy is no array of numbers \(None\)"),
        ({"xyxy": "boxes"}, "xyxy is no array of numbers"),
        ({"xyxy": FOUND.xyxy * [1, 1, 1e300, 1]}, "box or score that is not finite"),
        ({"xyxy": FOUND.xyxy * [1, 1, 1e30, 1]}, "a box beyond all images"),
        ({"xyxy": FOUND.xyxy * 1j}, "xyxy is no array of numbers"),
        ({"xyxy": FOUND.xyxy.astype("datetime64[s]")}, "xyxy is no array of numbers"),
        ({"embedding": "looks"}, "embedding is no array of numbers"),
    ],
)
def test_detections_of_other_shapes_or_classes_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Detections(**{**vars(FOUND), **change})


BOXES = Boxes(
    boxes=np.arange(12, dtype=np.float32).reshape(3, 4),
    classes=np.array([2, 0, 1]),
    ignore=np.array([False, True, False]),
    identities=np.array([-1, 5, 6]),
)


def test_boxes_without_scores_count_in_full():
    assert BOXES.scores.tolist() == [1, 1, 1]
    assert BOXES.scores.dtype == np.float32


@pytest.mark.parametrize("index", [np.array([2, 0]), np.array([False, True, True]), slice(1, None), slice(0, 0)])
def test_rows_of_tables_join_to_what_they_were_taken_from(index):
    rows = BOXES.take(index)
    joined = Boxes.join([rows, BOXES])
    assert len(joined) == len(rows) + 3
    for name in Boxes.COLUMNS:
        assert getattr(rows, name).tolist() == getattr(BOXES, name)[index].tolist()
        assert getattr(joined, name).tolist() == [*getattr(BOXES, name)[index].tolist(), *getattr(BOXES, name).tolist()]
        assert getattr(Boxes.join([]), name).dtype == getattr(BOXES, name).dtype


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boxes": np.zeros((3, 5), np.float32)}, r"Boxes.boxes must be \[3, 4\], got \[3, 5\]"),
        ({"boxes": np.zeros((3, 4))}, "Boxes.boxes must be float32, got float64"),
        ({"ignore": np.zeros(2, bool)}, r"Boxes.ignore must be \[3\], got \[2\]"),
        ({"identities": np.zeros(3)}, "Boxes.identities must be int64, got float64"),
    ],
)
def test_columns_of_another_length_or_type_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Boxes(**{**vars(BOXES), **change})


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: clmot.Tracker("byte"), TypeError, r"config is 'byte', not a TrackerConfig; .*named\('byte'\)"),
        (lambda: clmot.Trackers({"high_score": 0.5}), TypeError, "config is {'high_score': 0.5}, not a TrackerConfig"),
        (lambda: clmot.Tracker(clmot.TrackerConfig), TypeError, "not a TrackerConfig"),
        (lambda: clmot.Tracker(None, "ecc"), TypeError, "camera is 'ecc', not a CameraMotion"),
        (
            lambda: clmot.TrackerConfig(association="fuse"),
            clmot.UserError,
            "association is 'fuse', expected fused, gated",
        ),
        (lambda: clmot.TrackerConfig(high_score="0.5"), clmot.UserError, "high_score is '0.5', expected float"),
        (lambda: clmot.TrackerConfig(frame_rate=None), clmot.UserError, "frame_rate is None, expected float"),
        (lambda: clmot.TrackerConfig(confirm_frames=1.5), clmot.UserError, "confirm_frames is 1.5, expected int"),
        (lambda: clmot.TrackerConfig(lost_seconds=True), clmot.UserError, "lost_seconds is True, expected float"),
        (lambda: clmot.TrackerConfig(appearance=1), clmot.UserError, "appearance is 1, expected bool"),
    ],
)
def test_trackers_refuse_what_is_no_configuration_by_name(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_configurations_take_numbers_of_numpy():
    config = clmot.TrackerConfig(high_score=np.float32(0.5), frame_rate=25, confirm_frames=np.int64(3))
    assert (config.high_score, config.frame_rate, config.confirm_frames) == (0.5, 25, 3)
