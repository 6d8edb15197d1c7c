from pathlib import Path

import numpy as np
import pytest
from data_builders import encoded

from clmot.datasets.readers import cvat, read_dataset, voc
from clmot.errors import UserError

JPEG = encoded(50, 30)


def box(left: object, top: object, right: object, bottom: object) -> str:
    # the order of the four differs between tools
    return f"<bndbox><xmax>{right}</xmax><xmin>{left}</xmin><ymax>{bottom}</ymax><ymin>{top}</ymin></bndbox>"


def item(name: str, *corners: object, more: str = "") -> str:
    return f"<object>\n<name>{name}</name><pose>Left</pose>{more}{box(*corners)}</object>\n"


def document(*objects: str, filename: str = "a.jpg", size: str = "<width>50</width><height>30</height>") -> str:
    return (
        f"<annotation>\n<folder>VOC2007</folder><filename>{filename}</filename>\n"
        f"<size>{size}<depth>3</depth></size>\n{''.join(objects)}</annotation>"
    )


def devkit(root: Path, **files: str) -> Path:
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for stem, content in files.items():
        (root / "Annotations" / f"{stem}.xml").write_text(content)
        (root / "JPEGImages" / f"{stem}.jpg").write_bytes(JPEG)
    return root


def test_devkit(tmp_path: Path) -> None:
    part = "<part><name>head</name>" + box(5, 5, 6, 6) + "</part>"
    root = devkit(
        tmp_path / "VOC2007",
        a=document(
            item("person", 1, 1, 50, 30),
            item(" dog ", "10.5", 11, 20, 21, more="<difficult>1</difficult>"),
            item("person", -3, 2, 4, 5, more=part + "<difficult>0</difficult>"),
        ),
        b=document(filename="b.jpg"),
    )
    dataset = read_dataset([root])
    assert dataset.classes == ("person",)  # no dog counts
    a, b = dataset.samples
    # pixels count from 1, and the last one is inside
    np.testing.assert_array_equal(a.boxes, [[-4, 1, 4, 5], [0, 0, 50, 30], [9.5, 10, 20, 21]])
    assert a.ignore.tolist() == [False, False, True]
    assert a.identities.tolist() == [-1, -1, -1]
    assert (a.sequence, a.frame, a.width, a.height) == ("VOC2007/a", 1, 50, 30)
    assert a.image == root / "JPEGImages/a.jpg"
    assert (b.sequence, len(b.boxes)) == ("VOC2007/b", 0)


def test_a_list_of_image_sets(tmp_path: Path) -> None:
    root = devkit(tmp_path, **{key: document(item("cat", 1, 1, 9, 9), filename=f"{key}.jpg") for key in "abc"})
    for name, content in (("train.txt", "a\r\nc"), ("cat_train.txt", "a  1\nb -1\nc  0\n")):
        path = root / "ImageSets/Main" / name
        path.write_text(content)
        assert [sample.image.stem for sample in read_dataset([path]).samples] == ["a", "c"]


def test_beside_the_images_with_paths_of_another_machine(tmp_path: Path) -> None:
    """As labelImg leaves them; sizes of 0, and a byte order mark."""
    no_size = "<width>0</width><height>0</height>"
    (tmp_path / "x.xml").write_text(
        "\ufeff" + document(item("cat", 1, 1, 9, 9), filename=r"C:\me\pictures\y.jpg", size=no_size)
    )
    (tmp_path / "y.jpg").write_bytes(JPEG)
    (tmp_path / "z.xml").write_text(document(item("cat", 1, 1, 9, 9), filename="z"))
    (tmp_path / "z.jpg").write_bytes(JPEG)
    samples = read_dataset([tmp_path]).samples
    assert [(sample.image.name, sample.width, sample.height) for sample in samples] == [
        ("y.jpg", 50, 30),
        ("z.jpg", 50, 30),
    ]
    assert len(read_dataset([tmp_path / "x.xml"]).samples) == 1


def test_degenerate_boxes_are_counted(tmp_path: Path) -> None:
    faulty = (item("cat", "nan", 1, 9, 9), item("cat", 10, 1, 9, 9), item("cat", 1, 1, "1e60", 9))
    dataset = read_dataset([devkit(tmp_path, a=document(*faulty, item("cat", 9, 1, 9, 9)))])
    np.testing.assert_array_equal(dataset.samples[0].boxes, [[8, 0, 9, 9]])  # one pixel wide
    assert dataset.skipped == {"degenerate box": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (document(item("", 1, 1, 9, 9)), r"a\.xml:4: <object> has no name"),
        (document(item("cat", 1, 1, 9, "")), r"a\.xml:5: ymax of <bndbox> is missing, expected a number"),
        (document(item("cat", 1, "top", 9, 9)), r"a\.xml:5: ymin of <bndbox> is 'top', expected a number"),
        (document(item("cat", 1, 1, 9, 9))[:-5], r"a\.xml:\d+: not valid XML: "),
        ("", r"a\.xml:1: not valid XML: no element found"),
        ("<annotations/>", r"a\.xml:1: root element is <annotations>, expected <annotation>"),
        (
            document(item("cat", 1, 1, 9, 9), filename="none.jpg"),
            r"a\.xml: image none\.jpg not found; looked in .*JPEG",
        ),
    ],
)
def test_faulty_files(tmp_path: Path, text: str, message: str) -> None:
    devkit(tmp_path, a=text)
    if "none" in text:
        (tmp_path / "JPEGImages/a.jpg").unlink()
    with pytest.raises(UserError, match=message):
        voc.read_voc(tmp_path)


def test_billion_laughs_are_refused(tmp_path: Path) -> None:
    lines = ["<!DOCTYPE annotation [", '<!ENTITY a0 "ha">']
    lines += [f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10)]
    text = "\n".join(lines) + "]>\n" + document(item("&a9;", 1, 1, 9, 9))
    with pytest.raises(UserError, match=r"a\.xml:2: declares an entity"):
        read_dataset([devkit(tmp_path, a=text)])


def test_files_are_not_fetched_through_entities(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    text = f'<!DOCTYPE annotation [<!ENTITY a SYSTEM "{tmp_path}/secret">]>' + document(item("&a;", 1, 1, 9, 9))
    with pytest.raises(UserError, match=r"a\.xml:1: declares an entity"):
        read_dataset([devkit(tmp_path, a=text)])
    # a document type alone does no harm, and its file is not looked for
    text = '<!DOCTYPE annotation SYSTEM "none.dtd">' + document(item("cat &amp; dog", 1, 1, 9, 9))
    assert read_dataset([devkit(tmp_path, a=text)]).classes == ("cat & dog",)


def test_foreign_folders_are_not_claimed(tmp_path: Path) -> None:
    assert not voc.FORMAT.matches(tmp_path)
    (tmp_path / "a.xml").write_text("<?xml version='1.0'?><!-- <annotation> --><annotations/>")
    assert not voc.FORMAT.matches(tmp_path)
    assert cvat.FORMAT.matches(tmp_path)
    (tmp_path / "none").mkdir()
    with pytest.raises(
        UserError, match=r"none: no Pascal VOC annotations \(it is empty\); expected Annotations/\*\.xml"
    ):
        voc.read_voc(tmp_path / "none")


def test_what_has_no_box_or_no_image_is_counted(tmp_path: Path) -> None:
    polygon = "<object><name>cat</name><polygon><x1>1</x1></polygon></object>"
    boxes = document(item("cat", 1, 1, 9, 9) + polygon)
    root = devkit(tmp_path, a=boxes, b=boxes.replace("a.jpg", "b.jpg"))
    (tmp_path / "JPEGImages/b.jpg").unlink()
    dataset = read_dataset([root])
    assert [len(sample.boxes) for sample in dataset.samples] == [1]
    assert dataset.skipped == {"object without a box": 2, "image that is not there": 1}


@pytest.mark.parametrize(
    "encoding", ["gb2312", "gbk", "gb18030", "utf-16", "big5", "iso-8859-1", "windows-1251", "utf-8"]
)
def test_declared_encodings(encoding: str, tmp_path: Path) -> None:
    name = {"big5": "行人", "iso-8859-1": "Fußgänger", "windows-1251": "пешеход"}.get(encoding, "行人")
    text = f'<?xml version="1.0" encoding="{encoding}"?>' + document(item(name, 1, 1, 9, 9))
    root = devkit(tmp_path, a="")
    (root / "Annotations/a.xml").write_bytes(text.encode(encoding))
    assert read_dataset([root]).classes == (name,)
    # lines are still named
    (root / "Annotations/a.xml").write_bytes(text.replace("<xmax>9", "<xmax>x").encode(encoding))
    with pytest.raises(UserError, match=r"a\.xml:5: xmax of <bndbox> is 'x'"):
        read_dataset([root])


def test_another_encoding_than_declared(tmp_path: Path) -> None:
    text = '<?xml version="1.0" encoding="utf-8"?>' + document(item("行人", 1, 1, 9, 9))
    root = devkit(tmp_path, a="")
    (root / "Annotations/a.xml").write_bytes(text.encode("gbk"))
    assert read_dataset([root]).classes == ("行人",)
    (root / "Annotations/a.xml").write_bytes(text.replace("utf-8", "klingon").encode())
    assert read_dataset([root]).classes == ("行人",)
