"""The cookbooks as they stand, on a video in which a person walks over a line."""

import cv2
import numpy as np
import pytest
import torch

from clmot import Detections, Tracker, TrackerConfig
from clmot.io.mot_text import read_mot_text
from clmot.io.video_writer import VideoWriter
from clmot.synthetic import write_scenes

pytestmark = pytest.mark.slow
FRAMES = 20


@pytest.fixture
def video(tmp_path):
    """A blue person walks from left to right, a red one stands."""
    path = tmp_path / "street.mp4"
    with VideoWriter(path, 10, (320, 240)) as writer:
        for number in range(FRAMES):
            image = np.full((240, 320, 3), 128, np.uint8)
            image[60:220, 20 + 8 * number : 80 + 8 * number] = (20, 20, 220)
            image[60:220, 250:310] = (220, 20, 20)
            writer.write(image)
    return path


class Columns:
    """Finds the two by their places: colours do not survive compression to the bit."""

    classes = ("person",)

    def detect(self, image):
        return [self.detect(each) for each in image] if isinstance(image, list) else self._found(image)

    def _found(self, image):
        boxes, looks = [], []
        blue = (image[..., 2].astype(int) - image[..., 0] > 100)[100:200].all(axis=0)
        red = (image[..., 0].astype(int) - image[..., 2] > 100)[100:200].all(axis=0)
        for columns, look in ((blue, (0.0, 1.0)), (red, (1.0, 0.0))):
            if columns.any():
                there = np.flatnonzero(columns)
                boxes.append([there[0], 60, there[-1] + 1, 220])
                looks.append(look)
        n = len(boxes)
        return Detections(
            xyxy=np.array(boxes).reshape(n, 4),
            score=np.full(n, 0.9),
            class_id=np.zeros(n),
            embedding=np.array(looks).reshape(n, 2),
        )

    def tracker(self, frame_rate=None):
        return Tracker(TrackerConfig().at(frame_rate))


def test_supervision_draws_and_counts(example, video, tmp_path, monkeypatch):
    module = example("supervision_annotators", "supervision")
    monkeypatch.setattr("clmot.inference.model.load_model", lambda *_, **__: Columns())
    counter = module.main(str(video), out=str(tmp_path / "drawn.mp4"), line="160,0,160,240")
    assert {counter.in_count, counter.out_count} == {0, 1}
    drawn = cv2.VideoCapture(str(tmp_path / "drawn.mp4"))
    assert drawn.get(cv2.CAP_PROP_FRAME_COUNT) == FRAMES


def test_a_yolo_gets_an_embedding(example, video, tmp_path, monkeypatch):
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("YOLO_AUTOINSTALL", "false")
    module = example("yolo_attach", "ultralytics")
    import ultralytics

    torch.manual_seed(0)
    ultralytics.YOLO("yolo11n.yaml").save(tmp_path / "random.pt")
    write_scenes(tmp_path / "scenes", still_frames=4, still_sequences=1, clips=1, clip_frames=2, size=(256, 160))
    out = tmp_path / "run"
    module.main(str(tmp_path / "scenes" / "stills"), str(video), out=out, weights=str(tmp_path / "random.pt"), steps=2)
    assert list(out.glob("checkpoint-*"))
    assert (out / "tracks" / "street.txt").exists()


def test_tracks_go_to_cvat_and_back_into_training(example, video, tmp_path):
    module = example("cvat_round_trip")
    out = tmp_path / "street"
    file = module.propose(video, out=out, model=Columns())
    run = module.learn(video, file, out=out, steps=1)
    found, corrected = (read_mot_text(out / name / "street.txt") for name in ("found", "corrected"))
    assert sum(map(len, found)) > FRAMES
    for one, two in zip(found, corrected, strict=True):
        assert one.track_id.tolist() == two.track_id.tolist()
        np.testing.assert_allclose(one.detections.xyxy, two.detections.xyxy, atol=0.01)
    assert run.exists()
