"""What a device may be called is one rule, at every door."""

import pytest
import torch
from command_line import fails

import clmot
from clmot.config import load_config
from clmot.devices import choose_device, device_name
from clmot.errors import UserError
from clmot.synthetic import write_scenes

UNKNOWN = ("mps", "xpu", "gpux", "-1", "0,1", "", "None", "cuda:x")


@pytest.fixture
def gpus(monkeypatch):
    def are(count: int) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return are


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("auto", "auto"),
        ("CPU", "cpu"),
        (" cpu ", "cpu"),
        (torch.device("cpu"), "cpu"),
        ("gpu", "cuda"),
        ("CUDA", "cuda"),
        (0, "cuda:0"),
        ("1", "cuda:1"),
        ("GPU:1", "cuda:1"),
        (torch.device("cuda", 1), "cuda:1"),
    ],
)
def test_what_can_mean_one_thing_only_is_taken(said, name, gpus):
    assert device_name(said) == name
    assert load_config(overrides=[f"train.device={said}"]).train.device == name
    gpus(2)
    assert choose_device(said) == ("cuda" if name == "auto" else name)


@pytest.mark.parametrize("said", UNKNOWN)
def test_anything_else_is_one_line(said):
    for door in (device_name, choose_device, lambda device: clmot.load_model("clmot-pedestrian", device=device)):
        with pytest.raises(UserError, match=rf"\Adevice '{said}': clmot computes on cpu and cuda; write auto, cpu"):
            door(said)
    with pytest.raises(UserError, match=rf"train\.device '{said}': clmot computes"):
        load_config().updated({"train": {"device": said}})


def test_a_gpu_that_is_not_there_is_named(gpus):
    gpus(0)
    assert choose_device("auto") == "cpu"
    for said in ("gpu", "0", "cuda:3"):
        with pytest.raises(UserError, match=rf"device '{said}': no CUDA device here; use cpu or auto"):
            choose_device(said)
    gpus(2)
    with pytest.raises(UserError, match=r"device '2': the CUDA devices here are cuda:0, cuda:1"):
        choose_device("2")


@pytest.mark.parametrize(
    "command",
    [
        "track DATA --out OUT --device mps",
        "track DATA --model torchvision:fasterrcnn_resnet50_fpn --out OUT --device mps",
        "embed clmot-pedestrian DATA --device mps",
        "tune clmot-pedestrian DATA --out OUT --device mps",
        "train DATA --out OUT train.device=mps",
        "attach torchvision:fasterrcnn_resnet50_fpn DATA --out OUT train.device=mps",
    ],
)
def test_every_verb_refuses_in_one_line(command, tmp_path, capsys):
    write_scenes(tmp_path / "s", still_frames=1, still_sequences=1, clips=1, clip_frames=2, size=(160, 96))
    places = {"DATA": tmp_path / "s" / "clips", "OUT": tmp_path / "out"}
    message = fails(capsys, *(places.get(word, word) for word in command.split()))
    assert "device 'mps': clmot computes on cpu and cuda; write auto, cpu, cuda or cuda:N" in message
