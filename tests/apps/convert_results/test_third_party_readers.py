"""What the readers and writers of others make of our files, and we of theirs."""

import csv
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import call
from convert_data import HEIGHT, NAMES, ROWS, WIDTH

import clmot
from clmot.io.mot_text import read_mot_text
from clmot.tracking.adapters import to_supervision

TRACKS: dict[tuple[int, int], tuple[str, list[float]]] = {}
"""Class and left, top, width, height from 0 by frame (from 1) and id."""
for row in ROWS.splitlines():
    frame, track, *box, _, kind, _ = row.split(",")
    left, top, width, height = map(float, box)
    TRACKS[int(frame), int(track)] = (NAMES[int(kind) - 1], [left - 1, top - 1, width, height])
CALLED = {3: {"name": "Ada & <Bob>"}, 12: {"name": "мать", "colour": "red"}}


@pytest.fixture
def named(results: Path) -> Path:
    """Results in which people said something of two tracks."""
    content = {"3": "Ada & <Bob>", "12": CALLED[12]}
    (results.parent / "street.names.json").write_text(json.dumps(content), encoding="utf-8")
    return results


def written(named: Path, tmp_path: Path, to: str, name: str) -> Path:
    out = tmp_path / name
    assert call("convert-results", named, "--to", to, "--out", out, "--video", tmp_path / "street.mp4") == 0
    return out


def close(box: Any) -> Any:
    return pytest.approx(list(box), abs=0.01)


def boxes_of(dataset: Any, first: int) -> dict[tuple[int, int], tuple[str, list[float], dict[str, Any]]]:
    """What datumaro read, by frame and track."""
    datumaro = pytest.importorskip("datumaro.components.annotation")
    labels = dataset.categories()[datumaro.AnnotationType.label]
    found = {}
    for item in dataset:
        for each in item.annotations:
            key = int(item.attributes.get("frame", item.id)) + 1 - first, int(each.attributes["track_id"])
            found[key] = labels[each.label].name, each.get_bbox(), each.attributes
    return found


def test_datumaro_reads_tracks_for_cvat(named: Path, tmp_path: Path) -> None:
    datumaro = pytest.importorskip("datumaro.components.dataset")
    out = written(named, tmp_path, "cvat", "street.xml")
    found = boxes_of(datumaro.Dataset.import_from(str(out), "cvat"), first=0)
    seen = {key: each for key, each in found.items() if not each[2].get("outside")}
    assert {key: (name, close(box)) for key, (name, box, _) in seen.items()} == TRACKS
    assert all(each[2]["keyframe"] for each in seen.values())
    # where a track is gone while the video goes on, others are told so
    assert sorted(found.keys() - seen.keys()) == [(3, 12), (4, 3), (5, 40), (7, 3), (7, 7), (13, 3), (13, 40)]
    for (_, track), (_, _, attributes) in seen.items():
        assert {name: attributes[name] for name in CALLED.get(track, {})} == CALLED.get(track, {})


def test_datumaro_reads_the_archive_of_motchallenge(named: Path, tmp_path: Path) -> None:
    datumaro = pytest.importorskip("datumaro.components.dataset")
    archive = written(named, tmp_path, "motchallenge", "street.zip")
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tmp_path / "archive")
    found = boxes_of(datumaro.Dataset.import_from(str(tmp_path / "archive"), "mot_seq"), first=1)
    assert {key: (name, close(box)) for key, (name, box, _) in found.items()} == TRACKS


def test_label_studios_own_code_sees_the_boxes_of_each_frame(named: Path, tmp_path: Path) -> None:
    video = pytest.importorskip("label_studio_tools.postprocessing.video")
    config = pytest.importorskip("label_studio_tools.core.label_config")
    (task,) = json.loads(written(named, tmp_path, "label-studio", "street.json").read_text(encoding="utf-8"))
    regions = task["annotations"][0]["result"]
    parsed = config.parse_config(
        '<View><Video name="video" value="$video"/><VideoRectangle name="box" toName="video"/>'
        '<Labels name="labels" toName="video"><Label value="person"/></Labels></View>'
    )
    assert config.is_video_object_tracking(parsed)
    assert {each["from_name"] for each in regions} <= {*parsed}
    found = {}
    for region in video.extract_key_frames(regions):
        track = int(region["id"].removeprefix("track_"))
        for key in region["value"]["sequence"]:
            share = [key[side] / 100 for side in ("x", "y", "width", "height")]
            box = (np.array(share) * [WIDTH, HEIGHT, WIDTH, HEIGHT]).tolist()
            found[key["frame"], track] = region["value"]["labels"][0], box
    assert {key: (name, close(box)) for key, (name, box) in found.items()} == TRACKS
    assert {int(each["id"][6:]): each["meta"]["text"] for each in regions if "meta" in each} == {
        track: [told["name"]] for track, told in CALLED.items()
    }


def test_a_table_for_supervision_is_what_its_sink_writes(named: Path, tmp_path: Path) -> None:
    supervision = pytest.importorskip("supervision")
    out = written(named, tmp_path, "supervision", "street.csv")
    with supervision.CSVSink(str(tmp_path / "theirs.csv")) as sink:
        for tracked in read_mot_text(named):
            kinds = [NAMES[kind] for kind in tracked.detections.class_id]
            names = [CALLED.get(track, {}).get("name", "") for track in tracked.track_id.tolist()]
            custom = {"frame_number": tracked.frame, "class_name": np.array(kinds), "name": np.array(names)}
            sink.append(to_supervision(tracked), custom)
    ours, theirs = (list(csv.DictReader(path.open(encoding="utf-8"))) for path in (out, tmp_path / "theirs.csv"))
    assert ours == theirs
    assert call("convert-results", tmp_path / "theirs.csv", "--to", "motchallenge", "--out", tmp_path / "a.txt") == 0
    back = {each.frame: each for each in read_mot_text(tmp_path / "a.txt")}
    assert {(n, int(i)) for n, each in back.items() for i in each.track_id} == TRACKS.keys()


def test_rerun_reads_its_recording(named: Path, tmp_path: Path) -> None:
    chunk_reader = pytest.importorskip("rerun.chunk")
    chunks = list(chunk_reader.RrdReader(written(named, tmp_path, "rerun", "street.rrd")).stream())
    frames = set()
    for chunk in chunks:
        batch = chunk.to_record_batch()
        if str(chunk.entity_path) == "/video/tracks" and any("Boxes2D:labels" in name for name in batch.schema.names):
            column = next(name for name in batch.schema.names if "Boxes2D:labels" in name)
            for number, labels in zip(batch["frame"].to_pylist(), batch[column].to_pylist(), strict=True):
                frames |= {(number, int(label.split()[0])) for label in labels or []}
    assert frames == TRACKS.keys()
    assert any(str(chunk.entity_path) == "/video" and chunk.is_static for chunk in chunks)  # the video goes along


@pytest.mark.parametrize(
    ("to", "name", "kept"),
    [
        ("cvat", "a.xml", CALLED),
        ("label-studio", "a.json", CALLED),
        ("coco-vid", "a.json", CALLED),
        ("motchallenge", "a.txt", CALLED),
        ("csv", "a.csv", {track: {"name": told["name"]} for track, told in CALLED.items()}),
        ("json", "a.json", {track: {"name": told["name"]} for track, told in CALLED.items()}),
        ("supervision", "a.csv", {track: {"name": told["name"]} for track, told in CALLED.items()}),
        ("kitti", "a.txt", {}),
    ],
)
def test_names_and_attributes_of_tracks_survive_where_they_have_a_place(
    named: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, to: str, name: str, kept: dict[int, dict[str, str]]
) -> None:
    (tmp_path / "there").mkdir()
    out = written(named, tmp_path, to, f"there/{name}")
    lost = sum(map(len, CALLED.values())) - sum(map(len, kept.values()))
    assert ("attribute" in caplog.text) == bool(lost)
    back = clmot.convert_results(out, tmp_path / "back.txt", "motchallenge", video=tmp_path / "street.mp4")
    assert back.attributes == kept
