"""From a detector to a tracker: attach, train some steps, track a clip, evaluate."""

import copy
import json
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest
import torch
from torchvision.models import get_model

import clmot
from clmot.apps.attach.attach import attach
from clmot.config import DetectorConfig
from clmot.detectors.encoder import EncoderDetector
from clmot.detectors.python_function import FunctionDetector
from clmot.detectors.torchvision import open_torchvision
from clmot.errors import UserError
from clmot.inference.attached import AttachedModel
from clmot.io.image import read_image
from clmot.models.encoder import Encoder
from clmot.models.saved_model import load_saved_model
from clmot.protocols import FeatureMaps
from clmot.structures import Detections
from clmot.training.checkpoint import load_state

NAME = "torchvision:fasterrcnn_mobilenet_v3_large_320_fpn"
SMALL = "detector.options={num_classes: 3, min_size: 96, max_size: 160}"
LABELS = "detector.labels=[person, car]"


def first_images(scenes: Path, count: int = 2) -> list[np.ndarray]:
    return [read_image(path) for path in sorted((scenes / "clips").rglob("*.jpg"))[:count]]


def same(first: Detections, second: Detections) -> None:
    for name in ("xyxy", "score", "class_id"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes(), name


def find(image: np.ndarray) -> np.ndarray:
    """Two people who never move."""
    return np.array([[10, 20, 40, 90, 0.9, 0], [80, 10, 110, 85, 0.8, 0]])


@pytest.fixture(scope="module")
def run(scenes, settings, faster_rcnn, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "torchvision"
    config = settings(SMALL, LABELS, f"detector.weights={faster_rcnn}")
    attach(NAME, scenes / "stills", out, config, progress=False)
    return out


def track_and_evaluate(scenes: Path, model, out: Path, **options) -> dict[str, float]:
    results = clmot.track(scenes / "clips", model, out, progress=False, **options)
    assert all(result.text_path and result.text_path.exists() and result.frames == 4 for result in results)
    return clmot.evaluate(out, scenes / "clips").combined


def test_the_detector_s_answers_are_its_own_to_the_bit(run, scenes, faster_rcnn):
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
    scores = track_and_evaluate(scenes, run, tmp_path)
    assert np.isfinite(scores["IDF1"])
    assert track_and_evaluate(scenes, run, tmp_path / "given", boxes="gt")["DetA"] > 99


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


def test_other_weights_than_those_learned_on_are_refused(run, scenes, faster_rcnn, tmp_path):
    from clmot.models.saved_model import load_saved_model
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


def test_learns_on_the_detector_s_own_boxes(scenes, settings, faster_rcnn, tmp_path):
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


def test_a_function_gets_an_embedding_of_crops(scenes, settings, tmp_path):
    detector = FunctionDetector(find)
    images = first_images(scenes)
    before = detector.detect(images)
    attach(detector, scenes / "stills", tmp_path / "run", settings(), progress=False)
    model = clmot.load_model(tmp_path / "run", device="cpu", precision="float32", detector=detector)
    assert isinstance(model, AttachedModel)
    assert model.config.detector.head == "crops"
    for image, first, second in zip(images, before, model.detect_batch(images), strict=True):
        same(first, second)
        np.testing.assert_allclose(model.embed(image, second.xyxy), second.embedding, atol=1e-5)
    assert track_and_evaluate(scenes, model, tmp_path / "results")["IDF1"] >= 0


def test_a_function_is_found_again_by_its_file(scenes, settings, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def find(image):\n    return [[10, 20, 40, 90, 0.9, 0]]\n")
    attach(f"python:{file}:find", scenes / "stills", tmp_path / "run", settings(), progress=False)
    assert len(clmot.load_model(tmp_path / "run", device="cpu").detect(first_images(scenes, 1)[0])) == 1


def test_a_detector_that_finds_nothing(scenes, settings, tmp_path):
    detector = FunctionDetector(lambda image: [])
    attach(detector, scenes / "stills", tmp_path / "run", settings(), progress=False)
    model = clmot.load_model(tmp_path / "run", device="cpu", detector=detector)
    found = model.detect(first_images(scenes, 1)[0])
    assert len(found) == 0
    assert found.embedding.shape == (0, model.config.model.embedding_dimension)
    assert clmot.track(scenes / "clips", model, tmp_path / "results", progress=False)[0].tracks == 0
    with pytest.raises(UserError, match="the detector finds nothing in"):
        attach(detector, scenes / "stills", tmp_path / "own", settings(), boxes="detector", progress=False)


def test_a_detector_that_goes_mad_stops_tracking_with_one_line(scenes, settings, tmp_path):
    answers = iter([find(None), find(None) * 100])
    detector = FunctionDetector(lambda image: next(answers), name="mad")
    attach(detector, scenes / "stills", tmp_path / "run", settings(), progress=False)
    model = clmot.load_model(tmp_path / "run", device="cpu", detector=detector)
    with pytest.raises(UserError, match=r"detector mad: gave scores from .*; chances from 0 to 1 are needed"):
        clmot.track(scenes / "clips", model, tmp_path / "results", progress=False)
    assert len(list((tmp_path / "results").glob("*.txt"))) == 1


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


def test_what_nobody_chose_fits_the_detector(run, scenes):
    model = clmot.load_model(run, device="cpu")
    channels = model.attached.detector.channels
    assert model.config.model.levels == ("colour", *(f"stride{stride}" for stride in (4, 8, 16) if stride in channels))
    assert model.detect(first_images(scenes, 1)[0]).embedding.shape[1] == 256
    # two stripes of what training contrasts: all bins of the colours, eight numbers of each map
    assert model.attached.contrasted_dimension == 2 * (128 + 8 * (len(model.config.model.levels) - 1))
    assert model.attached.head.read_out.centre.any(), "no metric was learned"


def test_levels_can_be_chosen_among_those_there_are(scenes, settings, faster_rcnn, tmp_path):
    chosen = ("model.levels=[stride8, stride32]", "model.embedding_dimension=32")
    base = (SMALL, LABELS, f"detector.weights={faster_rcnn}", "train.steps=1")
    attach(NAME, scenes / "stills", tmp_path / "run", settings(*base, *chosen), progress=False)
    model = clmot.load_model(tmp_path / "run", device="cpu")
    assert model.config.model.levels == ("stride8", "stride32")
    assert model.detect(first_images(scenes, 1)[0]).embedding.shape[1] == 32


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (["loss.objective=identity"], "learns by contrast only"),
        (["model.projection=[8]"], "no projection"),
        (["detector.head=features"], "shows no feature maps; learn on crops"),
    ],
)
def test_settings_that_make_no_sense(scenes, settings, tmp_path, changes, line):
    with pytest.raises(UserError, match=line):
        attach(FunctionDetector(find), scenes / "stills", tmp_path / "run", settings(*changes), progress=False)


def test_folders_without_images(settings, tmp_path):
    (tmp_path / "empty").mkdir()
    cv2.imwrite(str(tmp_path / "one.png"), np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(UserError, match="no images in it or below"):
        attach(FunctionDetector(find), tmp_path / "empty", tmp_path / "run", settings(), progress=False)
