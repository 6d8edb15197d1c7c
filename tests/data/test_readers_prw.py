from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from clmot.data.readers import read_dataset
from clmot.data.readers.prw import read_prw
from clmot.errors import UserError


def add_frame(root: Path, name: str, variables: dict[str, Any]) -> None:
    for folder in ("frames", "annotations"):
        (root / folder).mkdir(exist_ok=True)
    cv2.imwrite(str(root / "frames" / f"{name}.jpg"), np.zeros((24, 32, 3), np.uint8))
    savemat(root / "annotations" / f"{name}.jpg.mat", variables)


def test_frames(tmp_path: Path) -> None:
    add_frame(tmp_path, "c1s1_001051", {"anno_previous": [[7, 0, 0, 1, 1]], "box_new": [[479, 1.5, 2, 10, 20]]})
    add_frame(tmp_path, "c2s1_001051", {"anno_file": [[479, 3, 2, 10, 20], [-2, 4, 2, 10, 20], [5, 4, 2, 0, 20]]})
    add_frame(tmp_path, "c3s1_001051", {"anno_previous": np.empty((0, 5))})
    dataset = read_dataset([tmp_path], identities=True)
    assert dataset.classes == ("person",)
    assert dataset.skipped == {"degenerate box": 1}
    first, second, third = dataset.samples
    assert [(s.sequence, s.frame, s.image.name) for s in dataset.samples] == [
        ("prw", 1, "c1s1_001051.jpg"),
        ("prw", 2, "c2s1_001051.jpg"),
        ("prw", 3, "c3s1_001051.jpg"),
    ]
    np.testing.assert_array_equal(first.boxes, [[1.5, 2, 11.5, 22]])
    # the same person under two cameras; -2 is nobody known
    assert first.identities.tolist() == [479]
    assert second.identities.tolist() == [479, -1]
    assert len(third.boxes) == 0
    assert (third.width, third.height) == (32, 24)


def test_faults_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no annotations/<frame>\.jpg\.mat"):
        read_prw(tmp_path)
    add_frame(tmp_path, "a", {"boxes": [[1, 2, 3, 4, 5]]})
    with pytest.raises(UserError, match=r"a\.jpg\.mat: none of the variables box_new, anno_file, anno_previous"):
        read_prw(tmp_path)
    add_frame(tmp_path, "a", {"box_new": [[1, 2, 3, 4]]})
    with pytest.raises(UserError, match=r"a\.jpg\.mat: box_new is not a table of 5 columns"):
        read_prw(tmp_path)
    add_frame(tmp_path, "a", {"box_new": [[np.nan, 2, 3, 4, 5]]})
    with pytest.raises(UserError, match=r"a\.jpg\.mat: an identity in box_new is not a number"):
        read_prw(tmp_path)
    (tmp_path / "frames" / "a.jpg").unlink()
    with pytest.raises(UserError, match=r"a\.jpg\.mat: image .*a\.jpg is missing"):
        read_prw(tmp_path)
