"""Cameras that drop out: a server of MJPEG on this machine, and generators in its place."""

import contextlib
import http.server
import itertools
import threading
import time
from collections.abc import Iterator
from functools import partial

import cv2
import numpy as np
import pytest

from clmot.errors import UserError
from clmot.io import live
from clmot.io.frame_source import FrameSource
from clmot.io.live import stay_connected
from clmot.io.reading import Reading
from clmot.io.sources import open_source
from clmot.io.video import Frames

IMAGE = np.zeros((4, 6, 3), np.uint8)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_FIRST_WAIT", 0.02)


class Camera:
    """Connections with so many frames each, 0.1 s apart by their stamps; 0: it cannot be reached."""

    def __init__(self, *connections: int, ends: str = "broken") -> None:
        self.connections, self.ends, self.tries = list(connections), ends, 0

    def __call__(self, reading: Reading) -> Frames:
        self.tries += 1
        count = self.connections.pop(0) if self.connections else 0
        if not count:
            raise UserError("cam: cannot be read")
        for number in range(1, count + 1):
            reading.note(number, number / 10)
            yield number, IMAGE
        if self.ends == "broken":
            raise UserError("cam: connection reset")


def test_numbers_and_times_go_on_after_a_drop_out() -> None:
    reading = Reading("cam")
    camera = Camera(3, 0, 0, 2)
    frames = stay_connected(camera, reading, frame_rate=100, patience=1)
    start = time.monotonic()
    numbers = [next(frames)[0] for _ in range(5)]
    away = time.monotonic() - start
    frames.close()
    assert numbers[:3] == [1, 2, 3]
    # two failed attempts and three waits of 0.02, 0.04 and 0.08 s at 100 frames/s
    assert 3 + 14 <= numbers[3] <= 3 + away * 100 + 1
    assert numbers[4] == numbers[3] + 1
    times = [reading.seconds(number) or 0.0 for number in numbers]
    assert times[:3] == pytest.approx([0.1, 0.2, 0.3])
    assert 0.14 <= times[3] - times[2] <= away
    assert times[4] - times[3] == pytest.approx(0.1)
    assert camera.tries == 4


def test_a_camera_that_stays_away_is_an_error_after_the_stated_time() -> None:
    reading, numbers = Reading("cam"), []
    start = time.monotonic()
    with pytest.raises(UserError, match=r"cam: no picture for 0 s after frame 3 \(cam: cannot be read\); given up"):
        numbers.extend(number for number, _ in stay_connected(Camera(3), reading, frame_rate=25, patience=0.3))
    assert numbers == [1, 2, 3]
    assert 0.3 <= time.monotonic() - start < 2


def test_one_that_was_never_there_is_an_error_at_once() -> None:
    with pytest.raises(UserError, match="cam: cannot be read"):
        list(stay_connected(Camera(0, 3), Reading("cam"), frame_rate=25))


@pytest.mark.parametrize("endless", [True, False])
def test_the_end_of_a_stream_of_a_file_is_no_drop_out(endless: bool) -> None:
    camera = Camera(3, 2, ends="well")
    frames = stay_connected(camera, Reading("cam"), frame_rate=25, endless=endless, patience=0)
    if endless:
        with pytest.raises(UserError, match="it ended"):
            list(frames)
    else:
        assert [number for number, _ in frames] == [1, 2, 3]


def test_a_consumer_that_stops_need_not_wait_for_the_next_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_FIRST_WAIT", 30.0)
    reading = Reading("cam")
    decode = partial(stay_connected, Camera(1), reading, frame_rate=25)
    source = FrameSource(name="cam", frame_rate=25, length=None, live=True, decode=decode, reading=reading)
    frames = iter(source)
    assert next(frames)[0] == 1
    start = time.monotonic()
    frames.close()
    assert time.monotonic() - start < 1
    assert not any(thread.name == "prefetch" for thread in threading.enumerate())


class Pictures(http.server.BaseHTTPRequestHandler):
    """Multipart MJPEG; each connection shows the next so many pictures of the server, and is cut."""

    def log_message(self, format: str, *values: object) -> None:
        pass

    def do_GET(self) -> None:
        server = self.server
        count = server.counts.pop(0) if server.counts else 0  # type: ignore[attr-defined]
        if not count:
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        start = time.monotonic()
        with contextlib.suppress(OSError):
            for number in range(count):
                picture = cv2.imencode(".jpg", np.full((48, 64, 3), 5 * number, np.uint8))[1].tobytes()
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                self.wfile.write(head.encode() + picture + b"\r\n")
                time.sleep(max(0, start + (number + 1) / 10 - time.monotonic()))


@pytest.fixture
def server() -> Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pictures)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_camera_of_10_pictures_a_second(server: http.server.ThreadingHTTPServer) -> None:
    """The first connection tells the rate, the second is cut after 8 pictures, the third after 4; then none."""
    server.counts = [100, 8, 4]  # type: ignore[attr-defined]
    [source] = open_source(f"http://127.0.0.1:{server.server_port}/cam")
    assert (source.name, source.live, source.length) == ("cam", True, None)
    assert source.frame_rate == pytest.approx(10, rel=0.15)  # not FFmpeg's 25
    frames = []
    with pytest.raises(UserError, match="given up"):
        frames.extend(
            (number, round(float(image.mean()) / 5), source.reading.seconds(number))
            for number, image in source.patient(0.5)
        )
    numbers, pictures, times = zip(*frames, strict=True)
    assert pictures == (*range(8), *range(4))
    assert numbers[:8] == tuple(range(1, 9))
    assert all(second > first for first, second in itertools.pairwise(numbers))
    assert numbers[8] in range(9, 20)  # as long as connecting again took
    # FFmpeg takes the first few pictures together
    assert times[7] - times[3] == pytest.approx(0.4, abs=0.15)
