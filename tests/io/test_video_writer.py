"""Videos that are written come back, and appear when they are whole."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from video_files import make_frames, mean_error, read, write

from clmot.errors import UserError
from clmot.io.video import decode_video, probe_video
from clmot.io.video_writer import VideoWriter


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
        assert probe_video(str(path))[:3] == (pytest.approx(frame_rate, rel=1e-9), 6, False)

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


class TestWriter:
    def test_appears_only_when_closed(self, tmp_path: Path) -> None:
        with VideoWriter(tmp_path / "a.mp4", 25, (96, 64)) as writer:
            writer.write(make_frames(1)[0])
            assert not (tmp_path / "a.mp4").exists()
        assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]

    def test_an_exception_leaves_the_old_file(self, tmp_path: Path) -> None:
        (tmp_path / "a.mp4").write_text("old")
        broken = [make_frames(1)[0], make_frames(1, width=64)[0]]
        with pytest.raises(ValueError, match=r"expected an image of \[64, 96, 3\], got \[64, 64, 3\]"):
            write(tmp_path / "a.mp4", broken)
        assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]

    def test_without_frames_there_is_no_file(self, tmp_path: Path) -> None:
        VideoWriter(tmp_path / "a.mp4", 25, (96, 64)).close()
        assert list(tmp_path.iterdir()) == []

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

    def test_output_keeps_time(self, tmp_path: Path) -> None:
        times = [0, 1 / 30, 0.5, 0.6, 2.25, 2.2501]
        with VideoWriter(tmp_path / "a.mp4", 30, (96, 64)) as writer:
            for number, (seconds, image) in enumerate(zip(times, make_frames(6), strict=True), 7):
                writer.write(image, number, seconds + 100)
        assert read(tmp_path / "a.mp4")[1] == pytest.approx(times, abs=1e-4)
