import copy
import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_builders import assert_same_samples, encoded
from hypothesis import given, settings
from hypothesis import strategies as st

from clmot.datasets.readers import read_dataset
from clmot.datasets.readers.coco import read_coco
from clmot.errors import UserError


def image(key: int, **more: Any) -> dict[str, Any]:
    return {"id": key, "file_name": f"{key}.jpg", "width": 32, "height": 24, **more}


def annotation(image_id: int, left: float = 5, category: int = 1, **more: Any) -> dict[str, Any]:
    return {"id": 0, "image_id": image_id, "category_id": category, "bbox": [left, 4, 10, 12], **more}


CATEGORIES = [{"id": 18, "name": "dog"}, {"id": 1, "name": "person"}, {"id": 3, "name": "car"}]
PHOTOS: dict[str, Any] = {
    "images": [image(20), image(3)],
    "annotations": [annotation(20, 7), annotation(20, -6, 18), annotation(3, iscrowd=1), annotation(20, 1)],
    "categories": CATEGORIES,
}


def write(path: Path, content: Any, images: str = ".") -> Path:
    """Writes the JSON and its images into a folder relative to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    folder = path.parent / images
    folder.mkdir(parents=True, exist_ok=True)
    data = encoded(32, 24)
    for record in content["images"]:
        (folder / record["file_name"]).write_bytes(data)
    return path


def test_photos(tmp_path: Path) -> None:
    path = write(tmp_path / "photos.json", PHOTOS)
    dataset = read_dataset([path])
    assert dataset.classes == ("person", "dog")  # by category id; no box is a car
    assert not dataset.skipped
    first, second = dataset.samples
    assert (first.sequence, first.frame) == ("photos/20", 1)
    assert (second.sequence, second.frame) == ("photos/3", 1)
    assert first.image == tmp_path / "20.jpg"
    assert (first.width, first.height) == (32, 24)
    np.testing.assert_array_equal(first.boxes, [[-6, 4, 4, 16], [1, 4, 11, 16], [7, 4, 17, 16]])
    assert first.boxes.dtype == np.float32
    assert first.classes.tolist() == [1, 0, 0]
    assert first.identities.tolist() == [-1, -1, -1]
    assert second.ignore.tolist() == [True]


def test_video_with_identities(tmp_path: Path) -> None:
    content = {
        "videos": [{"id": 5, "name": "street"}, {"id": 6, "name": "mall"}],
        "images": [
            image(1, video_id=5, frame_id=1),
            image(2, video_id=5, frame_id=0),
            image(3, video_id=6, frame_id=0),
        ],
        "annotations": [annotation(1, track_id=4), annotation(2, instance_id=4), annotation(3)],
        "categories": CATEGORIES,
    }
    path = write(tmp_path / "video.json", content)
    samples = read_dataset([path], identities=True).samples
    assert [(s.sequence, s.frame, s.image.stem, s.identities.tolist()) for s in samples] == [
        ("mall", 1, "3", [-1]),
        ("street", 1, "2", [4]),
        ("street", 2, "1", [4]),
    ]
    assert all((s.identities == -1).all() for s in read_dataset([path]).samples)


def test_frame_numbers_of_videos(tmp_path: Path) -> None:
    content: dict[str, Any] = {
        "videos": [{"id": 5, "name": "street"}],
        "images": [image(1, video_id=5, frame_id=1), image(2, video_id=5, frame_id=11)],
        "annotations": [annotation(1)],
        "categories": CATEGORIES,
    }
    path = write(tmp_path / "video.json", content)
    assert [sample.frame for sample in read_coco(path).samples] == [1, 11]  # 1-based already
    for record in content["images"]:
        del record["frame_id"]
    content["images"].append(image(9))
    write(path, content)
    assert [(sample.sequence, sample.frame) for sample in read_coco(path).samples] == [
        ("street", 1),
        ("street", 2),
        ("video/9", 1),
    ]


def test_identities_without_videos_make_one_sequence(tmp_path: Path) -> None:
    content = copy.deepcopy(PHOTOS)
    content["annotations"][0]["track_id"] = 3
    samples = read_dataset([write(tmp_path / "photos.json", content)]).samples
    assert [(sample.sequence, sample.frame) for sample in samples] == [("photos", 1), ("photos", 2)]


@pytest.mark.parametrize(
    ("annotations", "images"),
    [
        ("a.json", "."),
        ("a.json", "images"),
        ("annotations/a.json", ".."),
        ("annotations/a.json", "../images"),
        ("annotations/instances_val2017.json", "../val2017"),
    ],
)
def test_where_images_are_looked_for(tmp_path: Path, annotations: str, images: str) -> None:
    path = write(tmp_path / annotations, PHOTOS, images)
    for place in (path, tmp_path):
        dataset = read_dataset([place])
        assert all(sample.image.is_file() for sample in dataset.samples)
        assert len(dataset.samples) == 2


def test_missing_images(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", PHOTOS)
    (tmp_path / "20.jpg").unlink()
    dataset = read_coco(path)
    assert [sample.image.name for sample in dataset.samples] == ["3.jpg"]
    assert dataset.skipped["image that is not there"] == 1
    (tmp_path / "3.jpg").unlink()
    with pytest.raises(UserError, match=r"a\.json: image 3\.jpg not found; looked in "):
        read_coco(path)


def test_faulty_boxes_are_skipped_and_counted(tmp_path: Path) -> None:
    content = copy.deepcopy(PHOTOS)
    content["annotations"] += [
        annotation(20, float("nan")),
        annotation(20) | {"bbox": [1, 2, -3, 4]},
        annotation(20) | {"bbox": [1, None, 3, 4]},
        annotation(99),
    ]
    dataset = read_dataset([write(tmp_path / "a.json", content)])
    assert dataset.skipped == {"degenerate box": 3, "image not listed": 1}
    assert sum(len(sample.boxes) for sample in dataset.samples) == 4


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("annotations", 1, "bbox"), None, r"\$\.annotations\[1\]: object missing required field bbox"),
        (("annotations", 1, "bbox"), [1, 2, 3], r"\$\.annotations\[1\]\.bbox: expected array of length 4"),
        (("annotations", 1, "bbox"), [1, 2, 3, "4"], r"\$\.annotations\[1\]\.bbox\[3\]: expected float .*got str"),
        (("annotations", 1, "bbox"), [1, 2, 3, 10**400], r"\$\.annotations\[1\]\.bbox\[3\]: number out of range"),
        (("annotations", 2, "category_id"), 4, r"\$\.annotations\[2\]\.category_id is 4, which is not in categories"),
        (("annotations", 2, "category_id"), None, r"\$\.annotations\[2\]: object missing required field category_id"),
        (("annotations", 0, "image_id"), [1], r"\$\.annotations\[0\]\.image_id: expected int \| str, got array"),
        (("annotations", 0, "image_id"), True, r"\$\.annotations\[0\]\.image_id: expected int \| str, got bool"),
        (("annotations", 0, "score"), "a", r"\$\.annotations\[0\]\.score: expected float \| null, got str"),
        (("annotations", 0, "track_id"), 2**63, r"\$\.annotations\[0\]\.track_id: expected int <= 9223372036854775807"),
        (("annotations", 0, "track_id"), "a", r"\$\.annotations\[0\]\.track_id: expected int \| null, got str"),
        (("annotations", 0), 7, r"\$\.annotations\[0\]: expected object, got int"),
        (("images", 1, "file_name"), None, r"\$\.images\[1\]: object missing required field file_name"),
        (("images", 1, "width"), "32", r"\$\.images\[1\]\.width: expected int \| null, got str"),
        (("images", 1, "height"), 0, r"\$\.images\[1\]\.height: expected int >= 1"),
        (("images", 1, "id"), 20, r"\$\.images\[1\]\.id is 20, which an image before it has"),
        (("images", 0, "video_id"), 8, r"image 20 has video_id 8, which is not in videos"),
        (("images",), [], r"'images' is empty"),
        (("categories",), None, r"\$: object missing required field categories; expected a COCO file"),
        (("categories", 0, "name"), None, r"\$\.categories\[0\]: object missing required field name"),
        (("annotations",), {}, r"\$\.annotations: expected array, got object"),
    ],
)
def test_faults_are_named(tmp_path: Path, place: tuple[Any, ...], value: Any, message: str) -> None:
    path = write(tmp_path / "a.json", PHOTOS)
    content = copy.deepcopy(PHOTOS)
    target: Any = content
    for key in place[:-1]:
        target = target[key]
    if value is None:
        del target[place[-1]]
    else:
        target[place[-1]] = value
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"a\.json: " + message):
        read_coco(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", r"a\.json: \$: expected object, got array; expected a COCO file"),
        ('{\n"images": [\n] 2}', r"a\.json:3: not valid JSON"),
        ("", r"a\.json:1: not valid JSON"),
    ],
)
def test_not_a_coco_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_coco(path)


def test_folder_with_two_annotation_files(tmp_path: Path) -> None:
    write(tmp_path / "a.json", PHOTOS)
    write(tmp_path / "b.json", PHOTOS)
    with pytest.raises(UserError, match=r"2 JSON files \(a\.json, b\.json\); name one of them"):
        read_dataset([tmp_path])


@pytest.mark.parametrize("order", [("annotations", "categories", "images"), ("images", "categories", "annotations")])
def test_keys_come_in_any_order_and_ids_of_any_kind(tmp_path: Path, order: tuple[str, ...]) -> None:
    content = {
        "images": [image(2), image(1) | {"id": "1"}],
        "annotations": [
            annotation(2, -1, 4, iscrowd=0, ignore=1),
            annotation(2, 1e39, 4),
            annotation(2) | {"image_id": "1", "category_id": "x", "bbox": [1, 2.5, 3, 4]},
        ],
        "categories": [{"id": "x", "name": "cat"}, {"id": 4, "name": "dog"}],
    }
    write(tmp_path / "a.json", content)
    others = {"info": {"version": "1"}, "licenses": [], "note": None}
    (tmp_path / "a.json").write_text(json.dumps({key: content[key] for key in order} | others))
    dataset = read_coco(tmp_path / "a.json")
    assert dataset.classes == ("dog", "cat")
    assert [(sample.sequence, sample.ignore.tolist()) for sample in dataset.samples] == [
        ("a/1", [False]),
        ("a/2", [True]),
    ]
    np.testing.assert_array_equal(dataset.samples[0].boxes, [[1, 2.5, 4, 6.5]])
    assert +dataset.skipped == {"degenerate box": 1}


def test_outlines_are_passed_over_unread(tmp_path: Path) -> None:
    """As objects, those of a million annotations would take several gigabytes."""
    outline = [[i / 7 for i in range(500)]]
    content = PHOTOS | {"annotations": [annotation(20, i % 9, segmentation=outline) for i in range(800)]}
    path = write(tmp_path / "a.json", content)
    size = path.stat().st_size
    assert size > 7e6
    tracemalloc.start()
    try:
        dataset = read_coco(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(dataset.samples[0].boxes) == 800
    assert peak - size < 1.5e6


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_that_is_not_json_to_the_letter(tmp_path: Path, encoding: str) -> None:
    content = copy.deepcopy(PHOTOS)
    content["annotations"][0]["bbox"][0] = float("nan")
    path = write(tmp_path / "a.json", content)
    expected = read_coco(path)
    assert expected.skipped["degenerate box"] == 1
    path.write_text(json.dumps(content), encoding=encoding)
    found = read_coco(path)
    assert_same_samples(found.samples, expected.samples)


@settings(deadline=None, max_examples=15)
@given(images=st.permutations(range(2)), annotations=st.permutations(range(4)), categories=st.permutations(range(3)))
def test_order_in_the_file_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, images: list[int], annotations: list[int], categories: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("coco")
    expected = read_dataset([write(folder / "a.json", PHOTOS)])
    content = {
        "images": [PHOTOS["images"][i] for i in images],
        "annotations": [PHOTOS["annotations"][i] for i in annotations],
        "categories": [PHOTOS["categories"][i] for i in categories],
    }
    found = read_dataset([write(folder / "a.json", content)])
    assert found.classes == expected.classes
    assert_same_samples(found.samples, expected.samples)


def test_classes_are_merged_by_name(tmp_path: Path) -> None:
    content = {
        "images": [image(1)],
        "annotations": [annotation(1, 2, 1), annotation(1, 9, 2), annotation(1, 12, 3)],
        "categories": [{"id": 1, "name": "bus"}, {"id": 2, "name": "person"}, {"id": 3, "name": "bus"}],
    }
    first, second = write(tmp_path / "x" / "a.json", PHOTOS), write(tmp_path / "y" / "b.json", content)
    dataset = read_dataset([first, second])
    assert dataset.classes == ("person", "dog", "bus")
    classes = {sample.sequence: sample.classes.tolist() for sample in dataset.samples}
    assert classes == {"a/20": [1, 0, 0], "a/3": [0], "b/1": [2, 0, 2]}


def test_track_ids_of_cvat(tmp_path: Path) -> None:
    """Among the attributes; the images are then the frames of one sequence."""
    rows = [annotation(20, attributes={"occluded": False, "track_id": 4}), annotation(3, attributes={"track_id": 4})]
    path = write(tmp_path / "a.json", {**PHOTOS, "annotations": rows})
    dataset = read_dataset([path], identities=True)
    assert [(s.sequence, s.frame, s.identities.tolist()) for s in dataset.samples] == [("a", 1, [4]), ("a", 2, [4])]
    rows[0]["attributes"]["track_id"] = "x"
    write(path, {**PHOTOS, "annotations": rows})
    with pytest.raises(UserError, match=r"annotations\[0\]\.attributes\.track_id is 'x', expected a whole number"):
        read_coco(path)


def test_ids_written_as_numbers_and_as_texts(tmp_path: Path) -> None:
    rows = [annotation("20"), annotation(3), annotation(20, category="18"), annotation("x")]
    dataset = read_coco(write(tmp_path / "a.json", {**PHOTOS, "annotations": rows}))
    assert [len(sample.boxes) for sample in dataset.samples] == [2, 1]
    assert dataset.classes == ("person", "dog")
    assert +dataset.skipped == {"image not listed": 1}
    # a text that is an id itself stands for no number
    images = [image(20), {**image(3), "id": "20"}]
    dataset = read_coco(write(tmp_path / "a.json", {**PHOTOS, "images": images, "annotations": [annotation("20", 1)]}))
    assert {sample.image.name: len(sample.boxes) for sample in dataset.samples} == {"20.jpg": 0, "3.jpg": 1}


@pytest.mark.parametrize("sizes", [{}, {"height": 24}, {"width": None, "height": None}])
def test_sizes_that_are_not_given_are_the_images(tmp_path: Path, sizes: dict[str, Any]) -> None:
    images = [{"id": key, "file_name": f"{key}.jpg", **sizes} for key in (20, 3)]
    dataset = read_coco(write(tmp_path / "a.json", {**PHOTOS, "images": images}))
    assert {(sample.width, sample.height) for sample in dataset.samples} == {(32, 24)}


def test_of_files_of_splits_that_of_training_is_read(tmp_path: Path) -> None:
    for name in ("train", "val", "test-dev"):
        path = write(tmp_path / f"annotations/instances_{name}2017.json", PHOTOS, f"../{name}2017")
        if name != "train":
            path.write_text("{}")
    dataset = read_dataset([tmp_path])
    assert {sample.image.parent.name for sample in dataset.samples} == {"train2017"}
    assert "instances_train2017.json (instances_test-dev2017.json, instances_val2017.json not read)" in dataset.notes[0]
