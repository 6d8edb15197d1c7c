"""Which runtime a model is used in: the fastest here, measured once, or the one asked for."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from clmot.apps.track import runtime as runtimes
from clmot.apps.track.runtime import load_fastest
from clmot.config import Config
from clmot.errors import UserError
from clmot.inference.model import load_model
from clmot.models.network import Network
from clmot.shipped import DEFAULT, shipped_graph
from clmot.training.checkpoint import save_checkpoint


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CLMOT_RUNTIME")
    monkeypatch.setattr(runtimes, "has_gpu", lambda: False)


def timed(monkeypatch, **milliseconds: float) -> list[str]:
    """The runtimes that are there, and what a frame takes in each; returns which were measured."""
    asked: list[str] = []

    def time(name, graph, runtime):
        asked.append(runtime)
        return milliseconds[runtime]

    monkeypatch.setattr(runtimes, "_installed", lambda package: package in milliseconds)
    monkeypatch.setattr(runtimes, "_versions", lambda: ["1"])
    monkeypatch.setattr(runtimes, "_milliseconds", time)
    return asked


def test_the_fastest_is_measured_once_and_said_in_the_first_lines(monkeypatch, caplog, tmp_path):
    pytest.importorskip("onnxruntime")
    caplog.set_level(logging.INFO)
    asked = timed(monkeypatch, torch=30.0, openvino=20.0, onnxruntime=10.0)
    model = load_fastest(DEFAULT)
    assert asked == ["torch", "openvino", "onnxruntime"]
    assert model.name == DEFAULT
    assert caplog.messages == [
        "measuring which runtime is the fastest here for clmot-pedestrian, once: PyTorch, OpenVINO, ONNX Runtime",
        "milliseconds a frame: PyTorch 30.0, OpenVINO 20.0, ONNX Runtime 10.0",
        "network: ONNX Runtime, float32",
    ]
    caplog.clear()
    load_fastest(DEFAULT)
    assert asked == ["torch", "openvino", "onnxruntime"]
    assert caplog.messages == ["network: ONNX Runtime, float32"]
    (record,) = (tmp_path / "cache" / "clmot" / "runtimes").iterdir()
    assert json.loads(record.read_text())["fastest"] == "onnxruntime"
    record.write_text("{")  # of a disk that was full
    load_fastest(DEFAULT)
    assert len(asked) == 6


def test_another_version_is_measured_again(monkeypatch):
    pytest.importorskip("onnxruntime")
    asked = timed(monkeypatch, torch=30.0, onnxruntime=10.0)
    load_fastest(DEFAULT)
    monkeypatch.setattr(runtimes, "_versions", lambda: ["2"])
    load_fastest(DEFAULT)
    assert len(asked) == 4


def test_where_nothing_can_be_kept_it_is_measured_each_time(monkeypatch, caplog, tmp_path):
    pytest.importorskip("onnxruntime")
    caplog.set_level(logging.INFO)
    asked = timed(monkeypatch, torch=30.0, onnxruntime=10.0)
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert load_fastest(DEFAULT).precision == "float32"
    load_fastest(DEFAULT)
    assert len(asked) == 4
    assert any("which runtime is the fastest is not kept" in message for message in caplog.messages)


def test_torch_where_it_is_the_fastest_the_only_one_or_there_is_a_gpu(monkeypatch):
    asked = timed(monkeypatch, torch=5.0, onnxruntime=10.0)
    assert hasattr(load_fastest(DEFAULT), "network")
    assert asked == ["torch", "onnxruntime"]
    timed(monkeypatch, torch=5.0)
    assert hasattr(load_fastest(DEFAULT), "network")
    timed(monkeypatch, torch=5.0, onnxruntime=1.0)
    monkeypatch.setattr(runtimes, "_versions", lambda: ["2"])
    monkeypatch.setattr(runtimes, "has_gpu", lambda: True)
    assert hasattr(load_fastest(DEFAULT), "network")
    assert not hasattr(load_fastest(DEFAULT, "cpu"), "network")


def test_the_environment_and_the_option_say_which(monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("CLMOT_RUNTIME", "onnxruntime")
    assert not hasattr(load_fastest(DEFAULT), "network")
    assert hasattr(load_fastest(DEFAULT, runtime="torch"), "network")


@pytest.mark.parametrize(
    ("name", "runtime", "message"),
    [
        (DEFAULT, "tensorrt", "--runtime 'tensorrt': is not one of auto, torch, openvino, onnxruntime"),
        ("model.onnx", "torch", r"model\.onnx: runs in openvino or onnxruntime, not in torch"),
        ("model.xml", "onnxruntime", r"model\.xml: runs in openvino, not in onnxruntime"),
        (DEFAULT, "openvino", r"--runtime openvino: is not installed; pip install 'clmot\[openvino\]'"),
    ],
)
def test_what_cannot_be_is_one_line(monkeypatch, name, runtime, message):
    timed(monkeypatch, torch=5.0)
    with pytest.raises(UserError, match=message):
        load_fastest(name, runtime=runtime)


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_the_shipped_graph_finds_what_the_network_finds(runtime, real_data):
    pytest.importorskip(runtime)
    from clmot.io.image import read_image

    image = read_image(real_data / "mot" / "TUD-Stadtmitte" / "img1" / "000001.jpg")
    graph, network = load_fastest(DEFAULT, runtime=runtime), load_model(DEFAULT, device="cpu", precision="float32")
    assert graph.fingerprint == network.fingerprint
    assert graph.config.tracker == network.config.tracker
    found, expected = (each.detect(image)[:6] for each in (graph, network))
    found, expected = (each[np.argsort(each.xyxy[:, 0])] for each in (found, expected))
    np.testing.assert_allclose(found.xyxy, expected.xyxy, atol=2.5)
    np.testing.assert_allclose(found.score, expected.score, atol=0.05)  # a peak in bfloat16 moves within its cell
    assert ((found.embedding * expected.embedding).sum(axis=1) > 0.98).all()


def test_openvino_in_float32_is_the_network(real_data):
    """Whose maps come in another order than those of bfloat16."""
    pytest.importorskip("openvino")
    from clmot.inference.exported import load_exported
    from clmot.io.image import read_image

    image = read_image(real_data / "mot" / "TUD-Stadtmitte" / "img1" / "000001.jpg")
    found = load_exported(shipped_graph(DEFAULT), "cpu", "float32", "openvino").detect(image)
    expected = load_model(DEFAULT, device="cpu", precision="float32").detect(image)
    assert len(found) == len(expected) > 5
    for values, limit in (("xyxy", 1e-2), ("score", 1e-4), ("embedding", 1e-3)):
        np.testing.assert_allclose(getattr(found, values), getattr(expected, values), atol=limit)


def test_tracking_by_the_shipped_graph_imports_no_torch(real_data, tmp_path):
    pytest.importorskip("onnxruntime")
    call = ["track", str(real_data / "mot" / "TUD-Campus"), "--out", str(tmp_path), "--every", "30"]
    code = (
        "import sys; from clmot.cli import main\n"
        f"try: main({[*call, '--runtime', 'onnxruntime']!r})\n"
        "except SystemExit as stop: assert not stop.code, stop.code\n"
        "heavy = {'torch', 'torchvision', 'timm', 'lightning_fabric', 'matplotlib', 'onnx'} & {*sys.modules}\n"
        "assert not heavy, heavy"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, timeout=240, capture_output=True, text=True).stderr
    # who has named no model learns under which terms the one that comes with the package is
    assert told.startswith("clmot-pedestrian: the model that comes with the package, for research only"), told


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with random weights."""
    folder = tmp_path_factory.mktemp("run")
    small = {"encoder": "resnet10t", "encoder_options": {"channels": [8, 8, 16, 16]}, "width": 8}
    config = Config().updated({"model": {**small, "image_size": [128, 96]}})
    torch.manual_seed(0)
    save_checkpoint(folder, 1, config, Network(config.model).state_dict(), None)
    return folder


def test_a_network_of_one_s_own_is_converted_once(monkeypatch, caplog, tmp_path, run):
    pytest.importorskip("onnxruntime")
    caplog.set_level(logging.INFO)
    timed(monkeypatch, torch=30.0, onnxruntime=10.0)
    model = load_fastest(run)
    assert model.name == str(run)
    assert model.fingerprint == load_model(run, device="cpu").fingerprint
    assert len([*(tmp_path / "cache" / "clmot" / "graphs").iterdir()]) == 1
    caplog.clear()
    monkeypatch.setattr("clmot.export.save.export", None)  # is not called again
    assert load_fastest(run).fingerprint == model.fingerprint
    assert caplog.messages == ["network: ONNX Runtime, float32"]


def test_what_cannot_be_converted_or_kept_stays_with_torch_unless_it_is_asked_for(monkeypatch, caplog, tmp_path, run):
    caplog.set_level(logging.INFO)
    timed(monkeypatch, torch=30.0, onnxruntime=10.0)
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert hasattr(load_fastest(run), "network")
    assert any(message.startswith("network: PyTorch (") for message in caplog.messages)
    with pytest.raises(UserError, match="cannot make the folder"):
        load_fastest(run, runtime="onnxruntime")
    assert hasattr(load_fastest(run, runtime="torch"), "network")
