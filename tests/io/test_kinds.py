"""A file that is something else than what is expected is named as what it is."""

import json
import zipfile

import numpy as np
import onnx
import pytest
import torch
from safetensors.numpy import save_file

import clmot
from clmot.config import Config, load_config, read_sections
from clmot.errors import UserError
from clmot.io.kinds import kind_of
from clmot.io.named_arrays import write_arrays


@pytest.fixture
def files(tmp_path):
    torch.save({"a": torch.zeros(3)}, tmp_path / "model.pt")
    torch.save({"a": torch.zeros(3)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as archive:
        for name in ("script/data.pkl", "script/constants.pkl", "script/code/__torch__.py"):
            archive.writestr(name, "")
    save_file({"a": np.zeros(1)}, tmp_path / "plain.safetensors")
    write_arrays(tmp_path / "team", "gallery", {"a": np.zeros(1)}, {})
    (tmp_path / "boxes.json").write_text(json.dumps({"images": []}))
    (tmp_path / "notes.txt").write_text("words")
    (tmp_path / "empty").touch()
    (tmp_path / "noise").write_bytes(np.random.default_rng(0).bytes(500))
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "plain.safetensors").read_bytes()[:20])
    graph = onnx.helper.make_graph([], "nothing", [], [])
    (tmp_path / "net.onnx").write_bytes(onnx.helper.make_model(graph).SerializeToString())
    np.savez(tmp_path / "a.npz", a=np.zeros(1))
    head, media, index = (
        b"\0\0\0\x10ftypisom\0\0\0\0",
        b"\0\0\0\1mdat" + (26).to_bytes(8) + bytes(10),
        b"\0\0\0\x08moov",
    )
    (tmp_path / "whole.mp4").write_bytes(head + media + index)
    (tmp_path / "unfinished.mp4").write_bytes(head + media)
    return tmp_path


KINDS = {
    "model.pt": "a PyTorch file (.pt, .pth)",
    "old.pth": "a pickled file, as old PyTorch saves it (.pt, .pth)",
    "script.pt": "TorchScript",
    "plain.safetensors": "a safetensors file",
    "team": "a clmot gallery file",
    "boxes.json": "JSON",
    "notes.txt": "text",
    "empty": "an empty file",
    "noise": "a binary file",
    "cut.safetensors": "a damaged file",
    "net.onnx": "ONNX",
    "a.npz": "a ZIP archive",
    "whole.mp4": "a video or picture",
    "unfinished.mp4": "a video without its index: its recording did not end",
    ".": "a folder",
    "none": "no file",
}


@pytest.mark.parametrize("name", KINDS)
def test_a_file_is_named_by_what_it_holds(files, name):
    assert kind_of(files / name) == KINDS[name]


@pytest.mark.parametrize("name", ["model.pt", "script.pt", "plain.safetensors", "team", "boxes.json", "empty"])
def test_what_is_given_for_a_model_or_a_tracker_is_named(files, name):
    for door in (clmot.load_model, clmot.Tracker.load):
        with pytest.raises(UserError) as caught:
            door(files / name)
        assert f"{name}: is {KINDS[name]}" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_what_is_given_for_a_configuration_is_named(files):
    for name in ("model.pt", "plain.safetensors", "noise"):
        with pytest.raises(UserError, match=rf"{name}: .*\(it is {KINDS[name].replace('(', '.').replace(')', '.')}\)"):
            load_config(file=files / name)


def test_a_checkpoint_of_pytorch_is_led_to_its_importer(files):
    with pytest.raises(UserError, match="clmot import-weights reads those of FairMOT and CL-MOT"):
        clmot.load_model(files / "model.pt")


def test_the_name_of_a_model_is_suggested():
    with pytest.raises(UserError, match=r"no such run or model file \(did you mean 'clmot-pedestrian'\?\)"):
        clmot.load_model("clmot-pedestrain")


def test_a_tracker_of_a_newer_version_says_so(tmp_path):
    write_arrays(tmp_path / "state", "tracker state", {"a": np.zeros(1)}, {"clmot": "99.0", "tracker": {"eyes": 2}})
    with pytest.raises(UserError, match=r"state: written by clmot 99\.0, which is newer than this clmot"):
        clmot.Tracker.load(tmp_path / "state")


def test_a_file_of_some_sections_may_say_its_version_too(tmp_path):
    file = tmp_path / "tracker.yaml"
    file.write_text("clmot: 99.0\ntracker: {eyes: 2}\n")
    with pytest.raises(UserError, match=r"tracker\.yaml: written by clmot 99\.0, which is newer"):
        Config().updated(read_sections(file, ("tracker",)), str(file))
