"""What was found once is tracked without looking again; embeddings are those of the model that is named."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from clmot.apps.bench.measures import tracking_measures
from clmot.apps.track.external_detections import open_boxes
from clmot.apps.track.write_detections import write_detections
from clmot.config.tracker import TrackerConfig
from clmot.io.image import read_image
from tests.apps.track.conftest import RedThings, make_sequence, object_box


class Embedder(RedThings):
    """Finds red things; its embeddings point in one direction."""

    def __init__(self, direction: int) -> None:
        super().__init__()
        self.direction, self.fingerprint, self.looks = direction, f"weights {direction}", 0

    def detect(self, images):
        self.looks += len(images)
        found = super().detect(images)
        return [replace(each, embedding=self.embed(None, each.xyxy)) for each in found]

    def embed(self, image, boxes):
        return np.tile(np.eye(4, dtype=np.float32)[self.direction], (len(boxes), 1))


def test_embeddings_of_another_model_are_read_anew(tmp_path: Path) -> None:
    frames = make_sequence(tmp_path / "seq", range(1, 4))
    one, two = Embedder(0), Embedder(1)
    write_detections(frames, one, tmp_path / "det", embeddings=True, progress=False)
    image = read_image(frames / "img1" / "000002.png")
    for model, expected in ((one, 0), (two, 1)):
        find = open_boxes(tmp_path / "det" / "seq.safetensors", model.embed, ("thing",), False, model.fingerprint)
        (found,) = find([(2, image)])
        assert found.xyxy.tolist() == [list(object_box(2))]
        assert found.embedding.argmax() == expected
    by_motion = open_boxes(tmp_path / "det" / "seq.safetensors", None, ("thing",), False, two.fingerprint)
    assert by_motion([(2, image)])[0].embedding.argmax() == 0  # nobody asks for others


def test_a_comparison_looks_once_for_all_its_ways_and_never_again(tmp_path: Path) -> None:
    sequence = make_sequence(tmp_path / "seq", range(1, 11))
    (sequence / "gt").mkdir()
    rows = [(frame, *object_box(frame)) for frame in range(1, 11)]
    text = "".join(f"{f},1,{x1 + 1},{y1 + 1},{x2 - x1},{y2 - y1},1,1,1\n" for f, x1, y1, x2, y2 in rows)
    (sequence / "gt" / "gt.txt").write_text(text)
    model = Embedder(0)
    model.config = replace(model.config, tracker=TrackerConfig(camera="none"))
    first = tracking_measures(model, sequence, tmp_path / "tracks", [1, 2])
    assert model.looks == 10 + 5
    assert first.scores["IDF1"] == first.scores["IDF1, by motion"] == first.scores["IDF1, true boxes"] == 100
    assert tracking_measures(model, sequence, tmp_path / "tracks", [1, 2]).scores == first.scores
    assert model.looks == 15
    other = Embedder(1)
    other.config = model.config
    tracking_measures(other, sequence, tmp_path / "tracks", [1])
    assert other.looks == 10
