"""``clmot export`` as a user meets it."""

from pathlib import Path

import pytest
import torch
from command_line import call, fails

from clmot.config import Config
from clmot.inference.model import load_model
from clmot.models.network import Network
from clmot.training.checkpoint import save_checkpoint


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with random weights."""
    folder = tmp_path_factory.mktemp("run")
    config = Config().updated(
        {"model": {"encoder": "resnet10t", "encoder_options": {"channels": [8, 8, 16, 16]}, "width": 8}}
    )
    torch.manual_seed(0)
    save_checkpoint(folder, 1, config, Network(config.model).state_dict(), None)
    return folder


def test_export_says_what_it_wrote(run, tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    out = tmp_path / "new" / "network.onnx"
    assert call("export", run, "--to", "onnx", "--out", out, "--size", 96, 64) == 0
    line = capsys.readouterr().out.strip()
    assert line.startswith(f"{out}: heatmap, size, offset, embedding_0, embedding_1; any size; differs by 0.")
    assert load_model(out).config.model.image_size == (96, 64)


def test_export_of_crops_says_what_it_wrote(run, tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    out = tmp_path / "reid.onnx"
    arguments = ("--crops", "--size", 64, 96, "--pixels", "unit", "detector.crop_size=[32, 96]")
    assert call("export", run, "--to", "onnx", "--out", out, *arguments) == 0
    assert capsys.readouterr().out.startswith(f"{out}: embeddings; 64x96 only; differs by 0.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--to", "onnx", "--out", "x.onnx", "--crops", "--decode"), "--crops embeds boxes and finds none"),
        (("--to", "onnx", "--out", "x.onnx", "--crops", "--size", 96, 200), "--size 96 200: crops must be whole"),
        (("--to", "onnx", "--out", "x.onnx", "--crops", "--pixels", "bgr"), "bgr"),
        (("--to", "onnx", "--out", "network.xml"), "network.xml: a file for onnx must end in .onnx"),
        (("--to", "onnx", "--out", "x.onnx", "--size", 100, 64), "--size 100 64 must be multiples of 32"),
        (("--to", "onnx", "--out", "x.onnx", "--crops", "--size", 64000, 128000), "at most 8192"),
        (("--to", "coreml", "--out", "x"), "coreml"),
        (("--to", "onnx", "--out", "x.onnx", "detect.max_detections=0"), "detect.max_detections must be >= 1"),
        (("--to", "onnx", "--out", "x.onnx", "--int8", "none"), "none: no such file or folder"),
        (("--to", "onnx", "--out", "x.onnx", "--int8", "none", "--int8-frames", 3), "--int8-frames must be >= 8"),
        (("--to", "onnx", "--out", "x.onnx", "--int8", "none", "--crops"), "none: no such file or folder"),
        (("--to", "onnx", "--out", "x.onnx", "--int8", "none", "--half"), "--int8 and --half exclude each other"),
    ],
)
def test_mistakes_are_one_line(run, capsys, arguments, message):
    assert message in fails(capsys, "export", run, *arguments)
