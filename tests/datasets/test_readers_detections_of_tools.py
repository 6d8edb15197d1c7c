"""Detections as COCO results and as supervision and ultralytics write them."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from data_builders import put
from detection_files import JPEG, PNG, contents, format_of, sink_row, video, write_csv

from clmot.datasets.readers import read_dataset
from clmot.datasets.readers.detections import read_detections
from clmot.errors import UserError

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
