"""Options with everyday names: what they choose, where results go, and what a file is."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from command_line import call, fails

import clmot
from clmot.apps.track.object_choice import ObjectChoice
from clmot.cli import main
from clmot.config import Config
from clmot.io.mot_text import read_mot_rows
from clmot.models.network import Network
from clmot.structures import Detections
from clmot.synthetic import write_scenes
from clmot.training.checkpoint import save_checkpoint


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder, still_frames=3, still_sequences=1, clips=1, clip_frames=4, size=(256, 160), seed=3)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with random weights and two classes."""
    folder = tmp_path_factory.mktemp("run")
    config = Config().updated({"model": {"image_size": [128, 96], "classes": ["car", "truck"]}})
    torch.manual_seed(0)
    save_checkpoint(folder, 1, config, Network(config.model).state_dict(), None)
    return folder


class Boxes:
    """Finds a car with a score of 0.5 on the left, a truck of 0.3 in the middle and a car of 0.2 on the right."""

    classes = ("car", "truck")

    def detect(self, images):
        xyxy = np.array([[10, 10, 30, 50], [60, 10, 80, 50], [90, 10, 110, 50]], np.float32)
        score, class_id = np.array([0.5, 0.3, 0.2], np.float32), np.array([0, 1, 0])
        return [Detections(xyxy=xyxy, score=score, class_id=class_id) for _ in images]


@pytest.mark.parametrize(
    ("choice", "left"),
    [
        ({}, [10, 60, 90]),
        ({"classes": ["car"]}, [10, 90]),
        ({"scores": {"": 0.25}}, [10, 60]),
        ({"scores": {"car": 0.1, "": 0.4}}, [10, 90]),
        ({"classes": ["truck"], "scores": {"truck": 0.3}}, [60]),
        ({"mask": "half.png"}, [10]),
    ],
)
def test_objects_are_chosen_by_class_score_and_place(tmp_path, choice, left):
    mask = np.zeros((40, 100), np.uint8)
    mask[:, :50] = 255  # the left half of the frame, whatever the frame's size
    cv2.imwrite(str(tmp_path / "half.png"), mask)
    if "mask" in choice:
        choice = {"mask": tmp_path / "half.png"}
    image = tmp_path / "frames" / "1.png"
    image.parent.mkdir()
    cv2.imwrite(str(image), np.zeros((80, 120, 3), np.uint8))
    clmot.detect(image.parent, Boxes(), tmp_path / "det", objects=ObjectChoice(**choice), progress=False)
    assert read_mot_rows(tmp_path / "det" / "frames.txt").boxes[:, 0].tolist() == left


def test_unknown_classes_and_scores_are_one_line(scenes, run, tmp_path, capsys):
    track = ("track", scenes / "clips", "--model", run, "--out", tmp_path / "r")
    assert "class 'cars' (did you mean 'car'?): the model has car, truck" in fails(capsys, *track, "--classes", "cars")
    for wrong in ("high", "1.5", "car=", "car:0.2"):
        assert f"--conf {wrong}: give a score from 0 to 1" in fails(capsys, *track, "--conf", wrong)
    assert "sortt" in fails(capsys, *track, "--preset", "sortt")
    assert not (tmp_path / "r").exists()


def test_results_without_a_place_get_numbered_folders(scenes, run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLMOT_OUT", raising=False)
    stills = ("detect", scenes / "stills", "--model", run, "--conf", "0.05")
    assert call(*stills) == call(*stills) == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["detect", "detect2"]
    # a process that the first one started takes the folder that it chose
    assert os.environ["CLMOT_OUT"] == "runs/detect2"
    monkeypatch.setenv("LOCAL_RANK", "1")
    from clmot.cli.app import out_folder, remove_empty

    assert out_folder(None, "detect") == Path("runs/detect2")
    monkeypatch.delenv("LOCAL_RANK")
    assert out_folder(None, "detect") == Path("runs/detect3")
    # which is its own, whoever else starts now, and goes if nothing is written to it
    assert out_folder(None, "detect") == Path("runs/detect4")
    assert out_folder(None, "detect", last=True) == Path("runs/detect2")
    remove_empty()
    assert out_folder(None, "detect") == Path("runs/detect3")
    fails(capsys, "detect", scenes / "nowhere", "--model", run)
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["detect", "detect2"]
    assert "there is no runs/adapt" in fails(capsys, "adapt", run, "street.mp4", "--resume")


def test_presets_and_settings_go_together(scenes, run, tmp_path):
    options = ("--preset", "ByteTrack", "--conf", "0.02", "--batch-size", 2, "tracker.high_score=0.7")
    assert call("track", scenes / "clips", "--model", run, "--out", tmp_path, *options) == 0
    (record,) = json.loads((tmp_path / "run.json").read_text()).values()
    assert record["settings"]["tracker"]["high_score"] == 0.7
    assert record["settings"]["tracker"]["association"] == "overlap"  # of the preset
    assert record["settings"]["detect"]["score_threshold"] == 0.02
    assert record["least scores"] == {"": 0.02}


def test_detections_of_stills_are_scored_by_the_names_of_their_images(scenes, tmp_path, capsys):
    """A perfect detector has an AP of 100, in whatever order the annotation has the images."""
    from clmot.datasets.readers import read_dataset

    samples = read_dataset([scenes / "stills"]).samples
    images = tmp_path / "images"
    images.mkdir()
    content = {"images": [], "annotations": [], "categories": [{"id": 7, "name": "person"}]}
    boxes = {}
    for number, sample in enumerate(samples):
        name = f"{len(samples) - number} shot.jpg"
        (images / name).write_bytes(sample.image.read_bytes())
        boxes[cv2.imread(str(sample.image)).tobytes()] = sample.boxes[~sample.ignore]
        content["images"].append({"id": 10 + number, "file_name": name, "width": 256, "height": 160})
        for left, top, right, bottom in sample.boxes[~sample.ignore].tolist():
            box = {"id": len(content["annotations"]), "image_id": 10 + number, "category_id": 7}
            content["annotations"].append(box | {"bbox": [left, top, right - left, bottom - top]})
    (images / "boxes.json").write_text(json.dumps(content))

    class Perfect:
        classes = ("person",)

        def detect(self, found):
            xyxy = [boxes[cv2.cvtColor(image, cv2.COLOR_RGB2BGR).tobytes()] for image in found]
            ones = [(np.ones(len(each), np.float32), np.zeros(len(each), np.int64)) for each in xyxy]
            return [Detections(xyxy=each, score=s, class_id=c) for each, (s, c) in zip(xyxy, ones, strict=True)]

    clmot.detect(images, Perfect(), tmp_path / "det", save_images=True, progress=False)
    assert len(list((tmp_path / "det" / "images").glob("*.jpg"))) == len(samples)
    scores = tmp_path / "scores.json"
    assert call("evaluate", tmp_path / "det", "--gt", images / "boxes.json", "--json", scores) == 0
    assert json.loads(scores.read_text())["combined"]["AP"] == pytest.approx(100)
    (images / "boxes.json").write_text(json.dumps(content).replace(" shot", " other"))
    for image in images.glob("*.jpg"):
        image.rename(image.with_name(image.name.replace(" shot", " other")))
    line = fails(capsys, "evaluate", tmp_path / "det", "--gt", images / "boxes.json")
    assert "none of its images is one of" in line


def test_what_was_found_once_is_tracked_and_tuned_without_a_network(scenes, run, tmp_path, monkeypatch, capsys):
    """`track --boxes` of stored detections gives the tracks of the model itself, which detects nothing."""
    from clmot.inference.network_model import NetworkModel

    clips, least = scenes / "clips", ("--conf", "0.02", "tracker.new_track_score=0.02", "tracker.high_score=0.02")
    (name,) = [folder.name for folder in clips.iterdir()]
    assert call("detect", clips, "--model", run, "--out", tmp_path / "det", "--conf", "0.02", "--embeddings") == 0
    assert call("track", clips, "--model", run, "--out", tmp_path / "a", *least, "tracker.low_score=0.02") == 0
    for method in ("_detect", "_embed"):
        monkeypatch.setattr(NetworkModel, method, lambda *_: pytest.fail("the network was used"))
    boxes = ("--boxes", tmp_path / "det", "tracker.low_score=0.02")
    assert call("track", clips, "--model", run, "--out", tmp_path / "b", *least, *boxes) == 0
    first, second = ((tmp_path / each / f"{name}.txt").read_text() for each in "ab")
    assert first
    assert first == second
    options = ("--trials", 1, "--jobs", 1, "--out", tmp_path / "tuned")
    assert call("tune", tmp_path / "det", clips, *options) == 0
    line = fails(capsys, "track", clips, "--out", tmp_path / "c", "--boxes", tmp_path / "det")
    assert "was found with classes car, truck; name the --model that found them" in line


def test_info_tells_what_a_file_is(scenes, run, capsys):
    for path, told in (
        (run, ["a model of clmot", "classes: car, truck", "input 128x96"]),
        (scenes / "clips", ["motchallenge", "identities", "256x160", "4 frames"]),
        ("clmot-pedestrian", ["recipe yolox_nano"]),
    ):
        assert call("info", path) == 0
        printed = capsys.readouterr().out
        assert all(each in printed for each in told), printed
    assert "no such file or folder" in fails(capsys, "info", "nowhere.mp4")


def test_python_has_every_verb(capsys):
    """Whatever the command line does has a name in `clmot`."""
    assert call("--help") == 0
    capsys.readouterr()
    names = {
        "import-weights": "import_weights",
        "export": "export_model",
        "convert-results": "convert_results",
        "data": "check_data",
        "config": "load_config",
    }
    from clmot.cli.app import app

    verbs = {name for name in app if not name.startswith("-")} - {"demo", "gallery"}
    assert verbs
    for verb in verbs:
        assert callable(getattr(clmot, names.get(verb, verb))), verb
    assert clmot.Gallery


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 84. GiB for an array"),
        RuntimeError("Exception from src/inference/src/cpp/core.cpp:117:\nstd::bad_alloc\n"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_one_line_says_that_memory_runs_out(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("clmot.cli.app", run)
    with pytest.raises(SystemExit) as stop:
        main(["track", "street.mp4", "--size", "100000"])
    assert stop.value.code == 2
    assert capsys.readouterr().err == "clmot: not enough memory for this; a smaller --size or --batch-size takes less\n"


def test_other_errors_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object, **__: object) -> None:
        raise RuntimeError("Pin memory thread exited unexpectedly")

    monkeypatch.setattr("clmot.cli.app", run)
    with pytest.raises(RuntimeError, match="Pin memory"):
        main(["track", "street.mp4"])
