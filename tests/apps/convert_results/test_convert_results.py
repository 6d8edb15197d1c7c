"""Tracks in the formats of other tools, and back: what comes back is what went there."""

import json
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path

import numpy as np
import pytest
from command_line import call, fails
from convert_data import HEIGHT, NAMES, ROWS, WIDTH

import clmot
from clmot.io.video_writer import VideoWriter


def table(text: str, names: list[str], *, scores: bool = True) -> list[tuple[object, ...]]:
    """Rows with names of classes, which formats number as they like, in the order of frame and id."""
    rows = [line.split(",") for line in text.splitlines()]
    return sorted(
        (
            int(row[0]),
            int(row[1]),
            *(pytest.approx(float(side), abs=0.011) for side in row[2:6]),
            pytest.approx(float(row[6]), abs=1e-6) if scores else None,
            names[int(row[7]) - 1],
        )
        for row in rows
    )


@pytest.mark.parametrize(
    ("to", "file", "scores", "names"),
    [
        ("cvat", "street.xml", False, NAMES),
        ("label-studio", "street.json", False, NAMES),
        ("coco-vid", "street.json", True, NAMES),
        ("motchallenge", "street.zip", False, NAMES),
        ("csv", "street.csv", True, NAMES),
        ("kitti", "kitti.txt", True, ["Misc", "Pedestrian", "Misc"]),
    ],
)
def test_tracks_survive_the_way_there_and_back(
    results: Path, tmp_path: Path, to: str, file: str, scores: bool, names: list[str]
) -> None:
    video, out, back = tmp_path / "street.mp4", tmp_path / file, tmp_path / "back" / "street.txt"
    back.parent.mkdir()
    assert call("convert-results", results, "--to", to, "--out", out, "--video", video) == 0
    assert call("convert-results", out, "--to", "motchallenge", "--out", back) == 0
    labels = (back.parent / "labels.txt").read_text(encoding="utf-8").splitlines()
    assert sorted(labels) == sorted(set(names))
    returned = back.read_text()
    assert table(returned, labels, scores=scores) == table(ROWS, names, scores=scores)
    if to in ("cvat", "label-studio", "coco-vid", "motchallenge"):  # no digit is lost, percentages or not
        boxes = [sorted(",".join(line.split(",")[:6]) for line in text.splitlines()) for text in (returned, ROWS)]
        assert boxes[0] == boxes[1]
    record = json.loads((back.parent / "run.json").read_text())["street"]
    assert record["files"] == ["street.txt"]
    # results that other verbs take
    assert call("convert-results", back, "--to", "cvat", "--out", tmp_path / "again.xml") == 0


def test_a_track_that_ends_just_before_the_video_ends_in_cvat_too(tmp_path: Path) -> None:
    rows = [f"{frame},{track},10,20,30,40,0.9,-1,-1,-1" for track in (1, 2) for frame in range(1, 6 - (track == 2))]
    (tmp_path / "a.txt").write_text("\n".join(rows) + "\n")
    assert call("convert-results", tmp_path / "a.txt", "--to", "cvat", "--out", tmp_path / "a.xml") == 0
    last = {track.get("id"): list(track)[-1] for track in ElementTree.parse(tmp_path / "a.xml").getroot().iter("track")}
    assert {track: (box.get("frame"), box.get("outside")) for track, box in last.items()} == {
        "1": ("4", "0"),
        "2": ("4", "1"),
    }


def test_cvat_sees_tracks_with_their_gaps_from_frame_0(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "street.xml"
    clmot.convert_results(results, out, "cvat", video=tmp_path / "street.mp4")
    root = ElementTree.parse(out).getroot()
    assert [label.text for label in root.iterfind(".//label/name")] == NAMES
    assert [root.findtext(f".//{tag}") for tag in ("size", "stop_frame", "width", "height")] == [
        "15",
        "14",
        "320",
        "240",
    ]
    track = next(each for each in root.iter("track") if each.get("id") == "3")
    assert track.get("label") == NAMES[0]
    shown = [(int(box.get("frame", "")), box.get("outside")) for box in track]
    # outside in the frame after the last before each gap; the video goes on after frame 12
    assert shown == [(1, "0"), (2, "0"), (3, "1"), (5, "0"), (6, "1"), *((n, "0") for n in (8, 9, 10, 11)), (12, "1")]
    first = track[0].attrib
    assert [float(first[side]) for side in ("xtl", "ytl", "xbr", "ybr")] == [100, 50, 120, 90]
    assert {box.get("keyframe") for box in track} == {"1"}


def test_the_archive_counts_pixels_from_0_as_cvat_does(results: Path, tmp_path: Path) -> None:
    clmot.convert_results(results, tmp_path / "mot.zip", "motchallenge")
    with zipfile.ZipFile(tmp_path / "mot.zip") as archive:
        assert archive.read("gt/labels.txt").decode().splitlines() == NAMES
        assert archive.read("gt/gt.txt").decode().splitlines()[1] == "2,3,100.000,50.000,20.000,40.000,1.000000,1,1"


def test_label_studio_shows_nothing_in_gaps(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "street.json"
    clmot.convert_results(results, out, "label-studio", video=tmp_path / "street.mp4")
    (task,) = json.loads(out.read_text(encoding="utf-8"))
    assert task["data"]["video"] == "street.mp4"
    region = next(each for each in task["annotations"][0]["result"] if each["id"] == "track_3")
    assert region["value"]["labels"] == [NAMES[0]]
    assert (region["value"]["framesCount"], region["value"]["duration"]) == (15, 1.5)
    keys = region["value"]["sequence"]
    assert [key["frame"] for key in keys if not key["enabled"]] == [3, 6, 12]
    first = keys[0]
    assert (first["frame"], first["time"]) == (2, 0.2)
    assert [first[side] for side in ("x", "y", "width", "height")] == pytest.approx(
        [100 * 100 / 320, 100 * 50 / 240, 100 * 20 / 320, 100 * 40 / 240]
    )


def test_key_frames_of_an_annotator_become_boxes_of_all_frames(tmp_path: Path) -> None:
    box = {"rotation": 0, "y": 10, "width": 10, "height": 20}
    sequence = [{"frame": 1, "x": 0, "enabled": True, **box}, {"frame": 5, "x": 40, "enabled": False, **box}]
    regions = [{"id": "aZ1", "type": "videorectangle", "value": {"labels": ["dog"], "sequence": sequence}}]
    (tmp_path / "a.json").write_text(json.dumps([{"data": {"video": "a.mp4"}, "annotations": [{"result": regions}]}]))
    with VideoWriter(tmp_path / "a.mp4", 10, (200, 100)) as writer:
        for number in range(6):
            writer.write(np.zeros((100, 200, 3), np.uint8), number + 1, number / 10)
    found = clmot.convert_results(tmp_path / "a.json", tmp_path / "a.txt", "motchallenge", video=tmp_path / "a.mp4")
    assert found.classes == ("dog",)
    rows = [tuple(map(float, line.split(",")[:6])) for line in (tmp_path / "a.txt").read_text().splitlines()]
    assert rows == [(n + 1, 1, 20 * n + 1, 11, 20, 20) for n in range(5)]


def test_what_cvat_marks_as_ignored_is_left_out_of_results(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "mot.zip", "w") as archive:
        archive.writestr("gt/gt.txt", "1,1,1,1,5,5,1,1,1\n2,1,1,1,5,5,0,1,1\n")
        archive.writestr("gt/labels.txt", "person\n")
    found = clmot.convert_results(tmp_path / "mot.zip", tmp_path / "a.csv", "csv")
    assert (found.rows.frame.tolist(), found.skipped) == ([1], 1)


def test_what_a_format_has_no_place_for_is_told(
    results: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    results.write_text(ROWS.replace("3,3,103.333,51.000,20.000,40.000,0.500000,1,1", "3,3,9,9,9,9,0.5,2,1"))
    assert call("convert-results", results, "--to", "cvat", "--out", tmp_path / "a.xml") == 0
    assert "cvat has no place for: scores: 11, boxes of another class than their track's: 1" in caplog.text
    assert call("convert-results", results, "--to", "kitti", "--out", tmp_path / "a.txt") == 0
    assert "(Misc): 8" in caplog.text


def test_the_video_that_the_record_names_gives_the_size(results: Path, tmp_path: Path) -> None:
    record = {"street": {"source": str(tmp_path / "street.mp4"), "files": ["street.txt"]}}
    (results.parent / "run.json").write_text(json.dumps(record))
    found = clmot.convert_results(results, tmp_path / "a.json", "coco-vid")
    assert (found.size, found.length, found.frame_rate) == ((WIDTH, HEIGHT), 15, 10)
    content = json.loads((tmp_path / "a.json").read_text())
    assert [image["frame_id"] for image in content["images"]] == [*range(1, 16)]


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        ("<annotations/>", "a.xml", "a.xml: no tracks in it"),
        (
            '<annotations><track id="1" label="a"><box frame="x"/></track></annotations>',
            "a.xml",
            "a.xml:1: <box> has no",
        ),
        ("frame,track\n1,2\n", "a.csv", "a.csv:1: no column left, top, right, bottom, class"),
        ("frame,track,class,left,top,right,bottom\n1,2,a,x,1,2,3\n", "a.csv", "a.csv:2: expected numbers"),
        ("frame,track,class,left,top,right,bottom\n1,2,a,0,1,2,3\n1,2,a,0,1,2,3\n", "a.csv", "occurs twice in frame 1"),
        ("frame,track,class,left,top,right,bottom\n1,-1,a,0,1,2,3\n", "a.csv", "without track ids"),
        ("no archive", "a.zip", "a.zip: not an archive"),
        ("[]", "a.json", "a.json"),
        ('{"images": [], "annotations": [], "categories": []}', "a.json", "a.json: there is no track in it"),
        ("1,1,1,1,5,5,1,-1,-1\n", "a.txt", "give --video"),
    ],
)
def test_what_cannot_be_converted_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, name: str, message: str
) -> None:
    (tmp_path / name).write_text(content)
    out = tmp_path / "out.json"
    assert message in fails(capsys, "convert-results", tmp_path / name, "--to", "coco-vid", "--out", out)
    assert not out.exists()


def test_nothing_is_overwritten_unasked(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "street.xml"
    out.write_text("mine")
    assert "exists already" in fails(capsys, "convert-results", results, "--to", "cvat", "--out", out)
    assert out.read_text() == "mine"
    assert call("convert-results", results, "--to", "cvat", "--out", out, "--overwrite") == 0
    line = fails(capsys, "convert-results", results, "--to", "motchallenge", "--out", results, "--overwrite")
    assert "exists already" in line
    assert results.read_text() == ROWS


def test_corrected_tracks_are_data_to_train_on(results: Path, tmp_path: Path) -> None:
    video, data = tmp_path / "street.mp4", tmp_path / "data"
    data.mkdir()
    video.rename(data / "street.mp4")
    clmot.convert_results(results, data / "street.xml", "cvat", video=data / "street.mp4")
    clmot.convert_results(data / "street.xml", data / "street.txt", "motchallenge")
    dataset = clmot.read_dataset([data], identities=True)
    assert sorted(dataset.classes) == sorted(NAMES)
    assert sum(len(sample) for sample in dataset.samples) == len(ROWS.splitlines())
