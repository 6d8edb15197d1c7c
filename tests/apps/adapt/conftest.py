"""Videos of coloured boxes that walk, a finder that sees them by their colours, and a tiny network to adapt."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from data_builders import TINY_NETWORK

import clmot.apps.adapt.run
from clmot.config import Config, load_config
from clmot.inference.model import Model, load_model
from clmot.models.network import Network
from clmot.structures import Detections, Image
from clmot.training.checkpoint import save_checkpoint

COLOURS = ((200, 40, 40), (40, 200, 40), (40, 40, 200))
WIDTH, HEIGHT = 160, 96

OVERRIDES = [
    *TINY_NETWORK,
    "model.image_size=[160, 96]",
    "model.embedding_dimension=16",
    "train.batch_size=2",
    "data.workers=0",
]


def place(person: int, frame: int) -> tuple[int, int, int, int]:
    """Where a person is: the first two walk apart, the third stays."""
    left = (60 - frame, 80 + frame, 5)[person]
    top = (10, 40, 50)[person]
    return left, top, left + 18, top + 40


def draw(frame: int, people: tuple[int, ...] = (0, 1, 2)) -> Image:
    image = np.random.default_rng(frame).integers(90, 130, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    for person in people:
        left, top, right, bottom = place(person, frame)
        image[top:bottom, max(left, 0) : right] = COLOURS[person]
    return image


def find(image: Image) -> Detections:
    """The coloured boxes of an image, sure of them all."""
    boxes = []
    for colour in COLOURS:
        rows, columns = np.nonzero((np.abs(image.astype(int) - colour) < 25).all(axis=2))
        if len(rows) > 50:
            boxes.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    n = len(boxes)
    return Detections(
        xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        score=np.full(n, 0.9, np.float32),
        class_id=np.zeros(n, np.int64),
    )


class Finder:
    """A detector without a network."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or Config()
        self.classes = ("person",)

    def detect(self, images: list[Image]) -> list[Detections]:
        return [find(image) for image in images]


def write_video(folder: Path, frames: int, people: tuple[int, ...] = (0, 1, 2)) -> Path:
    folder.mkdir(parents=True)
    for frame in range(1, frames + 1):
        image = cv2.cvtColor(draw(frame, people), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(folder / f"{frame:04d}.png"), image)
    return folder


@pytest.fixture(scope="session")
def video(tmp_path_factory) -> Path:
    return write_video(tmp_path_factory.mktemp("videos") / "walk", 40)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory) -> Path:
    """A run folder of a network that has learned nothing, with a class that no video shows."""
    run = tmp_path_factory.mktemp("tiny") / "run"
    config = load_config(overrides=[*OVERRIDES, "model.classes=[car, person]"])
    torch.manual_seed(0)
    save_checkpoint(run, 0, config, Network(config.model).state_dict(), state=None)
    return run


@pytest.fixture(scope="module")
def seeing():
    """Models that are loaded to be adapted see the coloured boxes, as persons."""

    def load(*arguments, **options) -> Model:
        model = load_model(*arguments, **options)

        def detect(images):
            found = [find(image) for image in images]
            return [
                Detections(xyxy=each.xyxy, score=each.score, class_id=np.ones(len(each), np.int64)) for each in found
            ]

        model.detect = detect
        return model

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clmot.apps.adapt.run, "load_model", load)
        yield
