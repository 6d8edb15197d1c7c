import numpy as np

from clmot.evaluation.kitti_rules import read_labels
from clmot.io.kitti import kitti_rows
from clmot.io.mot_writer import TrackWriter
from clmot.structures import Detections, TrackedFrame

CLASSES = ("person", "car", "Cyclist", "dog")


def tracked(frame: int, n: int) -> TrackedFrame:
    rng = np.random.default_rng(frame)
    corner = rng.uniform(-20, 900, (n, 2))
    found = Detections(
        xyxy=np.concatenate([corner, corner + rng.uniform(5, 200, (n, 2))], axis=1),
        score=rng.uniform(0, 1, n),
        class_id=np.arange(n) % 4,
    )
    return TrackedFrame(frame=frame, detections=found, track_id=rng.permutation(50)[:n] + 1)


def test_a_row_is_what_the_benchmark_takes():
    found = Detections(xyxy=[[10, 20, 30.5, 80]], score=[0.75], class_id=[0])
    row = kitti_rows(TrackedFrame(frame=1, detections=found, track_id=np.array([7])), CLASSES)
    assert row == "0 7 Pedestrian -1 -1 -10 10.000 20.000 30.500 80.000 -1 -1 -1 -1000 -1000 -1000 -10 0.750000\n"
    assert kitti_rows(tracked(3, 0), CLASSES) == ""


def test_results_come_back_as_the_scorer_reads_them(tmp_path):
    frames = [tracked(frame, n) for frame, n in ((1, 4), (2, 0), (5, 9))]
    with TrackWriter(tmp_path / "0000.txt", lambda each: kitti_rows(each, CLASSES)) as writer:
        for each in frames:
            writer.write(each)
    rows, regions, _ = read_labels(tmp_path / "0000.txt")
    assert len(rows) == 13
    assert not len(regions)
    pedestrian, car, cyclist, misc = 4, 1, 6, 8
    for each in frames:
        order, mine = np.argsort(each.track_id), rows[rows.frame == each.frame]
        np.testing.assert_array_equal(mine.identity, each.track_id[order])
        np.testing.assert_allclose(mine.xyxy, each.detections.xyxy[order], atol=1e-3)
        kinds = np.array([pedestrian, car, cyclist, misc])[each.detections.class_id[order]]
        np.testing.assert_array_equal(mine.class_id, kinds)
