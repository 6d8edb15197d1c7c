from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from clmot.data.readers import read_dataset
from clmot.data.readers.citypersons import read_citypersons
from clmot.errors import UserError

ROWS = [
    # class, left, top, width, height, instance, visible left, top, width, height
    [1, -2, 2, 8, 20, 24000, 0, 2, 6, 20],
    [1, 5, 2, 8, 20, 24001, 5, 2, 1, 2],
    [2, 9, 2, 8, 20, 25000, 9, 2, 8, 20],
    [0, 12, 2, 8, 6, 0, 12, 2, 8, 6],
]


def record(city: str, name: str, rows: Any) -> dict[str, Any]:
    return {"cityname": city, "im_name": name, "bbs": np.array(rows, np.float64).reshape(-1, 10)}


RECORDS = [
    record("ulm", "ulm_000001_000019_leftImg8bit.png", ROWS),
    record("ulm", "ulm_000000_000019_leftImg8bit.png", ROWS[:1]),
    record("jena", "jena_000000_000019_leftImg8bit.png", []),
]


def write(root: Path, records: list[dict[str, Any]], images: str = "leftImg8bit", split: str = "train") -> Path:
    for each in records:
        image = root / images / split / each["cityname"] / each["im_name"]
        image.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(image), np.zeros((24, 32, 3), np.uint8))
    cells = np.empty((1, len(records)), object)
    cells[0, :] = records
    path = root / "annotations" / f"anno_{split}.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {f"anno_{split}_aligned": cells})
    return path


@pytest.mark.parametrize("images", ["leftImg8bit", "leftImg8bit_trainvaltest/leftImg8bit"])
def test_photos(tmp_path: Path, images: str) -> None:
    path = write(tmp_path, RECORDS, images)
    for place in (path, tmp_path, tmp_path / "annotations"):
        dataset = read_dataset([place])
        assert dataset.classes == ("person",)
        assert not dataset.skipped
        jena, first, second = dataset.samples
        assert [(s.sequence, s.frame) for s in dataset.samples] == [
            ("train/jena", 1),
            ("train/ulm", 1),
            ("train/ulm", 2),
        ]
        assert len(jena.boxes) == 0
        assert first.image.name == "ulm_000000_000019_leftImg8bit.png"
        np.testing.assert_array_equal(first.boxes, [[-2, 2, 6, 22]])  # beyond the image is kept
        # hidden, rider, ignore region
        assert dict(zip(second.boxes[:, 0].tolist(), second.ignore.tolist(), strict=True)) == {
            -2: False,
            5: True,
            9: True,
            12: True,
        }
        assert second.identities.tolist() == [-1] * 4


def test_visibility_and_both_splits(tmp_path: Path) -> None:
    write(tmp_path, RECORDS)
    write(tmp_path, [record("lindau", "lindau_000000_000019_leftImg8bit.png", ROWS)], split="val")
    samples = read_dataset([tmp_path], min_visibility=0.0).samples
    assert sum(int((~sample.ignore).sum()) for sample in samples) == 5
    assert samples[-1].sequence == "val/lindau"


def test_a_single_image_and_a_degenerate_box(tmp_path: Path) -> None:
    rows = [ROWS[0], [1, 5, 5, 0, 5, 1, 5, 5, 0, 5]]
    write(tmp_path, [record("ulm", "ulm_000001_000019_leftImg8bit.png", rows)])
    dataset = read_dataset([tmp_path])
    assert dataset.skipped == {"degenerate box": 1}
    assert len(dataset.samples) == 1


def test_faults_are_named(tmp_path: Path) -> None:
    path = write(tmp_path, RECORDS)
    image = tmp_path / "leftImg8bit" / "train" / "ulm" / "ulm_000001_000019_leftImg8bit.png"
    image.unlink()
    with pytest.raises(UserError, match=r"anno_train\.mat: image .*ulm_000001_000019_leftImg8bit\.png is missing"):
        read_citypersons(path)
    savemat(path, {"anno_train_aligned": [{"cityname": "ulm", "im_name": "a.png", "bbs": [[1, 2, 3]]}]})
    with pytest.raises(UserError, match=r"image 1 \(a\.png\): bbs is not a table of 10 columns"):
        read_citypersons(path)
    savemat(path, {"anno_train_aligned": [{"cityname": "ulm"}]})
    with pytest.raises(UserError, match=r"image 1: expected cityname, im_name and bbs"):
        read_citypersons(path)
    savemat(path, {"other": 1})
    with pytest.raises(UserError, match=r"no variable anno_train_aligned or anno_val_aligned \(found other\)"):
        read_citypersons(path)
    path.write_bytes(b"MATLAB")
    with pytest.raises(UserError, match="not a readable MATLAB file"):
        read_citypersons(path)
    with pytest.raises(UserError, match=r"no anno_train\.mat or anno_val\.mat there"):
        read_citypersons(tmp_path / "leftImg8bit")
    with pytest.raises(UserError, match=r"expected a file named anno_train\.mat"):
        read_citypersons(image.parent / "ulm_000000_000019_leftImg8bit.png")
