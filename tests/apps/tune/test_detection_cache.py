import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from clmot.apps.track.cached_sequence import CachedSequence
from clmot.apps.track.pipeline import track
from clmot.apps.tune import tuning_detections as detections
from clmot.apps.tune.tuning_detections import Detecting
from clmot.config import Config
from clmot.config.tracker import TrackerConfig
from clmot.errors import UserError
from clmot.io.frame_choice import FrameChoice
from clmot.io.mot_text import read_mot_text
from clmot.io.mot_writer import write_mot_text
from clmot.structures import Detections

CONFIG = TrackerConfig(camera="sparse-flow", lost_seconds=0.5, confirm_frames=1, high_score=0.3)


class Looker:
    """A model that finds boxes which depend on the image, with embeddings."""

    def __init__(self, config):
        self.config, self.classes, self.looks = config, ("person", "car"), 0

    def detect(self, images):
        return [self._find(image) for image in images]

    def _find(self, image):
        self.looks += 1
        rng = np.random.default_rng(int(image.astype(np.int64).sum()))
        corner = np.array([[20, 30], [90, 40], [150, 60]])[: rng.integers(0, 4)] + rng.normal(0, 2, 2)
        n = len(corner)
        return Detections(
            xyxy=np.tile(corner, 2) + np.array([0, 0, 20, 50]),
            score=rng.uniform(0.3, 1, n),
            class_id=np.arange(n) % 2,
            embedding=rng.normal(size=(n, 8)),
        )


@pytest.fixture
def panning(tmp_path: Path) -> Path:
    """Twelve frames of a camera that pans along a wall; the numbers of the frames have a gap."""
    folder = tmp_path / "pan"
    rng = np.random.default_rng(0)
    wall = np.kron(rng.integers(0, 255, (40, 80), np.uint8), np.ones((4, 4), np.uint8))
    (folder / "img1").mkdir(parents=True)
    (folder / "gt").mkdir()
    (folder / "gt" / "gt.txt").write_text("1,1,20,30,20,50,1,1,1\n")
    (folder / "seqinfo.ini").write_text("[Sequence]\nframeRate=12\nimExt=.png\n")
    for number in (*range(1, 7), *range(9, 15)):
        cv2.imwrite(str(folder / "img1" / f"{number:06d}.png"), wall[:, number * 3 : number * 3 + 200])
    return folder


def collect(monkeypatch, folder, out, config, **options):
    """The cache of a model that is not on disk."""
    model = Looker(config)
    monkeypatch.setattr(Detecting, "has_model", True)
    monkeypatch.setattr(Detecting, "_saved_model", (config, folder / "seqinfo.ini"))
    monkeypatch.setitem(sys.modules, "clmot.inference.model", SimpleNamespace(load_model=lambda *_, **__: model))
    files, _ = Detecting(detector="model").collect(folder, out, config, progress=False, **options)
    return files, model


@pytest.mark.parametrize("frames", [FrameChoice(), FrameChoice(every=2), FrameChoice(part="second-half")])
def test_tracking_from_the_cache_is_tracking(monkeypatch, panning, tmp_path, frames):
    config = replace(Config(), tracker=CONFIG, model=replace(Config().model, classes=("person", "car")))
    (tmp_path / "cache").mkdir()
    (file,), model = collect(monkeypatch, panning, tmp_path / "cache", config, frames=frames)
    sequence, _ = CachedSequence.load(file)
    assert sequence.has_embeddings
    assert sequence.camera is not None
    assert not np.allclose(sequence.camera[1:], np.eye(2, 3))
    write_mot_text(tmp_path / "cached.txt", sequence.track(CONFIG), with_classes=True)
    track(panning, model, tmp_path / "direct", frames=frames, progress=False)
    direct = (tmp_path / "direct" / "pan.txt").read_text()
    assert (tmp_path / "cached.txt").read_text() == direct
    assert len(read_mot_text(tmp_path / "cached.txt")) > 2


def test_what_was_found_is_found_once_until_something_changes(monkeypatch, panning, tmp_path):
    config = replace(Config(), tracker=CONFIG)
    (first,), model = collect(monkeypatch, panning, tmp_path, config)
    assert model.looks == 12
    before = first.read_bytes()
    assert collect(monkeypatch, panning, tmp_path, config)[1].looks == 0
    other = replace(config, detect=replace(config.detect, score_threshold=0.01))
    assert collect(monkeypatch, panning, tmp_path, other)[1].looks == 12
    assert first.read_bytes() != before
    assert collect(monkeypatch, panning, tmp_path, other, frames=FrameChoice(every=2))[1].looks == 6


def test_boxes_alone_need_no_images(streets, tmp_path):
    files, classes = Detecting(detector="det").collect(streets, tmp_path, Config(), progress=False)
    assert [file.stem for file in files] == ["first", "second"]
    assert classes == ("person",)
    sequence, _ = CachedSequence.load(files[0])
    assert sequence.frame.tolist() == list(range(1, 21))
    assert (sequence.frame_rate, sequence.camera, sequence.size) == (20, None, None)
    assert not sequence.has_embeddings
    expected = {tracked.frame: tracked.detections for tracked in read_mot_text(streets / "first/det/det.txt")}
    for frame, found in zip(sequence.frame.tolist(), sequence.detections, strict=True):
        assert np.array_equal(found.xyxy, expected[frame].xyxy)
        assert np.array_equal(found.score, expected[frame].score)


def test_a_sequence_in_which_nothing_is_found(tmp_path):
    nothing = Detections(xyxy=np.empty((0, 4)), score=np.empty(0), class_id=np.empty(0))
    sequence = CachedSequence(name="x", frame_rate=None, frame=np.array([1, 2]), detections=[nothing, nothing])
    sequence.save(tmp_path / "x", {})
    back, _ = CachedSequence.load(tmp_path / "x")
    assert [len(tracked) for tracked in back.track(TrackerConfig())] == [0, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"detector": "nowhere"}, "no such model or boxes"),
        ({"detector": "det", "boxes": "gt"}, "with --boxes give a model"),
    ],
)
def test_detectors_that_are_none(arguments, message):
    with pytest.raises(UserError, match=message):
        Detecting(**arguments)


def test_the_shipped_model_goes_by_its_name():
    shipped = Detecting(detector="clmot-pedestrian")
    assert shipped.has_model
    assert shipped.config.model.classes == ("person",)


def test_data_without_ground_truth_or_boxes(streets, tmp_path):
    with pytest.raises(UserError, match="no ground truth"):
        Detecting(detector="det").collect(streets / "first" / "gt", tmp_path, Config(), progress=False)
    with pytest.raises(UserError, match="no boxes for 2 of 2"):
        Detecting(detector=str(tmp_path)).collect(streets, tmp_path, Config(), progress=False)
    assert detections._class_names({"a": streets / "x"}, {"a": streets / "first"}, ["a"]) == ("person",)
