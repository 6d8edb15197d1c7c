"""Functions, networks and encoders of the user's own, most of them with an embedding of crops."""

import copy
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

import clmot
from clmot.apps.attach.attach import attach
from clmot.detectors.encoder import EncoderDetector
from clmot.detectors.python_function import FunctionDetector
from clmot.errors import UserError
from clmot.inference.attached import AttachedModel
from clmot.models.encoder import Encoder
from clmot.models.saved_model import load_saved_model
from clmot.protocols import FeatureMaps
from clmot.structures import Detections
from clmot.training.checkpoint import load_state
from tests.apps.attach.conftest import Percentages, find, first_images, same, track_and_evaluate

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def crops_run(scenes, settings, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "crops"
    attach(FunctionDetector(find), scenes / "stills", out, settings(), progress=False)
    return out


class Blobs(torch.nn.Module):
    """A detector as users write it: a network, here one that finds the same two boxes everywhere."""

    classes = ("person",)
    channels: ClassVar = {4: 6, 8: 6}

    def __init__(self, shows_maps: bool) -> None:
        super().__init__()
        self.mine = torch.nn.Sequential(torch.nn.Conv2d(3, 6, 4, stride=4), torch.nn.BatchNorm2d(6))
        if not shows_maps:
            self.channels = {}

    def detect(self, images):
        boxes = np.array([[10, 20, 40, 90], [80, 10, 110, 85]], np.float32)
        score, class_id = np.array([0.9, 0.8], np.float32), np.zeros(2, np.int64)
        return [Detections(xyxy=boxes, score=score, class_id=class_id) for _ in images]

    def features(self, images):
        pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
        fine = self.mine(pixels)
        coarse = torch.nn.functional.avg_pool2d(fine, 2)
        return FeatureMaps((fine, coarse), (4, 8), [np.eye(3)] * len(images), (pixels.shape[3], pixels.shape[2]))

    def detect_with_features(self, images):
        return self.detect(images), self.features(images)


@pytest.mark.parametrize("shows_maps", [True, False])
def test_a_network_of_the_user_s_own_stays_outside_and_as_it_was(shows_maps, scenes, settings, tmp_path):
    torch.manual_seed(0)
    detector = Blobs(shows_maps).train()
    before = copy.deepcopy(detector.state_dict())
    folder = attach(detector, scenes / "stills", tmp_path / "run", settings(), boxes="detector", progress=False)
    assert not detector.training
    assert all(value.requires_grad and value.grad is None for value in detector.parameters())
    assert all(torch.equal(value, before[name]) for name, value in detector.state_dict().items())
    saved, state = load_saved_model(folder).weights, load_state(folder)
    for names in (saved, state["network"]):
        assert not any("detector" in name or "mine" in name for name in names)
    model = clmot.load_model(tmp_path / "run", device="cpu", detector=detector.train())
    assert not detector.training
    model.attached.train()
    assert not detector.training
    assert {name for name, _ in model.attached.named_parameters()} < saved.keys()
    assert copy.deepcopy(model.attached).detector is detector
    (image,) = first_images(scenes, 1)
    assert len(model.detect(image)) == 2


def test_resumes_to_the_same_weights(scenes, settings, tmp_path):
    detector = FunctionDetector(find)
    changes = ("train.schedule=step", "train.warmup_steps=0")
    attach(detector, scenes / "stills", tmp_path / "straight", settings(*changes), progress=False)
    attach(detector, scenes / "stills", tmp_path / "halves", settings(*changes, "train.steps=2"), progress=False)
    attach(detector, scenes / "stills", tmp_path / "halves", settings(*changes), resume=True, progress=False)
    straight, halves = (
        clmot.load_model(tmp_path / name, device="cpu", detector=detector).attached.state_dict()
        for name in ("straight", "halves")
    )
    assert straight.keys() == halves.keys()
    # the schedule's first two rates are the same in two steps as in three
    assert all(torch.equal(straight[name], halves[name]) for name in straight)
    with pytest.raises(UserError, match="already holds a run; go on with --resume"):
        attach(detector, scenes / "stills", tmp_path / "halves", settings(*changes), progress=False)


def test_a_function_gets_an_embedding_of_crops(crops_run, scenes, tmp_path):
    detector = FunctionDetector(find)
    images = first_images(scenes)
    before = detector.detect(images)
    model = clmot.load_model(crops_run, device="cpu", precision="float32", detector=detector)
    assert isinstance(model, AttachedModel)
    assert model.config.detector.head == "crops"
    for image, first, second in zip(images, before, model.detect_batch(images), strict=True):
        same(first, second)
        np.testing.assert_allclose(model.embed(image, second.xyxy), second.embedding, atol=1e-5)
    assert track_and_evaluate(scenes, model, tmp_path / "results")["IDF1"] >= 0


def test_a_detector_that_finds_nothing(crops_run, scenes, tmp_path):
    model = clmot.load_model(crops_run, device="cpu", detector=FunctionDetector(lambda image: []))
    found = model.detect(first_images(scenes, 1)[0])
    assert len(found) == 0
    assert found.embedding.shape == (0, model.config.model.embedding_dimension)
    assert clmot.track(scenes / "clips", model, tmp_path / "results", progress=False)[0].tracks == 0


def test_scores_that_are_no_chances_stop_tracking_with_one_line(crops_run, scenes, tmp_path):
    outputs = iter([find(None), find(None) * 100])
    detector = FunctionDetector(lambda image: next(outputs), name="mad")
    model = clmot.load_model(crops_run, device="cpu", detector=detector)
    with pytest.raises(UserError, match=r"detector mad: gave scores from .*; chances from 0 to 1 are needed"):
        clmot.track(scenes / "clips", model, tmp_path / "results", progress=False)
    assert len(list((tmp_path / "results").glob("*.txt"))) == 1
    model = clmot.load_model(crops_run, device="cpu", detector=Percentages())
    with pytest.raises(UserError, match="detector Percentages: gave scores from 80 to 90"):
        model.detect(first_images(scenes, 1)[0])


def test_an_encoder_embeds_the_boxes_of_a_file(scenes, settings, tmp_path):
    torch.manual_seed(0)
    encoder = Encoder("resnet10t", {"channels": [8, 8, 16, 16]})
    weights = tmp_path / "encoder.pth"
    torch.save(encoder.body.state_dict(), weights)
    config = settings(f"detector.weights={weights}", "detector.options={channels: [8, 8, 16, 16]}")
    attach("encoder:resnet10t", scenes / "stills", tmp_path / "run", config, progress=False)
    scores = track_and_evaluate(scenes, tmp_path / "run", tmp_path / "results", boxes="gt")
    assert scores["DetA"] > 99
    with pytest.raises(UserError, match="an encoder alone finds no boxes: give them with --boxes"):
        clmot.track(scenes / "clips", tmp_path / "run", tmp_path / "other", progress=False)
    detector = clmot.load_model(tmp_path / "run", device="cpu").attached.detector
    assert isinstance(detector, EncoderDetector)
    assert torch.equal(detector.model.body.conv1[0].weight, encoder.body.conv1[0].weight)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (["loss.objective=identity"], "learns by contrast only"),
        (["model.pooling=center"], "has pooling=stripes"),
        (["detector.head=features"], "shows no feature maps; learn on crops"),
    ],
)
def test_settings_that_make_no_sense(scenes, settings, tmp_path, changes, line):
    with pytest.raises(UserError, match=line):
        attach(FunctionDetector(find), scenes / "stills", tmp_path / "run", settings(*changes), progress=False)
