"""Exporting to each target, and what stands in the way."""

import sys

import numpy as np
import pytest

from clmot.errors import UserError
from clmot.export import save
from clmot.export.save import SUFFIXES, export
from clmot.inference.model import load_model


def test_openvino_detects_as_the_model(network, config, model, random_pictures, tmp_path):
    pytest.importorskip("openvino")
    made = export(network, config, "openvino", tmp_path / "network.xml", decode=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["network.bin", "network.xml"]
    loaded = load_model(made.file, precision="float32")
    assert loaded.config == config
    for ours, theirs in zip(loaded.detect_batch(random_pictures), model.detect_batch(random_pictures), strict=True):
        np.testing.assert_allclose(ours.score, theirs.score, atol=1e-4)


def test_other_answers_are_not_written(network, config, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    out = tmp_path / "network.onnx"
    out.write_bytes(b"what was here before")
    right = save.open_network

    def wrong(file):
        network = right(file)
        return network._replace(run=lambda inputs: [each + 0.1 for each in network.run(inputs)])

    monkeypatch.setattr(save, "open_network", wrong)
    with pytest.raises(UserError, match="export to onnx: not written: 1 of 128x96: heatmap differs by"):
        export(network, config, "onnx", out)
    assert out.read_bytes() == b"what was here before"
    assert [file.name for file in tmp_path.iterdir()] == ["network.onnx"]


@pytest.mark.parametrize(
    ("to", "name", "message"),
    [
        ("onnx", "network.pt", r"network\.pt: a file for onnx must end in \.onnx"),
        ("openvino", "network", r"must end in \.xml"),
        ("tflite", "network.tflite", "unknown target 'tflite'; known: onnx, openvino"),
    ],
)
def test_what_cannot_be(network, config, tmp_path, to, name, message):
    with pytest.raises(UserError, match=message):
        export(network, config, to, tmp_path / name)


@pytest.mark.parametrize(
    ("to", "package", "extra"),
    [("onnx", "onnxscript", "onnx"), ("onnx", "onnxruntime", "onnx"), ("openvino", "openvino", "openvino")],
)
def test_a_missing_package_is_named(network, config, tmp_path, monkeypatch, to, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    for other in {"onnxscript", "onnxruntime"} - {package}:  # whether installed or not
        monkeypatch.setitem(sys.modules, other, sys)
    # of a size that no other test has, so that it is not converted already
    config = config.updated({"model": {"image_size": [160, 96]}})
    with pytest.raises(
        UserError, match=rf"^the package {package} cannot be imported \(.*\); pip install 'clmot\[{extra}\]'$"
    ):
        export(network, config, to, tmp_path / f"network{SUFFIXES[to]}")


def test_files_of_others(tmp_path):
    pytest.importorskip("onnxruntime")
    helper = pytest.importorskip("onnx").helper
    with pytest.raises(UserError, match=r"none\.onnx: no such model file"):
        load_model(tmp_path / "none.onnx")
    (tmp_path / "broken.onnx").write_text("no graph")
    with pytest.raises(UserError, match=r"broken\.onnx: not a readable ONNX model"):
        load_model(tmp_path / "broken.onnx")
    value = [helper.make_tensor_value_info(name, 1, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "other", value[:1], value[1:])
    foreign = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    (tmp_path / "other.onnx").write_bytes(foreign.SerializeToString())
    with pytest.raises(UserError, match=r"other\.onnx: not made by clmot export"):
        load_model(tmp_path / "other.onnx")
    helper.set_model_props(foreign, {"format": "clmot", "outputs": "maps", "config": "{}", "read_out": "AAAA"})
    (tmp_path / "torn.onnx").write_bytes(foreign.SerializeToString())
    with pytest.raises(UserError, match=r"torn\.onnx: the pooling in its metadata is broken"):
        load_model(tmp_path / "torn.onnx")
