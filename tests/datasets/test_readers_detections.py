"""Detections of every tool on hand-made trees with the traps of each."""

import csv
import json
import logging
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from data_builders import encoded, put

from clmot.boxes import iou
from clmot.cli import main
from clmot.datasets.readers import FORMATS, read_dataset
from clmot.datasets.readers.detections import read_detections
from clmot.errors import UserError
from clmot.structures import Dataset

JPEG, PNG = encoded(50, 30), encoded(80, 40, ".png")


def video(folder: str, frames: int, first: int = 1) -> dict[str, str | bytes]:
    return {f"{folder}/{number:06}.jpg": JPEG for number in range(first, first + frames)}


def contents(dataset: Dataset) -> list[tuple[str, str, int, list[list[float]], list[float], list[str]]]:
    return [
        (
            sample.image.name,
            sample.sequence,
            sample.frame,
            sample.boxes.round(3).tolist(),
            sample.scores.astype(float).round(3).tolist(),
            [dataset.classes[i] for i in sample.classes],
        )
        for sample in dataset.samples
    ]


def format_of(path: Path) -> str:
    return next(each.name for each in FORMATS if each.matches(path))


class TestMotText:
    @pytest.mark.parametrize(
        "text",
        [
            "2,-1,5,4,10,12,0.9,-1,-1,-1\n2,-1,30,4,10,12,0.5,-1,-1,-1\n4,-1,5,4,10,12,0.8,-1,-1,-1\n",
            "2,-1,5,4,10,12,0.9\n2,-1,30,4,10,12,0.5\n4,-1,5,4,10,12,0.8",
            "\ufeff2 -1 5 4 10 12 0.9\r\n\r\n4 -1 5 4 10 12 0.8\r\n2 -1 30 4 10 12 0.5\r\n",
            "4, -1, 5, 4, 10, 12, 0.8, 1, 1\n2, -1, 5, 4, 10, 12, 0.9, 1, 1\n2, -1, 30, 4, 10, 12, 0.5, 1, 1",
        ],
        ids=["10 columns", "7 columns", "blanks, mark and CRLF, unordered", "9 columns"],
    )
    def test_one_file_in_all_its_forms(self, tmp_path, text):
        put(tmp_path / "seq", {**video("img1", 5), "det/det.txt": text})
        dataset = read_dataset([tmp_path / "seq"])
        assert contents(dataset) == [
            ("000002.jpg", "seq", 2, [[4, 3, 14, 15], [29, 3, 39, 15]], [0.9, 0.5], ["person"] * 2),
            ("000003.jpg", "seq", 3, [], [], []),
            ("000004.jpg", "seq", 4, [[4, 3, 14, 15]], [0.8], ["person"]),
        ]
        assert dataset.samples[0].identities.tolist() == [-1, -1]

    def test_without_scores_all_boxes_count_in_full(self, tmp_path):
        for name, text in (("a", "1,-1,5,4,10,12\n1,-1,6,4,10,12"), ("b", "1,3,5,4,10,12,-1,-1,-1,-1")):
            put(tmp_path / name, {**video("img1", 2), "det/det.txt": text})
            assert set(read_dataset([tmp_path / name]).samples[0].scores.tolist()) == {1}

    def test_scores_of_a_support_vector_machine(self, tmp_path):
        rows = "".join(
            f"1,-1,{5 + left},4,10,12,{score},-1,-1,-1\n" for left, score in ((0, 1.9), (9, 0.2), (20, -0.4))
        )
        put(tmp_path / "seq", {**video("img1", 2), "det/det.txt": rows})
        with pytest.raises(
            UserError, match=r"seq: scores go from -0.4 to 1.9, .* 0.2 takes the half with the highest scores"
        ):
            read_dataset([tmp_path / "seq"])
        dataset = read_dataset([tmp_path / "seq"], min_score=0)
        assert dataset.samples[0].scores.tolist() == [1, 1]
        assert dataset.skipped == {"score below 0": 1}

    def test_ground_truth_comes_first_unless_the_format_or_the_file_is_named(self, tmp_path, caplog):
        caplog.set_level(logging.INFO, "clmot")
        root = put(
            tmp_path / "seq",
            {**video("img1", 2), "det/det.txt": "1,-1,5,4,10,12,0.9", "det/other.txt": "2,-1,9,4,10,12,0.7"},
        )
        assert contents(read_dataset([root]))[0][4] == [0.9]
        assert caplog.messages[0] == f"{root}: boxes are detections (det/det.txt), not ground truth"
        put(root, {"gt/gt.txt": "1,1,20,4,10,12,1,1,1\n2,1,20,4,10,12,1,1,1"})
        assert format_of(root) == "motchallenge"
        assert contents(read_dataset([root]))[0][3:5] == ([[19, 3, 29, 15]], [1])
        assert contents(read_dataset([root], format="detections"))[0][3:5] == ([[4, 3, 14, 15]], [0.9])
        assert contents(read_dataset([root / "det/other.txt"]))[0][:5] == (
            ("000002.jpg", "seq", 2, [[8, 3, 18, 15]], [0.7])
        )

    def test_a_split_of_several_detectors_reads_each_video_once(self, tmp_path):
        for video_name, detector in (("02", "DPM"), ("02", "FRCNN"), ("02", "SDP"), ("04", "DPM"), ("04", "FRCNN")):
            score = {"DPM": 3.0, "FRCNN": 0.8, "SDP": 0.7}[detector]
            folder = f"MOT17-{video_name}-{detector}"
            put(tmp_path / folder, {**video("img1", 1), "det/det.txt": f"1,-1,5,4,10,12,{score}"})
        dataset = read_dataset([tmp_path])
        assert [(sample.sequence, round(float(sample.scores[0]), 3)) for sample in dataset.samples] == [
            ("MOT17-02-SDP", 0.7),
            ("MOT17-04-FRCNN", 0.8),
        ]

    def test_results_of_a_tracker_keep_their_ids(self, tmp_path):
        put(tmp_path, {**video("clip", 3), "clip.txt": "1,7,5,4,10,12,0.9,-1,-1,-1\n3,7,6,4,10,12,0.9,-1,-1,-1"})
        dataset = read_dataset([tmp_path / "clip.txt"], identities=True)
        assert [sample.identities.tolist() for sample in dataset.samples] == [[7], [], [7]]
        assert dataset.samples[0].sequence == "clip"
        again = put(tmp_path, {"clip.txt": "1,7,5,4,10,12,0.9\n1,7,6,4,10,12,0.9"})
        with pytest.raises(UserError, match=r"clip.txt:2: id 7 is already in frame 1"):
            read_dataset([again / "clip.txt"])

    def test_several_classes(self, tmp_path):
        put(tmp_path, {**video("clip", 1), "clip.txt": "1,1,5,4,10,12,0.9,1,1\n1,2,30,4,10,12,0.8,3,1"})
        assert contents(read_dataset([tmp_path / "clip.txt"]))[0][5] == ["person", "class 3"]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("1,-1,5,4,10,12,high", r"det.txt:1: confidence is 'high'"),
            ("0,-1,5,4,10,12,0.9", r"det.txt:1: frame is 0"),
            ("1,-1,5,4,10,12\n1,-1,5,4,10\n", r"det.txt:2: 5 columns"),
            ("1,-1,5,4,10,12,0.9\n1,-1,5,4,10,12", r"det.txt:2: 6 columns"),
            ("9,-1,5,4,10,12,0.9", r"det.txt: frames 9 to 9, but the images of seq are frames 1 to 2"),
            ("1,-1,5,4,0,12,0.9", r"no boxes to train on in 0 images \(left out: degenerate box: 1\)"),
        ],
    )
    def test_mistakes(self, tmp_path, text, message):
        put(tmp_path / "seq", {**video("img1", 2), "det/det.txt": text})
        with pytest.raises(UserError, match=message):
            read_dataset([tmp_path / "seq"])

    def test_frames_that_are_not_there(self, tmp_path):
        put(tmp_path, {"clip.txt": "1,-1,5,4,10,12,0.9"})
        with pytest.raises(UserError, match=r"clip.txt: the frames that it is about are not there; .*ffmpeg -i VIDEO"):
            read_dataset([tmp_path / "clip.txt"])

    def test_images_counted_from_zero(self, tmp_path):
        put(tmp_path, {**video("clip", 3, first=0), "clip.txt": "1,-1,5,4,10,12,0.9\n3,-1,5,4,10,12,0.9"})
        assert [sample.image.name for sample in read_dataset([tmp_path / "clip.txt"]).samples] == [
            "000000.jpg",
            "000001.jpg",
            "000002.jpg",
        ]


RESULTS = [
    {"image_id": 42, "category_id": 1, "bbox": [4, 3, 10, 12], "score": 0.9},
    {"image_id": 42, "category_id": 18, "bbox": [20.5, 3, 10, 12], "score": 0.2},
    {"image_id": 139, "category_id": 1, "bbox": [-4, 3, 10, 12], "score": 0.6},
]


class TestCocoResults:
    def test_with_the_file_that_lists_the_images(self, tmp_path, caplog):
        caplog.set_level(logging.INFO, "clmot")
        listed = {
            "images": [
                {"id": 42, "file_name": "a.jpg", "width": 50, "height": 30},
                {"id": 139, "file_name": "b.jpg", "width": 50, "height": 30},
                {"id": 7, "file_name": "not looked at.jpg", "width": 50, "height": 30},
            ],
            "categories": [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}],
            "annotations": [{"id": 1, "image_id": 42, "category_id": 1, "bbox": [0, 0, 50, 30]}],
        }
        put(
            tmp_path,
            {
                "val2017/a.jpg": JPEG,
                "val2017/b.jpg": JPEG,
                "annotations/instances_val2017.json": json.dumps(listed),
                "annotations/captions.json": "[]",
                "predictions.json": json.dumps(RESULTS),
            },
        )
        dataset = read_dataset([tmp_path / "predictions.json"])
        assert contents(dataset) == [
            ("b.jpg", "instances_val2017/139", 1, [[-4, 3, 6, 15]], [0.6], ["person"]),
            ("a.jpg", "instances_val2017/42", 1, [[4, 3, 14, 15], [20.5, 3, 30.5, 15]], [0.9, 0.2], ["person"] * 2),
        ]
        assert [sample.ignore.tolist() for sample in dataset.samples] == [[False], [False, True]]
        assert dataset.classes == ("person",)
        assert "images and categories are those of" in caplog.text

    @pytest.mark.parametrize(
        ("names", "images"),
        [
            ({}, ["000000000042.jpg", "000000000139.jpg"]),
            ({42: {"file_name": "x/a.jpg"}, 139: {"file_name": "x/b.jpg"}}, ["x/a.jpg", "x/b.jpg"]),
            ({42: {"image_id": "a"}, 139: {"image_id": "b.v2"}}, ["images/val/a.jpg", "images/val/b.v2.jpg"]),
        ],
        ids=["number in the file name", "file_name", "file name without suffix"],
    )
    def test_by_name(self, tmp_path, names, images):
        rows = [{**row, **names.get(row["image_id"], {})} for row in RESULTS]
        put(tmp_path, {**dict.fromkeys(images, JPEG), "predictions.json": json.dumps(rows)})
        dataset = read_detections(tmp_path / "predictions.json")
        found = {Path(image).name: boxes for image, _, _, boxes, _, _ in contents(dataset)}
        assert found == {
            Path(images[0]).name: [[4, 3, 14, 15], [20.5, 3, 30.5, 15]],
            Path(images[1]).name: [[-4, 3, 6, 15]],
        }
        assert dataset.classes == ("1", "18")
        assert len({sample.sequence for sample in dataset.samples}) == 1, "they may be frames of one video"
        assert [sample.frame for sample in dataset.samples] == [1, 2]

    def test_scores_in_a_coco_file(self, tmp_path):
        content = {
            "images": [{"id": 1, "file_name": "a.jpg", "width": 50, "height": 30}],
            "categories": [{"id": 1, "name": "person"}],
            "annotations": [
                {"id": 1, "image_id": 1, "category_id": 1, "bbox": [4, 3, 10, 12], "score": 0.7},
                {"id": 2, "image_id": 1, "category_id": 1, "bbox": [9, 3, 10, 12]},
            ],
        }
        put(tmp_path, {"a.jpg": JPEG, "pseudo.json": json.dumps(content)})
        assert format_of(tmp_path / "pseudo.json") == "coco"
        assert contents(read_dataset([tmp_path / "pseudo.json"]))[0][4] == [0.7, 1]
        content["annotations"][0]["score"] = "sure"
        put(tmp_path, {"pseudo.json": json.dumps(content)})
        with pytest.raises(UserError, match=r"annotations\[0\].score: expected float"):
            read_dataset([tmp_path / "pseudo.json"])

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"bbox": [1, 2, 3]}, r"\[1\].bbox is \[1, 2, 3\], expected 4 numbers"),
            ({"score": "x"}, r"\[1\].score is 'x', expected a number"),
            ({"image_id": None}, r"\[1\] does not say which image it is of"),
        ],
    )
    def test_mistakes(self, tmp_path, change, message):
        rows = [RESULTS[0], {**RESULTS[1], **change}, RESULTS[2]]
        put(tmp_path, {"42.jpg": JPEG, "139.jpg": JPEG, "r.json": json.dumps(rows)})
        with pytest.raises(UserError, match=message):
            read_dataset([tmp_path / "r.json"])


def sink_row(left: float, **more: object) -> dict[str, object]:
    row = {"x_min": left, "y_min": 3.0, "x_max": left + 10, "y_max": 15.0}
    return {**row, "class_id": 0, "confidence": 0.9, "tracker_id": "", "class_name": "person", **more}


def write_csv(file: Path, rows: list[dict[str, object]]) -> None:
    with file.open("w", newline="", encoding="utf-8-sig") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


class TestSupervision:
    @pytest.mark.parametrize("kind", ["csv", "json"])
    @pytest.mark.parametrize(
        ("name", "numbers"),
        [("frame_number", (1, 3)), ("frame_number", (0, 2)), ("frame_index", (0, 2)), ("frame", (1.0, 3.0))],
    )
    def test_frames(self, tmp_path, kind, name, numbers):
        rows = [sink_row(4, **{name: numbers[0]}), sink_row(24, confidence=0.5, **{name: numbers[1]})]
        put(tmp_path, video("images", 4))
        if kind == "csv":
            write_csv(tmp_path / "out.csv", rows)
        else:
            put(tmp_path, {"out.json": json.dumps(rows, indent=4)})
        assert format_of(tmp_path) == "detections"
        expected = [
            ("000001.jpg", 1, [[4, 3, 14, 15]], [0.9]),
            ("000002.jpg", 2, [], []),
            ("000003.jpg", 3, [[24, 3, 34, 15]], [0.5]),
        ]
        for path in (tmp_path, tmp_path / f"out.{kind}"):
            dataset = read_dataset([path])
            assert [(image, frame, *rest[:2]) for image, _, frame, *rest in contents(dataset)] == expected
            assert dataset.classes == ("person",)

    def test_frame_indices_count_from_zero_also_where_the_first_frames_are_empty(self, tmp_path):
        put(tmp_path, {**video("images", 4), "out.json": json.dumps([sink_row(4, frame_index=2)])})
        assert read_dataset([tmp_path / "out.json"]).samples[0].image.name == "000003.jpg"

    def test_image_names_tracks_and_no_confidence(self, tmp_path):
        rows = [
            sink_row(4, image="b.jpg", confidence="", tracker_id=3),
            sink_row(9, image=str(tmp_path / "a.jpg"), confidence="", class_name=""),
        ]
        put(tmp_path, {"a.jpg": JPEG, "b.jpg": JPEG})
        write_csv(tmp_path / "out.csv", rows)
        dataset = read_dataset([tmp_path / "out.csv"], identities=True)
        assert [row[0] for row in contents(dataset)] == ["a.jpg", "b.jpg"]
        assert [(s.scores.tolist(), s.identities.tolist()) for s in dataset.samples] == [([1], [-1]), ([1], [3])]
        assert dataset.classes == ("person", "0")

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            ([sink_row(4)], r"out.csv:2 does not say which image it is of; .*custom_data="),
            ([sink_row(4, frame=1), sink_row(4, frame=1, x_min="x")], r"out.csv:3.x_min is 'x', expected a number"),
            ([sink_row(4, frame=1.5)], r"out.csv:2.frame is '1.5', expected a whole number"),
            ([sink_row(4, image="", frame=1), sink_row(4, image="a.jpg", frame="")], r"out.csv:3: names its image"),
        ],
    )
    def test_mistakes(self, tmp_path, rows, message):
        put(tmp_path, video("images", 2))
        write_csv(tmp_path / "out.csv", rows)
        with pytest.raises(UserError, match=message):
            read_dataset([tmp_path / "out.csv"])


def result(x1: float, confidence: float = 0.9, name: str = "person", **more: object) -> dict[str, object]:
    box = {"x1": x1, "y1": 3.0, "x2": x1 + 10, "y2": 15.0}
    return {"name": name, "class": 0, "confidence": confidence, "box": box, **more}


class TestUltralytics:
    def test_a_file_an_image(self, tmp_path):
        put(
            tmp_path,
            {
                "a.jpg": JPEG,
                "a.json": json.dumps([result(4), result(20, 0.5, track_id=3)], indent=2),
                "b.png": PNG,
                "b.json": json.dumps([result(9, name="dog")]),
                "c.jpg": JPEG,
                "c.json": "[]",
            },
        )
        assert format_of(tmp_path) == "detections"
        dataset = read_dataset([tmp_path], identities=True)
        assert [row[:1] + row[3:] for row in contents(dataset)] == [
            ("a.jpg", [[4, 3, 14, 15], [20, 3, 30, 15]], [0.9, 0.5], ["person"] * 2),
            ("b.png", [[9, 3, 19, 15]], [0.9], ["dog"]),
        ]
        assert dataset.samples[0].identities.tolist() == [-1, 3]
        assert (dataset.samples[1].width, dataset.samples[1].height) == (80, 40)
        alone = read_dataset([tmp_path / "b.json"])
        assert [sample.image.name for sample in alone.samples] == ["b.png"]

    @pytest.mark.parametrize(
        "content",
        [
            {"1.jpg": [result(4)], "2.jpg": [], "10.jpg": [result(9)]},
            {"1.jpg": [], "2.jpg": [], "1": [result(4)], "10.jpg": [result(9)]},
            [[result(4)], [], [result(9)]],
        ],
        ids=["by name", "by name, the first ones empty", "in order"],
    )
    def test_many_images_in_one_file(self, tmp_path, content):
        images = {f"images/{name}.jpg": JPEG for name in (1, 2, 10)}
        put(tmp_path, {**images, "out.json": json.dumps(content)})
        assert format_of(tmp_path / "out.json") == "detections"
        found = [(row[0], row[3]) for row in contents(read_dataset([tmp_path / "out.json"]))]
        assert found == [("1.jpg", [[4, 3, 14, 15]]), ("10.jpg", [[9, 3, 19, 15]])]

    def test_lists_without_names_need_as_many_images(self, tmp_path):
        put(tmp_path, {"a.jpg": JPEG, "b.jpg": JPEG, "out.json": json.dumps([[result(4)], [], []])})
        with pytest.raises(UserError, match=r"detections of 3 images and does not name them; no folder has as many"):
            read_dataset([tmp_path / "out.json"])

    def test_shares_of_the_image_and_oriented_boxes(self, tmp_path):
        box = {"x1": 0.1, "y1": 0.5, "x2": 0.3, "y2": 0.4, "x3": 0.5, "y3": 0.9, "x4": 0.2, "y4": 1.02}
        put(tmp_path, {"a.jpg": JPEG, "a.json": json.dumps([{**result(0), "box": box}])})
        np.testing.assert_allclose(read_dataset([tmp_path / "a.json"]).samples[0].boxes, [[5, 12, 25, 30.6]], rtol=1e-5)

    def test_text_with_confidences(self, tmp_path):
        """``save_txt`` with ``save_conf``: read as YOLO, scores included; frames of a video are one sequence."""
        put(
            tmp_path,
            {
                **{f"images/clip_{number}.jpg": JPEG for number in (1, 2, 10)},
                "labels/clip_1.txt": "0 0.5 0.5 0.2 0.4 0.91\n0 0.2 0.5 0.2 0.4 0.3",
                "labels/clip_10.txt": "0 0.5 0.5 0.2 0.4 0.6",
            },
        )
        dataset = read_dataset([tmp_path])
        assert [(row[1], row[2], row[4]) for row in contents(dataset)] == [
            (f"{tmp_path.name}", 1, [0.3, 0.91]),
            (f"{tmp_path.name}", 2, []),
            (f"{tmp_path.name}", 10, [0.6]),
        ]
        assert dataset.samples[0].ignore.tolist() == [True, False]

    def test_text_with_confidences_and_tracks(self, tmp_path):
        rows = "0 .5 .5 .2 .4 0.91 3\n0 .2 .5 .2 .4 1 12\n"
        put(tmp_path, {"images/1.jpg": JPEG, "labels/1.txt": rows})
        dataset = read_dataset([tmp_path], identities=True)
        assert dict(zip(dataset.samples[0].identities, dataset.samples[0].scores.round(2), strict=True)) == {
            3: np.float32(0.91),
            12: 1,
        }


def test_a_folder_with_several_files_wants_one_named(tmp_path):
    put(tmp_path, {**video("images", 2), "a.json": json.dumps([sink_row(4, frame=1)])})
    write_csv(tmp_path / "b.csv", [sink_row(4, frame=1)])
    assert format_of(tmp_path) == "coco"
    with pytest.raises(UserError, match=r"2 files of detections \(a.json, b.csv ...\); name one"):
        read_dataset([tmp_path], format="detections")
    with pytest.raises(UserError, match=r"no detections \(found 000001.jpg, 000002.jpg\); expected det/det.txt"):
        read_dataset([tmp_path / "images"], format="detections")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notes.txt", "1 person\n"),
        ("label.txt", "0 0.5 0.5 0.2 0.2 0.9\n"),
        ("table.csv", "a,b,c,d,e,f,g\n1,2,3,4,5,6,7\n"),
        ("coco.json", '{"annotations": [{"image_id": 1, "bbox": [1, 2, 3, 4], "score": 1, "category_id": 1}]}'),
        ("list.json", '[{"image_id": 1, "caption": "a dog"}]'),
        ("empty.json", "[]"),
        ("broken.json", '[{"image_id": 1, "bbox": [1, 2'),
    ],
)
def test_what_is_not_taken_for_detections(tmp_path, name, content):
    put(tmp_path, {name: content})
    assert not next(each for each in FORMATS if each.name == "detections").matches(tmp_path / name)


def exit_code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return int(end.value.code or 0)


@pytest.mark.slow
def test_commands_take_detections(tmp_path, capsys):
    rng = np.random.default_rng(0)
    rows = [
        f"{frame},-1,{left},20,30,60,{0.3 + 0.02 * frame:.2f},-1,-1,-1" for frame in range(1, 9) for left in (10, 60)
    ]
    root = put(tmp_path / "seq", {"det/det.txt": "\n".join(rows)})
    (root / "img1").mkdir()
    for frame in range(1, 9):
        cv2.imwrite(str(root / f"img1/{frame:06}.png"), rng.integers(0, 256, (96, 128, 3), np.uint8))
    views, run, data = str(tmp_path / "views.png"), str(tmp_path / "run"), str(root)
    small = ["model.image_size=[128, 96]", "data.workers=0", "train.batch_size=2"]
    assert exit_code("data", "show", data, "--out", views, "--frames", "2", *small) == 0
    assert cv2.imread(views) is not None
    assert exit_code("train", data, "--out", run, "--steps", "2", *small, "data.min_score=0.35") == 0
    assert "min_score: '0.35'" in (tmp_path / "run/config.yaml").read_text()
    assert exit_code("embed", run, data, "--frames", "2", "--min-score", "0.3", "--device", "cpu") == 0
    assert "two views of a frame" in capsys.readouterr().out
    assert exit_code("data", "show", data, "--out", views, "data.min_score=0.9") == 2
    assert "no box has a score of 0.9 (they go up to 0.46)" in capsys.readouterr().err


def test_real_detections_lie_on_people(real_data, tmp_path):
    sequence = real_data / "mot" / "MOT16-11"
    truth = {sample.frame: sample.boxes for sample in read_dataset([sequence]).samples}
    copy = tmp_path / "MOT16-11"
    (copy / "det").mkdir(parents=True)
    (copy / "img1").symlink_to(sequence / "img1")
    for name in ("seqinfo.ini", "det/det.txt"):
        shutil.copy(sequence / name, copy / name)
    for path, min_score in ((sequence / "det" / "yolox_second_half.txt", 0.8), (copy, 0.0)):
        dataset = read_dataset([path], min_score=min_score)
        best = [
            iou(sample.boxes[~sample.ignore], truth[sample.frame]).max(axis=1, initial=0) for sample in dataset.samples
        ]
        assert (np.concatenate(best) > 0.5).mean() > 0.9
