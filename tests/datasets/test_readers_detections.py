"""Detections: MOTChallenge text, which file of a folder is read, and what training makes of them."""

import json
import logging
import shutil

import cv2
import numpy as np
import pytest
from command_line import call
from data_builders import put
from detection_files import contents, format_of, sink_row, video, write_csv

from clmot.boxes import iou
from clmot.datasets.readers import FORMATS, read_dataset
from clmot.errors import UserError


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
    assert call("data", "show", data, "--out", views, "--frames", "2", *small) == 0
    assert cv2.imread(views) is not None
    assert call("train", data, "--out", run, "--steps", "2", *small, "data.min_score=0.35") == 0
    assert "min_score: '0.35'" in (tmp_path / "run/config.yaml").read_text()
    assert call("embed", run, data, "--frames", "2", "--min-score", "0.3", "--device", "cpu") == 0
    assert "two views of a frame" in capsys.readouterr().out
    assert call("data", "show", data, "--out", views, "data.min_score=0.9") == 2
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
