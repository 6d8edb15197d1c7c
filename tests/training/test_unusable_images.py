"""A training run over data of which an image is bad."""

import json
import logging

import cv2
import numpy as np
import pytest
from data_builders import TINY_NETWORK

from clmot.config import Config, load_config
from clmot.errors import UserError
from clmot.training.trainer import train
from clmot.views.loader import StepSampler

FRAMES = 150
OVERRIDES = [
    *TINY_NETWORK,
    "model.image_size=[128, 96]",
    "model.embedding_dimension=16",
    "train.batch_size=2",
    "train.steps=5",
    "train.warmup_steps=2",
    "data.workers=0",
]


def config(*changes: str) -> Config:
    return load_config(overrides=[*OVERRIDES, *changes])


@pytest.fixture
def data(tmp_path):
    """A sequence of which the image that is drawn third of all cannot be read."""
    folder = tmp_path / "data/s"
    (folder / "img1").mkdir(parents=True)
    (folder / "gt").mkdir()
    image = np.random.default_rng(0).integers(0, 255, (96, 128, 3), dtype=np.uint8)
    whole = cv2.imencode(".jpg", image)[1].tobytes()
    for frame in range(1, FRAMES + 1):
        (folder / f"img1/{frame:06d}.jpg").write_bytes(whole)
    (folder / "gt/gt.txt").write_text("".join(f"{frame},1,10,10,20,40,1,1,1\n" for frame in range(1, FRAMES + 1)))
    index, _ = StepSampler(FRAMES, batch_size=2, steps=5, seed=config().train.seed).draws(1)[0]
    (folder / f"img1/{index + 1:06d}.jpg").write_bytes(whole[:-50])
    return folder.parent, f"{index + 1:06d}.jpg"


def test_one_bad_image_is_reported_and_does_not_stop_training(data, tmp_path, caplog):
    folder, bad = data
    with caplog.at_level(logging.WARNING, "clmot"):
        train(folder, tmp_path / "run", config(), progress=False)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    first, last = warnings[0], warnings[-1]
    assert bad in first
    assert first.endswith("another image takes its place")
    assert bad in last
    assert last.endswith(f"1 of {FRAMES} images cannot be used; others took their place")
    assert len([line for line in warnings if bad in line]) == 2
    lines = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert [line.get("unusable_images") for line in lines] == [None, 1, 1, 1, 1]


def test_one_percent_of_bad_images_stops_training_with_one_line(data, tmp_path):
    folder, _ = data
    for image in (folder / "s/img1").iterdir():
        if image.name != "000001.jpg":
            image.write_bytes(b"")
    with pytest.raises(UserError, match=r"images (in a row )?cannot be used") as caught:
        train(folder, tmp_path / "run", config(), progress=False)
    assert "\n" not in str(caught.value)
    assert ".jpg: " in str(caught.value)
