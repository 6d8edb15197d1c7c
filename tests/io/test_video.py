import contextlib
import functools
import http.server
import logging
import struct
import threading
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from clmot.errors import UserError
from clmot.io.video import VideoWriter, credible_frame_rate, decode_video, probe_video
from clmot.types import Image


def make_frames(count: int, width: int = 96, height: int = 64, seed: int = 0) -> list[Image]:
    """Smooth coloured waves that move: every frame differs, and none is hard to compress."""
    y, x = np.mgrid[:height, :width]
    phase = np.random.default_rng(seed).uniform(0, 6, 3)
    waves = [np.stack([np.sin(x / 15 + y / 20 + p + n / 3) for p in phase], axis=2) for n in range(count)]
    return [(127 + 100 * wave).astype(np.uint8) for wave in waves]


def write(path: Path, frames: list[Image], frame_rate: float = 25) -> Path:
    height, width = frames[0].shape[:2]
    with VideoWriter(path, frame_rate, (width, height)) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def mean_error(first: Image, second: Image) -> float:
    return float(np.abs(first.astype(int) - second.astype(int)).mean())


class TestRoundTrip:
    def test_frames_come_back_in_order_and_colour(self, tmp_path: Path) -> None:
        frames = make_frames(30)
        back = list(decode_video(str(write(tmp_path / "a.mp4", frames))))
        assert [number for number, _ in back] == list(range(1, 31))
        assert all(image.dtype == np.uint8 and image.shape == (64, 96, 3) for _, image in back)
        assert max(mean_error(image, frame) for (_, image), frame in zip(back, frames, strict=True)) < 5
        # a swap of channels or of frames is far outside that
        assert mean_error(back[0][1][..., ::-1], frames[0]) > 20
        assert mean_error(back[0][1], frames[5]) > 20

    def test_is_tagged_h264(self, tmp_path: Path) -> None:
        with av.open(str(write(tmp_path / "a.mp4", make_frames(3)))) as container:
            stream = container.streams.video[0]
            assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
            assert (stream.codec_context.colorspace, stream.codec_context.color_range) == (1, 1)

    def test_odd_size_is_padded_by_its_border(self, tmp_path: Path) -> None:
        frames = make_frames(5, width=65, height=49)
        back = [image for _, image in decode_video(str(write(tmp_path / "a.mp4", frames)))]
        assert back[0].shape == (50, 66, 3)
        assert mean_error(back[2][:49, :65], frames[2]) < 6
        assert mean_error(back[2][:, 65], back[2][:, 64]) < 6

    @pytest.mark.parametrize("frame_rate", [25.0, 30000 / 1001, 7.5, 1.0])
    def test_frame_rate_and_length_are_kept(self, tmp_path: Path, frame_rate: float) -> None:
        path = write(tmp_path / "a.mp4", make_frames(6), frame_rate)
        assert probe_video(str(path)) == (pytest.approx(frame_rate, rel=1e-9), 6)

    def test_left_out_frame_numbers_stretch_the_image_before(self, tmp_path: Path) -> None:
        frames = make_frames(3)
        with VideoWriter(tmp_path / "a.mp4", 10, (96, 64)) as writer:
            for number, frame in zip((451, 452, 455), frames, strict=True):
                writer.write(frame, number)
            with pytest.raises(ValueError, match="frame 455 comes after frame 455"):
                writer.write(frames[0], 455)
        with av.open(str(tmp_path / "a.mp4")) as container:
            times = [frame.pts * frame.time_base for frame in container.decode(video=0)]
        assert times == [0, Fraction(1, 10), Fraction(4, 10)]

    def test_a_phones_rotation_is_applied(self, tmp_path: Path) -> None:
        frames = make_frames(2)
        path = write(tmp_path / "a.mp4", frames)
        content = bytearray(path.read_bytes())
        # the matrix in the track header (ISO 14496-12, 8.3.2) that turns the picture by 90 degrees clockwise
        matrix = content.index(b"tkhd") + 4 + 40
        assert struct.unpack_from(">9i", content, matrix) == (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
        struct.pack_into(">9i", content, matrix, 0, 65536, 0, -65536, 0, 0, 64 << 16, 0, 1 << 30)
        path.write_bytes(content)
        _, image = next(decode_video(str(path)))
        assert image.shape == (96, 64, 3)
        assert mean_error(image, np.rot90(frames[0], -1)) < 5


class TestWriter:
    def test_appears_only_when_closed(self, tmp_path: Path) -> None:
        with VideoWriter(tmp_path / "a.mp4", 25, (96, 64)) as writer:
            writer.write(make_frames(1)[0])
            assert not (tmp_path / "a.mp4").exists()
        assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]

    def test_an_exception_leaves_the_old_file(self, tmp_path: Path) -> None:
        (tmp_path / "a.mp4").write_text("old")
        broken = [make_frames(1)[0], make_frames(1, width=64)[0]]
        with pytest.raises(ValueError, match="expected an image of"):
            write(tmp_path / "a.mp4", broken)
        assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]

    def test_without_frames_there_is_no_file(self, tmp_path: Path) -> None:
        VideoWriter(tmp_path / "a.mp4", 25, (96, 64)).close()
        assert list(tmp_path.iterdir()) == []

    def test_another_size_is_refused(self, tmp_path: Path) -> None:
        with (
            VideoWriter(tmp_path / "a.mp4", 25, (96, 64)) as writer,
            pytest.raises(ValueError, match=r"expected an image of \[64, 96, 3\], got \[96, 64, 3\]"),
        ):
            writer.write(make_frames(1, width=64, height=96)[0])

    def test_no_folder_is_a_user_error(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"none/a\.mp4: cannot write the video: No such file"):
            VideoWriter(tmp_path / "none" / "a.mp4", 25, (96, 64))

    def test_a_full_disk_is_a_user_error(self, tmp_path: Path) -> None:
        # everything written to /dev/full fails as on a full disk
        full = Path("/dev/full")
        if not full.exists():
            pytest.skip("no /dev/full here")
        (tmp_path / "a.mp4.partial").symlink_to(full)
        noise = np.random.default_rng(0).integers(0, 256, (40, 64, 96, 3), np.uint8)
        with pytest.raises(UserError, match=r"a\.mp4: cannot write the video: No space left"):
            write(tmp_path / "a.mp4", list(noise))
        assert list(tmp_path.iterdir()) == []


class TestBadVideos:
    @pytest.mark.parametrize("content", [b"", b"not a video\n" * 100, bytes(5000)])
    def test_unreadable(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "a.mp4"
        path.write_bytes(content)
        for read in (probe_video, lambda address: next(decode_video(address))):
            with pytest.raises(UserError, match=r"a\.mp4: cannot be read as video: \w") as caught:
                read(str(path))
            assert "\n" not in str(caught.value)

    def test_sound_only(self, tmp_path: Path) -> None:
        path = tmp_path / "a.wav"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("pcm_s16le", rate=8000)
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
            sound.sample_rate = 8000
            container.mux(stream.encode(sound))
        with pytest.raises(UserError, match=r"a\.wav: holds no video"):
            probe_video(str(path))

    def test_cut_off_keeps_the_frames_before(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        frames = make_frames(120)
        path = write(tmp_path / "a.mp4", frames)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with caplog.at_level(logging.WARNING):
            back = [image for _, image in decode_video(str(path))]
        assert 10 < len(back) < 110
        assert all(mean_error(image, frame) < 5 for image, frame in zip(back[:-5], frames, strict=False))
        [record] = caplog.records
        assert "a.mp4" in record.message
        assert f"after frame {len(back)}" in record.message

    def test_damage_in_the_middle_keeps_the_frames_before(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = write(tmp_path / "a.mp4", make_frames(120))
        content = bytearray(path.read_bytes())
        middle = len(content) // 2
        content[middle : middle + 4000] = bytes(4000)
        path.write_bytes(content)
        with caplog.at_level(logging.WARNING):
            count = len(list(decode_video(str(path))))
        assert 10 < count < 110
        [record] = caplog.records
        assert f"breaks after frame {count} (Invalid data" in record.message

    @pytest.mark.parametrize("rate", [None, 0, 90000, float("nan"), float("inf"), -5])
    def test_incredible_frame_rates(self, rate: float | None) -> None:
        assert credible_frame_rate(rate) is None


def test_reads_from_an_address(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", make_frames(8))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *values: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    with contextlib.closing(server.socket):
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        try:
            assert probe_video(f"{address}/a.mp4") == (25, 8)
            assert len(list(decode_video(f"{address}/a.mp4"))) == 8
            with pytest.raises(UserError, match=r"none\.mp4: cannot be read as video"):
                probe_video(f"{address}/none.mp4")
        finally:
            server.shutdown()
            thread.join()


def test_passwords_stay_out_of_messages() -> None:
    with pytest.raises(UserError, match=r"rtsp://127\.0\.0\.1:1/street: cannot be read as video") as caught:
        probe_video("rtsp://somebody:secret@127.0.0.1:1/street")
    assert "secret" not in str(caught.value)
