"""From a detector with feature maps to a tracker: attach, train some steps, track a clip, evaluate."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.models import get_model

import clmot
from clmot.apps.attach.attach import attach
from clmot.config import DetectorConfig
from clmot.detectors.torchvision import open_torchvision
from clmot.errors import UserError
from clmot.models.saved_model import load_saved_model
from tests.apps.attach.conftest import LABELS, NAME, SMALL, first_images, same, track_and_evaluate

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(scenes, settings, faster_rcnn, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "torchvision"
    config = settings(SMALL, LABELS, f"detector.weights={faster_rcnn}")
    attach(NAME, scenes / "stills", out, config, progress=False)
    return out


def test_the_detector_s_boxes_are_bit_exact_its_own(run, scenes, faster_rcnn):
    """torchvision by itself, before and after training beside it, and through the model."""
    options = {"num_classes": 3, "min_size": 96, "max_size": 160}
    alone = get_model(NAME.partition(":")[2], weights=None, weights_backbone=None, **options).eval()
    alone.load_state_dict(torch.load(faster_rcnn))
    images = first_images(scenes)
    with torch.no_grad():
        expected = alone([torch.from_numpy(image).permute(2, 0, 1).float() / 255 for image in images])
    model = clmot.load_model(run, device="cpu")
    for found, theirs in zip(model.detect_batch(images), expected, strict=True):
        kept = theirs["scores"] >= 0.1
        assert kept.sum() > 3
        assert found.xyxy.tobytes() == theirs["boxes"][kept].numpy().tobytes()
        assert found.score.tobytes() == theirs["scores"][kept].numpy().tobytes()
        assert (found.class_id == theirs["labels"][kept].numpy() - 1).all()
        np.testing.assert_allclose(np.linalg.norm(found.embedding, axis=1), 1, atol=1e-5)


def test_training_changes_the_embedding_and_nothing_of_the_detector(scenes, settings, faster_rcnn, tmp_path):
    described = DetectorConfig(
        weights=str(faster_rcnn), labels=("person", "car"), options={"num_classes": 3, "min_size": 96, "max_size": 160}
    )
    detector = open_torchvision(NAME.partition(":")[2], described, "cpu", 0.1)
    images = first_images(scenes)
    before, weights = detector.detect(images), copy.deepcopy(detector.model.state_dict())
    attach(detector, scenes / "stills", tmp_path / "run", settings(), progress=False)
    for first, second in zip(before, detector.detect(images), strict=True):
        same(first, second)
    assert all(torch.equal(value, weights[name]) for name, value in detector.model.state_dict().items())
    model = clmot.load_model(tmp_path / "run", device="cpu", detector=detector)
    assert model.attached.detector is detector
    for first, second in zip(before, model.detect_batch(images), strict=True):
        same(first, second)
    with pytest.raises(UserError, match="detector 'object:TorchvisionDetector'"):
        clmot.load_model(tmp_path / "run")


def test_learns(run):
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert all(line.keys() >= {"total", "embedding"} and "heatmap" not in line for line in lines)
    model = clmot.load_model(run, device="cpu")
    fresh = model.with_random_weights().attached.state_dict()
    assert any(not torch.equal(value, fresh[name]) for name, value in model.attached.state_dict().items())


def test_one_forward_pass(run, scenes):
    model = clmot.load_model(run, device="cpu")
    calls = []
    model.attached.detector.model.backbone.register_forward_hook(lambda *_: calls.append(1))
    model.detect_batch(first_images(scenes))
    assert len(calls) == 1


def test_embedding_of_a_detected_box_is_the_detection_s(run, scenes):
    model = clmot.load_model(run, device="cpu", precision="float32")
    (image,) = first_images(scenes, 1)
    found = model.detect(image)
    np.testing.assert_allclose(model.embed(image, found.xyxy), found.embedding, atol=1e-5)
    assert model.embed(image, np.empty((0, 4), np.float32)).shape == (0, found.embedding.shape[1])
    assert model.detect_batch([]) == []


def test_a_batch_of_two_sizes_is_its_images_one_by_one(run, scenes):
    model = clmot.load_model(run, device="cpu", precision="float32")
    (image,) = first_images(scenes, 1)
    wide = np.ascontiguousarray(image[:60])
    boxes = np.array([[10, 10, 40, 55], [80, 5, 110, 50]], np.float32)
    head, detector = model.attached.head, model.attached.detector
    together = head(
        [image, wide], torch.from_numpy(np.concatenate([boxes, boxes])), torch.tensor([0, 0, 1, 1])
    ).detach()
    assert detector.features([image, wide]).matrices[0][0, 0] > 0
    # the wide image is padded in the batch, and convolutions see the padding near its edge
    np.testing.assert_allclose(together[:2], model.embed(image, boxes), atol=2e-2)
    np.testing.assert_allclose(together[2:], model.embed(wide, boxes), atol=0.2)


def test_tracks_and_is_evaluated(run, scenes, tmp_path):
    assert track_and_evaluate(scenes, run, tmp_path)["GT_Dets"] > 0
    assert track_and_evaluate(scenes, run, tmp_path / "external", boxes="gt")["DetA"] > 99


def test_other_weights_than_those_learned_on_are_refused(run, scenes, faster_rcnn, tmp_path):
    from clmot.training.checkpoint import save_checkpoint

    saved = load_saved_model(run)
    assert saved.config.detector.weights == str(faster_rcnn)
    tensors = torch.load(faster_rcnn)
    tensors["roi_heads.box_predictor.cls_score.bias"] += 1
    torch.save(tensors, tmp_path / "other.pth")
    config = saved.config.updated({"detector": {"weights": str(tmp_path / "other.pth")}})
    save_checkpoint(tmp_path / "run", 3, config, saved.weights, None)
    with pytest.raises(UserError, match="its weights are not those that the embedding was learned on"):
        clmot.load_model(tmp_path / "run")


def test_a_given_detector_with_other_weights_is_refused(run, scenes, settings, faster_rcnn, tmp_path):
    described = DetectorConfig(
        name=NAME, weights=str(faster_rcnn), options={"num_classes": 3, "min_size": 96, "max_size": 160}
    )
    same_one, other = (open_torchvision("fasterrcnn_mobilenet_v3_large_320_fpn", described, "cpu", 0.1) for _ in "12")
    assert clmot.load_model(run, detector=same_one).attached.detector is same_one
    with torch.no_grad():
        other.model.roi_heads.box_predictor.cls_score.bias += 1
    with pytest.raises(UserError, match="learned on a detector with other weights"):
        clmot.load_model(run, detector=other)
    changes = ("train.schedule=step", "train.warmup_steps=0")
    attach(same_one, scenes / "stills", tmp_path / "run", settings(*changes, "train.steps=1"), progress=False)
    with pytest.raises(UserError, match="learned on a detector with other weights"):
        attach(other, scenes / "stills", tmp_path / "run", settings(*changes), resume=True, progress=False)


def test_levels_fit_the_detector_by_default(run, scenes):
    model = clmot.load_model(run, device="cpu")
    channels = model.attached.detector.channels
    assert model.config.model.levels == ("colour", *(f"stride{stride}" for stride in (4, 8, 16) if stride in channels))
    assert model.detect(first_images(scenes, 1)[0]).embedding.shape[1] == 256
    # two stripes of what training contrasts: all bins of the colours, eight numbers of each map
    assert model.attached.contrasted_dimension == 2 * (128 + 8 * (len(model.config.model.levels) - 1))
    assert model.attached.head.read_out.centre.any(), "no whitening was fitted"


def test_levels_can_be_chosen_among_those_there_are(scenes, settings, faster_rcnn, tmp_path):
    chosen = ("model.levels=[stride8, stride32]", "model.embedding_dimension=32")
    base = (SMALL, LABELS, f"detector.weights={faster_rcnn}", "train.steps=1")
    attach(NAME, scenes / "stills", tmp_path / "run", settings(*base, *chosen), progress=False)
    model = clmot.load_model(tmp_path / "run", device="cpu")
    assert model.config.model.levels == ("stride8", "stride32")
    assert model.detect(first_images(scenes, 1)[0]).embedding.shape[1] == 32
