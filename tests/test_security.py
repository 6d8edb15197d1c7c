"""The promises of SECURITY.md that no other test keeps."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from data_builders import encoded, put

from clmot import UserError
from clmot.config import load_config
from clmot.datasets.readers import read_dataset
from clmot.datasets.writers import write_dataset, writer_named
from clmot.models.encoder import read_state_dict
from clmot.tracking.decisions import read_decisions
from clmot.training.checkpoint import load_state

ROOT = Path(__file__).parents[1]
JPEG = encoded(64, 48)
BOX = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 10, 20], "track_id": 1}
PERSON = [{"id": 1, "name": "person"}]


class Intruder:
    """What makes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.file,))


def test_every_promise_names_a_test_that_is_there() -> None:
    text = (ROOT / "SECURITY.md").read_text()
    named = re.findall(r"^\|.*\| `(tests/[\w/]+\.py)` \|$", text, re.MULTILINE)
    assert len(named) == text.count("\n| ") - 1  # the head of the table
    for name in named:
        assert "def test_" in (ROOT / name).read_text()


def test_pickles_are_never_executed(tmp_path: Path) -> None:
    trace = tmp_path / "was-here"
    for name in ("w.pt", "state.pt"):
        torch.save({"state_dict": {"a": torch.zeros(1)}, "x": Intruder(trace)}, tmp_path / name)
    np.savez(tmp_path / "e.npz", frame=np.array([Intruder(trace)], object))
    with pytest.raises(UserError, match=r"w\.pt: refused"):
        read_state_dict(tmp_path / "w.pt")
    with pytest.raises(UserError, match="cannot resume from it"):
        load_state(tmp_path)
    with pytest.raises(UserError, match="no explanation"):
        read_decisions(tmp_path / "e.npz")
    assert not trace.exists()


def test_yaml_makes_no_objects(tmp_path: Path) -> None:
    trace = tmp_path / "was-here"
    (tmp_path / "c.yaml").write_text(f"train: !!python/object/apply:pathlib.Path.touch [{trace}]\n")
    with pytest.raises(UserError, match=r"c\.yaml:1: not valid YAML"):
        load_config(file=tmp_path / "c.yaml")
    assert not trace.exists()


def test_xml_entities_are_refused_before_they_grow(tmp_path: Path) -> None:
    nested = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    head = f'<?xml version="1.0"?>\n<!DOCTYPE annotation [<!ENTITY a0 "ha">{nested}]>\n'
    put(tmp_path, {"a.xml": f"{head}<annotation><filename>&a11;</filename></annotation>", "a.jpg": JPEG})
    with pytest.raises(UserError, match=r"a\.xml:2: declares an entity"):
        read_dataset([tmp_path], format="voc")


VOC = (
    "<annotation><filename>{}</filename><size><width>64</width><height>48</height></size><object><name>person</name>"
    "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>20</xmax><ymax>30</ymax></bndbox></object></annotation>"
)
CVAT = (
    '<annotations><version>1.1</version><image id="0" name="{}" width="64" height="48">'
    '<box label="person" occluded="0" xtl="1" ytl="2" xbr="20" ybr="30"/></image></annotations>'
)
NAMING = {
    "coco": lambda name: {
        "a.json": json.dumps({"images": [{"id": 1, "file_name": name}], "annotations": [BOX], "categories": PERSON})
    },
    "voc": lambda name: {"Annotations/x.xml": VOC.format(name)},
    "cvat": lambda name: {"annotations.xml": CVAT.format(name)},
    "yolo": lambda name: {"data.yaml": "train: l.txt\nnames: [person]\n", "l.txt": f"{name}\n"},
}


@pytest.mark.parametrize("name", ["../../../secret.jpg", "..\\..\\..\\secret.jpg", "a/../../../../secret.jpg"])
@pytest.mark.parametrize("format", NAMING)
def test_a_relative_name_leads_nowhere_else(tmp_path: Path, format: str, name: str) -> None:
    put(tmp_path, {"secret.jpg": JPEG, "secret.txt": "0 0.5 0.5 0.2 0.3\n"})
    data = put(tmp_path / "of" / "a" / "stranger", {**NAMING[format](name), "inside.jpg": JPEG})
    with pytest.raises(UserError, match="not found"):
        read_dataset([data], format=format)


@pytest.mark.parametrize("to", ["motchallenge", "coco", "yolo"])
@pytest.mark.parametrize("name", ["../../out", "/etc/x", "..", "a/../../../b", "\x1b[2J", "C:\\x", "con"])
def test_sequences_are_written_below_the_folder_whatever_they_are_called(tmp_path: Path, name: str, to: str) -> None:
    images = [{"id": 1, "file_name": "1.jpg", "video_id": 1, "frame_id": 1}]
    videos = [{"id": 1, "name": name}]
    content = {"images": images, "annotations": [BOX], "categories": PERSON, "videos": videos}
    put(tmp_path / "in", {"a.json": json.dumps(content), "1.jpg": JPEG})
    before = {*tmp_path.rglob("*")}
    dataset = read_dataset([tmp_path / "in"], identities=True)
    write_dataset(dataset, tmp_path / "deep" / "er" / "out", writer_named(to), images="copy")
    made = {*tmp_path.rglob("*")} - before - {tmp_path / "deep", tmp_path / "deep" / "er"}
    assert made
    assert all(each.is_relative_to(tmp_path / "deep" / "er" / "out") for each in made)
