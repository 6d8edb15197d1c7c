"""Images that claim to be larger than anybody's: one line, at once, and no memory taken."""

import resource
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from clmot.errors import UserError
from clmot.io.image import read_image
from clmot.io.image_size import read_image_size


def png(width: int, height: int) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def bmp(width: int, height: int) -> bytes:
    content = bytearray(cv2.imencode(".bmp", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    content[18:26] = struct.pack("<ii", width, height)
    return bytes(content)


def jpeg(width: int, height: int, end: bool) -> bytes:
    content = bytearray(cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    at = content.index(b"\xff\xc0")
    content[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(content if end else content[:-2])


CLAIMS = {
    "a.png": png(100_000, 100_000),
    "b.bmp": bmp(100_000, 100_000),
    "c.ppm": b"P6\n100000 100000\n255\n" + b"\0" * 100,
    "d.jpg": jpeg(65_000, 65_000, end=True),
    "e.jpg": jpeg(65_000, 65_000, end=False),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_an_image_of_a_hundred_thousand_pixels_a_side_is_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(CLAIMS[name])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match=rf"{name}: .*image"):
        read_image(tmp_path / name)
    assert min(read_image_size(tmp_path / name)) >= 65_000  # from its header
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KB


def test_the_size_of_a_png_is_found_without_its_pixels(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(30_000, 30_000))
    limited = (
        "import resource, sys; from pathlib import Path; from clmot.io.image_size import read_image_size; "
        "resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30)); print(read_image_size(Path(sys.argv[1])))"
    )
    done = subprocess.run([sys.executable, "-c", limited, tmp_path / "a.png"], capture_output=True, text=True)
    assert done.stdout == "(30000, 30000)\n", done.stderr
