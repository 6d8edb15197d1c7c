from pathlib import Path

import cv2
import numpy as np
import pytest

from clmot.data.readers import read_dataset
from clmot.data.readers.eth import read_eth
from clmot.errors import UserError

TEXT = (
    '"left/image_00000000_0.png": (212, 204, 232, 261):-1, (223, 181, 259, 285):-1;\r\n'
    '"left/image_00000004_0.png";\r\n'
    '"left/image_00000008_0.png": (267, 246, 255.5, 216):0.75,(-4, 1, 6, 30):-1, (5, 5, 5, 9);\r\n'
    "\r\n"
    '"left/image_00000012_0.png": (1, 2, 3, 4):-1.'
)


def write(root: Path, text: str = TEXT, images: str = "left", name: str = "bahnhof-annot.idl") -> Path:
    (root / images).mkdir(parents=True, exist_ok=True)
    # frame 2 is not annotated
    for number in (0, 2, 4, 8, 12):
        cv2.imwrite(str(root / images / f"image_{number:08d}_0.png"), np.zeros((48, 64, 3), np.uint8))
    (root / name).write_bytes(text.encode())
    return root / name


@pytest.mark.parametrize("images", ["left", "", "seq03-img-left", "seq03-img-left/left"])
def test_a_sequence(tmp_path: Path, images: str) -> None:
    root = tmp_path / "bahnhof"
    write(root, images=images)
    for place in (root, tmp_path):
        dataset = read_dataset([place], identities=True)
        assert dataset.classes == ("person",)
        assert dataset.skipped == {"degenerate box": 1}
        assert [(s.sequence, s.frame, len(s.boxes)) for s in dataset.samples] == [
            ("bahnhof", 1, 2),
            ("bahnhof", 5, 0),
            ("bahnhof", 9, 2),
            ("bahnhof", 13, 1),
        ]
        first, _, third, _ = dataset.samples
        np.testing.assert_array_equal(first.boxes, [[212, 204, 232, 261], [223, 181, 259, 285]])
        # corners the other way round; beyond the image is kept
        np.testing.assert_array_equal(third.boxes, [[-4, 1, 6, 30], [255.5, 216, 267, 246]])
        assert (first.width, first.height) == (64, 48)
        assert set(third.identities.tolist()) == {-1}


def test_a_file_among_several(tmp_path: Path) -> None:
    file = write(tmp_path)
    write(tmp_path, '\ufeff"image_00000002_0.png": (1, 2, 3, 4);\n', name="refined.idl")
    with pytest.raises(UserError, match=r"2 \.idl files \(bahnhof-annot\.idl, refined\.idl, \.\.\.\); name one"):
        read_dataset([tmp_path])
    assert read_dataset([file]).samples[0].sequence == "bahnhof-annot"
    (only,) = read_dataset([tmp_path / "refined.idl"]).samples
    assert (only.frame, len(only.boxes)) == (2, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"bahnhof-annot\.idl: no line in it"),
        (
            "left/image_00000000_0.png: (1, 2, 3, 4)",
            r'idl:1: expected "image\.png": \(left, top, right, bottom\):score',
        ),
        ('\n"left/image_00000000_0.png": (1, 2, 3)', r"idl:2: expected a box .*, got '\(1, 2, 3\)'"),
        ('"left/image_00000000_0.png": (1, 2, 3, 4) (1, 2, 3, 4)', r"idl:1: expected a box .*, got '\(1, 2, 3, 4\) \("),
        ('"left/image_00000000_0.png": (1, nan, 3, 4)', r"idl:1: expected a box"),
        ('"left/image_00000001_0.png": (1, 2, 3, 4)', r"idl:1: image left/image_00000001_0\.png not found; looked in"),
        (
            '"left/image_00000000_0.png"\n"left/image_00000001_0.png"',
            r"idl:2: image .*image_00000001_0\.png is missing",
        ),
        ('"left/image_00000000_0.png"\n"left/image_00000000_0.png"', r"idl:2: image .* is in line 1 already"),
    ],
)
def test_faults_are_named_by_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_eth(write(tmp_path, text))


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no \.idl file there \(it is empty\)"):
        read_eth(tmp_path)
