"""Embeddings of crops, against the network that sees the crop as an image and against the head that cuts it out."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from clmot.errors import UserError
from clmot.evaluation.baselines import onnx_embedding
from clmot.export import save
from clmot.export.crops import CropsGraph, WholeImagePool, cut_out, load_crop_embedding
from clmot.export.parity import FLOAT32, check_parity, pictures
from clmot.export.save import Export, export_crops
from clmot.inference.model import load_model
from clmot.inference.network_model import NetworkModel
from clmot.models.attached import CropHead
from clmot.models.embedding_pool import StripePool
from clmot.models.levels import Level
from clmot.training.checkpoint import save_checkpoint

INNER = (32, 64)
WHOLE = np.array([[0, 0, *INNER]], np.float32)
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def crops(count: int, size: tuple[int, int] = INNER, seed: int = 5) -> np.ndarray:
    """uint8 [count, height, width, 3]."""
    return pictures(count, size, seed).permute(0, 2, 3, 1).numpy()


def as_osnet(images: np.ndarray) -> np.ndarray:
    return ((images / 255 - MEAN) / DEVIATION).astype(np.float32).transpose(0, 3, 1, 2)


def enlarged(images: np.ndarray) -> np.ndarray:
    return images.repeat(2, axis=1).repeat(2, axis=2)


def run(made: Export, images: np.ndarray) -> np.ndarray:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(made.file), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    assert given.shape[1:] == [3, *images.shape[1:3]]  # what others read the size from
    assert given.name == "images"  # boxmot asks for it by this name
    return session.run(None, {given.name: as_osnet(images)})[0]


@pytest.mark.parametrize("count", [1, 5])
def test_a_crop_is_an_image_whose_box_fills_it(crops_file, network, crop_config, count):
    images = crops(count)
    model = NetworkModel(network, crop_config, "cpu", "float32")
    expected = np.concatenate([model.embed(image, WHOLE) for image in images])
    found = run(crops_file, enlarged(images))
    np.testing.assert_allclose((found * expected).sum(axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_opencv_reads_it_and_the_box_is_cut_out(crops_file):
    pytest.importorskip("onnxruntime")
    image = crops(1, (160, 192))[0]
    boxes = np.array([[10, 20, 74, 148], [80, 50, 144, 178]], np.float32)
    cut = np.stack([image[20:148, 10:74], image[50:178, 80:144]])
    np.testing.assert_allclose(
        onnx_embedding(crops_file.file, (64, 128))(image, boxes), run(crops_file, cut), atol=1e-4
    )


def test_an_attached_embedding_needs_no_detector(crop_config, tmp_path):
    pytest.importorskip("onnxruntime")
    described = {"name": "python:nowhere.py:find", "head": "crops"}
    changes = {"levels": ["colour", "stride4"], "embedding_dimension": 16, "image_size": [160, 96]}
    config = crop_config.updated({"detector": described, "model": changes}, "test")
    torch.manual_seed(1)
    head = CropHead(config).eval()
    save_checkpoint(
        tmp_path / "run", 1, config, {f"head.{name}": value for name, value in head.state_dict().items()}, None
    )
    source, loaded = load_crop_embedding(tmp_path / "run")
    made = export_crops(source, loaded, "onnx", tmp_path / "reid.onnx", size=INNER)
    images = crops(3)
    with torch.inference_mode():
        expected = head(list(images), torch.from_numpy(WHOLE).repeat(3, 1), torch.arange(3)).numpy()
    np.testing.assert_allclose(run(made, images), expected, atol=1e-4)


@pytest.mark.parametrize("pixels", ["imagenet", "unit", "bytes"])
def test_pixels_differ_and_embeddings_do_not(network, pixels):
    images = torch.from_numpy(crops(2)).permute(0, 3, 1, 2)
    given = {"bytes": images, "unit": images / 255, "imagenet": torch.from_numpy(as_osnet(crops(2)))}
    with torch.inference_mode():
        (expected,) = CropsGraph(network, INNER, INNER, "bytes", portable=False)(images)
        graph = CropsGraph(network, INNER, INNER, pixels)
        (found,) = graph(given[pixels])
        (again,) = graph(*graph.inputs_of(images))
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=0)
    torch.testing.assert_close(again, found, atol=1e-4, rtol=0)


@pytest.mark.parametrize("size", [(32, 64), (64, 128), (96, 32)])
@pytest.mark.parametrize("stripes", [1, 2, 6])
def test_read_out_of_the_whole_image_is_roialign_s(size, stripes):
    torch.manual_seed(0)
    levels = [Level(8, 4, 0.3, histogram=True), Level(5, 8, 0.7)]
    read_out = StripePool(levels, stripes, 3).eval()
    maps = tuple(torch.rand(3, level.channels, size[1] // level.stride, size[0] // level.stride) for level in levels)
    boxes, image = torch.tensor([[0.0, 0, *size]]).repeat(3, 1), torch.arange(3)
    with torch.inference_mode():
        torch.testing.assert_close(WholeImagePool(read_out, size)(maps, boxes, image), read_out(maps, boxes, image))


def test_the_file_tells_no_places_and_is_not_taken_for_a_model(crops_file):
    content = crops_file.file.read_bytes()
    assert b"crops.py" not in content
    assert str(Path.cwd()).encode() not in content
    assert b"imagenet" in content
    with pytest.raises(UserError, match=r"reid\.onnx: embeds crops, for trackers of others"):
        load_model(crops_file.file)


def test_other_embeddings_are_not_written(network, crop_config, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    right = save.open_network

    def turned(file):
        network = right(file)
        return network._replace(run=lambda inputs: [np.roll(each, 1, axis=1) for each in network.run(inputs)])

    monkeypatch.setattr(save, "open_network", turned)
    with pytest.raises(UserError, match="not written: 1 of 64x128: the cosine of embeddings differs by"):
        export_crops(network, crop_config, "onnx", tmp_path / "reid.onnx", size=(64, 128))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("factor", "what"), [(1.001, "length"), (float("nan"), "cosine")])
def test_parity_sees_length_and_nan(network, factor, what):
    reference = CropsGraph(network, INNER, INNER, "bytes", portable=False)

    def eager(inputs):
        with torch.inference_mode():
            return [factor * each.numpy() for each in reference(*(torch.from_numpy(each) for each in inputs.values()))]

    with pytest.raises(UserError, match=f"the {what} of embeddings differs by"):
        check_parity("x", reference, reference, eager, [INNER], FLOAT32)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": (100, 200)}, r"--size 100 200: crops must be whole multiples of detector\.crop_size=\[32, 64\]"),
        ({"half": True, "int8": [Path("x")]}, "--int8 and --half exclude each other"),
        ({"to": "openvino"}, r"reid\.onnx: a file for openvino must end in \.xml"),
    ],
)
def test_what_cannot_be(network, crop_config, tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        export_crops(network, crop_config, **{"to": "onnx", "out": tmp_path / "reid.onnx", **options})


def test_an_embedding_from_a_detector_s_maps_has_no_crops(config, tmp_path):
    described = dataclasses.replace(config.detector, name="torchvision:some", head="features")
    save_checkpoint(tmp_path / "run", 1, dataclasses.replace(config, detector=described), {"x": torch.zeros(1)}, None)
    with pytest.raises(UserError, match="from the maps of torchvision:some, which no crop has; learn one on crops"):
        load_crop_embedding(tmp_path / "run")


def test_half_precision_takes_float32_and_less_room(crops_file, network, crop_config, tmp_path):
    made = export_crops(network, crop_config, "onnx", tmp_path / "half.onnx", size=(64, 128), half=True)
    images = enlarged(crops(3))
    found = run(made, images)
    assert found.dtype == np.float32
    np.testing.assert_allclose((found * run(crops_file, images)).sum(axis=1), 1, atol=1e-2)
    assert made.file.stat().st_size < 0.7 * crops_file.file.stat().st_size


def test_boxes_that_leave_the_image_are_cut_to_it():
    image = crops(1, (60, 40))[0]
    boxes = np.array([[-20, 0, 20, 40], [10, 10, 40, 30], [90, 0, 99, 9]], np.float32)
    found = cut_out(image, boxes, (20, 40)).permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(found[0], image[0:40, 0:20])
    np.testing.assert_array_equal(found[1], cv2.resize(image[10:30, 10:40], (20, 40)))
    assert not found[2].any()
