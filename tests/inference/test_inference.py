from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import PIL.Image
import pytest
import torch

from clmot.boxes import iou
from clmot.config import DetectorConfig, load_config
from clmot.errors import UserError
from clmot.inference.model import Model, load_model
from clmot.inference.network_model import NetworkModel
from clmot.inference.read_out import Found
from clmot.models.network import Network
from clmot.protocols import Detector
from clmot.training.checkpoint import save_checkpoint

CONFIG = load_config(
    overrides=[
        "model.encoder=resnet10t",
        "model.encoder_options={channels: [8, 8, 16, 16]}",
        "model.image_size=[128, 96]",
        "model.width=8",
        "model.stripes=2",
        "model.embedding_dimension=16",
        "detect.score_threshold=0.0",
        "detect.max_detections=20",
    ]
)


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(0)
    network = Network(CONFIG.model)
    torch.nn.init.normal_(network.heatmap.out.weight, std=1.0)  # peaks here and there
    return network


@pytest.fixture(scope="module")
def model(network) -> Model:
    return NetworkModel(network, CONFIG, "cpu", "float32")


def picture(width: int, height: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)


def test_each_class_has_its_heatmap():
    torch.manual_seed(0)
    config = CONFIG.updated({"model": {"classes": ["person", "car", "bus"]}, "detect": {"max_detections": 200}})
    network = Network(config.model)
    torch.nn.init.normal_(network.heatmap.out.weight, std=1.0)
    network.heatmap.out.bias.data = torch.tensor([-500.0, 0.0, 0.0])
    found = NetworkModel(network, config, "cpu", "float32").detect(picture(128, 96))
    assert set(found.class_id.tolist()) == {1, 2}


def test_detections_are_in_pixels_of_the_image(model):
    """The same picture at twice the size gives the same objects at twice the size."""
    small = picture(128, 96)
    large = small.repeat(2, axis=0).repeat(2, axis=1)
    first, second = model.detect(small), model.detect(large)
    assert len(first) == len(second) == 20
    overlap = iou(first.xyxy * 2, second.xyxy)
    assert (overlap.max(axis=1) > 0.99).all()


def test_any_size_is_letterboxed(model):
    for width, height in ((300, 100), (40, 200), (128, 96)):
        found = model.detect(picture(width, height))
        centre = (found.xyxy[:, :2] + found.xyxy[:, 2:]) / 2
        assert len(found) > 0
        assert found.embedding.shape == (len(found), 16)
        np.testing.assert_allclose(np.linalg.norm(found.embedding, axis=1), 1, atol=1e-5)
        # centres lie in the image up to the grey borders of the letterbox
        size = np.array(model.input_size(width, height))
        scale = min(size / (width, height))
        border = (size / scale - (width, height)) / 2
        assert (centre >= -border - 1).all()
        assert (centre <= np.array([width, height]) + border + 1).all()


class FindsRed(NetworkModel):
    """Boxes and embeddings are what can be seen in the letterboxed pixels: the red rectangle, and a box's mean."""

    def _find(self, pixels):
        rows = []
        for index, image in enumerate(pixels):
            y, x = np.nonzero((image[..., 0] > 128) & (image[..., 1] < 100))
            rows.append((x.min(), y.min(), x.max() + 1, y.max() + 1, index))
        found = np.array(rows, np.float32)
        ones = np.ones(len(found), np.float32)
        return Found(found[:, :4], ones, np.zeros(len(found), np.int64), found[:, 4].astype(np.int64), ones[:, None])


@pytest.mark.parametrize("size", [(), (96,), (64, 96)])
@pytest.mark.parametrize("shape", [(640, 480), (480, 640), (1224, 370), (100, 900), (40, 20)])
def test_a_rectangle_comes_back_where_it_was_drawn(network, shape, size):
    width, height = shape
    left, top, right, bottom = drawn = (width // 4, height // 5, width - width // 8, height - height // 3)
    image = np.full((height, width, 3), 128, np.uint8)
    image[top:bottom, left:right] = (255, 0, 0)
    model = FindsRed(network, CONFIG.updated({"detect": {"size": list(size)}}), "cpu", "float32")
    scale = min(np.array(model.input_size(width, height)) / shape)
    (found,) = model.detect(image).xyxy
    np.testing.assert_allclose(found, drawn, atol=max(1, 1 / scale))


def test_a_picture_of_the_model_s_shape_gives_what_it_gave_before(network, model):
    fixed = NetworkModel(network, CONFIG.updated({"detect": {"size": [128, 96]}}), "cpu", "float32")
    for width, height in ((128, 96), (640, 480)):
        now, before = (each.detect(picture(width, height)) for each in (model, fixed))
        np.testing.assert_array_equal(now.xyxy, before.xyxy)
        np.testing.assert_array_equal(now.embedding, before.embedding)


def test_an_encoder_of_one_size_keeps_it(network):
    """Windows of some transformers fit one size alone: pictures are letterboxed into it."""
    options = {"encoder": "maxvit_rmlp_pico_rw_256", "encoder_options": {"img_size": [96, 128]}}
    config = CONFIG.updated({"model": options})
    model = NetworkModel(Network(config.model), config, "cpu", "float32")
    assert not model.any_size
    assert model.input_size(300, 100) == (128, 96)
    assert model.embed(picture(300, 100), [[10, 10, 50, 90]]).shape == (1, 16)
    model.config = config.updated({"detect": {"size": [256]}})
    with pytest.raises(UserError, match="has an input size of its own; leave out --size"):
        model.require_size()
    assert NetworkModel(network, CONFIG, "cpu").any_size


def test_a_size_is_chosen_when_loading(network, tmp_path):
    save_checkpoint(tmp_path, 1, CONFIG, network.state_dict(), {})
    for size, expected in ((None, (192, 64)), (256, (256, 96)), ((160, 96), (160, 96))):
        assert load_model(tmp_path, size=size).input_size(300, 100) == expected
    for size in (100, (160, 90), (32, 32, 32), 0):
        with pytest.raises(UserError, match=r"detect\.size must be one or two multiples of 32"):
            load_model(tmp_path, size=size)


def test_images_in_any_form_give_the_same_objects(model, tmp_path):
    image = picture(128, 96)
    cv2.imwrite(str(tmp_path / "a.png"), image[:, :, ::-1])
    expected = model.detect(image)
    for given in (PIL.Image.fromarray(image), tmp_path / "a.png", str(tmp_path / "a.png"), torch.from_numpy(image)):
        np.testing.assert_array_equal(model.detect(given).xyxy, expected.xyxy)
        np.testing.assert_array_equal(model.embed(given, expected), model.embed(image, expected.xyxy))
    for given, error in ((None, TypeError), (image[:0], ValueError), (image / 255, ValueError), ("a.png", UserError)):
        with pytest.raises(error, match=r"image|a\.png"):
            model.detect(given)
        with pytest.raises(error, match=r"image|a\.png"):
            model.embed(given, expected)


def test_a_model_is_a_detector_that_takes_lists(model):
    """As `clmot.protocols.Detector` says, which `isinstance` can only ask for names."""
    assert isinstance(model, Detector)
    images = [picture(128, 96, seed) for seed in range(2)]
    found = model.detect(images)
    assert [each.xyxy.tolist() for each in found] == [each.xyxy.tolist() for each in model.detect_batch(images)]
    assert model.detect([]) == model.detect_batch([]) == []
    with pytest.raises(TypeError, match=r"call detect\(image\) for one"):
        model.detect_batch(images[0])


@pytest.mark.parametrize(
    "boxes", [np.zeros((2, 5)), np.zeros(8), [[0, 0, np.nan, 4]], [[0, 0, 1e39, 4]], [[0, 0, 1e38, 4]], "boxes"]
)
def test_boxes_that_are_none_are_not_embedded(model, boxes):
    with pytest.raises(ValueError, match=r"boxes must be|box 0 is not finite|no array"):
        model.embed(picture(128, 96), boxes)


def test_its_tracker_has_the_constants_of_clmot_track(network):
    model = NetworkModel(network, CONFIG.updated({"tracker": {"high_score": 0.55}}), "cpu", "float32")
    assert model.tracker().config == model.config.tracker == replace(CONFIG.tracker, high_score=0.55)
    assert model.tracker(12.5).config == replace(model.config.tracker, frame_rate=12.5)
    first, second = model.tracker(), model.tracker()
    assert first.update([[0, 0, 9, 9]]).frame == second.update([[0, 0, 9, 9]]).frame == 1


def test_a_batch_is_its_images_one_by_one(model):
    """Pictures of one shape go through the network together, whatever is between them."""
    images = [picture(128, 96), picture(200, 90), picture(128, 96, 1), picture(90, 200), picture(400, 180)]
    for together, image in zip(model.detect_batch(images), images, strict=True):
        alone = model.detect(image)
        np.testing.assert_allclose(together.xyxy, alone.xyxy, atol=1e-2)
        np.testing.assert_allclose(together.embedding, alone.embedding, atol=1e-4)
    assert model.detect_batch([]) == []


def test_embedding_of_a_detected_box_is_the_detection_s(model):
    image = picture(160, 100)
    found = model.detect(image)
    np.testing.assert_allclose(model.embed(image, found.xyxy), found.embedding, atol=1e-4)
    assert model.embed(image, np.empty((0, 4), np.float32)).shape == (0, 16)


def test_load_gives_the_same_answers(network, model, tmp_path):
    folder = save_checkpoint(tmp_path, 1, CONFIG, network.state_dict(), {})
    image = picture(128, 96)
    expected = model.detect(image)
    for path in (tmp_path, folder, folder / "model.safetensors"):
        actual = load_model(path, device="cpu", precision="float32").detect(image)
        np.testing.assert_allclose(actual.xyxy, expected.xyxy, atol=1e-4)


def test_a_checkpoint_of_another_shape(network, tmp_path):
    other = load_config(overrides=["model.width=16"]).updated({"model": {**CONFIG.as_dict()["model"], "width": 16}})
    save_checkpoint(tmp_path, 1, other, network.state_dict(), {})
    with pytest.raises(
        UserError, match=r"model\.safetensors: does not fit this network: '.*' is \[.*, the network has"
    ):
        load_model(tmp_path)


def test_float32_runs_without_batch_normalisation_and_leaves_the_network_as_it_is(network):
    def norms(module):
        return sum(isinstance(each, torch.nn.BatchNorm2d) for each in module.modules())

    before = {name: value.clone() for name, value in network.state_dict().items()}
    folded = NetworkModel(network, CONFIG, "cpu", "float32")
    assert norms(folded.network) == 0 < norms(network)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    pixels = torch.from_numpy(folded.letterbox([picture(128, 96)])[0]).permute(0, 3, 1, 2)
    with torch.no_grad():
        actual, expected = folded.network.maps(pixels), network.maps(pixels)
    torch.testing.assert_close(actual.heatmap, expected.heatmap, rtol=1e-4, atol=1e-4)


def test_another_thread_gives_the_same_answers_to_the_bit(model):
    """Tracking runs the network in one; precision and gradients are settings of threads."""
    images = [picture(160, 100, seed) for seed in range(3)]
    here = [model.detect(image) for image in images]
    with ThreadPoolExecutor(1) as pool:
        there = list(pool.map(model.detect, images))
    for mine, theirs in zip(here, there, strict=True):
        assert len(mine) == 20
        for part in ("xyxy", "score", "class_id", "embedding"):
            np.testing.assert_array_equal(getattr(mine, part), getattr(theirs, part))


def test_unknown_precision(network):
    with pytest.raises(UserError, match="not one of bf16, float32"):
        NetworkModel(network, CONFIG, "cpu", "fp8")


def test_a_model_says_what_it_is(model):
    assert repr(model) == (
        "<clmot NetworkModel: recipe street, input of the picture's shape, 128x96 pixels; classes person; "
        "embeddings of 16 numbers; cpu, float32>"
    )
    attached = NetworkModel(
        model.network, replace(CONFIG, detector=DetectorConfig(name="onnx:yolox.onnx")), "cpu", "float32"
    )
    assert "detector onnx:yolox.onnx; classes person; embeddings of 16" in repr(attached)


@pytest.mark.parametrize("path", [None, 3, CONFIG])
def test_what_names_no_model_is_refused(path):
    with pytest.raises(TypeError, match="a model is named by a path or a name"):
        load_model(path)


def test_a_detector_where_none_is_taken_is_refused(model):
    for name in ("clmot-pedestrian", "exported.onnx", "python:mine.py:find"):
        with pytest.raises(UserError, match=r"finds objects itself; detector= goes with embeddings of clmot attach"):
            load_model(name, device="cpu", detector=model)
    for wrong, lacks in (("yolo", "no classes and no detect"), (type(model), "no classes|is a class")):
        with pytest.raises(TypeError, match=lacks):
            load_model("clmot-pedestrian", device="cpu", detector=wrong)
