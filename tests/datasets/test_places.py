"""Images are found by what annotations name, whoever wrote it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from data_builders import put as put_files

from clmot.datasets.readers.places import Absent, ImageFinder, annotation_files, split_folders
from clmot.errors import UserError


def put(root: Path, *names: str) -> None:
    put_files(root, {name: name for name in names})


@pytest.mark.parametrize(
    ("file", "image", "name"),
    [
        ("a.json", "img0.jpg", "img0.jpg"),
        ("a.json", "images/img0.jpg", "img0.jpg"),
        ("a.json", "images/img0.jpg", r"images\img0.jpg"),
        ("a.json", "images/http:/[::1/img0.jpg", "http://[::1/img0.jpg"),
        ("a.json", "images/img0.jpg", r"C:\Users\me\set\images\img0.jpg"),
        ("a.json", "images/img0.jpg", "/home/somebody/set/img0.jpg"),
        ("a.json", "images/sub/img0.jpg", "/home/somebody/set/sub/img0.jpg"),
        ("a.json", "images/img0.jpg", "../../label-studio/data/media/upload/1/img0.jpg"),
        ("a.json", "images/img0.jpg", "/data/upload/1/3f2a9c1d-img0.jpg"),
        ("a.json", "images/3f2a9c1d-img0.jpg", "/data/upload/1/3f2a9c1d-img0.jpg"),
        ("a.json", "images/a b.jpg", "http://host/data/a%20b.jpg?token=1"),
        ("a.json", "images/sub/img0.jpg", "/data/local-files/?d=sub%2Fimg0.jpg"),
        ("a.json", "frames/frame_000000.PNG", "frame_000000"),
        ("a.json", "img1/frame_000000.png", "frame_000000.PNG"),
        ("a.json", "JPEGImages/img0.JPG", "img0.jpg"),
        ("a.json", "photos/of/mine/img0.jpg", "img0.jpg"),
        ("a.json", "val2017/000000000042.jpg", "42"),
        ("instances_val2017.json", "val2017/img0.jpg", "img0.jpg"),
        ("annotations/a.json", "images/img0.jpg", "img0.jpg"),
        ("annotations/a.json", "images/default/img0.jpg", "img0.jpg"),
        ("annotations/xmls/a.xml", "images/img0.jpg", "img0.jpg"),
        ("json/img0.json", "images/img0.jpg", r"..\images\img0.jpg"),
        ("labels/train/img0.json", "images/train/img0.jpg", "img0.jpg"),
    ],
)
def test_an_image_is_found(file: str, image: str, name: str, tmp_path: Path) -> None:
    put(tmp_path, "set/" + file, "set/" + image, "set/images/other.jpg", "elsewhere/images/another.jpg")
    assert ImageFinder(tmp_path / "set" / file)(name) == tmp_path / "set" / image


def test_absolute_paths_that_are_there(tmp_path: Path) -> None:
    put(tmp_path, "elsewhere/img0.jpg", "set/img0.jpg", "set/a.json")
    finder = ImageFinder(tmp_path / "set/a.json")
    assert finder(str(tmp_path / "elsewhere/img0.jpg")) == tmp_path / "elsewhere/img0.jpg"


@pytest.mark.parametrize(
    ("images", "names", "found"),
    [
        # two images of one name: neither stands for a third
        (["a/img0.jpg", "b/img0.jpg"], ["c/img0.jpg"], [None]),
        (["a/img0.jpg", "b/img0.jpg"], ["a/img0.jpg", "b/img0.jpg"], ["a/img0.jpg", "b/img0.jpg"]),
        # of a partial download, one image is not taken for that of another name
        (["a/img0.jpg"], ["a/img0.jpg", "b/img0.jpg"], ["a/img0.jpg", None]),
        # nor is one of another split, whichever is asked for first
        (["train/img0.jpg"], ["val/img0.jpg", "train/img0.jpg"], [None, "train/img0.jpg"]),
        (["images/img0.jpg"], ["x/img0.jpg", "x/img0.jpg"], ["images/img0.jpg", "images/img0.jpg"]),
    ],
)
def test_an_image_is_not_taken_for_another(
    images: list[str], names: list[str], found: list[str | None], tmp_path: Path
) -> None:
    put(tmp_path, "boxes.json", *images)
    finder = ImageFinder(tmp_path / "boxes.json")
    assert [finder(name) for name in names] == [None if image is None else tmp_path / image for image in found]


def test_a_data_set_beside_lends_no_images(tmp_path: Path) -> None:
    put(tmp_path, "set/a.json", "set/images/img0.jpg", "images/img1.jpg")
    finder = ImageFinder(tmp_path / "set/a.json")
    assert finder("img0.jpg") == tmp_path / "set/images/img0.jpg"
    assert finder("img1.jpg") is None
    # one folder up, where the folder of the file has none
    put(tmp_path, "other/a.json")
    assert ImageFinder(tmp_path / "other/a.json")("img1.jpg") == tmp_path / "images/img1.jpg"


def test_places_of_annotations_and_splits(tmp_path: Path) -> None:
    for folder in ("one", "two/Annotations", "three/annotations/xmls", "four/labels", "five/json"):
        put(tmp_path, f"{folder}/a10.xml", f"{folder}/a9.xml", f"{folder}/.a1.xml")
        found = annotation_files(tmp_path / folder.split("/")[0], ".xml")
        assert [file.name for file in found] == ["a9.xml", "a10.xml"]
    assert annotation_files(tmp_path / "one", ".json") == annotation_files(tmp_path / "none", ".json") == []
    put(tmp_path / "set", "test/a", "Validation/a", "Train/a", "images/a", "trainer/a")
    assert {split: folder.name for split, folder in split_folders(tmp_path / "set").items()} == {
        "train": "Train",
        "val": "Validation",
        "test": "test",
    }


def test_what_is_absent_is_counted_or_all_of_it_refused(tmp_path: Path) -> None:
    absent, skipped = Absent("video"), Counter[str]()
    absent.settle(0, skipped)
    assert not +skipped
    absent.add("a", tmp_path / "a.json", [tmp_path, tmp_path / "none"])
    absent.add("b", tmp_path / "b.json")
    absent.settle(1, skipped)
    assert skipped == {"video that is not there": 2}
    with pytest.raises(UserError) as error:
        absent.settle(0, skipped)
    assert str(error.value) == f"{tmp_path}/a.json: video a not found; looked in {tmp_path}; nor any of 1 more"
