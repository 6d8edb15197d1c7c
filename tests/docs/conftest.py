"""A folder with every file that the pages and the docstrings of public names speak of."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import call
from data_builders import TINY_NETWORK

import clmot
from clmot.datasets.readers import read_dataset
from clmot.io.image import read_image
from clmot.io.video_writer import VideoWriter
from clmot.structures import Detections
from clmot.synthetic import write_scenes

SMALL = [*TINY_NETWORK, "model.embedding_dimension=16", "data.workers=0", "train.batch_size=2", "train.steps=2"]

DETECTOR = """
import numpy as np

def find(image):
    return np.array([[20.0, 40.0, 60.0, 120.0, 0.9, 0], [120.0, 40.0, 160.0, 120.0, 0.8, 0]])
"""


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every file that the pages name."""
    place = tmp_path_factory.mktemp("template")
    scenes = place / "scenes"
    write_scenes(scenes, still_frames=6, still_sequences=1, clips=1, clip_frames=30, size=(256, 160), seed=2)
    samples = read_dataset([scenes / "clips"], identities=True).samples
    with VideoWriter(place / "street.mp4", 10, (256, 160)) as writer:
        for number, sample in enumerate(samples, 1):
            writer.write(read_image(sample.image), number, (number - 1) / 10)
    truth = {sample.frame: sample.boxes[~sample.ignore] for sample in samples}
    for name in ("monday", "other", "road"):
        shutil.copy(place / "street.mp4", place / f"{name}.mp4")
    for name in ("MOT17/train", "MOT17/val", "MOT16/train"):
        shutil.copytree(scenes / "clips", place / name)
    for name in ("photos", "frames"):
        (place / name).mkdir()
        for sample in read_dataset([scenes / "stills"]).samples:
            shutil.copy(sample.image, place / name / Path(sample.image).name)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(place)
        assert call("data", "convert", "scenes/stills", "--to", "coco", "--out", "coco") == 0
    (coco,) = (place / "coco").rglob("*.json")
    shutil.copytree(coco.parent, place, dirs_exist_ok=True)
    (place / coco.name).rename(place / "boxes.json")
    (place / "detect.py").write_text(DETECTOR)
    cv2.imwrite(str(place / "floor.png"), np.full((160, 256), 255, np.uint8))

    frames = iter(sorted(truth))

    class Truth:
        classes = ("person",)

        def detect(self, images):
            boxes = [truth[next(frames)] for _ in images]
            return [Detections(xyxy=b, score=np.full(len(b), 0.9), class_id=np.zeros(len(b))) for b in boxes]

    clmot.track(place / "street.mp4", Truth(), place / "results", explain=True, progress=False)
    shutil.copy(place / "results" / "street.txt", place / "street.txt")
    (place / "tracked").mkdir()
    shutil.copy(place / "street.txt", place / "tracked" / "clip-01.txt")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(place)
        assert call("train", "boxes.json", "--out", "runs/first", "--size", "128x96", *SMALL) == 0
        shutil.copytree("runs/first", "runs/mine")
    shutil.rmtree(scenes)
    return place


@pytest.fixture
def place(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the template, as the current folder."""
    place = tmp_path / "place"
    shutil.copytree(template, place)
    monkeypatch.chdir(place)
    return place
