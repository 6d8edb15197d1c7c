"""Frames with people of plain colours, a model that sees them, and a re-identification file that sees their colour."""

import functools
import importlib.util
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from clmot import Tracker, TrackerConfig
from clmot.io.mot_text import read_mot_text
from clmot.structures import Detections

EXAMPLES = Path(__file__).parents[2] / "examples"
RED, GREEN, BLUE = (220, 20, 20), (20, 220, 20), (20, 20, 220)
GONE, BACK, END = 13, 21, 33
"""The person on the left is away from one of these frames to the next."""


@pytest.fixture(scope="session")
def example():
    """Loads an example, unless a package that it needs is not installed."""

    def load(name: str, *packages: str) -> ModuleType:
        for package in packages:
            pytest.importorskip(package)
        spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def scene(tmp_path_factory):
    """Makes frames: a blue person stays, a red one goes, and then the same one or another comes, a step further."""
    return functools.cache(functools.partial(_write_scene, tmp_path_factory))


def _write_scene(tmp_path_factory: pytest.TempPathFactory, same: bool, end: int = END) -> Path:
    folder = tmp_path_factory.mktemp("scene") / "frames"
    folder.mkdir()
    for number in range(1, end):
        image = np.full((240, 320, 3), 128, np.uint8)
        image[60:220, 220 + number // 2 : 280 + number // 2] = BLUE
        if number < GONE:
            image[60:220, 40:100] = RED
        elif number >= BACK:
            image[60:220, 105:165] = RED if same else GREEN
        cv2.imwrite(str(folder / f"{number:06d}.png"), image[..., ::-1])
    return folder


class Painter:
    """Finds people by their colour, which is their embedding too."""

    def detect(self, image: np.ndarray) -> Detections:
        boxes, looks = [], []
        for colour in (RED, GREEN, BLUE):
            rows, columns = np.nonzero((image == colour).all(axis=2))
            if len(rows):
                boxes.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
                looks.append(colour)
        unit = np.array(looks) / np.linalg.norm(looks, axis=1, keepdims=True)
        return Detections(
            xyxy=np.array(boxes), score=np.full(len(boxes), 0.9), class_id=np.zeros(len(boxes)), embedding=unit
        )

    def tracker(self, frame_rate: float | None = None) -> Tracker:
        return Tracker(TrackerConfig().at(frame_rate))


@pytest.fixture
def painter(monkeypatch):
    monkeypatch.setattr("clmot.inference.model.load_model", lambda *_, **__: Painter())


@pytest.fixture(scope="session")
def ids_of():
    """Ids that were given to who was there before, who came, and who stayed, from MOTChallenge text."""

    def read(file: Path) -> dict[str, set[int]]:
        ids: dict[str, set[int]] = {"before": set(), "after": set(), "stayed": set()}
        for tracked in read_mot_text(file):
            for (left, *_), identity in zip(tracked.detections.xyxy, tracked.track_id, strict=True):
                who = "stayed" if left > 200 else "before" if tracked.frame < GONE else "after"
                ids[who].add(int(identity))
        return ids

    return read


@pytest.fixture(scope="session")
def mean_colour_file(tmp_path_factory) -> Path:
    """An ONNX network of a re-identification network's kind: a crop's mean colour."""
    pytest.importorskip("onnxruntime")
    helper = pytest.importorskip("onnx").helper
    shapes = {"images": ["n", 3, 256, 128], "embeddings": ["n", 3]}
    given, wanted = (helper.make_tensor_value_info(name, 1, shape) for name, shape in shapes.items())
    nodes = [
        helper.make_node("GlobalAveragePool", ["images"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["embeddings"]),
    ]
    graph = helper.make_graph(nodes, "colour", [given], [wanted])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    file = tmp_path_factory.mktemp("reid") / "colour.onnx"
    file.write_bytes(model.SerializeToString())
    return file
