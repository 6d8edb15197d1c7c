from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from clmot.data.readers import read_dataset
from clmot.data.readers.cuhk_sysu import read_cuhk_sysu
from clmot.errors import UserError


def structs(*rows: dict[str, Any]) -> np.ndarray:
    """A MATLAB struct array [1, n]."""
    array = np.empty((1, len(rows)), [(name, object) for name in rows[0]])
    for i, row in enumerate(rows):
        array[0, i] = tuple(row.values())
    return array


def image(name: str, *boxes: list[int]) -> dict[str, Any]:
    persons = structs(*({"idlocate": np.array([box], np.uint16), "ishard": 0} for box in boxes)) if boxes else []
    return {"imname": name, "nAppear": len(boxes), "box": persons}


def person(name: str, *scenes: tuple[str, list[int]]) -> dict[str, Any]:
    rows = ({"imname": at, "idlocate": np.array([box], np.uint16), "ishard": 1} for at, box in scenes)
    return {"idname": name, "nAppear": len(scenes), "scene": structs(*rows)}


IMAGES = [
    image("s10.jpg", [3, 2, 10, 20], [15, 2, 10, 20]),
    image("s2.jpg", [1, 1, 5, 5]),
    image("s3.jpg", [4, 4, 5, 9], [6, 4, 0, 9]),
    image("s4.jpg"),
]
PERSONS = [
    person("p7", ("s10.jpg", [15, 2, 10, 20]), ("s2.jpg", [1, 1, 5, 5]), ("s3.jpg", [4, 4, 5, 9])),
    person("p11340", ("s10.jpg", [3, 3, 10, 20])),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "annotation").mkdir()
    (tmp_path / "Image/SSM").mkdir(parents=True)
    for each in IMAGES:
        cv2.imwrite(str(tmp_path / "Image/SSM" / each["imname"]), np.zeros((24, 32, 3), np.uint8))
    savemat(tmp_path / "annotation/Images.mat", {"Img": structs(*IMAGES)})
    savemat(tmp_path / "annotation/Person.mat", {"Person": structs(*PERSONS)})
    pool = np.empty((2, 1), object)
    pool[:, 0] = ["s3.jpg", "s4.jpg"]
    savemat(tmp_path / "annotation/pool.mat", {"pool": pool})
    return tmp_path


def test_training_split(root: Path) -> None:
    dataset = read_dataset([root], identities=True)
    assert dataset.classes == ("person",)
    assert dataset.skipped == {"person without box": 1}
    first, second = dataset.samples
    # ordered as people count; one sequence, because p7 is in both
    assert [(s.image.name, s.sequence, s.frame) for s in dataset.samples] == [
        ("s2.jpg", "cuhk-sysu", 1),
        ("s10.jpg", "cuhk-sysu", 2),
    ]
    np.testing.assert_array_equal(first.boxes, [[1, 1, 6, 6]])
    assert first.identities.tolist() == [7]
    np.testing.assert_array_equal(second.boxes, [[3, 2, 13, 22], [15, 2, 25, 22]])
    assert second.identities.tolist() == [-1, 7]
    assert (first.width, first.height) == (32, 24)


def test_test_split_and_both(root: Path) -> None:
    dataset = read_dataset([root / "annotation/pool.mat"], identities=True)
    assert [(s.image.name, len(s.boxes)) for s in dataset.samples] == [("s3.jpg", 1), ("s4.jpg", 0)]
    assert dataset.skipped == {"degenerate box": 1}
    assert len(read_dataset([root / "annotation/Images.mat"]).samples) == 4
    (root / "annotation/pool.mat").unlink()
    (root / "annotation/Person.mat").unlink()
    dataset = read_dataset([root], identities=True)
    assert len(dataset.samples) == 4
    assert {identity for s in dataset.samples for identity in s.identities.tolist()} == {-1}


def test_a_single_image_and_person(root: Path) -> None:
    """MATLAB keeps no trace of a list around a single struct."""
    savemat(root / "annotation/Images.mat", {"Img": structs(IMAGES[1])})
    savemat(root / "annotation/Person.mat", {"Person": structs(PERSONS[0])})
    (sample,) = read_dataset([root], identities=True).samples
    assert sample.identities.tolist() == [7]


def test_faults_are_named(root: Path) -> None:
    images = root / "annotation/Images.mat"
    (root / "Image/SSM/s2.jpg").unlink()
    with pytest.raises(UserError, match=r"Images\.mat: image .*s2\.jpg is missing"):
        read_cuhk_sysu(root)
    savemat(images, {"Img": structs({"imname": "a.jpg", "box": structs({"idlocate": [[1, 2, 3]]})})})
    with pytest.raises(UserError, match=r"Images\.mat: image 1: idlocate is .*, expected left, top, width, height"):
        read_cuhk_sysu(root)
    savemat(images, {"Img": structs({"name": "a.jpg"})})
    with pytest.raises(UserError, match=r"image 1: no imname in it \(found name\)"):
        read_cuhk_sysu(root)
    savemat(images, {"other": 1})
    with pytest.raises(UserError, match=r"Images\.mat: Img is not a list of structs"):
        read_cuhk_sysu(root)
    savemat(images, {"Img": structs(*IMAGES)})
    savemat(root / "annotation/Person.mat", {"Person": structs(person("x7", ("s3.jpg", [4, 4, 5, 9])))})
    with pytest.raises(UserError, match=r"Person\.mat: person 1: idname is 'x7', expected p and a number"):
        read_cuhk_sysu(root)
    savemat(root / "annotation/pool.mat", {"other": 1})
    with pytest.raises(UserError, match=r"pool\.mat: no variable pool in it"):
        read_cuhk_sysu(root)
    with pytest.raises(UserError, match=r"expected annotation/Images\.mat or annotation/pool\.mat"):
        read_cuhk_sysu(root / "annotation/Person.mat")
    with pytest.raises(UserError, match=r"no annotation/Images\.mat beside"):
        read_cuhk_sysu(root / "Image")
