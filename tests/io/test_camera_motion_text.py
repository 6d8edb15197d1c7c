from pathlib import Path

import numpy as np
import pytest

from clmot.errors import UserError
from clmot.io.camera_motion_text import read_camera_motion


def test_the_layout_of_botsort(tmp_path: Path) -> None:
    """Tabs with one at the end of the line, frames from 0, x row first."""
    path = tmp_path / "GMC-street.txt"
    path.write_bytes(b"0\t1.0\t0.0\t0.0\t0.0\t1.0\t0.0\t\r\n1\t1.01\t-0.02\t3.5\t0.02\t1.01\t-7.25\t\r\n\r\n")
    matrices = read_camera_motion(path)
    assert list(matrices) == [1, 2]
    np.testing.assert_array_equal(matrices[1], np.eye(2, 3))
    np.testing.assert_array_equal(matrices[2] @ (10, 100, 1), [1.01 * 10 - 2 + 3.5, 0.2 + 101 - 7.25])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 1 0 0 0 1 0\n2 1 0 0 0 1\n", "camera.txt:2: 6 columns, expected 7: frame, a, b, tx, c, d, ty"),
        ("# frame\n1 1 0 zero 0 1 0\n", "camera.txt:2: tx is 'zero', expected a number"),
        ("1 1 0 nan 0 1 0\n", "camera.txt:1: tx is nan, expected a finite number"),
        ("1 1 0 0 0 1 inf\n", "camera.txt:1: ty is inf, expected a finite"),
        ("1.5 1 0 0 0 1 0\n", "camera.txt:1: frame is 1.5, expected a whole number"),
        ("-1 1 0 0 0 1 0\n", "camera.txt:1: frame is -1, expected a whole number"),
        ("3 1 0 0 0 1 0\n\n3 1 0 5 0 1 0\n", r"camera.txt:3: frame 3 has a matrix already \(line 1\)"),
        ("1 1 2 0 2 4 0\n", "camera.txt:1: the matrix is singular"),
        ("", "camera.txt: holds no camera motion"),
        ("# only words\n", "camera.txt: holds no camera motion"),
        (b"\xff\xfe\x00", "camera.txt: not a text file"),
    ],
)
def test_mistakes_name_the_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = tmp_path / "camera.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=message) as error:
        read_camera_motion(path)
    assert "\n" not in str(error.value)


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere.txt: cannot read camera motion: No such file"):
        read_camera_motion(tmp_path / "nowhere.txt")
