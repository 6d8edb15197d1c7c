import contextlib
import functools
import http.server
import logging
import struct
import threading
from pathlib import Path

import av
import numpy as np
import pytest
from video_files import damage, make_frames, mean_error, moving_texture, mux, packets, read, write

from clmot.errors import UserError
from clmot.io.reading import Reading
from clmot.io.video import decode_video, probe_video
from clmot.io.video_headers import credible_frame_rate


class TestDamage:
    """60 frames of a moving texture, some of whose packets are overwritten."""

    @pytest.mark.parametrize(
        ("name", "codec", "options"),
        [
            ("a.mp4", "libx264", {"bf": "2", "g": "250"}),
            ("a.avi", "mpeg4", {}),
            ("a.mov", "mjpeg", {}),
            ("a.mp4", "libx264", {"bf": "0", "g": "12"}),
            ("a.ts", "mpeg2video", {}),
        ],
    )
    @pytest.mark.parametrize("which", [range(30, 32), range(57, 59)])
    def test_all_but_the_bad_packets_are_read_with_their_numbers(
        self, tmp_path: Path, name: str, codec: str, options: dict[str, str], which: range
    ) -> None:
        path = mux(tmp_path / name, moving_texture(60), codec, **options)
        whole, times, _ = read(path)
        bad = damage(path, which)
        back, kept_times, reading = read(path)
        assert list(back) == [number for number in range(1, 61) if number not in bad]
        assert reading.lost == 2
        assert kept_times == [times[number - 1] for number in back]
        before = [number for number in back if number < min(bad)]
        assert len(before) > 25
        assert all((back[number] == whole[number]).all() for number in before)
        # what follows is predicted from what is missing, until the next key frame; it is still that frame
        after = [number for number in back if number > max(bad)]
        assert all(mean_error(back[number], whole[number]) < 15 for number in after)

    def test_bad_packets_at_the_start(self, tmp_path: Path) -> None:
        path = mux(tmp_path / "a.mp4", moving_texture(60), "libx264", bf="0", g="12")
        whole, times, _ = read(path)
        damage(path, range(3))
        assert probe_video(str(path)).length == 60
        back, kept_times, reading = read(path)
        # nothing can be shown before the next key frame
        assert list(back) == list(range(13, 61))
        assert all((back[number] == whole[number]).all() for number in back)
        assert (kept_times, reading.lost) == (times[12:], 12)

    def test_what_the_header_of_a_matroska_file_says_is_missing(self, tmp_path: Path) -> None:
        path = mux(tmp_path / "a.mkv", moving_texture(60), "libx264", bf="0", g="12")
        path.write_bytes(path.read_bytes()[: packets(path)[40][0]])
        back, _, reading = read(path)
        assert list(back) == list(range(1, len(back) + 1))
        assert len(back) + reading.lost == 60

    def test_packets_without_time_stamps_count_as_well(self, tmp_path: Path) -> None:
        path = mux(tmp_path / "a.mjpeg", moving_texture(20), "mjpeg")
        content = path.read_bytes()
        starts = [index for index in range(len(content)) if content.startswith(b"\xff\xd8", index)]
        quantisation = content.index(b"\xff\xdb", starts[7])
        path.write_bytes(content[: quantisation + 4] + bytes(600) + content[quantisation + 604 :])
        back, _, reading = read(path)
        assert 8 not in back
        assert reading.lost == 20 - len(back)
        assert list(back)[-1] == 20


class TestTime:
    def test_variable_frame_rate_keeps_its_time_stamps(self, tmp_path: Path) -> None:
        times = [0, 1, 2, 10, 11, 30, 31, 70, 71, 72]
        for name in ("a.mp4", "a.mkv"):
            path = mux(tmp_path / name, moving_texture(10), "libx264", times, rate=30)
            assert read(path)[1] == pytest.approx([each / 30 for each in times], abs=0.001)

    def test_times_start_at_0_whatever_the_container_says(self, tmp_path: Path) -> None:
        path = mux(tmp_path / "a.ts", moving_texture(10), "libx264", list(range(500, 510)))
        assert read(path)[1] == pytest.approx([each / 25 for each in range(10)], abs=1e-4)

    def test_bare_pictures_have_no_frame_rate(self, tmp_path: Path) -> None:
        path = mux(tmp_path / "a.mjpeg", moving_texture(10), "mjpeg")
        assert probe_video(str(path))[:3] == (None, None, False)


class TestHeaders:
    """What is decoded counts, not what the header announces."""

    def test_a_trimmed_phone_video_is_complete(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        frames = moving_texture(20)
        whole = mux(tmp_path / "whole.mp4", frames, "libx264", bf="0", g="250")
        trimmed = tmp_path / "trimmed.mp4"
        # the cut is an edit list: frames before it are in the file and in its count, and are not shown
        with (
            av.open(str(whole)) as source,
            av.open(str(trimmed), "w", options={"use_editlist": "1", "avoid_negative_ts": "disabled"}) as target,
        ):
            stream = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(source.streams.video[0]):
                if packet.size:
                    packet.pts, packet.dts = packet.pts - 8 * 512, packet.dts - 8 * 512
                    packet.stream = stream
                    target.mux(packet)
        with av.open(str(trimmed)) as container:
            assert container.streams.video[0].frames == 20
        assert probe_video(str(trimmed)).length == 12
        back, times, reading = read(trimmed)
        assert list(back) == list(range(1, 13))
        assert times == pytest.approx([each / 25 for each in range(12)])
        assert mean_error(back[1], frames[8]) < 5
        assert reading.lost == 0
        assert not caplog.records

    @pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
    def test_a_cover_picture_before_the_video_is_no_video(self, tmp_path: Path, suffix: str) -> None:
        frames = moving_texture(12)
        with av.open(str(tmp_path / f"a{suffix}"), "w") as container:
            cover, video = container.add_stream("mjpeg", rate=25), container.add_stream("libx264", rate=25)
            for stream, pix_fmt in ((cover, "yuvj420p"), (video, "yuv420p")):
                stream.width, stream.height, stream.pix_fmt = 96, 64, pix_fmt
            for stream, images in ((cover, frames[:1]), (video, frames)):
                for image in images:
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
                container.mux(stream.encode())
        assert probe_video(str(tmp_path / f"a{suffix}")).length == 12
        assert len(read(tmp_path / f"a{suffix}")[0]) == 12

    @pytest.mark.parametrize("flip", [(False, False), (True, False), (False, True), (True, True)])
    @pytest.mark.parametrize("lying", [False, True])
    def test_all_eight_orientations(self, tmp_path: Path, lying: bool, flip: tuple[bool, bool]) -> None:
        frames = moving_texture(2)
        path = write(tmp_path / "a.mp4", frames)
        content = bytearray(path.read_bytes())
        matrix = content.index(b"tkhd") + 4 + 40
        x, y = (-65536 if each else 65536 for each in flip)
        # x' = a x + c y + t_x, y' = b x + d y + t_y; a picture that would lie left of or above 0 is moved back
        a, b, c, d = (0, y, x, 0) if lying else (x, 0, 0, y)
        width, height = (64, 96) if lying else (96, 64)
        moved = (width << 16) * flip[0], (height << 16) * flip[1]
        struct.pack_into(">9i", content, matrix, a, b, 0, c, d, 0, *moved, 1 << 30)
        path.write_bytes(content)
        expected = np.zeros((height, width, 3), np.uint8)
        for row in range(64):
            for column in range(96):
                at_x = (a * (column + 0.5) + c * (row + 0.5) + moved[0]) / 65536
                at_y = (b * (column + 0.5) + d * (row + 0.5) + moved[1]) / 65536
                expected[int(at_y), int(at_x)] = frames[0][row, column]
        _, image = next(decode_video(str(path)))
        assert mean_error(image, expected) < 6


@pytest.mark.parametrize("name", ["12:30:00.mp4", "cam1:front.mp4", "http:video.mp4", "a b%03d?.mp4", "file:x.mp4"])
def test_colons_in_local_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path(name), make_frames(3))
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert probe_video(name).length == 3
    assert len(list(decode_video(name))) == 3


class TestBadVideos:
    @pytest.mark.parametrize("content", [b"", b"not a video\n" * 100, bytes(5000)])
    def test_unreadable(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "a.mp4"
        path.write_bytes(content)
        for opened in (probe_video, lambda address: next(decode_video(address))):
            with pytest.raises(UserError, match=r"a\.mp4: cannot be read as video: \w") as caught:
                opened(str(path))
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
        starts = packets(path)
        path.write_bytes(path.read_bytes()[: starts[90][0] + starts[90][1] // 2])
        reading = Reading("a.mp4")
        with caplog.at_level(logging.WARNING):
            back = list(decode_video(str(path), reading=reading))
        assert [number for number, _ in back] == list(range(1, len(back) + 1))
        assert 80 < len(back) <= 90
        assert len(back) + reading.lost == 120
        assert all(mean_error(image, frame) < 5 for (_, image), frame in zip(back[:-5], frames, strict=False))
        first, total = caplog.messages
        assert f"a.mp4: ends after frame {len(back)} of 120" in first
        assert total == f"a.mp4: {reading.lost} of 120 frames cannot be decoded"

    def test_more_than_half_missing_is_an_error_after_the_last_frame(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.mp4", make_frames(120))
        path.write_bytes(path.read_bytes()[: packets(path)[40][0]])
        seen = []
        with pytest.raises(UserError, match=r"8\d of 120 frames cannot be decoded"):
            seen.extend(number for number, _ in decode_video(str(path)))
        assert 30 < len(seen) <= 40

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
            assert probe_video(f"{address}/a.mp4")[:3] == (25, 8, False)
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
