import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from clmot.errors import UserError
from clmot.io import image_size
from clmot.io.image import read_image
from clmot.io.image_size import read_image_size


def encoded(suffix: str, width: int = 37, height: int = 23, *options: int) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.imencode(suffix, pixels, options)[1].tobytes()


def with_exif(jpeg: bytes, orientation: int, order: str) -> bytes:
    """The JPEG with an EXIF orientation, behind an APP1 segment that is not EXIF and behind another tag."""
    mark = b"II" if order == "<" else b"MM"
    entries = struct.pack(order + "HHII", 0x010F, 4, 1, 7) + struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = mark + struct.pack(order + "HIH", 42, 8, 2) + entries + struct.pack(order + "I", 0)
    foreign = b"http://ns.adobe.com/xap/1.0/\0"
    segments = b"".join(b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body for body in (foreign, b"Exif\0\0" + tiff))
    return jpeg[:2] + segments + jpeg[2:]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tiff"])
@pytest.mark.parametrize("size", [(37, 23), (1, 300), (640, 2)])
def test_equals_the_decoded_size(tmp_path: Path, suffix: str, size: tuple[int, int]) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(encoded(suffix, *size))
    assert read_image_size(path) == size == read_image(path).shape[1::-1]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
def test_jpeg_is_upright(tmp_path: Path, orientation: int, order: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(with_exif(encoded(".jpg"), orientation, order))
    assert read_image_size(path) == read_image(path).shape[1::-1]


def test_progressive_jpeg(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(".jpg", 50, 60, cv2.IMWRITE_JPEG_PROGRESSIVE, 1))
    assert read_image_size(path) == (50, 60)


def test_pixels_are_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise AssertionError(path)

    monkeypatch.setattr(image_size, "read_image", refuse)
    for suffix in (".jpg", ".png"):
        path = tmp_path / f"a{suffix}"
        path.write_bytes(encoded(suffix))
        assert read_image_size(path) == (37, 23)


def test_a_wrong_suffix_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(".jpg"))
    assert read_image_size(path) == (37, 23)


@pytest.mark.parametrize(
    "data", [b"", b"text", b"\xff\xd8", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\0\0\0\0"]
)
def test_no_image(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"a\.jpg: not a readable image"):
        read_image_size(path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.jpg: cannot read the image: No such file"):
        read_image_size(tmp_path / "a.jpg")
