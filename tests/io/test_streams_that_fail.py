"""Cameras on this machine that drop out, stall, change or begin anew, while `clmot track` follows what they show."""

import contextlib
import http.server
import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.slow

FINDER = """
import numpy as np

def find(image):
    height, width = image.shape[:2]
    boxes = np.array([[0.1, 0.2, 0.3, 0.8], [0.6, 0.1, 0.8, 0.7]]) * [width, height, width, height]
    return np.concatenate([boxes, [[0.9, 0], [0.8, 0]]], axis=1)
"""
SYSTEM_PYTHON = "/usr/bin/python3"


def has_gstreamer() -> bool:
    needs = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst, GstRtspServer; "
    needs += "Gst.init(None); assert Gst.ElementFactory.find('x264enc') and Gst.ElementFactory.find('rtph264pay')"
    try:
        return subprocess.run([SYSTEM_PYTHON, "-c", needs], capture_output=True).returncode == 0
    except OSError:
        return False


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


class Tracking:
    """`clmot track` of a camera that is given up after some seconds; both of its objects stay where they are."""

    def __init__(self, folder: Path, address: str, patience: float) -> None:
        (folder / "finder.py").write_text(FINDER)
        self._results = folder / "out" / "cam.txt"
        line = [sys.executable, "-m", "clmot", "track", address, "--out", "out", "--reconnect", str(patience)]
        self._process = subprocess.Popen(
            [*line, "--model", "python:finder.py:find"],
            cwd=folder,
            env={**os.environ, "CLMOT_COMPILED": "0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def rows(self) -> list[tuple[int, int]]:
        """Frame and track of what is written so far."""
        partial = self._results.with_name("cam.txt.partial")
        file = next((each for each in (self._results, partial) if each.exists()), None)
        lines = file.read_text().split("\n")[:-1] if file else []
        return [(int(frame), int(track)) for frame, track, *_ in (line.split(",") for line in lines)]

    def goes_on(self, frames: int = 10) -> None:
        """Wait until there are so many frames more."""
        wanted, until = len(self.rows()) + 2 * frames, time.monotonic() + 60
        while len(self.rows()) < wanted:
            assert self._process.poll() is None, self._process.communicate()[0]
            assert time.monotonic() < until, "no new frames in a minute"
            time.sleep(0.05)

    def end(self) -> tuple[int, str]:
        """Exit code and what was said, once the camera is given up."""
        said = self._process.communicate(timeout=60)[0]
        return self._process.returncode, said

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def went_on_with_the_same_ids(tracking: Tracking, drops: int) -> None:
    """The same two tracks from the first to the last frame; each time away is told, and what it missed."""
    code, said = tracking.end()
    rows = tracking.rows()
    assert {track for _, track in rows} == {1, 2}, said
    assert max(frame for frame, _ in rows) >= len(rows) / 2
    assert code == 2, said
    assert said.count("has dropped out after frame") == drops + 1, said
    assert said.count("is back after") == drops, said
    assert "given up" in said.splitlines()[-1], said
    assert "Traceback" not in said


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str, float], Tracking]]:
    running: list[Tracking] = []

    def begin(address: str, patience: float) -> Tracking:
        running.append(Tracking(tmp_path, address, patience))
        return running[-1]

    yield begin
    for each in running:
        each.kill()


@pytest.mark.skipif(
    not has_gstreamer(), reason="no RTSP server: apt-get install gstreamer1.0-plugins-ugly gir1.2-gst-rtsp-server-1.0"
)
def test_an_rtsp_camera_that_drops_out_stalls_and_comes_back_larger(start) -> None:
    port = free_port()

    @contextlib.contextmanager
    def camera(width: int, height: int) -> Iterator[subprocess.Popen[str]]:
        line = [SYSTEM_PYTHON, str(Path(__file__).with_name("rtsp_camera.py")), str(port), str(width), str(height)]
        with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "serving\n"
                yield process
            finally:
                process.kill()

    with camera(160, 96) as process:
        tracking = start(f"rtsp://127.0.0.1:{port}/cam", 6)
        tracking.goes_on()
    time.sleep(0.3)
    with camera(160, 96) as process:  # its time stamps begin anew
        tracking.goes_on()
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        process.send_signal(signal.SIGCONT)
        tracking.goes_on()
    with camera(320, 192):
        tracking.goes_on()
    went_on_with_the_same_ids(tracking, drops=2)


class Served(http.server.BaseHTTPRequestHandler):
    """Shows the next of the server's parts to each connection: iterators of bytes; then nothing more."""

    kind: str
    parts: list[Callable[[], Iterator[bytes]]]

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if not self.parts:
            self.send_error(503)
            return
        part = self.parts.pop(0)
        self.send_response(200)
        self.send_header("Content-Type", self.kind)
        self.end_headers()
        with contextlib.suppress(OSError):
            for content in part():
                self.wfile.write(content)
                time.sleep(0.1)


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    servers = []

    def begin(kind: str, parts: list[Callable[[], Iterator[bytes]]]) -> str:
        handler = type("Camera", (Served,), {"kind": kind, "parts": parts})
        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))
        servers[-1].daemon_threads = True
        threading.Thread(target=servers[-1].serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/cam"

    yield begin
    for each in servers:
        each.shutdown()
        each.server_close()


def pictures(count: int, width: int = 64, height: int = 48, stall: int = -1) -> Iterator[bytes]:
    """Multipart MJPEG, ten a second."""
    for number in range(count):
        if number == stall:
            time.sleep(1.5)
        picture = cv2.imencode(".jpg", np.full((height, width, 3), number, np.uint8))[1].tobytes()
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
        yield head.encode() + picture + b"\r\n"


def test_an_mjpeg_camera_that_drops_out_stalls_and_comes_back_larger(start, serve) -> None:
    probed = [lambda: pictures(100)]  # the first connection tells the rate
    shown = [lambda: pictures(20), lambda: pictures(25, stall=12), lambda: pictures(20, 128, 96)]
    tracking = start(serve("multipart/x-mixed-replace; boundary=frame", [*probed, *shown]), 3)
    went_on_with_the_same_ids(tracking, drops=2)
    assert len(tracking.rows()) == 2 * (20 + 25 + 20)


def transport_stream(*begins: float) -> Iterator[bytes]:
    """MPEG-TS, ten frames a second, whose clock is set anew every ten frames."""
    for begin in begins:
        target = io.BytesIO()
        with av.open(target, "w", format="mpegts", options={"flush_packets": "1"}) as container:
            stream = container.add_stream("mpeg2video", 10, width=64, height=48)
            stream.codec_context.time_base = Fraction(1, 10)
            for number in range(10):
                frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number, np.uint8))
                frame.pts, frame.time_base = round(10 * begin) + number, Fraction(1, 10)
                container.mux(stream.encode(frame))
                yield target.getvalue()
                target.seek(0)
                target.truncate()
            container.mux(stream.encode(None))
        yield target.getvalue()


@pytest.mark.parametrize("begins", [(0, 1, 3600, 3601), (3600, 3601, 0, 1), (95_000, 7, 50_000, 8)])
def test_time_stamps_that_jump_in_a_stream_end_no_track(start, serve, begins) -> None:
    streams = [lambda: transport_stream(*range(10)), lambda: transport_stream(*begins)]
    tracking = start(serve("video/mp2t", streams), 1)
    code, said = tracking.end()
    rows = tracking.rows()
    assert {track for _, track in rows} == {1, 2}, said
    assert len(rows) >= 2 * 30
    assert code == 2, said
    assert "given up" in said.splitlines()[-1], said
    assert "Traceback" not in said
