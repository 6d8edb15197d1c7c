"""Each layout is recognised by its own format, and by no other that would come before it."""

from pathlib import Path

import pytest

from clmot.datasets.readers import FORMATS

LAYOUTS = {
    "motchallenge": [
        "train/MOT17-02-SDP/img1/000001.jpg",
        "train/MOT17-02-SDP/gt/gt.txt",
        "train/MOT17-02-SDP/det/det.txt",
    ],
    "crowdhuman": ["annotation_train.odgt", "Images/273271,c9db.jpg", "annotations/train.json"],
    "jde": [
        "MOT17/images/train/MOT17-02-SDP/img1/000001.jpg",
        "MOT17/images/train/MOT17-02-SDP/gt/gt.txt",
        "MOT17/labels_with_ids/train/MOT17-02-SDP/img1/000001.txt",
    ],
    "kitti": ["training/label_02/0000.txt", "training/image_02/0000/000000.png", "training/calib/0000.txt"],
    "visdrone": ["annotations/uav0000013_00000_v.txt", "sequences/uav0000013_00000_v/0000001.jpg"],
    "bdd100k": ["labels/box_track_20/train/b1c6-6f7d.json", "images/track/train/b1c6-6f7d/b1c6-6f7d-0000001.jpg"],
    "panda": [
        "image_annos/person_bbox_train.json",
        "image_annos/vehicle_bbox_train.json",
        "image_train/01_A/IMG_01_01.jpg",
    ],
    "yolo": ["images/train/1.jpg", "labels/train/1.txt"],
    "coco": ["annotations/instances_train2017.json", "train2017/000000000009.jpg"],
}
FILES = {
    "annotation_train.odgt": "crowdhuman",
    "caltech.10k.val": "jde",
    "mot17.train": "jde",
    "person_bbox_train.json": "panda",
    "labels/box_track_20/val/b1c6-6f7d.json": "bdd100k",
    "instances_val2017.json": "coco",
}


def first_match(path: Path) -> str | None:
    return next((each.name for each in FORMATS if each.matches(path)), None)


@pytest.mark.parametrize("name", LAYOUTS)
def test_folders(tmp_path: Path, name: str) -> None:
    for file in LAYOUTS[name]:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    assert first_match(tmp_path) == name


@pytest.mark.parametrize(("file", "name"), FILES.items())
def test_files(tmp_path: Path, file: str, name: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).touch()
    assert first_match(tmp_path / file) == name


def test_nothing_is_recognised_where_nothing_is(tmp_path: Path) -> None:
    assert first_match(tmp_path) is None
    (tmp_path / "clip.mp4").touch()
    assert first_match(tmp_path / "clip.mp4") is None
    assert first_match(tmp_path) is None


def test_each_format_says_what_it_is() -> None:
    assert len({each.name for each in FORMATS}) == len(FORMATS)
    assert all(each.title and each.tree and each.home.startswith("http") for each in FORMATS)
