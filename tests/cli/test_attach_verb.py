"""clmot attach on the command line."""

import json
from pathlib import Path

import pytest
import torch
from command_line import call, fails
from data_builders import TINY_NETWORK

from clmot.inference.model import load_model
from clmot.models.saved_model import load_saved_model
from clmot.synthetic import write_scenes

SMALL = [
    "model.image_size=[160, 96]",
    *TINY_NETWORK,
    "train.batch_size=2",
    "data.workers=0",
    "detector.crop_size=[32, 64]",
]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder, still_frames=4, still_sequences=2, clips=1, clip_frames=3, size=(160, 96), seed=1)
    return folder


@pytest.fixture
def function(tmp_path) -> str:
    file = tmp_path / "mine.py"
    file.write_text("def find(image):\n    return [[10, 20, 40, 90, 0.9, 0], [80, 10, 110, 85, 0.8, 0]]\n")
    return f"python:{file}:find"


def test_attach_then_track_then_evaluate(scenes, function, tmp_path, capsys):
    model, results = tmp_path / "run", tmp_path / "results"
    assert call("attach", function, scenes / "stills", "--out", model, "--steps", "2", *SMALL) == 0
    assert f"track with: clmot track VIDEO --model {model}" in capsys.readouterr().out
    assert {"config.yaml", "log.jsonl", "checkpoint-000002"} <= {path.name for path in model.iterdir()}
    assert call("track", scenes / "clips", "--model", model, "--out", results) == 0
    assert call("evaluate", results, "--gt", scenes / "clips") == 0
    assert "IDF1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["yolo", "DATA"], "clmot: detector 'yolo': write LIBRARY:NAME"),
        (["FUNCTION"], "clmot: attach: name at least one data folder or file"),
        (["FUNCTION", "DATA", "--head", "features"], "shows no feature maps; learn on crops with --head crops"),
        (["FUNCTION", "DATA", "--classes", "persn"], "knows no class 'persn' (did you mean 'person'?)"),
        (["FUNCTION", "nowhere"], "clmot: nowhere: no such file or folder"),
        (["FUNCTION", "DATA", "detector.crop_size=[30, 64]"], "detector.crop_size must be multiples of 32"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(scenes, function, tmp_path, capsys, arguments, line):
    words = {"FUNCTION": function, "DATA": scenes / "stills"}
    assert line in fails(capsys, "attach", *(words.get(each, each) for each in arguments), "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_attached_detector_is_found_from_anywhere(scenes, function, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call("attach", "python:mine.py:find", scenes / "stills", "--out", "run", "--steps", "1", *SMALL) == 0
    monkeypatch.chdir("/")
    assert call("track", scenes / "clips", "--model", tmp_path / "run", "--out", tmp_path / "results") == 0
    assert load_saved_model(tmp_path / "run").config.detector.name == f"python:{tmp_path / 'mine.py'}:find"


def test_an_attached_embedding_is_validated(scenes, function, tmp_path):
    """Detections stay what they are, so that the embedding and the tracks decide."""
    options = ("--val", scenes / "clips", "--val-every", 1, "--steps", "2", *SMALL)
    assert call("attach", function, scenes / "stills", "--out", tmp_path / "run", *options) == 0
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    validated = [line for line in lines if "val_score" in line]
    assert len(validated) == 2
    assert validated[0]["val_AP"] == validated[1]["val_AP"]
    assert load_model(tmp_path / "run").config.detector.name.endswith("mine.py:find")
    assert (tmp_path / "run" / "best").is_dir()


def test_random_weights_are_the_same_when_the_run_is_loaded(scenes, tmp_path):
    torch.manual_seed(7)
    detector, out = "torchvision:ssdlite320_mobilenet_v3_large", tmp_path / "run"
    quick = ("--weights", "none", "--steps", "1", "--boxes", "data", *SMALL)
    assert call("attach", detector, scenes / "stills", "--out", out, "--head", "features", *quick) == 0
    torch.manual_seed(8)
    model = load_model(out)
    assert model.config.detector.fingerprint


def test_a_class_that_goes_by_another_name_is_said(scenes, function, tmp_path, caplog):
    options = ("--classes", "pedestrian", "--steps", "1", *SMALL)
    with caplog.at_level("WARNING", logger="clmot"):
        assert call("attach", function, scenes / "stills", "--out", tmp_path / "r", *options) == 0
    assert "takes 'pedestrian' for its class 'person'" in caplog.text
