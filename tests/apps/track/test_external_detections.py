"""Tracking with boxes from files, some frames only, and scoring what came of it."""

import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from clmot.apps.track.external_detections import ExternalDetections, rescaled
from clmot.apps.track.pipeline import track
from clmot.config import Config, RefineConfig
from clmot.errors import UserError
from clmot.evaluation.mot import evaluate
from clmot.io.class_names import LABELS
from clmot.io.frame_choice import FrameChoice
from clmot.io.frame_source import FrameSource
from clmot.io.mot_text import read_mot_text
from clmot.io.sources import open_source
from clmot.structures import Detections, Image

LENGTH = 21


class Blind:
    """Sees nothing; reads where a box lies as its embedding, and remembers what it was asked to read."""

    classes: tuple[str, ...] = ("person",)

    def __init__(self) -> None:
        self.config = Config()
        self.read: list[np.ndarray] = []

    def detect(self, images: list[Image]) -> list[Detections]:
        return [Detections(xyxy=np.empty((0, 4)), score=np.empty(0), class_id=np.empty(0)) for _ in images]

    def embed(self, image: Image, boxes: np.ndarray) -> np.ndarray:
        self.read.append(boxes)
        angle = boxes[:, 1] / 30
        return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def truth_rows(frame: int) -> list[str]:
    """Two persons who walk to the right, one who does not count, and a static person."""
    x = 10 + 3 * frame
    return [
        f"{frame},1,{x},11,20,40,1,1,1",
        f"{frame},2,{x + 5},61,20,40,1,1,1",
        f"{frame},3,{x},100,20,40,0,1,1",
        f"{frame},4,150,60,20,40,0,7,1",
    ]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        folder = tmp_path / "data" / name
        for part in ("img1", "gt", "det"):
            (folder / part).mkdir(parents=True)
        rows = [row for frame in range(1, LENGTH + 1) for row in truth_rows(frame)]
        (folder / "gt" / "gt.txt").write_text("\n".join(rows) + "\n")
        (folder / "det" / "det.txt").write_text("".join(f"{f},-1,{10 + 3 * f},11,20,40,3.5\n" for f in (1, 2, 3)))
        for frame in range(1, LENGTH + 1):
            cv2.imwrite(str(folder / "img1" / f"{frame:06d}.jpg"), np.zeros((160, 200, 3), np.uint8))
        (folder / "seqinfo.ini").write_text(f"[Sequence]\nseqLength={LENGTH}\nframeRate=10\n")
    return tmp_path


def frames_of(file: Path) -> list[int]:
    return [each.frame for each in read_mot_text(file)]


def test_oracle_boxes_score_as_the_truth(root: Path) -> None:
    model = Blind()
    results = track(root / "data", model, root / "out", boxes="gt", progress=False)
    assert [(result.name, result.frames, result.tracks) for result in results] == [("a", LENGTH, 2), ("b", LENGTH, 2)]
    scores = evaluate(root / "out", root / "data").combined
    assert (scores["MOTA"], scores["IDF1"], scores["IDSW"]) == (100, 100, 0)
    assert scores["HOTA"] == pytest.approx(100)
    np.testing.assert_allclose(model.read[0], [[12, 10, 32, 50], [17, 60, 37, 100]])  # 0-based pixels
    assert len(model.read) == 2 * LENGTH
    assert not (root / "out" / LABELS).exists()


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (FrameChoice(every=5), [1, 6, 11, 16, 21]),
        (FrameChoice(part="first-half"), list(range(1, 11))),
        (FrameChoice(part="second-half"), list(range(11, 22))),
        (FrameChoice(part="second-half", every=4), [13, 17, 21]),
    ],
)
def test_some_frames_only(root: Path, choice: FrameChoice, expected: list[int]) -> None:
    results = track(root / "data", Blind(), root / "out", boxes="gt", frames=choice, progress=False)
    assert [result.frames for result in results] == [len(expected)] * 2
    assert frames_of(root / "out" / "a.txt") == expected
    scores = evaluate(root / "out", root / "data", frames=choice).combined
    assert (scores["MOTA"], scores["GT_Dets"]) == (100, 4 * len(expected))
    assert evaluate(root / "out", root / "data").combined["FN"] == 4 * (LENGTH - len(expected))


def test_scores_of_another_scale_are_rescaled_by_a_line_up_to_the_highest_of_a_file() -> None:
    margins = np.linspace(-0.5, 4.5, 101)
    np.testing.assert_allclose(rescaled(margins), np.minimum((margins + 0.5) / 4.75, 1))
    np.testing.assert_allclose(rescaled(100 * margins + 7), rescaled(margins))
    np.testing.assert_array_equal(rescaled(np.full(3, 3.5)), 1)
    np.testing.assert_array_equal(rescaled(np.full(3, -1.0)), 1)  # MOTChallenge's way to say unknown
    for right in (np.array([0.2, 0.9, 0.4]), np.empty(0)):
        assert rescaled(right) is right


def test_public_detections_and_files(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        track(root / "data" / "a", Blind(), root / "det", boxes="det", progress=False)
    assert "confidences from 3.5 to 3.5 are rescaled: the lowest is 0, the highest-scoring 5 % are 1" in caplog.text
    assert frames_of(root / "det" / "a.txt") == [1, 2, 3]
    (root / "boxes").mkdir()
    for name in "ab":
        (root / "boxes" / f"{name}.txt").write_text("1,-1,11,11,20,40,0.9\n2,-1,12,11,20,40,0.9\n")
    track(root / "data", Blind(), root / "folder", boxes=root / "boxes", progress=False)
    track(root / "data" / "b", Blind(), root / "file", boxes=root / "boxes" / "b.txt", progress=False)
    assert (root / "folder" / "b.txt").read_text() == (root / "file" / "b.txt").read_text()


@pytest.mark.parametrize("changes", [{"appearance": False}, {"preset": "byte"}, {"preset": "ocsort"}])
def test_embeddings_are_read_only_where_they_are_used(root: Path, changes: dict[str, Any]) -> None:
    model = Blind()
    model.config = model.config.updated({"tracker": changes})
    [result] = track(root / "data" / "a", model, root / "out", boxes="gt", progress=False)
    assert result.tracks == 2
    assert model.read == []
    track(root / "data" / "a", model, root / "joined", boxes="gt", refine=RefineConfig(join=0.2), progress=False)
    assert len(model.read) == LENGTH  # tracks are joined by them


def test_flat_boxes_of_a_file_are_left_out_and_counted(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = root / "a.txt"
    file.write_text("1,-1,11,11,20,40,0.9\n1,-1,11,11,0,40,0.9\n1,-1,nan,11,20,40,0.9\n")
    assert len(ExternalDetections(file, None, ("person",))([(1, np.zeros((9, 9, 3), np.uint8))])[0]) == 1
    assert f"{file}: left out 2 boxes without area or not finite" in caplog.text


@pytest.mark.parametrize(
    ("boxes", "source", "message"),
    [
        ("gt", "data/a/img1", r"--boxes gt: no boxes for 1 of 1 sequence: expected .*img1/gt/gt\.txt"),
        ("boxes.txt", "data", r"--boxes .*boxes\.txt: one file for 2 sequences; give a folder of a\.txt"),
        ("none", "data", r"no boxes for 2 of 2 sequences: expected .*a\.txt \(no such folder\)"),
        ("gt", "video.mp4", r"--boxes gt: video\.mp4 is no folder of sequences"),
    ],
)
def test_missing_boxes(root: Path, boxes: str, source: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "boxes.txt").write_text("")
    if source.endswith("mp4"):
        only = FrameSource(name="video", frame_rate=None, length=3, decode=lambda: (_ for _ in ()), origin="video.mp4")
        monkeypatch.setattr("clmot.apps.track.pipeline.open_sources", lambda *_: [only])
    given = boxes if boxes == "gt" else root / boxes
    with pytest.raises(UserError, match=message):
        track(root / source, Blind(), root / "out", boxes=given, progress=False)
    assert not (root / "out").exists()


def test_classes_by_name(tmp_path: Path) -> None:
    rows = "1,1,1,1,9,9,1,1,1\n1,2,1,1,9,9,1,3,1\n1,3,1,1,9,9,1,2,1\n1,4,1,1,9,9,1,30,1\n"
    file = tmp_path / "gt.txt"
    file.write_text(rows)
    image = np.zeros((20, 20, 3), np.uint8)

    def found(classes: tuple[str, ...], is_truth: bool) -> list[int]:
        [detections] = ExternalDetections(file, None, classes, is_truth)([(1, image)])
        return detections.class_id.tolist()

    assert found(("car", "Pedestrian"), True) == [1, 0]  # MOT16: 1 is a person, 3 a car
    assert found(("car", "pedestrian"), False) == [0, 1]  # numbers as they come
    assert found(("boat",), True) == [0]
    (tmp_path / LABELS).write_text("bus\npedestrian\ncar\n")
    assert found(("car", "pedestrian"), True) == found(("car", "person"), False) == [0, 1]
    assert ExternalDetections(file, None, ("x",))([(7, image)])[0].class_id.tolist() == []


def test_results_name_their_classes(root: Path) -> None:
    model = Blind()
    model.classes = ("car", "person")
    track(root / "data" / "a", model, root / "out", boxes="gt", progress=False)
    assert (root / "out" / LABELS).read_text() == "car\nperson\n"
    assert {row.split(",")[7] for row in (root / "out" / "a.txt").read_text().split()} == {"2"}
    assert evaluate(root / "out" / "a.txt", root / "data" / "a").combined["MOTA"] == 100


def test_choices_of_frames(root: Path) -> None:
    with pytest.raises(UserError, match="--every must be >= 1, got 0"):
        FrameChoice(every=0)
    assert not FrameChoice()
    assert FrameChoice(every=2)
    [source] = open_source(root / "data" / "a")
    some = source.only(FrameChoice(every=10))
    assert some.length == 3
    assert [number for number, _ in some] == [1, 11, 21]
    camera = FrameSource(name="webcam0", frame_rate=None, length=None, live=True, decode=lambda: (_ for _ in ()))
    assert camera.only(FrameChoice(every=2)).length is None
    with pytest.raises(UserError, match="webcam0: --frames first-half needs a source whose length is known"):
        camera.only(FrameChoice(part="first-half"))
    (root / "data" / "a" / "seqinfo.ini").unlink()
    (root / "a.txt").write_text("")
    with pytest.raises(UserError, match=r"a: --frames first-half needs its length: seqLength in a/seqinfo\.ini"):
        evaluate(root / "a.txt", root / "data" / "a", frames=FrameChoice(part="first-half"))
