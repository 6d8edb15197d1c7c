"""Ground truth boxes through tracker, text and scores: what is lost on the way is the tracker's or the files' fault."""

from pathlib import Path

import numpy as np
import pytest

from clmot.boxes import xyxy_to_ltwh
from clmot.config.tracker import TrackerConfig
from clmot.datasets.readers import read_dataset
from clmot.evaluation.mot import evaluate
from clmot.io.mot_writer import write_mot_text
from clmot.structures import Detections
from clmot.synthetic import write_scenes
from clmot.tracking.tracker import Tracker


def track_ground_truth(clips: Path, out: Path, *, know_identities: bool) -> None:
    """Results of a detector that is always right, with or without embeddings that are always right."""
    dataset = read_dataset([clips], min_visibility=0.25, identities=True)
    for name in sorted({sample.sequence for sample in dataset.samples}):
        tracker = Tracker(TrackerConfig(frame_rate=25.0))
        frames = []
        for sample in dataset.samples:
            if sample.sequence != name:
                continue
            seen = ~sample.ignore
            embedding = np.eye(64, dtype=np.float32)[sample.identities[seen]] if know_identities else None
            detections = Detections(
                xyxy=sample.boxes[seen],
                score=np.full(seen.sum(), 0.9),
                class_id=np.zeros(seen.sum()),
                embedding=embedding,
            )
            frames.append(tracker.update(detections, frame=sample.frame))
        write_mot_text(out / f"{name}.txt", frames)


def test_easy_clip(tmp_path):
    """Four people who keep to their lanes."""
    sequence = tmp_path / "clips/easy"
    (sequence / "gt").mkdir(parents=True)
    (sequence / "seqinfo.ini").write_text(
        "[Sequence]\nname=easy\nimDir=img1\nframeRate=25\nseqLength=60\nimWidth=640\nimHeight=480\nimExt=.jpg\n"
    )
    rows, tracker, frames = [], Tracker(), []
    for frame in range(1, 61):
        left = np.array([10.0, 60, 500, 560]) + frame * np.array([3.0, 2, -2.5, -4])
        boxes = np.stack([left, 20 + 110 * np.arange(4.0), left + 40, 120 + 110 * np.arange(4.0)], axis=1)
        for identity, (x, y, w, h) in enumerate(xyxy_to_ltwh(boxes), start=1):
            rows.append(f"{frame},{identity},{x + 1:.2f},{y + 1:.2f},{w:.2f},{h:.2f},1,1,1")
        frames.append(tracker.update(Detections(xyxy=boxes, score=np.full(4, 0.9), class_id=np.zeros(4))))
    (sequence / "gt/gt.txt").write_text("\n".join(rows) + "\n")
    write_mot_text(tmp_path / "easy.txt", frames)
    scores = evaluate(tmp_path / "easy.txt", tmp_path / "clips").combined
    assert scores["HOTA"] > 99
    assert scores["MOTA"] == pytest.approx(100)
    assert scores["IDSW"] == 0


def test_synthetic_clips_are_solvable_by_appearance_and_not_by_motion(tmp_path):
    """The demo's comparison has room: appearance could solve the clips nearly without fault, motion alone cannot."""
    write_scenes(tmp_path, still_frames=0, still_sequences=0, clips=3, clip_frames=150, seed=0)
    scores = {}
    for know in (True, False):
        (tmp_path / str(know)).mkdir()
        track_ground_truth(tmp_path / "clips", tmp_path / str(know), know_identities=know)
        scores[know] = evaluate(tmp_path / str(know), tmp_path / "clips").combined
    assert scores[True]["IDF1"] > 93
    assert scores[False]["IDF1"] < scores[True]["IDF1"] - 10
