"""Every command on disks that are full or in the way, and with output that cannot be written: one line, exit code 2."""

import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from command_line import call

from clmot.cli import app
from clmot.config import Config
from clmot.models.network import Network
from clmot.synthetic import write_scenes
from clmot.training.checkpoint import save_checkpoint

SMALL = 64
"""Bytes that a file may have at most on the full disk."""

WRITING = {
    "adapt": "adapt {run} {clip} --out {out} --steps 1 adapt.min_seconds=0",
    "attach": "attach encoder:mobilenetv2_050 {stills} --out {out} --weights none --steps 1",
    "bench": "bench {bench} --out {out}",
    "count": "count {results} --line 10,10,100,100 --out {out}",
    "convert-results": "convert-results {results} --to cvat --out {out}.xml",
    "data check --fix": "data check {stills} --fast --json {out}.json",
    "data check --html": "data check {stills} --fast --html {out}.html",
    "data frames": "data frames {clip} --out {out}",
    "data convert": "data convert {clip} --to coco --out {out} --images reference",
    "data show": "data show {stills} --frames 1 --out {out}.png",
    "data synth": "data synth {out} --frames 1 --clips 0 --size 256 160",
    "demo": "demo --out {out} --steps 1",
    "demo --pretrained": "demo --pretrained {clip} --out {out}",
    "detect": "detect {clip} --model {run} --out {out}",
    "draw": "draw {results} --video {clip} --out {out}.mp4",
    "embed": "embed {run} {clip} --frames 2 --every 4 --json {out}.json",
    "embed --picture": "embed {run} {clip} --frames 2 --every 4 --picture {out}.png",
    "evaluate": "evaluate {results} --gt {clip} --json {out}.json",
    "evaluate --markdown": "evaluate {results} --gt {clip} --markdown {out}.md",
    "evaluate --csv": "evaluate {results} --gt {clip} --csv {out}.csv",
    "export": "export {run} --to onnx --out {out}.onnx",
    "gallery enrol": "gallery enrol {out}.safetensors {clip}/img1 --name Ada --model {run}",
    "gallery recognise": "gallery recognise {gallery} {clip} --results {results} --model {run} --json {out}.json",
    "refine": "refine {results} --out {out} --smooth",
    "report": "report {results} --video {clip} --out {out}.html",
    "track": "track {clip} --model {run} --out {out} --boxes gt",
    "track --video": "track {clip} --model {run} --out {out} --video",
    "train": "train {stills} --out {out} --steps 1 train.batch_size=2 model.image_size=[128,96]",
    "tune": "tune gt {clip} --out {out} --trials 2 --jobs 1",
}
"""What commands write, and the cheapest call that comes to it; but submit and import-weights, whose input is large."""

PRINTING = {
    "config": "config",
    "data check": "data check {stills} --fast",
    "data list": "data list",
    "embed": "embed {run} {clip} --frames 2 --every 4",
    "evaluate": "evaluate {results} --gt {clip}",
    "gallery list": "gallery list {gallery}",
    "gallery show": "gallery show {gallery}",
    "gallery recognise": "gallery recognise {gallery} {clip} --results {results} --model {run}",
    "info": "info {run}",
    "help": "--help",
    "track": "track {clip} --model {run} --out {out} --boxes gt",
    "version": "--version",
}

NEEDS = {"tune": "optuna", "export": "onnx"}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("inputs")
    write_scenes(folder / "scenes", still_frames=4, still_sequences=1, clips=1, clip_frames=8, size=(256, 160), seed=3)
    clip = next(each for each in (folder / "scenes" / "clips").iterdir() if each.is_dir())
    small = {"encoder": "resnet10t", "encoder_options": {"channels": [8, 8, 16, 16]}, "width": 8, "stripes": 2}
    config = Config().updated({"model": {"image_size": [128, 96], **small}})
    torch.manual_seed(0)
    save_checkpoint(folder / "run", 1, config, Network(config.model).state_dict(), None)
    truth = np.loadtxt(clip / "gt" / "gt.txt", delimiter=",", ndmin=2)[:, :7]
    results = folder / f"{clip.name}.txt"
    np.savetxt(results, np.pad(truth, ((0, 0), (0, 3)), constant_values=-1), "%g", delimiter=",")
    gallery = folder / "g.safetensors"
    assert call("gallery", "enrol", gallery, clip / "img1", "--name", "Ada", "--model", folder / "run") == 0
    stills = next(each for each in (folder / "scenes" / "stills").iterdir() if each.is_dir())
    plan = {
        "steps": 1,
        "data": {"train": str(stills), "test": str(clip)},
        "methods": ["ours"],
        "references": ["colour histogram"],
        "measures": ["embedding"],
    }
    (folder / "bench.yaml").write_text(yaml.safe_dump(plan))
    return {
        "clip": clip,
        "stills": stills,
        "run": folder / "run",
        "results": results,
        "gallery": gallery,
        "bench": folder / "bench.yaml",
    }


@pytest.fixture
def _full_disk() -> Iterator[None]:
    """No file can be longer than some bytes, from now on: what a full disk is to a program, without one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def filled(line: str, places: dict[str, Path], out: Path) -> list[str]:
    return [word.format(**places, out=out) for word in line.split()]


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    error = capsys.readouterr().err
    lines = [line for line in error.splitlines() if line.startswith("clmot: ")]
    assert "Traceback" not in error
    assert len(lines) == 1, error
    return lines[0]


def skip_without(name: str) -> None:
    if name.split()[0] in NEEDS:
        pytest.importorskip(NEEDS[name.split()[0]])


@pytest.mark.parametrize("name", WRITING)
def test_a_file_in_place_of_a_folder(
    name: str,
    places: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    skip_without(name)
    (tmp_path / "file").write_text("of somebody")
    assert call(*filled(WRITING[name], places, tmp_path / "file" / "x")) == 2
    assert "file" in one_line(capsys)
    assert (tmp_path / "file").read_text() == "of somebody"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("name", WRITING)
def test_a_full_disk(
    name: str,
    places: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    skip_without(name)
    request.getfixturevalue("_full_disk")
    assert call(*filled(WRITING[name], places, tmp_path / "x")) == 2
    assert "x" in one_line(capsys)
    # nothing cut short has the name of something whole; of tracks, what fitted is there to be read under another
    cut = [each.name for each in tmp_path.rglob("*") if each.is_file() and each.stat().st_size == SMALL]
    assert [each for each in cut if not each.endswith(".txt.partial")] == []


@pytest.mark.parametrize("name", PRINTING)
def test_output_that_cannot_be_written(
    name: str,
    places: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert call(*filled(PRINTING[name], places, tmp_path / "x")) == 2
        assert "standard output: cannot be written: No space left on device" in one_line(capsys)
        assert not name == "track" or (tmp_path / "x" / f"{places['clip'].name}.txt").is_file()


def test_every_command_is_here() -> None:
    commands = {name for name in app if not name.startswith("-")}
    groups = {name.split()[0] for name in (*WRITING, *PRINTING)}
    # serve writes a journal (tests/apps/serve/test_serve_journal.py), status nothing but its lines
    assert commands - groups == {"submit", "import-weights", "serve", "status"}
    for group in ("data", "gallery"):
        inner = {f"{group} {name}" for name in app[group] if not name.startswith("-")}
        assert inner - {"gallery remove"} <= {*WRITING, *PRINTING}


@pytest.mark.parametrize("name", [*PRINTING])
def test_a_reader_that_leaves_early_is_no_error_and_ends_no_work(
    name: str,
    places: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as nobody:
        monkeypatch.setattr(sys, "stdout", nobody)
        assert call(*filled(PRINTING[name], places, tmp_path / "x")) == 0
    assert "Broken pipe" not in capsys.readouterr().err
    assert name != "track" or (tmp_path / "x" / "run.json").is_file()
