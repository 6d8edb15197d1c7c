"""Who the server answers, and what it hands out."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import fails

from tests.apps.serve.serving import Served, rows, serving, write_video

pytest.importorskip("uvicorn")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "inside" / "results").mkdir(parents=True)
    (folder / "inside" / "results" / "street.txt").write_text("".join(rows()))
    (folder / "secret.txt").write_text("secret")
    video = write_video(folder / "inside" / "street.mp4")
    write_video(folder / "outside.mp4")
    with serving("results", "--video", video, folder=folder / "inside") as started:
        yield started


def ask(server: Served, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Any:
    """Status, headers and body of an answer; by default asked as the page asks."""
    host, _, port = server.origin.removeprefix("http://").partition(":")
    sent = {"Cookie": f"clmot_{port}={server.token}", "Host": f"{host}:{port}"}
    if method == "POST":
        sent["Origin"] = server.origin
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    connection.putrequest(method, path, skip_host=True)
    for name, value in sent.items():
        if value:
            connection.putheader(name, value)
    if body is not None and "Content-Length" not in sent:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    found = answer.status, answer.headers, answer.read()
    connection.close()
    return found


def test_the_page_is_for_who_knows_the_token(server: Served) -> None:
    for cookie in ("", "clmot=x", f"clmot_1={server.token}", "clmot_{port}=;;;=\x01"):
        assert ask(server, "/", Cookie=cookie)[0] == 403
        assert ask(server, "/api/session", Cookie=cookie)[0] == 403
    assert ask(server, f"/?token={server.token[:-1]}", Cookie="")[0] == 403
    assert ask(server, f"/api/session?token={server.token}", Cookie="")[0] == 403
    status, headers, page = ask(server, f"/?token={server.token}", Cookie="")
    assert status == 200
    assert b"<canvas" in page
    assert "HttpOnly; SameSite=Strict" in headers["set-cookie"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "access-control-allow-origin" not in headers
    assert ask(server, "/api/session")[0] == 200


def test_other_names_and_other_pages_are_refused(server: Served) -> None:
    port = server.origin.rpartition(":")[2]
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1:1", "127.0.0.1", ""):
        assert ask(server, "/api/session", Host=host)[0] in (400, 403)
    assert ask(server, "/api/session", Host=f"localhost:{port}")[0] == 200
    for origin in ("", "null", "http://evil.example", "https://127.0.0.1:" + port, "http://127.0.0.1:1"):
        assert ask(server, "/api/edit", "POST", b'{"do":"undo"}', Origin=origin)[0] == 403
    assert ask(server, "/api/session", Origin="http://evil.example")[0] == 403
    assert ask(server, "/api/session", Sec_Fetch_Site="cross-site")[0] == 403
    assert ask(server, "/api/session", Sec_Fetch_Site="same-site")[0] == 403
    status, headers, _ = ask(server, "/api/session", "OPTIONS", Origin="http://evil.example")
    assert status == 403
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/..%2fsecret.txt",
        "/media/../../secret.txt",
        "/media/frame/..%2f..%2fsecret.txt",
        "/api/download?name=../secret.txt",
        "/api/download?name=%2Fetc%2Fpasswd",
        "/api/download?name=street.txt",
        "/results/street.txt",
        "/serve.html",
        "/api/crop/-1/1",
        "/media/frame/0",
    ],
)
def test_nothing_else_is_handed_out(server: Served, path: str) -> None:
    status, _, body = ask(server, path)
    assert status in (204, 404, 405)
    assert b"secret" not in body


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/api/edit", b"{", "not an edit"),
        ("/api/edit", b'{"do":"undo"}', "nothing to undo"),
        ("/api/edit", b"\xff", "not an edit"),
        ("/api/track", b'{"source":"../outside.mp4"}', "is not offered here"),
        ("/api/track", b'{"source":"/etc/passwd"}', "is not offered here"),
        ("/api/track", b'{"source":"--model"}', "is not offered here"),
        ("/api/track", b'{"source":"street.mp4","model":"../x"}', "no model that is offered"),
        ("/api/track", b'{"source":"street.mp4","preset":"--out=x"}', "there is no preset"),
        ("/api/track", b'{"source":"street.mp4","every":0}', "from 1 to 1000"),
        ("/api/track", b'{"source":"street.mp4","out":"x"}', "not what to track"),
        ("/api/export?to=../x", b"{}", "cannot write '../x'"),
        ("/api/upload?name=..%2F..%2Fevil.sh", b"x", "is no video by its name"),
        ("/api/upload?name=a.mp4", b"not a video", "cannot be read as video"),
    ],
)
def test_what_cannot_be_is_one_line(server: Served, path: str, body: bytes, message: str) -> None:
    status, _, answer = ask(server, path, "POST", body)
    assert status == 200
    assert message in json.loads(answer)["error"]


def test_bodies_and_uploads_have_limits(server: Served) -> None:
    assert ask(server, "/api/edit", "POST", b" " * 70_000)[0] == 413
    assert ask(server, "/api/upload?name=a.mp4", "POST", b"", Content_Length="9000000000")[0] == 413
    assert ask(server, "/api/boxes?from=1&to=99999")[0] == 400
    for query in ("from=1", "from=a&to=2", "from=-1&to=2", "from=1&to=0", "from=1&to=999999999999"):
        assert ask(server, f"/api/boxes?{query}")[0] == 400


def test_a_hostile_name_of_an_upload_stays_in_its_folder(server: Served, tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4").read_bytes()
    status, _, answer = ask(server, "/api/upload?name=..%2F..%2F%3Cb%3E%1b%5B31m%20x.mp4", "POST", video)
    assert status == 200
    assert json.loads(answer)["name"] == "runs/uploads/b_31m_x.mp4"
    sources = json.loads(ask(server, "/api/offered")[2])["sources"]
    assert "runs/uploads/b_31m_x.mp4" in sources
    assert not any("outside" in name for name in sources)


def test_a_port_that_is_taken_and_results_that_are_none_are_one_line(
    server: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = server.origin.rpartition(":")[2]
    assert f"cannot listen on 127.0.0.1, port {port}" in fails(capsys, "serve", "--port", port)
    assert "no such file or folder" in fails(capsys, "serve", tmp_path / "none")
    assert "cannot listen on 1.2.3.4" in fails(capsys, "serve", "--host", "1.2.3.4")
    (tmp_path / "a.txt").write_text("".join(rows()))
    assert "no such file" in fails(capsys, "serve", tmp_path / "a.txt", "--video", tmp_path / "none.mp4")
