"""Videos with their annotation beside them, as data."""

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import call

from clmot.datasets.readers import read_dataset, recognise
from clmot.errors import UserError
from clmot.io.image import read_image
from clmot.io.video_writer import VideoWriter

FRAMES = 5


@pytest.fixture
def street(tmp_path) -> Path:
    """A video of five frames, in which a white box of 20x40 pixels moves by 10 pixels a frame."""
    file = tmp_path / "street.mp4"
    with VideoWriter(file, 10, (128, 96)) as writer:
        for number in range(FRAMES):
            image = np.zeros((96, 128, 3), np.uint8)
            image[30:70, 10 + 10 * number : 30 + 10 * number] = 255
            writer.write(image, number + 1, number / 10)
    return file


def cvat(file: Path) -> None:
    boxes = "".join(
        f'<box frame="{number}" outside="0" occluded="0" keyframe="1" xtl="{10 + 10 * number}" ytl="30" '
        f'xbr="{30 + 10 * number}" ybr="70"/>'
        for number in range(FRAMES)
    )
    file.write_text(f'<annotations><version>1.1</version><track id="3" label="car">{boxes}</track></annotations>')


def text(file: Path, first: str = "7") -> None:
    rows = [f"{number + 1},{first},{11 + 10 * number},31,20,40,0.8,-1,-1,-1\n" for number in range(FRAMES)]
    file.write_text("".join(rows))


def check(path: Path, name: str) -> None:
    dataset = read_dataset([path], identities=True)
    assert dataset.classes == (name,)
    assert [sample.frame for sample in dataset.samples] == [1, 2, 3, 4, 5]
    for number, sample in enumerate(dataset.samples):
        assert sample.boxes.tolist() == [[10 + 10 * number, 30, 30 + 10 * number, 70]]
        assert not sample.ignore.any()
        image = read_image(sample.image)
        # the box lies on the white object of its own frame
        assert image[35:65, 12 + 10 * number : 28 + 10 * number].min() > 200
        assert image[35:65, 36 + 10 * number :].max() < 60
    assert len({int(sample.identities[0]) for sample in dataset.samples}) == 1


def test_text_of_a_tracker_beside_its_video(street):
    text(street.with_suffix(".txt"))
    check(street, "person")
    check(street.parent, "person")


@pytest.mark.parametrize("name", ["street.xml", "annotations.xml"])
def test_cvat_for_video_beside_its_video(street, name):
    cvat(street.with_name(name))
    for path in (street, street.parent, street.with_name(name)):
        check(path, "car")


def test_frames_are_written_once_and_anew_when_the_annotation_changes(street):
    text(street.with_suffix(".txt"))
    check(street, "person")
    image = street.with_name("street.frames") / "img1" / "000001.jpg"
    written = image.stat().st_mtime_ns
    check(street, "person")
    assert image.stat().st_mtime_ns == written
    street.with_suffix(".txt").write_text("2,1,11,31,20,40,1,-1,-1,-1\n")
    assert [sample.frame for sample in read_dataset([street]).samples] == [2]


def test_detections_and_drawn_results_are_no_annotation(street):
    text(street.with_suffix(".txt"), first="-1")
    assert recognise(street) is None
    text(street.with_suffix(".txt"))
    street.with_name("run.json").write_text(json.dumps({"street": {"files": ["street.txt", "street.mp4"]}}))
    with pytest.raises(UserError):
        read_dataset([street])


def test_frames_by_hand(street, tmp_path, capsys):
    text(tmp_path / "boxes.txt")
    assert call("data", "frames", street, "--out", tmp_path / "all", "--boxes", tmp_path / "boxes.txt") == 0
    assert "5 frames" in capsys.readouterr().out
    check(tmp_path / "all", "person")
    assert call("data", "frames", street, "--every", 2) == 0
    images = (tmp_path / "street.frames" / "img1").iterdir()
    assert sorted(image.name for image in images) == ["000001.jpg", "000003.jpg", "000005.jpg"]


def test_frames_of_several_videos_at_once(street, tmp_path, capsys):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "street.mp4").write_bytes(street.read_bytes())
        text(tmp_path / "boxes.txt")
    (tmp_path / "b" / "other.mp4").write_bytes(street.read_bytes())
    out = tmp_path / "out"
    call("data", "frames", f"{tmp_path}/[ab]/street.mp4", tmp_path / "b" / "other.mp4", "--out", out, "--every", 2)
    assert [line.split(": ")[-1] for line in capsys.readouterr().out.splitlines()] == ["3 frames"] * 3
    assert sorted(each.name for each in out.iterdir()) == ["a-street", "b-street", "other"]
    assert sorted(each.name for each in (out / "other" / "img1").iterdir()) == [f"{n:06d}.jpg" for n in (1, 3, 5)]
    # by default each beside its video; nothing is begun where one of them is there already
    (tmp_path / "b" / "other.frames").mkdir()
    (tmp_path / "b" / "other.frames" / "x").touch()
    assert call("data", "frames", tmp_path / "b") == 2
    assert "other.frames: is not empty" in capsys.readouterr().err
    assert not (tmp_path / "b" / "street.frames").exists()
    assert call("data", "frames", tmp_path / "a", tmp_path / "b" / "street.mp4") == 0
    assert (tmp_path / "a" / "street.frames" / "img1").is_dir()


def test_boxes_of_several_videos_are_a_folder(street, tmp_path, capsys):
    other = tmp_path / "other.mp4"
    other.write_bytes(street.read_bytes())
    boxes = tmp_path / "boxes"
    boxes.mkdir()
    text(boxes / "street.txt")
    command = ["data", "frames", street, other, "--out", tmp_path / "out", "--boxes"]
    for given, message in (
        (boxes / "street.txt", "one file for 2 videos"),
        (boxes, "has no other.txt and no other.xml"),
    ):
        assert call(*command, given) == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
    cvat(boxes / "other.xml")
    call(*command, boxes)
    read = read_dataset([tmp_path / "out" / "street", tmp_path / "out" / "other"], identities=True)
    assert len(read.samples) == 2 * FRAMES
    assert "car" in read.classes
