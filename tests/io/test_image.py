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
    path.write_bytes(whole[:-500])
    # a decoder that fills what is missing with grey, as OpenCV 4 does
    monkeypatch.setattr(cv2, "imdecode", lambda *_: np.full((48, 64, 3), 128, np.uint8))
    with pytest.raises(UserError, match="truncated"):
        read_image(path)


def test_a_jpeg_without_its_last_two_bytes_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "image.jpg"
    data = encoded(".jpg")
    path.write_bytes(data[:-2])
    assert (read_image(path) == cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)).all()


class TestDepth:
    """Grey ramps whose brightest image uses the given number of bits; the dim one must keep its relation to it."""

    @pytest.mark.parametrize("suffix", [".png", ".tiff"])
    @pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
    def test_16_bit_files_are_scaled_by_the_bits_in_use(self, tmp_path: Path, suffix: str, bits: int) -> None:
        ramp = np.linspace(0, 2**bits - 1, 64 * 48).reshape(48, 64)
        for name, share in (("1", 0.2), ("2", 1.0), ("3", 0.5)):
            cv2.imwrite(str(tmp_path / (name + suffix)), (share * ramp).astype(np.uint16))
        for name, share in (("1", 0.2), ("2", 1.0), ("3", 0.5)):
            image = read_image(tmp_path / (name + suffix))
            assert (image.dtype, image.shape) == (np.uint8, (48, 64, 3))
            np.testing.assert_allclose(image[..., 1], 255 * share * ramp / (2**bits - 1), atol=1)

    @pytest.mark.parametrize(
        ("largest", "white"), [(1.0, 1.0), (0.4, 1.0), (255.0, 255.0), (4000.0, 4095.0), (1e6, 1e6)]
    )
    @pytest.mark.parametrize("kind", [np.float32, np.float64])
    @pytest.mark.parametrize("channels", [1, 3])
    def test_floating_point_tiff(self, tmp_path: Path, largest: float, white: float, kind: type, channels: int) -> None:
        ramp = np.linspace(0, largest, 64 * 48).reshape(48, 64)
        data = (np.dstack([ramp] * 3) if channels == 3 else ramp).astype(kind)
        data[0, 0] = np.nan
        cv2.imwrite(str(tmp_path / "a.tiff"), data)
        np.testing.assert_allclose(read_image(tmp_path / "a.tiff")[..., 0], 255 * ramp / white, atol=1)

    @pytest.mark.parametrize(("low", "high", "kind"), [(28000, 30000, np.uint16), (-1, 1, np.float32)])
    def test_temperatures_and_negative_values_are_no_grey_wall(
        self, tmp_path: Path, low: float, high: float, kind: type
    ) -> None:
        share = np.linspace(0, 1, 64 * 48).reshape(48, 64)
        cv2.imwrite(str(tmp_path / "a.tiff"), (low + (high - low) * share).astype(kind))
        np.testing.assert_allclose(read_image(tmp_path / "a.tiff")[..., 0], 255 * share, atol=1)

    def test_colours_keep_their_order(self, tmp_path: Path) -> None:
        red = np.zeros((4, 6, 3), np.uint16)
        red[..., 2] = 4095
        cv2.imwrite(str(tmp_path / "a.png"), red)
        assert (read_image(tmp_path / "a.png") == [255, 0, 0]).all()

    def test_is_said_once(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        for name in "123":
            cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((4, 6), 4000, np.uint16))
        with caplog.at_level("INFO"):
            for name in "123":
                read_image(tmp_path / f"{name}.png")
        [record] = caplog.records
        assert f"{tmp_path}: images of more than 8 bits, of which 12 are used" in record.message


def test_text_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "image.jpg"
    path.write_text("no image")
    with pytest.raises(UserError, match=r"image\.jpg: not a readable image"):
        read_image(path)


def test_missing_image_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.jpg: cannot read the image: No such file"):
        read_image(tmp_path / "none.jpg")
