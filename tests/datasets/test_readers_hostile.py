"""Annotations that say what cannot be: found by the campaign of benchmarks/reliability.py, one case a fault."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from data_builders import encoded, put

from clmot.apps.convert_results.readers import read_tracks
from clmot.datasets.mix import entries
from clmot.datasets.readers import read_dataset
from clmot.errors import UserError

JPEG = encoded(64, 48)
LONG = "a" * 400
ENDLESS = 10**30
SHAPE = {"label": "person", "points": [[1, 2], [20, 30]], "shape_type": "rectangle"}
CORNERS = {"x1": 1, "y1": 2, "x2": 20, "y2": 30}
BOX = '<box label="person" occluded="0" xtl="1" ytl="2" xbr="20" ybr="30" rotation="{}"/>'
CVAT = '<annotations><version>1.1</version><image id="0" name="0.jpg" width="64" height="48">{}{}</image></annotations>'
BODY = {"tl": {"x": 0.1, "y": 0.1}, "br": {"x": 0.5, "y": 0.6}}


def coco(**image: Any) -> dict[str, Any]:
    return {
        "images": [{"id": 1, "file_name": "0.jpg", "width": 64, "height": 48, **image}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 10, 20]}],
        "categories": [{"id": 1, "name": "person"}],
    }


def panda() -> dict[str, Any]:
    person = {"category": "person", "rects": {"full body": BODY}}
    return {"0.jpg": {"image id": 0, "image size": {"height": 48, "width": ENDLESS**14}, "objects list": [person]}}


ROW = "0 0.5 0.5 0.2 0.3\n"
BDD = {"id": "1", "category": "pedestrian", "box2d": CORNERS}
FRAME = {"name": "v-1.jpg", "frameIndex": ENDLESS, "labels": [BDD]}


def yolo(train: str = "images", names: str = "[person]", row: str = ROW) -> dict[str, Any]:
    return {"data.yaml": f"train: {train}\nnames: {names}\n", "images/0.jpg": JPEG, "labels/0.txt": row}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (yolo(row="1e300 0.5 0.5 0.2 0.3\n"), "0.txt:1: class is 1e300, expected a whole number"),
        (yolo(row="4e9 0.5 0.5 0.2 0.3\n"), "0.txt:1: class is 4e9, expected a whole number"),
        (yolo(names="{0: a, 4000000000: b}"), "expected names numbered from 0"),
        (yolo(names="{.inf: a}"), "expected a list of names or numbers"),
        (yolo(train=LONG), "File name too long"),
        ({"a.json": coco(video_id={"a": 1}), "0.jpg": JPEG}, r"images\[0\].video_id: expected"),
        (
            {"labels/box_track_20/train/v.json": [FRAME], "images/track/train/v/v-1.jpg": JPEG},
            "holds a number that is too large",
        ),
        (
            {"image_annos/person_bbox_train.json": panda(), "image_train/0.jpg": JPEG},
            "holds a number that is too large",
        ),
    ],
)
def test_numbers_and_names_beyond_reason_are_one_line(tmp_path: Path, files: dict[str, Any], message: str) -> None:
    root = put(tmp_path / "d", {n: c if isinstance(c, str | bytes) else json.dumps(c) for n, c in files.items()})
    with pytest.raises(UserError, match=message) as caught:
        read_dataset([root])
    assert len(str(caught.value).splitlines()) == 1


DIGITS = "9" * 5000
RESULT = f'{{"image_id": {DIGITS}, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}}'


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", f"[{RESULT}]"),
        ("a.json", f'{{"images": [NaN, {DIGITS}]}}'),
        ("a.odgt", f'{{"ID": "a", "gtboxes": [{DIGITS}]}}\n'),
    ],
)
def test_a_number_of_more_digits_than_python_reads_is_one_line(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(UserError, match=name) as caught:
        read_dataset([put(tmp_path / "d", {name: text, "0.jpg": JPEG})])
    assert len(str(caught.value).splitlines()) == 1


def test_a_circle_beyond_all_numbers_is_no_box(tmp_path: Path) -> None:
    circle = {"label": "person", "points": [[0, 0], [1e200, 1e200]], "shape_type": "circle"}
    content = {"shapes": [SHAPE, circle], "imagePath": "0.jpg", "imageHeight": 48, "imageWidth": 64}
    root = put(tmp_path / "d", {"0.json": json.dumps(content), "0.jpg": JPEG})
    dataset = read_dataset([root])
    assert len(dataset.samples[0].boxes) == 1
    assert dataset.skipped["degenerate box"] == 1


def test_a_box_that_is_turned_by_infinity_is_none(tmp_path: Path) -> None:
    root = put(tmp_path / "d", {"annotations.xml": CVAT.format(BOX.format("inf"), BOX.format("90")), "0.jpg": JPEG})
    dataset = read_dataset([root])
    assert len(dataset.samples[0].boxes) == 1
    assert dataset.skipped["degenerate box"] == 1


@pytest.mark.parametrize("encoding", ["undefined", "idna", "utf-7", "hex", "no-such"])
def test_an_encoding_that_is_none_is_passed_over(tmp_path: Path, encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?>' + CVAT.format(BOX.format("0"), "")
    dataset = read_dataset([put(tmp_path / "d", {"annotations.xml": text, "0.jpg": JPEG})])
    assert dataset.classes == ("person",)


@pytest.mark.parametrize("frame", [2**31, 1e300])
def test_key_frames_years_apart_take_no_memory(tmp_path: Path, frame: float) -> None:
    keys = [{"frame": f, "enabled": True, "x": 1, "y": 2, "width": 3, "height": 4} for f in (1, frame)]
    value = {"framesCount": 3, "sequence": keys, "labels": ["person"]}
    region = {"value": value, "id": "t", "type": "videorectangle"}
    task = [{"id": 1, "data": {"video": "v.mp4"}, "annotations": [{"result": [region]}]}]
    file = put(tmp_path, {"l.json": json.dumps(task)}) / "l.json"
    with pytest.raises(UserError, match="beyond 1000000"):
        read_tracks(file, None, (64, 48))


def test_many_names_of_classes_are_read_at_once(tmp_path: Path) -> None:
    root = put(tmp_path / "d", yolo(names="{0: person, 99999: car}"))
    began = time.process_time()
    assert read_dataset([root]).classes == ("person",)
    assert time.process_time() - began < 10  # it was a minute and a half


def test_a_mix_that_names_what_no_system_can_is_one_line(tmp_path: Path) -> None:
    put(tmp_path, {"m.yaml": f"- path: .\n  split: {LONG}\n"})
    with pytest.raises(UserError, match="File name too long"):
        entries(tmp_path / "m.yaml")


def test_a_frame_of_bdd_is_looked_for_in_its_video_only(tmp_path: Path) -> None:
    label = {"id": "1", "category": "pedestrian", "box2d": CORNERS}
    frames = [
        {"name": f"../../../../{name}", "frameIndex": i, "labels": [label]} for i, name in enumerate(("a.jpg", "b.jpg"))
    ]
    files = {"labels/box_track_20/train/v.json": json.dumps(frames), "images/track/train/v/a.jpg": JPEG, "b.jpg": JPEG}
    dataset = read_dataset([put(tmp_path / "d", files)])
    assert [sample.image.parent.name for sample in dataset.samples] == ["v"]
