"""Which format a path is taken for."""

from pathlib import Path

import pytest
from data_builders import encoded, put

from clmot.datasets.readers import FORMATS, format_named, read_dataset
from clmot.errors import UserError

COCO = '{"images": [], "annotations": [], "categories": []}'

TREES: dict[str, list[dict[str, str]]] = {
    "motchallenge": [
        {"img1/000001.jpg": "", "gt/gt.txt": "1,1,1,1,9,9,1,1,1"},
        {"train/a/img1/000001.jpg": "", "train/a/gt/gt.txt": "1,1,1,1,9,9,1,1,1"},
        {"train/MOT17-02-SDP/img1/1.jpg": "", "train/MOT17-02-SDP/gt/gt.txt": "", "train/MOT17-02-SDP/det/det.txt": ""},
    ],
    "crowdhuman": [
        {"annotation_train.odgt": "{}", "Images/a.jpg": ""},
        {"annotation_train.odgt": "", "Images/273271,c9db.jpg": "", "annotations/train.json": ""},
    ],
    "jde": [
        {"images/a/1.jpg": "", "labels_with_ids/a/1.txt": "0 1 .5 .5 .1 .1"},
        {"M/images/t/s/img1/1.jpg": "", "M/images/t/s/gt/gt.txt": "", "M/labels_with_ids/t/s/img1/1.txt": ""},
    ],
    "kitti": [
        {"training/image_02/0000/000000.png": "", "training/label_02/0000.txt": "", "training/calib/0000.txt": ""}
    ],
    "panda": [
        {
            "image_annos/person_bbox_train.json": "",
            "image_annos/vehicle_bbox_train.json": "",
            "image_train/01_A/IMG_01_01.jpg": "",
        }
    ],
    "visdrone": [{"sequences/a/0000001.jpg": "", "annotations/a.txt": ""}],
    "bdd100k": [{"images/track/train/a/a-0000001.jpg": "", "labels/box_track_20/train/a.json": "[]"}],
    "cvat": [
        {"annotations.xml": "<annotations><version>1.1</version></annotations>", "images/a.jpg": ""},
        {"task.xml": '<?xml version="1.0"?>\n<annotations></annotations>', "frame_000000.PNG": ""},
    ],
    "voc": [
        {"Annotations/a.xml": "<annotation verified='yes'></annotation>", "JPEGImages/a.jpg": ""},
        {"a.xml": "<annotation></annotation>", "a.jpg": ""},
    ],
    "yolo": [
        {"data.yaml": "train: images/train\nnames: [a]\n", "images/train/a.jpg": "", "labels/train/a.txt": ""},
        {"images/a.jpg": "", "labels/a.txt": ""},
        {"images/train/a.jpg": "", "labels/train/a.txt": ""},
        {"a.jpg": "", "a.txt": ""},
        # the archive of COCO as YOLO users unpack it
        {"images/a.jpg": "", "labels/a.txt": "", "annotations/a.json": COCO},
    ],
    "labelme": [{"a.jpg": "", "a.json": '{"version": "5", "shapes": [], "imagePath": "a.jpg"}'}],
    "labelstudio": [{"images/a.jpg": "", "export.json": '[{"id": 1, "annotations": [], "data": {"image": "a.jpg"}}]'}],
    "coco": [
        {"images/a.jpg": "", "a.json": COCO},
        {"train2017/a.jpg": "", "annotations/instances_train2017.json": COCO},
    ],
}


@pytest.mark.parametrize(("name", "tree"), [(name, tree) for name, trees in TREES.items() for tree in trees])
def test_a_folder_is_taken_for_its_format(tmp_path: Path, name: str, tree: dict[str, str]) -> None:
    put(tmp_path, dict(tree))
    assert next(each.name for each in FORMATS if each.matches(tmp_path)) == name


@pytest.mark.parametrize(
    ("file", "content", "name"),
    [
        ("a.xml", "<annotations>", "cvat"),
        ("a.xml", "<annotation>", "voc"),
        ("a.yaml", "nc: 1\ntrain: x\n", "yolo"),
        ("a.yaml", "# what to train on\n- path: x\n", "mix"),
        ("a.yml", "[{path: x}]", "mix"),
        ("a.json", '{"shapes": []', "labelme"),
        ("a.json", '[{"data": {}, "annotations": []}]', "labelstudio"),
        ("a.json", COCO, "coco"),
        ("a.odgt", "", "crowdhuman"),
        ("caltech.10k.val", "", "jde"),
        ("mot17.train", "", "jde"),
        ("person_bbox_train.json", "", "panda"),
        ("labels/box_track_20/val/b1c6-6f7d.json", "", "bdd100k"),
        ("instances_val2017.json", "", "coco"),
    ],
)
def test_a_file_is_taken_for_its_format(tmp_path: Path, file: str, content: str, name: str) -> None:
    put(tmp_path, {file: content})
    assert next(each.name for each in FORMATS if each.matches(tmp_path / file)) == name


def test_nothing_is_taken_for_anything(tmp_path: Path) -> None:
    for name in ("a.mp4", "notes.txt", "a.jpg", "config.yaml"):
        (tmp_path / name).write_text("train:\n  steps: 3\n")
        assert not [each.name for each in FORMATS if each.matches(tmp_path / name)]
    assert not [each.name for each in FORMATS if each.matches(tmp_path)]


def test_every_format_says_what_it_is() -> None:
    assert len({each.name for each in FORMATS}) == len(FORMATS)
    for each in FORMATS:
        assert each.title
        assert each.tree
        assert each.home.startswith("http")
        assert format_named(each.name) is each


def test_a_format_can_be_named(tmp_path: Path) -> None:
    """A folder that is of two formats: YOLO labels, and COCO's in a subfolder."""
    coco = (
        '{"images": [{"id": 1, "file_name": "a.jpg", "width": 50, "height": 30}], '
        '"categories": [{"id": 1, "name": "x"}], '
        '"annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}]}'
    )
    put(tmp_path, {"images/a.jpg": encoded(50, 30), "labels/a.txt": "0 .5 .5 .2 .2", "a.json": coco})
    assert read_dataset([tmp_path]).classes == ("0",)
    assert read_dataset([tmp_path], format="coco").classes == ("x",)
    # a name overrules what a path looks like
    (tmp_path / "a.json").rename(tmp_path / "a.boxes")
    assert read_dataset([tmp_path / "a.boxes"], format="coco").classes == ("x",)
    with pytest.raises(UserError, match="not a file of a known format"):
        read_dataset([tmp_path / "a.boxes"])
    with pytest.raises(UserError, match=r"unknown format 'coca' \(did you mean 'coco'\?\); known: auto, motchallenge"):
        read_dataset([tmp_path], format="coca")
    with pytest.raises(UserError, match="none: no such file or folder"):
        read_dataset([tmp_path / "none"], format="coco")


@pytest.mark.parametrize("name", [each.name for each in FORMATS])
def test_a_folder_that_is_not_of_the_named_format(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=str(tmp_path)):
        read_dataset([tmp_path], format=name)
    (tmp_path / "a").write_text("text")
    with pytest.raises(UserError, match=str(tmp_path)):
        read_dataset([tmp_path / "a"], format=name)


@pytest.mark.parametrize(
    ("tree", "note"),
    [
        ({"VisDrone2019-DET-train/A": "", "VisDrone2019-DET-val/A": ""}, "split VisDrone2019-DET-train (VisDrone2019"),
        ({"train2017/A": "", "val2017/A": ""}, "split train2017 (val2017 not read: name them)"),
        ({"VOC2012/A": ""}, "in VOC2012"),
        ({"export/export/A": ""}, "in export/export"),
    ],
)
def test_data_sets_below_the_folder_that_is_named(tmp_path: Path, tree: dict[str, str], note: str) -> None:
    """As archives are unpacked; A stands for an image and its annotation."""
    for name in tree:
        folder = (tmp_path / name).parent
        folder.mkdir(parents=True)
        (folder / f"{folder.name}.jpg").write_bytes(encoded(50, 30))
        shape = '{"label": "a", "shape_type": "rectangle", "points": [[1, 1], [9, 9]]}'
        (folder / f"{folder.name}.json").write_text(
            f'{{"version": "5", "imagePath": "{folder.name}.jpg", "imageWidth": 50, "imageHeight": 30, '
            f'"shapes": [{shape}]}}'
        )
    dataset = read_dataset([tmp_path])
    assert len(dataset.samples) == 1
    assert note in dataset.notes[0]


def test_two_data_sets_that_end_in_one_split_are_not_chosen_from(tmp_path: Path) -> None:
    for name in ("DET-train", "MOT-train"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.json").write_text('{"version": "5", "shapes": [], "imagePath": "a.jpg"}')
    with pytest.raises(UserError, match=r"no data set here \(found DET-train/, MOT-train/"):
        read_dataset([tmp_path])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("export.zip", "PK", "an archive; unpack it, and name the folder"),
        (
            "a.json",
            '[{"image": "a.jpg", "label": [{"rectanglelabels": ["a"]}]}]',
            "Label Studio's JSON-MIN: export JSON",
        ),
        ("a.json", '{"a.jpg1": {"regions": [{"shape_attributes": {}}]}}', "of the VGG Image Annotator: export COCO"),
        ("a.json", '[{"image": "a.jpg", "annotations": [{"coordinates": {"x": 1}}]}]', "CreateML's JSON: export COCO"),
    ],
)
def test_exports_that_cannot_be_read_are_called_what_they_are(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message):
        read_dataset([tmp_path / name])
