"""Five users' stories from their first command to their result, small: what each of them brings, and what they get."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import call

import clmot
from clmot.datasets.readers import read_dataset
from clmot.io.image import read_image
from clmot.io.mot_text import read_mot_rows
from clmot.io.video_writer import VideoWriter
from clmot.structures import Detections
from clmot.synthetic import write_scenes

TINY = [
    "model.encoder=resnet10t",
    "model.encoder_options={channels: [8, 8, 16, 16]}",
    "model.width=8",
    "model.stripes=2",
    "model.embedding_dimension=16",
    "data.workers=0",
]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder, still_frames=6, still_sequences=1, clips=1, clip_frames=12, size=(256, 160), seed=2)
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def video_of(samples, file: Path, rate: float = 10) -> Path:
    with VideoWriter(file, rate, (samples[0].width, samples[0].height)) as writer:
        for number, sample in enumerate(samples, 1):
            writer.write(read_image(sample.image), number, (number - 1) / rate)
    return file


def test_owner_of_coco_vehicles_and_an_mp4(scenes, here, capsys):
    """Boxes of cars and trucks in COCO: train with a share held out, score on stills, track a video, read a table."""
    samples = read_dataset([scenes / "stills"]).samples
    content = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "car"}, {"id": 3, "name": "truck"}]}
    for number, sample in enumerate(samples, 1):
        cv2.imwrite(f"{number}.jpg", cv2.cvtColor(read_image(sample.image), cv2.COLOR_RGB2BGR))
        content["images"].append({"id": number, "file_name": f"{number}.jpg", "width": 256, "height": 160})
        for row, (left, top, right, bottom) in enumerate(sample.boxes.tolist()):
            entry = {"id": len(content["annotations"]), "image_id": number, "category_id": 1 + 2 * (row % 2)}
            content["annotations"].append(entry | {"bbox": [left, top, right - left, bottom - top]})
    Path("boxes.json").write_text(json.dumps(content))
    video = video_of(samples, here / "road.mp4")

    options = ("--size", "128x96", "--batch-size", 2, "--steps", 2, "--val", 0.34)
    assert call("train", "boxes.json", *options, *TINY) == 0
    assert (here / "runs/train/validation.jpg").is_file()
    assert call("info", "runs/train") == 0
    assert "classes: car, truck" in capsys.readouterr().out
    assert call("detect", here, "--model", "runs/train", "--conf", "0.01", "--out", "det") == 0
    assert call("evaluate", "det", "--gt", "boxes.json", "--json", "ap.json") == 0
    assert set(json.loads(Path("ap.json").read_text())["classes"]) == {"car", "truck"}
    options = (
        "--conf",
        "car=0.01,0.9",
        "--classes",
        "car",
        "--format",
        "csv",
        "--video",
        "tracker.new_track_score=0.01",
    )
    options += ("tracker.high_score=0.01", "tracker.low_score=0.01")
    assert call("track", video, "--model", "runs/train", *options) == 0
    rows = list(csv.DictReader(Path("runs/track/road.csv").read_text().splitlines()))
    assert {row["class"] for row in rows} <= {"car"}
    assert (here / "runs/track/road.mp4").stat().st_size > 0


def test_researcher_with_motchallenge_folders(scenes, here):
    """MOTChallenge sequences: validate on another split, compare published trackers on the same boxes."""
    clips = scenes / "clips"
    options = ("--size", "128x96", "--steps", 2, "--val", clips, "--val-every", 1, "--patience", 5)
    assert call("train", clips, *options, "train.batch_size=2", *TINY) == 0
    lines = [json.loads(line) for line in Path("runs/train/log.jsonl").read_text().splitlines()]
    assert all("val_IDF1" in line for line in lines if "val_score" in line)
    for preset in ("ByteTrack", "fairmot"):
        options = ("--boxes", "gt", "--preset", preset, "--out", preset)
        assert call("track", clips, "--model", "runs/train", *options) == 0
    assert call("evaluate", "ByteTrack", "fairmot", "--gt", clips, "--json", "scores.json") == 0
    assert call("refine", "ByteTrack", "--out", "refined", "--interpolate", 1, "--smooth") == 0
    assert {file.name for file in here.joinpath("refined").glob("clip*.txt")} == {
        file.name for file in here.joinpath("ByteTrack").glob("clip*.txt")
    }


def test_owner_of_a_python_detector(scenes, here):
    """A detector of one's own, as an object: detections once, tracked with several settings, all in Python."""
    truth = read_dataset([scenes / "clips"], identities=True).samples
    boxes = {read_image(sample.image).tobytes(): sample.boxes[~sample.ignore] for sample in truth}

    class Mine:
        classes = ("person",)

        def detect(self, images):
            found = [boxes[image.tobytes()] for image in images]
            return [
                Detections(xyxy=each, score=np.full(len(each), 0.9), class_id=np.zeros(len(each))) for each in found
            ]

    (file,) = clmot.detect(scenes / "clips", Mine(), "det", progress=False)
    assert len(read_mot_rows(file)) == sum(map(len, boxes.values()))
    (result,) = clmot.track(scenes / "clips", Mine(), "tracks", boxes="det", progress=False)
    scores = clmot.evaluate("tracks", scenes / "clips")
    assert result.frames == len(truth)
    assert scores.combined["MOTA"] > 50


def onnx_of_two_boxes(file: Path) -> str:
    """A network that finds the same two boxes in every image."""
    onnx = pytest.importorskip("onnx")
    make, kind = onnx.helper.make_node, onnx.TensorProto.FLOAT
    found = {
        "boxes": np.array([[[20, 30, 50, 120], [90, 20, 120, 110]]], np.float32),
        "scores": np.array([[0.9, 0.8]], np.float32),
        "labels": np.zeros((1, 2), np.float32),
    }
    nodes = [make("ReduceMean", ["images"], ["mean"], keepdims=0), make("Sub", ["mean", "mean"], ["zero"])]
    nodes += [make("Add", ["zero", f"{name} always"], [name]) for name in found]
    graph = onnx.helper.make_graph(
        nodes,
        "two boxes",
        [onnx.helper.make_tensor_value_info("images", kind, [1, 3, 160, 256])],
        [onnx.helper.make_tensor_value_info(name, kind, value.shape) for name, value in found.items()],
        [onnx.numpy_helper.from_array(value, f"{name} always") for name, value in found.items()],
    )
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), file)
    return f"onnx:{file}"


@pytest.mark.parametrize("library", ["torchvision", "onnx"])
def test_owner_of_a_detector_of_a_library(scenes, here, library):
    """By its name: detections with the classes of its labels, tracked by motion, and from the files again."""
    clip = next((scenes / "clips").iterdir())
    model, options = onnx_of_two_boxes(here / "two.onnx"), ["detector.labels=[walker]"]
    if library == "torchvision":
        model, options = "torchvision:ssdlite320_mobilenet_v3_large", ["detector.weights=none"]
    common = ("--model", model, "--conf", 0.001, *options)
    assert call("detect", clip, *common, "--out", "det", "--every", 4) == 0
    found = read_mot_rows(here / "det" / f"{clip.name}.txt")
    assert set(found.frame.tolist()) == {1, 5, 9}
    if library == "onnx":
        assert call("evaluate", "det", "--gt", clip, "--every", 4) == 0
        assert call("track", clip, *common, "--out", "tracks", "--every", 4, "--format", "csv") == 0
        assert call("track", clip, *common, "--out", "again", "--every", 4, "--format", "csv", "--boxes", "det") == 0
        tracks = Path(f"tracks/{clip.name}.csv").read_text()
        assert tracks == Path(f"again/{clip.name}.csv").read_text()
        rows = list(csv.DictReader(tracks.splitlines()))
        assert {(row["track"], row["class"]) for row in rows} == {("1", "walker"), ("2", "walker")}


@pytest.mark.parametrize("tool", ["cvat", "label studio"])
def test_annotator(scenes, here, tool):
    """An annotated video as the tool exports it is data, with nothing in between; results go back to a table."""
    samples = read_dataset([scenes / "clips"], identities=True).samples
    video_of(samples, here / "street.mp4")
    tracks: dict[int, list[tuple[int, list[float]]]] = {}
    for sample in samples:
        for identity, box in zip(sample.identities.tolist(), sample.boxes.tolist(), strict=True):
            if identity >= 0:
                tracks.setdefault(identity, []).append((sample.frame, box))
    if tool == "cvat":
        data = Path("street.mp4")
        text = "".join(
            f'<track id="{identity}" label="person">'
            + "".join(
                f'<box frame="{frame - 1}" outside="0" xtl="{x}" ytl="{y}" xbr="{x2}" ybr="{y2}"/>'
                for frame, (x, y, x2, y2) in shown
            )
            + "</track>"
            for identity, shown in tracks.items()
        )
        Path("annotations.xml").write_text(f"<annotations><version>1.1</version>{text}</annotations>")
    else:
        data = Path("export.json")
        assert call("data", "frames", "street.mp4", "--out", "frames") == 0
        tasks = []
        for sample in samples:
            results = [
                {
                    "type": "rectanglelabels",
                    "original_width": 256,
                    "original_height": 160,
                    "value": {
                        "x": x / 2.56,
                        "y": y / 1.6,
                        "width": (x2 - x) / 2.56,
                        "height": (y2 - y) / 1.6,
                        "rectanglelabels": ["person"],
                    },
                }
                for x, y, x2, y2 in sample.boxes.tolist()
            ]
            image = f"frames/img1/{sample.frame:06d}.jpg"
            tasks.append({"id": sample.frame, "data": {"image": image}, "annotations": [{"result": results}]})
        data.write_text(json.dumps(tasks))
    options = ("--size", "128x96", "--batch-size", 2, "--steps", 2, "--out", "run")
    assert call("train", data, *options, *TINY) == 0
    assert call("track", "street.mp4", "--model", "run", "--out", "tracks", "--format", "json") == 0
    assert isinstance(json.loads(Path("tracks/street.json").read_text()), list)
    # to the tool for corrections, and back
    form, name = ("cvat", "corrected.xml") if tool == "cvat" else ("label-studio", "corrected.json")
    Path("tracks/street.txt").write_text("1,1,11,21,30,60,0.9,1,1\n2,1,13,21,30,60,0.9,1,1\n")
    assert call("convert-results", "tracks/street.txt", "--to", form, "--out", name, "--video", "street.mp4") == 0
    assert call("convert-results", name, "--to", "motchallenge", "--out", "back.txt", "--video", "street.mp4") == 0
    assert read_mot_rows(Path("back.txt")).boxes == pytest.approx(
        read_mot_rows(Path("tracks/street.txt")).boxes, abs=1e-2
    )


def test_owner_of_a_camera_without_labels(scenes, here, capsys):
    """A recording and nothing else: tracks by the shipped model within a region, refined, as a table in seconds."""
    video = video_of(read_dataset([scenes / "clips"]).samples, here / "cam.mp4")
    mask = np.zeros((80, 128), np.uint8)
    mask[40:] = 255
    cv2.imwrite("floor.png", mask)
    assert call("info", video) == 0
    assert "256x160, 10 frames/s, 12 frames, 1.2 s" in capsys.readouterr().out
    assert call("track", video, "--conf", "0.05", "--mask", "floor.png") == 0
    assert call("refine", "runs/track", "--format", "csv", "--interpolate", 0.5) == 0
    rows = list(csv.DictReader(Path("runs/refine/cam.csv").read_text().splitlines()))
    assert all(float(row["bottom"]) >= 79 for row in rows)
    record = json.loads(Path("runs/track/run.json").read_text())["cam"]
    assert record["mask"] == "floor.png"
    # what it has seen is learned from, and the better model is an ordinary one
    quick = (
        "--steps",
        1,
        "train.batch_size=2",
        "data.workers=0",
        "adapt.min_seconds=0.2",
        "adapt.min_score=0.05",
        "adapt.held_out=0.5",
    )
    assert call("adapt", "clmot-pedestrian", video, *quick, "--size", "128x96") == 0
    assert call("track", video, "--model", "runs/adapt", "--out", "adapted", "--conf", "0.05") == 0
