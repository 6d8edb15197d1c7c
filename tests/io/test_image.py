from pathlib import Path

import cv2
import numpy as np
import pytest

from clmot.errors import UserError
from clmot.io.image import read_image


def encoded(suffix: str, parameters: tuple[int, ...] = ()) -> bytes:
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    return cv2.imencode(suffix, image, parameters)[1].tobytes()


def test_reads_rgb(tmp_path: Path) -> None:
    red = np.zeros((4, 6, 3), np.uint8)
    red[..., 2] = 255  # OpenCV's order is BGR
    path = tmp_path / "größe 日本.png"
    path.write_bytes(cv2.imencode(".png", red)[1].tobytes())
    image = read_image(path)
    assert image.dtype == np.uint8
    assert image.shape == (4, 6, 3)
    assert (image == [255, 0, 0]).all()


def test_reads_grey_as_rgb(tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    path.write_bytes(cv2.imencode(".png", np.full((4, 6), 7, np.uint8))[1].tobytes())
    assert (read_image(path) == np.full((4, 6, 3), 7)).all()


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.99])
def test_truncated_image_is_an_error(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"image{suffix}"
    data = encoded(suffix)
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(UserError, match=rf"image\{suffix}: not a readable image"):
        read_image(path)


@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_with_thumbnail_and_trailer(tmp_path: Path, progressive: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thumbnail's end of image is not the image's; bytes behind the image do no harm."""
    data = encoded(".jpg", (cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)))
    thumbnail = b"Exif\0\0" + data[:200] + b"\xff\xd9"
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    whole = data[:2] + b"\xff" + segment + data[2:]
    path = tmp_path / "image.jpg"
    path.write_bytes(whole + b"\0" * 1000)
    assert (read_image(path) == cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)).all()
    path.write_bytes(whole[:-2])
    # a decoder that fills what is missing with grey, as OpenCV 4 does
    monkeypatch.setattr(cv2, "imdecode", lambda *_: np.full((48, 64, 3), 128, np.uint8))
    with pytest.raises(UserError, match="truncated"):
        read_image(path)


def test_text_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "image.jpg"
    path.write_text("no image")
    with pytest.raises(UserError, match=r"image\.jpg: not a readable image"):
        read_image(path)


def test_missing_image_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.jpg: cannot read the image: No such file"):
        read_image(tmp_path / "none.jpg")
