"""clmot adapt on the command line."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import fails


@pytest.fixture
def blank(tmp_path) -> Path:
    folder = tmp_path / "blank"
    folder.mkdir()
    for frame in range(2):
        cv2.imwrite(str(folder / f"{frame}.png"), np.full((96, 160, 3), 127, np.uint8))
    return folder


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["clmot-pedestrian"], "adapt: name at least one video or folder of images"),
        (["clmot-pedestrian", "nowhere.mp4"], "nowhere.mp4: no such file or folder"),
        (["clmot-pedestrian", "BROKEN"], "broken.mp4: cannot be read as video"),
        (["clmot-pedestrian", "BLANK"], "blank: the model finds no objects in 2 frames"),
        (["clmot-pedestrain", "BLANK"], "clmot-pedestrain: no such run or model file"),
        (["model.onnx", "BLANK"], "model.onnx: an exported model cannot learn"),
        (["clmot-pedestrian", "BLANK", "adapt.held_out=1"], "adapt.held_out must be in (0, 1)"),
        (["clmot-pedestrian", "BLANK", "adapt.min_second=3"], "adapt.min_second' (did you mean 'min_seconds'?)"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(tmp_path, blank, capsys, arguments, line):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    words = {"BLANK": str(blank), "BROKEN": str(broken)}
    assert line in fails(capsys, "adapt", *(words.get(each, each) for each in arguments), "--out", tmp_path / "out")


def test_other_peoples_folders_are_left_alone(tmp_path, blank, capsys):
    out = tmp_path / "precious"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    error = fails(capsys, "adapt", "clmot-pedestrian", blank, "--out", out)
    assert "is not empty and holds no adaptation" in error
    assert [path.name for path in out.iterdir()] == ["mine.txt"]
