"""Training on what the detector finds."""

import json

import cv2
import numpy as np
import pytest

import clmot
from clmot.apps.attach.attach import attach
from clmot.detectors.python_function import FunctionDetector
from clmot.errors import UserError
from tests.apps.attach.conftest import LABELS, NAME, SMALL, Percentages, find, first_images


def test_learns_on_the_boxes_that_the_detector_finds(scenes, settings, faster_rcnn, tmp_path):
    frames = tmp_path / "frames"
    for number, path in enumerate(sorted((scenes / "stills").rglob("*.jpg"))[:4]):
        (frames / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        (frames / "ab"[number % 2] / f"{number}.jpg").write_bytes(path.read_bytes())
    config = settings(
        SMALL, LABELS, f"detector.weights={faster_rcnn}", "data.min_score=0.2", "detect.score_threshold=0.2"
    )
    attach(NAME, frames, tmp_path / "run", config, progress=False)
    written = json.loads((tmp_path / "run/boxes/annotations.json").read_text())
    assert len(written["images"]) == 4
    assert len(written["videos"]) == 2
    assert len(written["annotations"]) > 8
    assert all(0.2 <= each["score"] < 1 for each in written["annotations"])
    assert clmot.load_model(tmp_path / "run", device="cpu").detect(first_images(scenes, 1)[0]).embedding is not None


@pytest.mark.parametrize(
    ("detector", "message"),
    [
        (FunctionDetector(lambda image: []), "the detector finds nothing in 6 images"),
        (Percentages(), "detector Percentages: gave scores from 80 to 90; chances"),
    ],
)
def test_detectors_that_give_no_pseudo_labels(scenes, settings, tmp_path, detector, message):
    with pytest.raises(UserError, match=message):
        attach(detector, scenes / "stills", tmp_path / "run", settings(), boxes="detector", progress=False)


def test_folders_without_images(settings, tmp_path):
    (tmp_path / "empty").mkdir()
    cv2.imwrite(str(tmp_path / "one.png"), np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(UserError, match="no images in it or below"):
        attach(FunctionDetector(find), tmp_path / "empty", tmp_path / "run", settings(), progress=False)
