import contextlib
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from clmot.errors import UserError
from clmot.io import webcam
from clmot.io.folders import natural_order
from clmot.io.sources import open_source
from clmot.io.video_writer import VideoWriter


def save_image(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((48, 64, 3), value, np.uint8))


def make_sequence(folder: Path, frames: list[int], frame_rate: int = 7) -> Path:
    for frame in frames:
        save_image(folder / "img1" / f"{frame:06d}.png", frame)
    (folder / "seqinfo.ini").write_text(f"[Sequence]\nname={folder.name}\nframeRate={frame_rate}\n")
    return folder


@pytest.fixture
def video(tmp_path: Path) -> Path:
    with VideoWriter(tmp_path / "street.mp4", 12.5, (64, 48)) as writer:
        for value in range(40):
            writer.write(np.full((48, 64, 3), 5 * value, np.uint8))
    return tmp_path / "street.mp4"


def test_video_file(video: Path) -> None:
    [source] = open_source(video)
    assert (source.name, source.frame_rate, source.length, source.live) == ("street", 12.5, 40, False)
    for _ in range(2):  # each iteration starts again
        numbers, images = zip(*source, strict=True)
        assert numbers == tuple(range(1, 41))
        assert images[20].mean() == pytest.approx(100, abs=3)


def test_image_folder_in_natural_order(tmp_path: Path) -> None:
    for value in (1, 2, 10, 9, 100):
        save_image(tmp_path / "shots" / f"view{value}.png", value)
    save_image(tmp_path / "shots" / "view3.PNG", 3)
    (tmp_path / "shots" / "notes.txt").write_text("not an image")
    (tmp_path / "shots" / "._view1.png").write_text("a file manager's")
    [source] = open_source(str(tmp_path / "shots"))
    assert (source.name, source.frame_rate, source.length) == ("shots", None, 6)
    assert [(number, int(image[0, 0, 0])) for number, image in source] == [
        (1, 1),
        (2, 2),
        (3, 3),
        (4, 9),
        (5, 10),
        (6, 100),
    ]


def test_natural_order_compares_words_and_numbers() -> None:
    names = ["10.png", "2.png", "a.png", "b2c3.png", "b2c10.png", "B1.png", "2a.png"]
    ordered = [path.name for path in sorted(map(Path, names), key=natural_order)]
    assert ordered == ["2.png", "2a.png", "10.png", "a.png", "B1.png", "b2c3.png", "b2c10.png"]


def test_sequence_folder_keeps_its_frame_numbers(tmp_path: Path) -> None:
    [source] = open_source(make_sequence(tmp_path / "S1", [3, 4, 8]))
    assert (source.name, source.frame_rate, source.length) == ("S1", 7, 3)
    assert [(number, int(image[0, 0, 0])) for number, image in source] == [(3, 3), (4, 4), (8, 8)]


def test_folder_of_sequences(tmp_path: Path) -> None:
    for name in ("B", "A"):
        make_sequence(tmp_path / name, [1, 2], frame_rate=5 if name == "A" else 9)
    assert [(source.name, source.frame_rate, len(list(source))) for source in open_source(tmp_path)] == [
        ("A", 5, 2),
        ("B", 9, 2),
    ]


def test_a_sequence_is_no_image_folder_even_with_a_picture_in_it(tmp_path: Path) -> None:
    make_sequence(tmp_path / "S1", [1, 2])
    save_image(tmp_path / "S1" / "preview.png", 0)
    [source] = open_source(tmp_path / "S1")
    assert source.length == 2


def test_breaking_off_leaves_no_thread(video: Path) -> None:
    [source] = open_source(video)
    with contextlib.closing(iter(source)) as frames:
        for number, _ in frames:
            assert any(thread.name == "prefetch" for thread in threading.enumerate())
            if number == 3:
                break
    assert not any(thread.name == "prefetch" for thread in threading.enumerate())


@pytest.mark.parametrize("content", [b"", b"\x89PNG broken"])
def test_an_unreadable_image_is_left_out_and_named(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    for value in (1, 2, 3, 4):
        save_image(tmp_path / f"{value}.png", value)
    (tmp_path / "2.png").write_bytes(content)
    [source] = open_source(tmp_path)
    for _ in range(2):
        assert [(number, int(image[0, 0, 0])) for number, image in source] == [(1, 1), (3, 3), (4, 4)]
        assert source.reading.lost == 1
    assert "2.png: not a readable image" in caplog.text


def test_more_than_half_unreadable_is_an_error_after_the_last(tmp_path: Path) -> None:
    for value in (1, 2, 3, 4, 5):
        save_image(tmp_path / f"{value}.png", value)
    for name in ("1.png", "2.png", "4.png"):
        (tmp_path / name).write_bytes(b"")
    [source] = open_source(tmp_path)
    seen = []
    with pytest.raises(UserError, match="3 of 5 frames cannot be decoded"):
        seen.extend(number for number, _ in source)
    assert seen == [3, 5]


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".apng"])
def test_animated_pictures_are_videos(tmp_path: Path, suffix: str) -> None:
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 250)]
    first, *others = [Pillow.new("RGB", (64, 48), colour) for colour in colours]
    kind = "png" if suffix == ".apng" else suffix[1:]
    first.save(tmp_path / f"a{suffix}", kind, save_all=True, append_images=others, duration=[100, 50, 200, 50], loop=0)
    [source] = open_source(tmp_path / f"a{suffix}")
    assert (source.name, source.length, source.live) == ("a", 4, False)
    assert source.frame_rate == pytest.approx(10)
    for _ in range(2):
        numbers, images = zip(*source, strict=True)
        assert numbers == (1, 2, 3, 4)
        assert [source.reading.seconds(number) for number in numbers] == pytest.approx([0, 0.1, 0.15, 0.35])
        for image, colour in zip(images, colours, strict=True):
            assert image.shape == (48, 64, 3)
            np.testing.assert_allclose(image[20, 20], colour, atol=4)


@pytest.mark.parametrize("suffix", [".gif", ".png"])
def test_a_truncated_animation_keeps_its_beginning(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (6, 48, 64, 3), np.uint8)
    first, *others = [Pillow.fromarray(image) for image in noise]
    first.save(tmp_path / f"a{suffix}", save_all=True, append_images=others, duration=100)
    whole = [image for _, image in open_source(tmp_path / f"a{suffix}")[0]]
    content = (tmp_path / f"a{suffix}").read_bytes()
    (tmp_path / f"a{suffix}").write_bytes(content[: len(content) * 3 // 4])
    [source] = open_source(tmp_path / f"a{suffix}")
    frames = list(source)
    assert [number for number, _ in frames] == [1, 2, 3, 4]
    assert all((image == whole[number - 1]).all() for number, image in frames)
    assert source.reading.lost >= 1


def test_pages_of_a_tiff_are_frames_but_no_thumbnail_is(tmp_path: Path) -> None:
    first, *others = [Pillow.new("L", (64, 48), value) for value in (10, 20, 30)]
    first.save(tmp_path / "a.tif", save_all=True, append_images=others)
    [source] = open_source(tmp_path / "a.tif")
    assert [(number, int(image[0, 0, 0])) for number, image in source] == [(1, 10), (2, 20), (3, 30)]
    first.save(tmp_path / "b.tif", save_all=True, append_images=[first.resize((32, 24))])
    assert open_source(tmp_path / "b.tif")[0].length == 1
    deep = [Pillow.fromarray(np.full((48, 64), value, np.uint16)) for value in (10, 20)]
    deep[0].save(tmp_path / "c.tif", save_all=True, append_images=deep[1:])
    with pytest.raises(UserError, match=r"c\.tif: holds 2 pages of more than 8 bits"):
        open_source(tmp_path / "c.tif")


def test_opencv_is_quiet_about_a_cut_off_picture(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Pillow.new("RGB", (64, 48)).save(tmp_path / "a.webp", save_all=True, append_images=[Pillow.new("RGB", (64, 48), 9)])
    (tmp_path / "a.webp").write_bytes((tmp_path / "a.webp").read_bytes()[:-60])
    with pytest.raises(UserError, match=r"1 of 1 frame cannot be decoded"):
        list(open_source(tmp_path / "a.webp")[0])
    assert capfd.readouterr().err == ""


def test_one_picture_is_one_frame(tmp_path: Path) -> None:
    save_image(tmp_path / "shot%03d.png", 7)
    [source] = open_source(tmp_path / "shot%03d.png")
    assert (source.length, source.frame_rate) == (1, None)
    assert [(number, int(image[0, 0, 0])) for number, image in source] == [(1, 7)]


def test_times_of_sequences_and_corrected_rates(video: Path, tmp_path: Path) -> None:
    [sequence] = open_source(make_sequence(tmp_path / "S1", [3, 4, 8]))
    list(sequence)
    assert sequence.reading.seconds(8) == 1
    [source] = open_source(video)
    slow = source.at_rate(5)
    assert slow.frame_rate == 5
    list(slow)
    assert slow.reading.seconds(11) == 2
    list(source)
    assert source.reading.seconds(11) == pytest.approx(0.8)
    with pytest.raises(UserError, match="a frame rate of 0 frames/s is not possible"):
        source.at_rate(0)


def test_opencv_is_quiet_about_a_missing_camera(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="webcam 97: cannot be opened"):
        open_source("97")
    assert capfd.readouterr().err == ""


def test_missing_and_empty(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.mp4: no such file or folder"):
        open_source(tmp_path / "nowhere.mp4")
    with pytest.raises(UserError, match=r"no images, videos or sequences \(it is empty\)"):
        open_source(tmp_path)
    (tmp_path / "notes.txt").write_text("nothing to see")
    with pytest.raises(UserError, match=r"notes\.txt: cannot be read as video: it is text"):
        open_source(tmp_path / "notes.txt")


def test_a_folder_named_as_a_number_is_no_webcam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_image(tmp_path / "0" / "1.png", 1)
    monkeypatch.chdir(tmp_path)
    assert [source.name for source in open_source("0")] == ["0"]


class FakeCamera:
    """Three BGR images, then nothing; counts how often it was opened and released."""

    opened = released = 0

    def __init__(self, index: int) -> None:
        self.index, self.taken = index, 0
        FakeCamera.opened += 1

    def isOpened(self) -> bool:
        return self.index == 0

    def get(self, what: int) -> float:
        return 15.0 if what == cv2.CAP_PROP_FPS else 0.0

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.taken += 1
        return (True, np.full((4, 6, 3), (10, 20, 30), np.uint8)) if self.taken <= 3 else (False, None)

    def release(self) -> None:
        FakeCamera.released += 1


def test_webcam(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webcam.cv2, "VideoCapture", FakeCamera)
    monkeypatch.setattr(FakeCamera, "opened", 0)
    monkeypatch.setattr(FakeCamera, "released", 0)
    [source] = open_source("0")
    assert (source.name, source.frame_rate, source.length, source.live) == ("webcam0", 15, None, True)
    frames = []
    with pytest.raises(UserError, match=r"webcam 0: no picture for 0 s after frame 3 \(it ended\); given up"):
        frames.extend(source.patient(0))
    assert [number for number, _ in frames] == [1, 2, 3]
    assert frames[0][1][0, 0].tolist() == [30, 20, 10]
    assert FakeCamera.opened == FakeCamera.released == 2
    with pytest.raises(UserError, match="webcam 1: cannot be opened"):
        open_source("1")
