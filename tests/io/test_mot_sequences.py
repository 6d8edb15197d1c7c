from pathlib import Path

import cv2
import numpy as np
import pytest

from clmot.errors import UserError
from clmot.io.folders import describe_folder
from clmot.io.mot_sequences import distractor_classes, find_sequences, read_sequence_info, sequence_folders
from clmot.io.mot_writer import write_sequence_info

INI = """[Sequence]
imDir={folder}
frameRate=12.5
seqLength={length}
imWidth={width}
imHeight=24
imExt={ext}
"""


def make_images(folder: Path, names: list[str], size: tuple[int, int] = (32, 24)) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        cv2.imwrite(str(folder / name), np.zeros((size[1], size[0], 3), np.uint8))


def write_ini(folder: Path, *, images: str = "img1", length: int = 3, width: int = 32, ext: str = ".jpg") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "seqinfo.ini").write_text(INI.format(folder=images, length=length, width=width, ext=ext))


def test_without_ini(tmp_path: Path) -> None:
    make_images(tmp_path / "seq" / "img1", ["000002.png", "000001.jpg", "000010.jpeg"])
    (tmp_path / "seq" / "img1" / "notes.txt").write_text("not an image")
    (sequence,) = find_sequences(tmp_path / "seq")
    assert sequence.name == "seq"
    assert sequence.frames == [1, 2, 10]
    assert [image.name for image in sequence.images] == ["000001.jpg", "000002.png", "000010.jpeg"]
    assert (sequence.width, sequence.height) == (32, 24)
    assert sequence.frame_rate == 30
    assert sequence.ground_truth is None


def test_ini_is_honoured(tmp_path: Path) -> None:
    make_images(tmp_path / "seq" / "frames", [f"{i:06}.png" for i in range(1, 6)] + ["000001.jpg"])
    write_ini(tmp_path / "seq", images="frames", length=3, ext=".png")
    (sequence,) = find_sequences(tmp_path / "seq")
    assert sequence.frames == [1, 2, 3]
    assert {image.suffix for image in sequence.images} == {".png"}
    assert sequence.frame_rate == 12.5


def test_names_may_count_from_zero(tmp_path: Path) -> None:
    make_images(tmp_path / "seq" / "img1", ["frame_000.jpg", "frame_001.jpg"])
    (sequence,) = find_sequences(tmp_path)
    assert sequence.frames == [1, 2]


def test_finds_sequences_one_and_two_levels_down(tmp_path: Path) -> None:
    for name in ("train/b", "train/a", "test/c", "d"):
        make_images(tmp_path / name / "img1", ["000001.jpg"])
    make_images(tmp_path / "too/deep/e" / "img1", ["000001.jpg"])
    assert [sequence.name for sequence in find_sequences(tmp_path)] == ["a", "b", "c", "d"]
    assert [sequence.name for sequence in find_sequences(tmp_path / "train")] == ["a", "b"]


def test_name_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_images(tmp_path / "seq" / "img1", ["000001.jpg"])
    monkeypatch.chdir(tmp_path / "seq")
    assert find_sequences(Path())[0].name == "seq"


def test_equal_names_are_an_error(tmp_path: Path) -> None:
    for name in ("train/a", "val/a"):
        make_images(tmp_path / name / "img1", ["000001.jpg"])
    with pytest.raises(UserError, match="two sequences are named a"):
        sequence_folders(tmp_path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none: no such folder; expected SEQUENCE/img1"):
        find_sequences(tmp_path / "none")
    with pytest.raises(UserError, match=r"no MOTChallenge sequence.*it is empty"):
        find_sequences(tmp_path)
    write_ini(tmp_path / "seq")
    with pytest.raises(UserError, match=r"img1: no images \*\.jpg \(no such folder\)"):
        find_sequences(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("imWidth=3", "not an ini file with a section"),
        ("[Other]\nimWidth=3", "not an ini file with a section"),
        ("[Sequence]\nframeRate=fast", "frameRate is 'fast', expected a number > 0"),
        ("[Sequence]\nseqLength=0", "seqLength is '0', expected a number > 0"),
        ("[Sequence]\nimWidth=nan", "imWidth is 'nan'"),
    ],
)
def test_bad_ini(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "seqinfo.ini").write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        read_sequence_info(tmp_path)
    assert "seqinfo.ini" in str(caught.value)


def test_ini_that_contradicts_the_images(tmp_path: Path) -> None:
    make_images(tmp_path / "seq" / "img1", ["000001.jpg"])
    write_ini(tmp_path / "seq", width=64)
    with pytest.raises(UserError, match=r"seqinfo\.ini: imWidth x imHeight is 64 x 24, but 000001\.jpg is 32 x 24"):
        find_sequences(tmp_path)


def test_image_names_without_or_with_equal_numbers(tmp_path: Path) -> None:
    make_images(tmp_path / "img1", ["first.jpg"])
    with pytest.raises(UserError, match=r"first\.jpg: the name does not end in a frame number"):
        find_sequences(tmp_path)
    (tmp_path / "img1" / "first.jpg").unlink()
    make_images(tmp_path / "img1", ["1.jpg", "001.png"])
    with pytest.raises(UserError, match=r"1\.jpg: frame 1 is 001\.png already"):
        find_sequences(tmp_path)


def test_describe_folder(tmp_path: Path) -> None:
    for name in "abcdef":
        (tmp_path / name).touch()
    (tmp_path / "a").unlink()
    (tmp_path / "a").mkdir()
    assert describe_folder(tmp_path) == "found a/, b, c, d and 2 more"


def test_distractors_of_mot20() -> None:
    assert set(distractor_classes(mot20=True)) - set(distractor_classes(mot20=False)) == {6}


@pytest.mark.parametrize("rate", [25, 12.5, 30000 / 1001])
def test_what_is_written_of_a_sequence_reads_back_to_the_last_bit(tmp_path, rate):
    write_sequence_info(tmp_path, "Straße", rate, 7, (640, 480))
    info = read_sequence_info(tmp_path)
    assert (info.frame_rate, info.length, info.width, info.height, info.image_suffix) == (rate, 7, 640, 480, ".jpg")
    assert "name=Straße\n" in (tmp_path / "seqinfo.ini").read_text(encoding="utf-8")
