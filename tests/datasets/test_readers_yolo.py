from pathlib import Path

import numpy as np
import pytest
from data_builders import encoded, put

from clmot.datasets.readers import read_dataset, yolo
from clmot.datasets.readers.yolo import read_yolo
from clmot.errors import UserError
from clmot.structures import Sample

WIDTH, HEIGHT = 200, 100
JPEG = encoded(WIDTH, HEIGHT)


def images(*names: str) -> dict[str, str | bytes]:
    return dict.fromkeys(names, JPEG)


def by_name(path: Path, **options: bool) -> dict[str, Sample]:
    return {sample.image.stem: sample for sample in read_dataset([path], **options).samples}


def test_ultralytics_layout(tmp_path: Path) -> None:
    root = put(
        tmp_path / "people",
        images("images/train/a.jpg", "images/train/b.jpg", "images/train/c.jpg", "images/val/d.jpg")
        | {
            "data.yaml": "path: .\ntrain: images/train\nval: images/val\nnames:\n  0: person\n  1: bicycle\n  2: car\n",
            # CRLF, byte order mark, blanks at the ends, an empty line, no newline at the end
            "labels/train/a.txt": "\ufeff2 0.5 0.5 0.25 0.5 \r\n\r\n  0\t0.0 0.5 0.2 0.4",
            "labels/train/b.txt": "",
            "labels/val/d.txt": "1 0.5 0.5 0.1 0.1\n",
        },
    )
    for path in (root, root / "data.yaml"):
        dataset = read_dataset([path])
        assert dataset.classes == ("person", "car")  # by number; no box is a bicycle
        assert not dataset.skipped
        a, b, c = dataset.samples
        assert [sample.sequence for sample in (a, b, c)] == ["train/a.jpg", "train/b.jpg", "train/c.jpg"]
        assert (a.frame, a.width, a.height, a.image) == (1, WIDTH, HEIGHT, root / "images/train/a.jpg")
        np.testing.assert_allclose(a.boxes, [[-20, 30, 20, 70], [75, 25, 125, 75]])
        assert a.boxes.dtype == np.float32
        assert a.classes.tolist() == [0, 1]
        assert a.identities.tolist() == [-1, -1]
        assert len(b.boxes) == len(c.boxes) == 0  # an empty label file and none
    (d,) = read_dataset([root / "images/val"]).samples
    assert d.image.name == "d.jpg"
    assert read_dataset([root / "images/val"]).classes == ("bicycle",)  # named by the data.yaml two folders above


def test_roboflow_layout(tmp_path: Path) -> None:
    """Paths that begin one folder too high, names as a list, split folders on top."""
    root = put(
        tmp_path,
        images("train/images/a_jpg.rf.1f.jpg", "valid/images/b.jpg")
        | {
            "data.yaml": "train: ../train/images\nval: ../valid/images\nnc: 1\nnames: ['dog']\nroboflow: {id: 9}\n",
            "train/labels/a_jpg.rf.1f.txt": "0 0.5 0.5 1 1",
            "valid/labels/b.txt": "0 0.5 0.5 1 1",
        },
    )
    (sample,) = read_dataset([root]).samples
    np.testing.assert_allclose(sample.boxes, [[0, 0, WIDTH, HEIGHT]])
    assert [sample.image.name for sample in read_dataset([root / "valid"]).samples] == ["b.jpg"]
    assert read_dataset([root / "valid"]).classes == ("dog",)


@pytest.mark.parametrize("entry", ["train.txt", "[train.txt]", "[images/x, images/y]", r"images\x", "./images/x"])
def test_train_as_list_of_images_or_of_folders(tmp_path: Path, entry: str) -> None:
    root = put(
        tmp_path,
        images("images/x/a.jpg", "images/y/b.jpg")
        | {
            "data.yaml": f"path: ../somewhere/else\ntrain: {entry}\nnames: [person]\n",
            "train.txt": "\ufeff./images/x/a.jpg\r\n\r\ndata/images/y/b.jpg",
            "labels/x/a.txt": "0 0.5 0.5 1 1",
            "labels/y/b.txt": "0 0.5 0.5 1 1",
        },
    )
    assert len(read_dataset([root]).samples) == (1 if entry.endswith("x") else 2)


@pytest.mark.parametrize(
    ("labels", "names", "expected"),
    [
        ("labels/a.txt", "classes.txt", "person"),
        ("labels/a.txt", "labels/classes.txt", "person"),
        ("labels/a.txt", None, "1"),
        ("images/a.txt", "images/classes.txt", "person"),
        ("images/a.txt", "obj.names", "person"),
    ],
)
def test_folders_without_yaml(tmp_path: Path, labels: str, names: str | None, expected: str) -> None:
    """As labelImg and darknet have them."""
    root = put(tmp_path, images("images/a.jpg") | {labels: "1 0.5 0.5 0.5 0.5\n"})
    if names:
        put(root, {names: "cat\r\nperson\r\n"})
    dataset = read_dataset([root if labels.startswith("labels") else root / "images"])
    assert dataset.classes == (expected,)
    np.testing.assert_allclose(dataset.samples[0].boxes, [[50, 25, 150, 75]])


def test_polygons_and_oriented_boxes_become_boxes(tmp_path: Path) -> None:
    polygon = "0 0.1 0.2 0.5 0.2 0.5 0.8 0.3 0.9 0.1 0.8"
    oriented = "0 0.5 0.1 0.9 0.5 0.5 0.9 0.1 0.5"
    triangle = "0 0.1 0.1 0.2 0.1 0.1 0.4"
    root = put(tmp_path, images("a.jpg") | {"a.txt": "\n".join((polygon, oriented, triangle))})
    (sample,) = read_dataset([root]).samples
    expected = [[20, 10, 40, 40], [20, 10, 180, 90], [20, 20, 100, 90]]
    np.testing.assert_allclose(sample.boxes, expected, rtol=1e-6)


def test_key_points_are_passed_over(tmp_path: Path) -> None:
    row = "0 0.5 0.5 0.5 0.5 0.1 0.1 2 0.9 0.9 1"
    root = put(tmp_path, images("a.jpg") | {"a.txt": row, "data.yaml": "train: .\nnames: [p]\nkpt_shape: [2, 3]\n"})
    np.testing.assert_allclose(read_dataset([root]).samples[0].boxes, [[50, 25, 150, 75]])
    put(root, {"a.txt": row + " 0.8 7"})
    assert by_name(root, identities=True)["a"].identities.tolist() == [7]


@pytest.mark.parametrize(
    ("rows", "identities"),
    [
        (["0 .5 .5 .2 .2 3", "0 .5 .5 .4 .4 12"], [12, 3]),  # ultralytics' track, and CVAT
        (["0 .5 .5 .2 .2", "0 .5 .5 .4 .4 12"], [12, -1]),  # one box tracked, one not
        (["0 .5 .5 .2 .2 0", "0 .5 .5 .4 .4 1"], [1, 0]),  # whole, and once each
        (["0 .5 .5 .2 .2 0.9", "0 .5 .5 .4 .4 1"], [-1, -1]),  # confidences
        (["0 .5 .5 .2 .2 1", "0 .5 .5 .4 .4 1"], [-1, -1]),  # confidences, both full
        (["0 .5 .5 .2 .2 0.9 1", "0 .5 .5 .4 .4 1 2"], [2, 1]),  # confidence and track
        (["0 .4 .4 .6 .4 .4 .6 .6 .6 3", "0 .3 .3 .7 .3 .3 .7 .7 .7 4"], [4, 3]),  # polygon and track
    ],
)
def test_track_numbers(tmp_path: Path, rows: list[str], identities: list[int]) -> None:
    root = put(tmp_path, images("a.jpg", "b.jpg") | {"a.txt": "\n".join(rows)})
    sample = by_name(root, identities=True)["a"]
    assert sample.identities.tolist() == identities
    np.testing.assert_allclose(sample.boxes, [[60, 30, 140, 70], [80, 40, 120, 60]], rtol=1e-5)
    assert by_name(root)["a"].identities.tolist() == [-1, -1]


def test_images_with_track_numbers_are_sequences(tmp_path: Path) -> None:
    names = ("street/frame_000000", "street/frame_000009", "street/frame_000010", "mall/x-2", "mall/x-10", "mall/y-1")
    root = put(tmp_path, images(*(f"images/{name}.jpg" for name in names)))
    put(root, {f"labels/{name}.txt": "0 .5 .5 .2 .2 7" for name in names})
    places = {
        sample.image.stem: (sample.sequence.removeprefix(tmp_path.name + "/"), sample.frame)
        for sample in read_dataset([root], identities=True).samples
    }
    assert places == {
        "frame_000000": ("street", 1),
        "frame_000009": ("street", 10),
        "frame_000010": ("street", 11),
        "x-2": ("mall/x", 2),
        "x-10": ("mall/x", 10),
        "y-1": ("mall/y", 1),
    }


def test_images_without_numbers_are_frames_in_natural_order(tmp_path: Path) -> None:
    names = ("a2b", "a10b", "a1b")
    root = put(
        tmp_path, images(*(f"{name}.jpg" for name in names)) | {f"{name}.txt": "0 .5 .5 .2 .2 7" for name in names}
    )
    samples = read_dataset([root], identities=True).samples
    assert [(sample.image.stem, sample.frame) for sample in samples] == [("a1b", 1), ("a2b", 2), ("a10b", 3)]
    assert len({sample.sequence for sample in samples}) == 1


def test_degenerate_boxes_are_counted(tmp_path: Path) -> None:
    rows = ["0 .5 .5 0 .2", "0 nan .5 .2 .2", "0 inf .5 .2 .2", "0 .5 .5 .2 -.2", "0 .5 .5 1e39 .1", "0 .5 .5 .2 .2"]
    dataset = read_dataset([put(tmp_path, images("a.jpg") | {"a.txt": "\n".join(rows)})])
    assert len(dataset.samples[0].boxes) == 1
    assert dataset.skipped == {"degenerate box": 5}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("0 .5 .5 .2 .2\n0 .5 .5 .2", r"a\.txt:2: 4 columns, expected class, x_center"),
        ("\n0 .5 .5 .2 wide", r"a\.txt:2: '0 .5 .5 .2 wide' is not a row of numbers"),
        ("0,.5,.5,.2,.2", r"a\.txt:1: '0,.5,.5,.2,.2' is not a row of numbers with blanks between"),
        ("person .5 .5 .2 .2", r"a\.txt:1: 'person"),
        ("-1 .5 .5 .2 .2", r"a\.txt:1: class is -1, expected a whole number from 0 to 99999"),
        ("0.5 .5 .5 .2 .2", r"a\.txt:1: class is 0\.5"),
        ("0 .5 .5 .2 .2\n\n1 .5 .5 .2 .2", r"a\.txt:3: class 1, but classes are 0 to 0 \(person\)"),
        ("0 .5 .5 .2 .2 4\n0 .5 .5 .3 .3 4", r"a\.txt:2: track 4 is in line 1 already"),
        (b"\x89PNG\x00\x01\x02\x03\x04", r"a\.txt: not a text file"),
    ],
)
def test_faulty_labels(tmp_path: Path, rows: str | bytes, message: str) -> None:
    put(tmp_path, images("a.jpg") | {"a.txt": rows, "data.yaml": "train: .\nnames: [person]\n"})
    with pytest.raises(UserError, match=message):
        read_dataset([tmp_path])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: [person]\n", r"data\.yaml: 'train' is None"),
        ("names: [person]\ntrain: {a: b}\n", r"data\.yaml: 'train' is"),
        ("names: [person]\ntrain: nowhere\n", r"data\.yaml: the images of 'train: nowhere' are not there; looked for"),
        ("names: [person]\ntrain: empty\n", r"data\.yaml: no images in .*empty \(train\)"),
        ("names: person\ntrain: .\n", r"data\.yaml: 'names' is 'person'"),
        ("names: {-1: person}\ntrain: .\n", r"data\.yaml: 'names' is"),
        ("names: [person]\ntrain: .\npath: 4\n", r"data\.yaml: 'path' is 4"),
        ("names: [person]\ntrain: .\nkpt_shape: 17\n", r"data\.yaml: 'kpt_shape' is 17"),
        ("names: [person\ntrain: .\n", r"data\.yaml:2: not valid YAML"),
    ],
)
def test_faulty_yaml(tmp_path: Path, text: str, message: str) -> None:
    put(tmp_path, images("a.jpg") | {"a.txt": "0 .5 .5 .2 .2", "data.yaml": text, "list.txt": "a.jpg\nnone.jpg\n"})
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=message):
        read_dataset([tmp_path])


def test_no_labels_at_all(tmp_path: Path) -> None:
    put(tmp_path, images("images/a.jpg", "images/b.jpg"))
    (tmp_path / "labels").mkdir()
    with pytest.raises(UserError, match=r"none of its 2 images has labels \(.*labels/a\.txt \.\.\.\)"):
        read_yolo(tmp_path)
    with pytest.raises(UserError, match="no images"):
        read_yolo(tmp_path / "labels")
    assert not yolo.FORMAT.matches(tmp_path)


def test_foreign_folders_are_not_claimed(tmp_path: Path) -> None:
    put(tmp_path / "mot", images("img1/000001.jpg") | {"gt/gt.txt": "1,1,1,1,9,9,1,1,1\n"})
    put(tmp_path / "coco", images("images/a.jpg") | {"a.json": "{}"})
    put(tmp_path / "jde", images("images/a.jpg") | {"labels_with_ids/a.txt": "0 1 .5 .5 .2 .2"})
    put(tmp_path / "run", {"config.yaml": "train:\n  steps: 3\n", "data.yaml": "train:\n  names: 3\n"})
    assert not any(yolo.FORMAT.matches(tmp_path / name) for name in ("mot", "coco", "jde", "run", "."))


def test_pixels_instead_of_shares_are_an_error(tmp_path: Path) -> None:
    put(tmp_path, images("a.jpg") | {"a.txt": "0 .5 .5 .2 .2\n0 80 60 32 48"})
    with pytest.raises(
        UserError, match=r"a\.txt:2: the box goes from \[64\.0, 36\.0\] .* expected shares of the image"
    ):
        read_dataset([tmp_path])


def test_class_names_in_gbk(tmp_path: Path) -> None:
    files = images("a.jpg", "b.jpg") | {"a.txt": "0 .5 .5 .2 .2", "b.txt": "1 .5 .5 .2 .2"}
    put(tmp_path, files | {"classes.txt": "行人\n汽车\n".encode("gbk")})
    assert read_dataset([tmp_path]).classes == ("行人", "汽车")
    (tmp_path / "data.yaml").write_bytes("train: .\nnames: [行人, 汽车]\n".encode("gbk"))
    assert read_dataset([tmp_path]).classes == ("行人", "汽车")


def test_of_splits_the_first_is_read_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    label = "0 .5 .5 .2 .2"
    names = ("train/{}/a", "valid/{}/b", "test/{}/c")
    files = images(*(f"{name.format('images')}.jpg" for name in names))
    put(tmp_path / "apart", files | {f"{name.format('labels')}.txt": label for name in names})
    names = ("{}/train/a", "{}/val/b")
    files = images(*(f"{name.format('images')}.jpg" for name in names))
    put(tmp_path / "inside", files | {f"{name.format('labels')}.txt": label for name in names})
    caplog.set_level("INFO")
    for folder, others in (("apart", "valid, test"), ("inside", "val")):
        dataset = read_dataset([tmp_path / folder])
        assert [sample.image.name for sample in dataset.samples] == ["a.jpg"]
        assert dataset.notes == (f"{tmp_path / folder}: yolo, split train ({others} not read: name them)",)
        assert dataset.notes[0] in caplog.text
    (sample,) = read_dataset([tmp_path / "inside/images/val"]).samples
    assert sample.image.name == "b.jpg"


def test_what_a_list_names_is_found_by_its_end(tmp_path: Path) -> None:
    names = ("C:\\data\\images\\a.jpg", "/home/somebody/set/images/b.jpg", "images/none.jpg")
    files = images("images/a.jpg", "images/b.jpg") | {"labels/a.txt": "0 .5 .5 .2 .2", "labels/b.txt": ""}
    put(tmp_path, files | {"data.yaml": "names: [person]\ntrain: list.txt\n", "list.txt": "\n".join(names)})
    dataset = read_dataset([tmp_path])
    assert [sample.image.name for sample in dataset.samples] == ["a.jpg", "b.jpg"]
    assert dataset.skipped == {"image that is not there": 1}


def test_a_yaml_of_another_machine(tmp_path: Path) -> None:
    yaml = "path: /content/set\ntrain: /content/set/train/images\nval: C:\\set\\valid\\images\nnames: [person]\n"
    put(tmp_path, images("train/images/a.jpg") | {"train/labels/a.txt": "0 .5 .5 .2 .2", "data.yaml": yaml})
    dataset = read_dataset([tmp_path])
    assert [sample.image.name for sample in dataset.samples] == ["a.jpg"]
    assert "split train (val not read: name them)" in dataset.notes[0]


def test_splits_with_labels_beside_the_images(tmp_path: Path) -> None:
    label = "0 .5 .5 .2 .2"
    put(tmp_path, images("train/a.jpg", "val/b.jpg") | {"train/a.txt": label, "val/b.txt": label, "classes.txt": "dog"})
    dataset = read_dataset([tmp_path])
    assert [sample.image.name for sample in dataset.samples] == ["a.jpg"]
    assert (dataset.classes, dataset.notes[0].endswith("split train (val not read: name them)")) == (("dog",), True)


def test_classes_of_one_name_are_said_to_be_one(tmp_path: Path) -> None:
    yaml = "train: .\nnames: [person, car, person]\n"
    rows = "0 .5 .5 .2 .2\n2 .5 .5 .4 .4\n1 .5 .5 .1 .1"
    put(tmp_path, images("a.jpg") | {"a.txt": rows, "data.yaml": yaml})
    dataset = read_dataset([tmp_path])
    assert dataset.classes == ("person", "car")
    assert "classes 0 and 2 are one class: both are called 'person'" in dataset.notes[0]
