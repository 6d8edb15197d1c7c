"""Small inputs as real tools export them: `data check` and training read them, or one line says why not.

The inputs are not part of the repository (``quirks`` in the folder that CLMOT_DATA names); the same kinds are made by
hand in the tests of the readers.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from command_line import call

from clmot.datasets.readers import read_dataset

TINY = [
    "--steps",
    "2",
    "--model.encoder=resnet10t",
    "--model.encoder_options",
    "{channels: [8, 8, 16, 16]}",
    "model.pretrained=none",
    "model.image_size=[128, 96]",
    "model.width=8",
    "model.stripes=2",
    "model.embedding_dimension=16",
    "train.batch_size=2",
    "data.workers=0",
]

# boxes by class, ignored boxes, and what the log says
READ: dict[str, tuple[dict[str, int], int, str]] = {
    "bdd-track-some-videos": ({"car": 2}, 0, "splits train.*left out: video that is not there 1"),
    "coco-backslash": ({"person": 4}, 0, ""),
    "coco-cvat-track-id": ({"person": 4}, 0, "2 images in 1 sequence; .*2 identities"),
    "coco-labelstudio-uploads-path": ({"person": 4}, 0, ""),
    "coco-no-sizes": ({"person": 4}, 0, ""),
    "coco-roboflow-root": ({"person": 4}, 0, r"split train \(valid, test not read"),
    "coco-string-and-int-ids": ({"person": 4}, 0, ""),
    "crowdhuman-some-images": ({"person": 1}, 1, "left out: image that is not there 1"),
    "cvat-gb2312": ({"行人": 1}, 0, ""),
    "cvat-project-same-names": ({"p": 2}, 0, "subsets Train, Validation.*2 images in 2 sequences"),
    "cvat-video-names-frames-folder": ({"person": 6}, 0, "3 images in 1 sequence; .*2 identities"),
    "kitti-object": ({"Car": 2}, 0, ""),
    "kitti-some-sequences": ({"Car": 1, "Pedestrian": 2}, 1, "left out: sequence that is not there 2"),
    "labelme-ignore": ({"person": 2}, 2, ""),
    "labelme-json-and-images-apart": ({"person": 2}, 0, ""),
    "labelme-mask": ({"person": 2}, 0, ""),
    "ls-other-data-key": ({"person": 2}, 0, ""),
    "ls-predictions-only": ({"person": 2}, 0, "predictions of a model"),
    "mot-cvat-car-first": ({"car": 3, "person": 3}, 0, ""),
    "mot-cvat-one-class": ({"fish": 6}, 0, ""),
    "mot-gt-without-images-folder": ({"person": 6}, 0, "left out: sequence that is not there 1"),
    "visdrone-det": ({"car": 2}, 2, ""),
    "voc-enc-gbk": ({"行人": 4}, 0, ""),
    "voc-enc-utf-16": ({"行人": 4}, 0, ""),
    "voc-gb2312": ({"行人": 4}, 0, ""),
    "voc-object-without-box": ({"person": 2}, 0, "left out: object without a box 2"),
    "voc-roboflow-root": ({"person": 4}, 0, r"split train \(valid, test not read"),
    "voc-xmls": ({"person": 4}, 0, ""),
    "yolo-classes-gbk-collide": ({"行人": 1, "汽车": 1}, 0, "classes.txt: not UTF-8, read as gb18030"),
    "yolo-split-folders-without-yaml": ({"0": 2, "1": 2}, 0, "split train"),
    "yolo-yaml-gbk": ({"行人": 2}, 0, "data.yaml: not UTF-8, read as gb18030"),
}
REFUSED = {
    "ls-video": r"v\.json: \[0\]: .*Label Studio's video a \(extract its frames",
    "yolo-pixels-instead-of-shares": r"img0\.txt:1: .*expected shares of the image",
}


@pytest.fixture
def quirks(real_data: Path) -> Path:
    if not (real_data / "quirks").is_dir():
        pytest.skip("there is no folder quirks in the one that CLMOT_DATA names")
    return real_data / "quirks"


def test_none_is_forgotten(quirks: Path) -> None:
    assert {path.name for path in quirks.iterdir() if path.is_dir()} == {*READ, *REFUSED}


def said_of(name: str, log: str) -> bool:
    """Whether the log has a line of what was read of an input."""
    return re.search(rf"{name}: [a-z0-9]+\b", log) is not None


@pytest.mark.parametrize("name", READ)
def test_read_and_checked(name: str, quirks: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    boxes, ignored, said = READ[name]
    caplog.set_level("INFO")
    assert call("data", "check", quirks / name, "--json", tmp_path / "check.json") == 0
    report = json.loads((tmp_path / "check.json").read_text())
    (counts,) = report["data"]
    assert counts["boxes by class"] == boxes
    assert counts["ignored boxes"] == ignored
    assert report["counts"]["error"] == 0
    text = " ".join(caplog.text.split())
    assert re.search(said, text)
    assert re.search(rf"{name}: [a-z0-9]+\b.* {sum(boxes.values())} box", text)


@pytest.mark.slow
def test_all_of_them_are_trained_on(quirks: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert call("train", *(quirks / name for name in READ), "--out", tmp_path / "run", *TINY) == 0
    assert (tmp_path / "run/checkpoint-000002").is_dir()
    text = " ".join(caplog.text.split())
    assert [name for name in READ if not said_of(name, text)] == []
    assert re.search(rf" {sum(sum(boxes.values()) for boxes, _, _ in READ.values())} boxes", text)


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line(name: str, quirks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("train", quirks / name, "--out", tmp_path / "run", *TINY) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert re.search(REFUSED[name], line)
    assert call("data", "check", quirks / name, "--json", tmp_path / "check.json") == 1
    (finding,) = [
        each for each in json.loads((tmp_path / "check.json").read_text())["findings"] if each["severity"] == "error"
    ]
    assert re.search(REFUSED[name], finding["what"])


def test_frames_of_one_sequence_have_identities(quirks: Path) -> None:
    samples = read_dataset([quirks / "coco-cvat-track-id"], identities=True).samples
    assert [(sample.frame, sorted(sample.identities.tolist())) for sample in samples] == [(1, [0, 1]), (2, [0, 1])]
