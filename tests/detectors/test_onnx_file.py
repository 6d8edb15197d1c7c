"""Detectors in files of ONNX and OpenVINO."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clmot.boxes import iou
from clmot.config import DetectorConfig
from clmot.detectors.onnx_file import OnnxDetector, open_onnx
from clmot.detectors.onnx_layout import OnnxLayout, recognised, stage_ends
from clmot.detectors.output_parser import OutputParser
from clmot.detectors.registry import open_detector
from clmot.errors import UserError
from clmot.io.image import read_image
from clmot.io.mot_text import read_mot_rows
from clmot.io.runtimes import InnerMap, Port, RuntimeNetwork

PERSON = OutputParser("onnx", {0: "person"})
BOXES = np.array([[10.0, 20, 40, 90], [60, 10, 100, 85]])


def network_of(outputs: dict[str, np.ndarray], shape: tuple[int, ...] = ()):
    """A network that gives fixed outputs, and a list of what it is given."""
    given = []

    def run(inputs):
        given.append(inputs["images"])
        return list(outputs.values())

    ports = tuple(Port(name, value.shape) for name, value in outputs.items())
    return RuntimeNetwork((Port("images", shape),), ports, run, {}), given


def test_onnx_layouts_say_the_same():
    """Named outputs, rows, and columns of centres and class scores, of one answer."""
    named = network_of({"boxes": BOXES[None], "scores": np.array([[0.9, 0.8]]), "labels": np.array([[0, 1]])})
    rows = network_of({"out": np.column_stack([BOXES, [0.9, 0.8], [0, 1]])[None]})
    centres = np.concatenate([(BOXES[:, :2] + BOXES[:, 2:]) / 2, BOXES[:, 2:] - BOXES[:, :2]], axis=1)
    twice = np.concatenate([centres, centres + np.array([1, 0, 0, 0])])  # what non-maximum suppression is for
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.0], [0.0, 0.4]])
    columns = network_of({"out": np.column_stack([twice, scores]).T[None]})
    image = np.full((96, 160, 3), 200, np.uint8)
    answers = []
    for (network, given), options in (
        (named, {}),
        (rows, {"output": "rows"}),
        (columns, {"output": "columns", "boxes": "cxcywh"}),
    ):
        layout = OnnxLayout(size=(160, 96), **options)
        (found,) = OnnxDetector(network, layout, OutputParser("onnx", {0: "person", 1: "car"})).detect([image])
        np.testing.assert_allclose(found.xyxy, BOXES, atol=1e-4)
        answers.append((found.score.tolist(), found.class_id.tolist()))
        assert given[0].shape == (1, 3, 96, 160)
        np.testing.assert_allclose(given[0], 200 / 255, atol=1e-6)
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize("resize", ["letterbox", "stretch"])
def test_onnx_boxes_come_back_to_the_image(resize):
    network, _ = network_of(
        {"boxes": np.array([[[0.25, 0.25, 0.75, 0.75]]]), "scores": np.ones((1, 1)), "labels": np.zeros((1, 1))}
    )
    layout = OnnxLayout(size=(64, 64), resize=resize, normalised=True)
    (found,) = OnnxDetector(network, layout, PERSON).detect([np.zeros((100, 200, 3), np.uint8)])
    centre = np.array([[50, 0, 150, 100]] if resize == "letterbox" else [[50, 25, 150, 75]], np.float32)
    assert iou(found.xyxy, centre)[0, 0] > 0.999


def test_a_yolox_is_recognised_and_its_grids_decoded():
    """A box put into a cell of each grid comes back to the image, which lies in the upper left corner, as BGR."""
    table = np.zeros((64 + 16 + 4, 5 + 2), np.float32)  # 64 x 64: grids of 8, 4 and 2 cells a side
    boxes = np.array([[3.0, 5, 21, 25], [18, 2, 50, 30], [2, 4, 60, 32]])  # in the input
    for box, cells, stride, start, (column, row) in zip(
        boxes, (8, 4, 2), (8, 16, 32), (0, 64, 80), ((1, 2), (2, 1), (1, 0)), strict=True
    ):
        centre, size = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
        table[start + row * cells + column] = [
            *(centre / stride - (column, row)),
            *np.log(size / stride),
            0.8,
            0.1,
            0.5,
        ]
    network, inputs = network_of({"output": table[None]}, (1, 3, 64, 64))
    detector = OnnxDetector(network, recognised(network), OutputParser("onnx", {0: "car", 1: "person"}, min_score=0.3))
    (found,) = detector.detect([np.full((64, 128, 3), (10, 20, 30), np.uint8)])
    rows = np.argsort(found.xyxy[:, 2])
    np.testing.assert_allclose(found.xyxy[rows], 2 * boxes, atol=1e-3)
    np.testing.assert_allclose(found.score, 0.4, atol=1e-6)
    assert [detector.classes[index] for index in found.class_id] == ["person"] * 3
    given = inputs[0][0]
    assert given[:, 5, 5].tolist() == [30, 20, 10]
    assert given[:, 40, 5].tolist() == [114, 114, 114]


def test_an_openvino_ssd_is_recognised(tmp_path):
    """Its list ends where the image is -1; boxes are shares of an image that was stretched."""
    openvino = pytest.importorskip("openvino")
    rows = [[0, 1, 0.9, 0.25, 0.5, 0.5, 1], [0, 1, 0.02, 0, 0, 1, 1], [-1, 0, 0, 0, 0, 0, 0], [0, 1, 0.9, 0, 0, 1, 1]]
    given = openvino.opset13.parameter([1, 3, 32, 48], np.float32, "data")
    nothing = openvino.opset13.multiply(openvino.opset13.reduce_sum(given, [0, 1, 2, 3]), np.float32(0))
    answer = openvino.opset13.add(openvino.opset13.constant(np.array(rows, np.float32)[None, None]), nothing)
    file = tmp_path / "ssd.xml"
    openvino.save_model(openvino.Model([answer], [given]), str(file))
    detector = open_detector(DetectorConfig(name=f"openvino:{file}"), min_score=0.1)
    (found,) = detector.detect([np.zeros((100, 200, 3), np.uint8)])
    np.testing.assert_allclose(found.xyxy, [[50, 50, 100, 100]], atol=0.1)  # stored in float16
    assert detector.classes == ("person",)
    with pytest.raises(UserError, match="no such file"):
        open_detector(DetectorConfig(name=f"openvino:{tmp_path / 'none.xml'}"))


def test_real_detector_files_find_the_people_of_a_street():
    """YOLOX-nano and an SSD of OpenVINO: at least five of eight, on the spot."""
    data = Path(os.environ.get("CLMOT_DATA", "none"))
    weights, sequence = data / "weights", data / "mot" / "TUD-Stadtmitte"
    if not (weights / "openvino").is_dir() or not sequence.is_dir():
        pytest.skip("CLMOT_DATA names no folder with weights/ and mot/TUD-Stadtmitte")
    truth = read_mot_rows(sequence / "gt" / "gt.txt")
    truth = truth.boxes[truth.frame == 10]
    names = {"onnx": "yolox_nano.onnx", "openvino": "openvino/pedestrian-detection-adas-0002.xml"}
    for kind, name in names.items():
        pytest.importorskip({"onnx": "onnxruntime"}.get(kind, kind))
        described = DetectorConfig(name=f"{kind}:{weights / name}", classes=("person",))
        alone = open_detector(replace(described, head="crops"), min_score=0.4)
        (found,) = alone.detect([read_image(sequence / "img1" / "000010.jpg")])
        detector = open_detector(described, min_score=0.4)
        (again,), features = detector.detect_with_features([read_image(sequence / "img1" / "000010.jpg")])
        np.testing.assert_array_equal(again.xyxy, found.xyxy)
        np.testing.assert_array_equal(again.score, found.score)
        assert list(detector.channels) == list(features.strides) == [4, 8, 16, 32]
        assert (iou(truth, found.xyxy).max(axis=1) > 0.6).sum() >= 5
        assert len(found) <= 8


def test_maps_are_what_the_encoders_stages_end_with():
    """A neck that comes back to stride 8, a head and a gate beside the line change nothing."""
    line = [
        ("stem", 2, "images"),
        ("pool", 4, "stem"),
        ("stage4", 4, "pool"),
        ("head4", 4, "stage4"),
        ("down8", 8, "stage4"),
        ("gate", 0, "down8"),
        ("stage8", 8, "down8"),
        ("down16", 16, "stage8"),
        ("stage16", 16, "down16"),
        ("up8", 8, "stage16"),
        ("neck8", 8, "up8"),
        ("neck16", 16, "neck8"),
    ]
    maps = [InnerMap(name, (1, 7, *[256 // stride if stride else 1] * 2), (source,)) for name, stride, source in line]
    ends = stage_ends(maps, (256, 256))
    assert {stride: each.name for stride, each in ends.items()} == {4: "stage4", 8: "stage8", 16: "stage16"}


@pytest.fixture
def detector_file(tmp_path):
    """Averages over 4 x 4 and 8 x 8 pixels on the way to one box, whose score says how bright the picture is."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    make = onnx.helper.make_node
    nodes = [
        make("AveragePool", ["images"], ["fine"], kernel_shape=[4, 4], strides=[4, 4]),
        make("AveragePool", ["fine"], ["coarse"], kernel_shape=[2, 2], strides=[2, 2]),
        make("ReduceMean", ["coarse"], ["bright"], axes=[2, 3], keepdims=0),
        make("Slice", ["bright", "zero", "one", "one"], ["score"]),
        make("Concat", ["box", "score", "label"], ["rows"], axis=1),
        make("Reshape", ["rows", "shape"], ["out"]),
    ]
    tensor = onnx.numpy_helper.from_array
    box = np.array([[4.0, 4, 20, 28]], np.float32)
    values = {"box": box, "label": np.zeros((1, 1), np.float32), "shape": np.array([1, 1, 6])}
    values |= {"zero": np.array([0]), "one": np.array([1])}
    graph = onnx.helper.make_graph(
        nodes,
        "detector",
        [onnx.helper.make_tensor_value_info("images", 1, [1, 3, "height", "width"])],
        [onnx.helper.make_tensor_value_info("out", 1, [1, 1, 6])],
        [tensor(value, name) for name, value in values.items()],
    )
    file = tmp_path / "detector.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8), file)
    return file


def test_a_file_shows_the_maps_it_computes_on_the_way(detector_file):
    """They are of the same pass as the objects, by stride; a file with sides that may differ has them too."""
    options = {"output": "rows", "size": [32, 32]}
    described = DetectorConfig(name=f"onnx:{detector_file}", options=options)
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    detector = open_detector(described)
    assert detector.channels == {4: 3, 8: 3}
    (found,), features = detector.detect_with_features([image])
    (alone,) = open_detector(replace(described, head="crops")).detect([image])
    np.testing.assert_array_equal(found.xyxy, alone.xyxy)
    assert found.score[0] == alone.score[0] > 0
    expected = image.reshape(8, 4, 8, 4, 3).mean(axis=(1, 3)).transpose(2, 0, 1) / 255
    np.testing.assert_allclose(features.maps[0][0], expected, atol=1e-6)
    assert [tuple(each.shape) for each in features.maps] == [(1, 3, 8, 8), (1, 3, 4, 4)]
    one = open_detector(replace(described, options={**options, "features": ["coarse"]}))
    assert one.channels == {8: 3}
    with pytest.raises(UserError, match=r"features: 'corse' is no map .* \(did you mean 'coarse'\?\)"):
        open_detector(replace(described, options={**options, "features": ["corse"]}))


def test_what_is_no_number_is_left_out_and_counted(caplog):
    network, _ = network_of({"out": np.full((1, 5, 9), np.nan)})
    detector = OnnxDetector(network, OnnxLayout(output="columns"), PERSON)
    assert len(detector.detect([np.zeros((8, 8, 3), np.uint8)])[0]) == 0
    assert "left out 9 x box or score that is not finite" in caplog.text


def test_onnx_mistakes(tmp_path):
    network, _ = network_of({"out": np.zeros((1, 5, 7)), "more": np.zeros(1)})
    with pytest.raises(UserError, match="has no output 'boxes'; it has out, more: describe them"):
        OnnxDetector(network, OnnxLayout(), PERSON)
    with pytest.raises(UserError, match=r"gave \[5, 7\] where detector.options describe rows"):
        OnnxDetector(network, OnnxLayout(output="rows"), PERSON).detect([np.zeros((8, 8, 3), np.uint8)])
    with pytest.raises(UserError, match="no such file"):
        open_onnx(str(tmp_path / "none.onnx"), DetectorConfig(), "cpu", 0.1)
    file = tmp_path / "detector.onnx"
    file.write_bytes(b"none")
    with pytest.raises(UserError, match=r"unknown key 'ouptut' \(did you mean 'output'\?\)"):
        open_onnx(str(file), DetectorConfig(options={"ouptut": "rows"}), "cpu", 0.1)
    with pytest.raises(
        UserError, match=r"detector\.options\.output: 'row' is not one of named, rows, columns, grid, ssd"
    ):
        open_onnx(str(file), DetectorConfig(options={"output": "row"}), "cpu", 0.1)
