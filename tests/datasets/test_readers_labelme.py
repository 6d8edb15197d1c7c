import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_builders import encoded

from clmot.datasets.readers import labelme, read_dataset
from clmot.datasets.readers.labelme import read_labelme
from clmot.errors import UserError

JPEG = encoded(50, 30)


def shape(label: str, *points: list[float], kind: str = "rectangle", **more: Any) -> dict[str, Any]:
    return {"label": label, "points": list(points), "group_id": None, "shape_type": kind, "flags": {}} | more


def write(root: Path, stem: str, *shapes: Any, **more: Any) -> Path:
    content = {
        "version": "5.4.1",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": f"{stem}.jpg",
        "imageData": "/9j/" * 100_000,
        "imageHeight": 30,
        "imageWidth": 50,
    }
    root.mkdir(parents=True, exist_ok=True)
    (root / f"{stem}.jpg").write_bytes(JPEG)
    (root / f"{stem}.json").write_text(json.dumps(content | more, indent=2))
    return root


def test_folder(tmp_path: Path) -> None:
    root = write(
        tmp_path / "set",
        "a",
        shape("person", [12.5, 20], [-2, 3]),  # drawn from the lower right corner
        shape("car", [1, 1], [9, 2], [5, 8], kind="polygon"),
        shape("car", [20, 10], [20, 14], kind="circle", difficult=False),
        shape("car", [20, 10], kind="point"),
        shape("person", [0, 0], [3, 4], difficult=True),
    )
    write(root, "b")
    dataset = read_dataset([root])
    assert dataset.classes == ("person", "car")
    assert dataset.skipped == {"shape without a box (point)": 1}
    a, b = dataset.samples
    np.testing.assert_array_equal(a.boxes, [[-2, 3, 12.5, 20], [0, 0, 3, 4], [1, 1, 9, 8], [16, 6, 24, 14]])
    assert a.classes.tolist() == [0, 0, 1, 1]
    assert a.ignore.tolist() == [False, True, False, False]
    assert (a.sequence, a.frame, a.width, a.height, a.image) == ("set/a", 1, 50, 30, root / "a.jpg")
    assert len(b.boxes) == 0
    assert len(read_dataset([root / "a.json"]).samples) == 1


def test_shapes_of_a_group_are_one_object(tmp_path: Path) -> None:
    parts = [
        shape("car", [1, 1], [4, 5], group_id=1),
        shape("car", [10, 2], [12, 9], group_id=1),
        shape("bus", [10, 2], [12, 9], group_id=1),
        shape("car", [20, 2], [22, 9]),
        shape("car", [30, 2], [32, 9]),
    ]
    (sample,) = read_dataset([write(tmp_path, "a", *parts)]).samples
    assert sorted(sample.boxes.tolist()) == [[1, 1, 12, 9], [10, 2, 12, 9], [20, 2, 22, 9], [30, 2, 32, 9]]


@pytest.mark.parametrize("named", ["..\\pictures\\a.jpg", "/home/me/a.jpg", "renamed.png", None])
def test_images_moved_and_sizes_missing(tmp_path: Path, named: str | None) -> None:
    root = write(tmp_path, "a", shape("cat", [1, 1], [4, 5]), imagePath=named, imageWidth=None, imageHeight=None)
    (root / "labels").mkdir()
    (root / "a.json").rename(root / "labels/a.json")
    (root / "images").mkdir()
    (root / "a.jpg").rename(root / "images/a.jpg")
    (sample,) = read_dataset([root]).samples
    assert (sample.width, sample.height, sample.image.name) == (50, 30, "a.jpg")


def test_degenerate_boxes_are_counted(tmp_path: Path) -> None:
    shapes = [shape("cat", [1, 1], [1, 5]), shape("cat", [1, None], [4, 5]), shape("cat", [1, 1], [4, 5])]
    dataset = read_dataset([write(tmp_path, "a", *shapes)])
    assert len(dataset.samples[0].boxes) == 1
    assert dataset.skipped == {"degenerate box": 2}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"shapes": None}, r"a\.json: 'shapes' is missing or no list"),
        ({"shapes": [{"points": []}]}, r"a\.json: shapes\[0\] has no label"),
        ({"shapes": [shape("cat", [1, 2])]}, r"shapes\[0\]\.points is \[\[1, 2\]\], expected at least two"),
        ({"shapes": [shape("cat", [1, 2], [3])]}, r"shapes\[0\]\.points\[1\] is \[3\], expected 2 numbers"),
        ({"shapes": [shape("cat", [1, 2], [3, "4"])]}, r"shapes\[0\]\.points\[1\] is \[3, '4'\], expected 2 numbers"),
    ],
)
def test_faulty_files(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    write(tmp_path, "a", **content)
    with pytest.raises(UserError, match=message):
        read_labelme(tmp_path)


def test_missing_image(tmp_path: Path) -> None:
    write(tmp_path, "a", shape("cat", [1, 1], [4, 5]))
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(UserError, match=r"a\.json: image a\.jpg \(the one inside the JSON is not read; .*\) not found"):
        read_dataset([tmp_path])


def test_coco_is_not_claimed(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"images": [], "annotations": [], "categories": []}')
    assert not labelme.FORMAT.matches(tmp_path)
    assert not labelme.FORMAT.matches(tmp_path / "a.json")
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match=r"no LabelMe annotations \(it is empty\)"):
        read_labelme(tmp_path / "none")


def test_splits_inside_the_folder_of_annotations(tmp_path: Path) -> None:
    for split, name in (("train", "a"), ("val", "b")):
        for folder, suffix in (("labels", "json"), ("images", "jpg")):
            (tmp_path / folder / split).mkdir(parents=True, exist_ok=True)
            content = {"shapes": [], "imagePath": f"{name}.jpg", "imageHeight": 30, "imageWidth": 40}
            content["shapes"] = [{"label": "dog", "points": [[1, 2], [9, 9]], "shape_type": "rectangle"}]
            path = tmp_path / folder / split / f"{name}.{suffix}"
            path.write_text(json.dumps(content) if suffix == "json" else "")
    dataset = read_dataset([tmp_path])
    assert [sample.image for sample in dataset.samples] == [tmp_path / "images/train/a.jpg"]
    assert dataset.notes == (f"{tmp_path}: labelme, split train (val not read: name them)",)
