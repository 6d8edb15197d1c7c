"""IDF1 with each part of a tracker made perfect in turn."""

import numpy as np
import pytest
from data_builders import sample_of

from clmot.config.tracker import TrackerConfig
from clmot.evaluation.limits import SeenSequence, identity_f1, limits
from clmot.evaluation.mot import evaluate
from clmot.io.mot_writer import write_mot_text
from clmot.structures import Detections

CONFIG = TrackerConfig(mean_subtraction=0.0, appearance_trust=0.0)
FRAMES = 20


def sequence(hidden: int = 0, swapped_from: int = FRAMES + 1) -> SeenSequence:
    """Three people side by side; `hidden` of them are never found, embeddings of two are swapped from some frame on."""
    directions = np.eye(8, dtype=np.float32)
    samples, found, embeddings = [], [], []
    for frame in range(1, FRAMES + 1):
        left = np.array([40.0, 60.0, 200.0]) + 2 * frame
        boxes = np.stack([left, np.full(3, 20.0), left + 30, np.full(3, 110.0)], axis=1).astype(np.float32)
        embedding = directions[[0, 1, 2]] if frame < swapped_from else directions[[1, 0, 2]]
        samples.append(sample_of(boxes, size=(400, 200), sequence="street", frame=frame, identities=range(3)))
        embeddings.append(embedding)
        kept = slice(hidden, 3)
        found.append(
            Detections(
                xyxy=boxes[kept] + 1,
                score=np.full(3 - hidden, 0.9, np.float32),
                class_id=np.zeros(3 - hidden, np.int64),
                embedding=embedding[kept],
            )
        )
    return SeenSequence(samples=samples, found=found, frame_rate=10, camera={}, embeddings=embeddings)


def test_idf1_is_that_of_the_evaluation(tmp_path):
    """The same number as `clmot evaluate` gives for the same tracks in files."""
    seen = sequence(hidden=1, swapped_from=12)
    tracked = seen.track(CONFIG)
    (tmp_path / "gt" / "street" / "gt").mkdir(parents=True)
    rows = [
        f"{sample.frame},{identity + 1},{x + 1},{y + 1},{x2 - x},{y2 - y},1,1,1\n"
        for sample in seen.samples
        for identity, (x, y, x2, y2) in zip(sample.identities, sample.boxes.tolist(), strict=True)
    ]
    (tmp_path / "gt" / "street" / "gt" / "gt.txt").write_text("".join(rows))
    write_mot_text(tmp_path / "street.txt", tracked)
    expected = evaluate(tmp_path / "street.txt", tmp_path / "gt").combined["IDF1"]
    assert 0 < expected < 100
    assert identity_f1([seen], [tracked]) == pytest.approx(expected, abs=1e-6)


def test_boxes_that_are_not_found_are_the_detections_fault():
    found = limits([sequence(hidden=1)], CONFIG)
    assert found.largest == "detection"
    assert found.boxes == pytest.approx(100)
    assert found.idf1 == found.embedding == found.association == pytest.approx(80)  # two of three: 2 * 40 / (40 + 60)


def test_ids_that_a_perfect_embedding_keeps_are_the_embeddings_fault():
    found = limits([sequence(swapped_from=11)], CONFIG)
    assert found.idf1 == found.boxes == pytest.approx(100 * 2 / 3)  # two of three people are half one, half the other
    assert found.embedding == found.association == pytest.approx(100)
    assert found.largest == "embedding"
