"""Small scenes, a small detector, and the settings of a short run."""

from pathlib import Path

import pytest
import torch
from data_builders import TINY_NETWORK
from torchvision.models import get_model

from clmot.config import Config, load_config
from clmot.synthetic import write_scenes

SMALL = {"num_classes": 3, "min_size": 96, "max_size": 160}


@pytest.fixture(scope="session")
def scenes(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder, still_frames=6, still_sequences=2, clips=1, clip_frames=4, size=(160, 96), seed=1)
    return folder


@pytest.fixture(scope="session")
def settings():
    def make(*changes: str) -> Config:
        return load_config(
            overrides=[
                "model.image_size=[160, 96]",
                *TINY_NETWORK,
                "train.batch_size=2",
                "train.steps=3",
                "train.device=cpu",
                "data.workers=0",
                "detector.crop_size=[32, 64]",
                *changes,
            ]
        )

    return make


@pytest.fixture(scope="session")
def faster_rcnn(tmp_path_factory) -> Path:
    """Random weights of a Faster R-CNN that has an opinion."""
    torch.manual_seed(0)
    model = get_model("fasterrcnn_mobilenet_v3_large_320_fpn", weights=None, weights_backbone=None, **SMALL)
    torch.nn.init.normal_(model.roi_heads.box_predictor.cls_score.weight, std=0.3)
    file = tmp_path_factory.mktemp("weights") / "faster_rcnn.pth"
    torch.save(model.state_dict(), file)
    return file
