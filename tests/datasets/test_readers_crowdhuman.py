import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_builders import encoded

from clmot.datasets.readers import read_dataset
from clmot.datasets.readers.crowdhuman import read_crowdhuman
from clmot.errors import UserError

Record = dict[str, Any]


def person(left: float, visible_width: float = 10, **more: Any) -> Record:
    """A person 10 wide and 20 high, visible from the left."""
    return {
        "tag": "person",
        "fbox": [left, 4, 10, 20],
        "vbox": [left, 4, visible_width, 20],
        "hbox": [left, 4, 4, 4],
        "head_attr": {"ignore": 0, "occ": 0, "unsure": 0},
        "extra": {"box_id": 0, "occ": 0},
        **more,
    }


PHOTOS = [
    {
        "ID": "273271,c9db000d5146c15",
        "gtboxes": [
            person(-6),
            person(3, visible_width=4),
            person(8, visible_width=0.5),
            person(12, extra={"ignore": 1}),
            person(15, tag="mask", extra={"box_id": 4}),
        ],
    },
    {"ID": "1066405,1b8ac", "gtboxes": [person(2, extra={})]},
    {"ID": "284193,empty", "gtboxes": []},
]


def write(folder: Path, records: Sequence[Record] = PHOTOS, images: str = "Images", split: str = "train") -> Path:
    (folder / images).mkdir(parents=True, exist_ok=True)
    data = encoded(32, 24)
    for record in records:
        (folder / images / f"{record['ID']}.jpg").write_bytes(data)
    path = folder / f"annotation_{split}.odgt"
    path.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
    return path


def test_full_boxes(tmp_path: Path) -> None:
    path = write(tmp_path)
    for place in (path, tmp_path):
        dataset = read_dataset([place])
        assert dataset.classes == ("person",)
        assert not dataset.skipped
        empty_first = {sample.sequence.split("/")[1]: sample for sample in dataset.samples}
        assert sorted(empty_first) == ["1066405,1b8ac", "273271,c9db000d5146c15", "284193,empty"]
        crowd = empty_first["273271,c9db000d5146c15"]
        # beyond the image is kept; boxes come from left to right
        np.testing.assert_array_equal(crowd.boxes[:, 0], [-6, 3, 8, 12, 15])
        np.testing.assert_array_equal(crowd.boxes[0], [-6, 4, 4, 24])
        # 5 % visible, extra.ignore, mask
        assert crowd.ignore.tolist() == [False, False, True, True, True]
        assert (crowd.width, crowd.height, crowd.frame) == (32, 24, 1)
        assert crowd.identities.tolist() == [-1] * 5
        assert len(empty_first["284193,empty"].boxes) == 0


def test_each_photo_is_a_sequence_of_its_own(tmp_path: Path) -> None:
    dataset = read_dataset([write(tmp_path)])
    assert len({sample.sequence for sample in dataset.samples}) == 3


def test_visibility_is_the_visible_share_of_the_full_box(tmp_path: Path) -> None:
    path = write(tmp_path)
    for least, ignored in ((0.0, 2), (0.05, 2), (0.3, 3), (0.5, 4)):
        samples = read_dataset([path], min_visibility=least).samples
        assert sum(int(sample.ignore.sum()) for sample in samples) == ignored


def test_visible_boxes(tmp_path: Path) -> None:
    dataset = read_dataset([write(tmp_path)], format="crowdhuman-visible")
    crowd = next(sample for sample in dataset.samples if len(sample.boxes) == 5)
    np.testing.assert_array_equal(crowd.boxes[1], [3, 4, 7, 24])


def test_archives_unpacked_into_several_folders(tmp_path: Path) -> None:
    write(tmp_path, PHOTOS[:1], "CrowdHuman_train01/Images")
    write(tmp_path, PHOTOS[1:2], "CrowdHuman_train02/Images")
    write(tmp_path, PHOTOS, "CrowdHuman_train03/Images")
    write(tmp_path, [{**PHOTOS[0], "ID": "other"}], "CrowdHuman_val/Images", "val")
    dataset = read_dataset([tmp_path])
    assert len(dataset.samples) == 4
    assert dataset.notes[0].endswith("annotation_train.odgt, annotation_val.odgt")
    assert {sample.image.parent.parent.name for sample in dataset.samples} == {
        "CrowdHuman_train01",
        "CrowdHuman_train02",
        "CrowdHuman_train03",
        "CrowdHuman_val",
    }


def test_annotations_in_a_folder_of_their_own(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "annotations").mkdir()
    path.rename(tmp_path / "annotations" / path.name)
    assert len(read_dataset([tmp_path]).samples) == 3


def test_crlf_byte_order_mark_and_empty_lines(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n\r\n") + b"\r\n")
    assert len(read_dataset([path]).samples) == 3


def test_faulty_boxes_are_skipped_and_counted(tmp_path: Path) -> None:
    gtboxes = [person(1), person(1) | {"fbox": [1, 2, 0, 5]}, person(1) | {"fbox": [float("nan"), 2, 3, 5]}]
    dataset = read_dataset([write(tmp_path, [{"ID": "a", "gtboxes": gtboxes}])])
    assert dataset.skipped == {"degenerate box": 2}
    assert len(dataset.samples[0].boxes) == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"ID": "b", "gtboxes": [', r":4: not valid JSON"),
        ('{"ID": 7, "gtboxes": []}', r":4: \$\.ID: expected str, got int"),
        ('{"ID": "b"}', r":4: \$: object missing required field gtboxes"),
        ("[]", r":4: \$: expected object, got array"),
        ('{"ID": "1066405,1b8ac", "gtboxes": []}', r":4: image 1066405,1b8ac is on line 2 already"),
        ('{"ID": "b", "gtboxes": [7]}', r":4: \$\.gtboxes\[0\]: expected object, got int"),
        ('{"ID": "b", "gtboxes": [{"tag": "person"}]}', r":4: \$\.gtboxes\[0\]: object missing required field fbox"),
        ('{"ID": "b", "gtboxes": [{"fbox": [1, 2, 3]}]}', r":4: \$\.gtboxes\[0\]\.fbox: expected array of length 4"),
        (
            '{"ID": "b", "gtboxes": [{"fbox": [1, 2, 3, 4], "extra": 1}]}',
            r":4: \$\.gtboxes\[0\]\.extra: expected object",
        ),
    ],
)
def test_faults_are_named(tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path)
    path.write_text(path.read_text() + "\n" + line)
    with pytest.raises(UserError, match=r"annotation_train\.odgt" + message):
        read_crowdhuman(path)


def test_a_partial_download_is_read(tmp_path: Path) -> None:
    path = write(tmp_path)
    images = len(read_crowdhuman(path).samples)
    path.write_text(path.read_text() + '\n{"ID": "b", "gtboxes": []}\n{"ID": "c", "gtboxes": []}')
    dataset = read_crowdhuman(path)
    assert len(dataset.samples) == images
    assert dataset.skipped == {"image that is not there": 2}
    path.write_text('{"ID": "b", "gtboxes": []}\n{"ID": "c", "gtboxes": []}')
    with pytest.raises(
        UserError, match=r"annotation_train\.odgt: image b\.jpg not found; looked in .*; nor any of 1 more"
    ):
        read_crowdhuman(path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no annotation_train\.odgt"):
        read_crowdhuman(tmp_path)
    (tmp_path / "a.odgt").touch()
    with pytest.raises(UserError, match="no annotations in it"):
        read_crowdhuman(tmp_path)
