"""Fetching from a server on this machine that misbehaves on request."""

import hashlib
import http.server
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from clmot.errors import UserError
from clmot.io import fetch as fetch_module
from clmot.io.fetch import fetch

BODY = bytes((i * 7 + i // 251) % 256 for i in range(3_000_000))
SHA256 = hashlib.sha256(BODY).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves one body; what it does wrong is set by the tests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = BODY
        self.tag: str | None = '"1"'
        self.modified: str | None = None
        self.knows_ranges = True
        self.knows_if_range = True
        self.breaks: list[int] = []  # after how many bytes each of the next answers breaks off
        self.states: list[int] = []  # states that the next requests are answered with
        self.stated_length: int | None = None
        self.content_type = "application/zip"
        self.requests: list[str | None] = []  # their Range headers
        self.sent = 0
        self.before_answer = lambda: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/data.zip"

    def handle_error(self, *_: object) -> None:
        pass


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        server.requests.append(self.headers["Range"])
        server.before_answer()
        if server.states:
            self.send_error(server.states.pop(0))
            return
        start = 0
        version = server.tag or server.modified
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        if asked and server.knows_ranges and (self.headers["If-Range"] == version or not server.knows_if_range):
            start = int(asked[1])
            if start >= len(server.body):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(server.body) - 1}/{len(server.body)}")
        else:
            self.send_response(200)
        self.send_header("Content-Type", server.content_type)
        self.send_header("Content-Length", str(server.stated_length or len(server.body) - start))
        if server.tag:
            self.send_header("ETag", server.tag)
        if server.modified:
            self.send_header("Last-Modified", server.modified)
        self.end_headers()
        body = server.body[start:]
        if server.breaks:
            body = body[: server.breaks.pop(0)]
        server.sent += len(body)
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "data.zip"


def test_a_file(server: Server, target: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    md5 = hashlib.md5(BODY).hexdigest().upper()
    found = fetch(server.url, target, size=len(BODY), sha256=SHA256, md5=md5, progress=lambda *n: seen.append(n))
    assert found == SHA256
    assert target.read_bytes() == BODY
    assert list(target.parent.iterdir()) == [target], "nothing else is left"
    assert seen[-1] == (len(BODY), len(BODY))
    assert fetch(server.url, target) == SHA256
    assert len(server.requests) == 1, "what is there is not fetched again"


@pytest.mark.parametrize("date", [False, True])
def test_it_goes_on_where_the_connection_broke(server: Server, target: Path, date: bool) -> None:
    if date:
        server.tag, server.modified = None, "Wed, 21 Oct 2015 07:28:00 GMT"
    server.breaks = [1_000_000, 500_000]
    assert fetch(server.url, target, pause=0) == SHA256
    assert server.requests == [None, "bytes=1000000-", "bytes=1500000-"]
    assert server.sent == len(BODY), "no byte is fetched twice"


def test_the_next_call_goes_on(server: Server, target: Path) -> None:
    server.breaks = [1_000_000, 0, 0, 0]
    with pytest.raises(UserError, match=r"gave up after 2 attempts .* 1000000 bytes are kept, the same"):
        fetch(server.url, target, attempts=2, pause=0)
    server.breaks = []
    assert fetch(server.url, target) == SHA256
    assert server.requests[-1] == "bytes=1000000-"


def test_an_interruption_keeps_what_came(server: Server, target: Path) -> None:
    def interrupt(done: int, _: int | None) -> None:
        if done >= 1 << 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(server.url, target, progress=interrupt)
    assert not target.exists()
    assert fetch(server.url, target) == SHA256
    assert server.requests == [None, "bytes=1048576-"]


def test_a_server_without_ranges_starts_anew(server: Server, target: Path) -> None:
    server.knows_ranges = False
    server.breaks = [1_000_000]
    assert fetch(server.url, target, pause=0) == SHA256
    assert server.sent == len(BODY) + 1_000_000


@pytest.mark.parametrize("tag", [None, 'W/"1"'])
def test_without_a_version_nothing_is_joined(server: Server, target: Path, tag: str | None) -> None:
    server.tag = tag
    server.breaks = [1_000_000]
    assert fetch(server.url, target, pause=0) == SHA256
    assert server.requests == [None, None]


@pytest.mark.parametrize("knows_if_range", [True, False])
@pytest.mark.parametrize("length", [2_000_000, 3_000_000, 500_000])
def test_a_file_that_changes_in_between_is_fetched_whole(
    server: Server, target: Path, knows_if_range: bool, length: int
) -> None:
    server.knows_if_range = knows_if_range
    server.breaks = [1_000_000]
    new = bytes(reversed(BODY))[:length]

    def change() -> None:
        if len(server.requests) == 2:
            server.body, server.tag = new, '"2"'

    server.before_answer = change
    assert fetch(server.url, target, pause=0) == hashlib.sha256(new).hexdigest()
    assert target.read_bytes() == new


def test_all_was_there_already(server: Server, target: Path) -> None:
    target.with_name("data.zip.partial").write_bytes(BODY)
    state = {"url": server.url, "version": '"1"', "total": len(BODY)}
    target.with_name("data.zip.partial.json").write_text(json.dumps(state))
    assert fetch(server.url, target) == SHA256
    assert server.sent == 0


@pytest.mark.parametrize("state", ["", "[1]", "{", '{"url": "http://elsewhere", "version": "1", "total": 3}'])
def test_a_partial_file_of_unknown_origin_is_not_trusted(server: Server, target: Path, state: str) -> None:
    target.with_name("data.zip.partial").write_bytes(b"other")
    target.with_name("data.zip.partial.json").write_text(state)
    assert fetch(server.url, target) == SHA256
    assert server.requests == [None]


@pytest.mark.parametrize(
    ("checks", "message"),
    [
        ({"size": 5}, "the server offers 3000000 bytes, expected 5"),
        ({"sha256": "0" * 64}, f"sha256 is {SHA256}, expected 0000.*deleted"),
        ({"md5": "0" * 32}, "md5 is .*, expected 0000.*deleted"),
    ],
)
def test_wrong_size_or_checksum(server: Server, target: Path, checks: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        fetch(server.url, target, **checks)
    assert not target.exists()
    assert not target.with_name("data.zip.partial").exists()


def test_a_file_in_place_is_checked_too(server: Server, target: Path) -> None:
    target.write_bytes(b"wrong")
    with pytest.raises(UserError, match="size is 5, expected 3000000"):
        fetch(server.url, target, size=len(BODY))
    assert fetch(server.url, target, size=len(BODY)) == SHA256


def test_a_server_that_states_more_than_it_has(server: Server, target: Path) -> None:
    server.stated_length = len(BODY) + 1
    with pytest.raises(UserError, match="gave up"):
        fetch(server.url, target, pause=0, attempts=2)
    assert not target.exists()


def test_not_found_is_said_at_once(server: Server, target: Path) -> None:
    server.states = [404]
    with pytest.raises(UserError, match="the server says 404 Not Found"):
        fetch(server.url, target)
    assert len(server.requests) == 1


def test_what_passes_is_tried_again(server: Server, target: Path, caplog: pytest.LogCaptureFixture) -> None:
    server.states = [503, 429]
    assert fetch(server.url, target, pause=0) == SHA256
    assert "connection broke (503 Service Unavailable); trying again" in caplog.text


def test_no_server(target: Path) -> None:
    with pytest.raises(UserError, match=r"gave up after 2 attempts \(.*refused"):
        fetch("http://127.0.0.1:9/data.zip", target, attempts=2, pause=0)


def test_a_web_page_is_no_data(server: Server, target: Path) -> None:
    server.content_type = "text/html; charset=utf-8"
    with pytest.raises(UserError, match="a web page in place of the file"):
        fetch(server.url, target)
    assert not target.exists()


def test_a_disk_too_small(server: Server, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(UserError, match="are free on this disk"):
        fetch(server.url, target)
    assert server.sent <= len(BODY)
    assert not target.exists()
