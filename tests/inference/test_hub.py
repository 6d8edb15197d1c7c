"""Models of the Hugging Face Hub, on a local server that speaks its protocol."""

import base64
import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import huggingface_hub.constants
import pytest
import yaml
from command_line import call, fails

import clmot
from clmot.config import load_config
from clmot.inference.push import model_card
from clmot.models.saved_model import load_saved_model
from clmot.shipped import find_model, shipped_model
from clmot.shipped.hub import hub_address

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """Repositories in memory: made, filled by a commit, read by a download."""

    repositories: dict[str, dict[str, bytes]]
    asked: list[str]

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self._file(body=False)

    def do_GET(self):
        if self.path.startswith("/api/"):
            self._json({"id": "owner/name", "sha": COMMIT, "siblings": []})
        else:
            self._file(body=True)

    def do_POST(self):
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = urlsplit(self.path).path
        if path == "/api/repos/create":
            repository = "owner/" + json.loads(content)["name"]
            self.repositories.setdefault(repository, {})
            self._json({"url": f"http://{self.headers['Host']}/{repository}", "name": repository})
        elif path == "/api/validate-yaml":
            self._json({"warnings": [], "errors": []})
        elif "/preupload/" in path:
            files = json.loads(content)["files"]
            answers = [{"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in files]
            self._json({"files": answers, "commitOid": COMMIT})
        elif "/commit/" in path:
            repository = "/".join(path.split("/")[3:5])
            for line in content.splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    value = entry["value"]
                    self.repositories[repository][value["path"]] = base64.b64decode(value["content"])
            self._json(
                {
                    "success": True,
                    "commitUrl": f"http://{self.headers['Host']}/{repository}/commit/{COMMIT}",
                    "commitOid": COMMIT,
                }
            )
        else:
            self._json({"error": path}, 404)

    def _file(self, body: bool):
        owner, name, _, _, *file = urlsplit(self.path).path.strip("/").split("/")
        self.asked.append(f"{self.command} {'/'.join(file)}")
        repository = self.repositories.get(f"{owner}/{name}")
        content = (repository or {}).get("/".join(file))
        if content is None:
            what = "RepoNotFound" if repository is None else "EntryNotFound"
            self.send_response(404)
            self.send_header("X-Error-Code", what)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        for key, value in {
            "X-Repo-Commit": COMMIT,
            "ETag": f'"{hash(content)}"',
            "Content-Length": len(content),
        }.items():
            self.send_header(key, str(value))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def _json(self, answer: dict, code: int = 200):
        text = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def _use(monkeypatch, endpoint: str) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", endpoint)
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The server's handler class, with what it holds."""
    handler = type("Fresh", (Hub,), {"repositories": {}, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _use(monkeypatch, f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", "a token")
    yield handler
    server.shutdown()
    server.server_close()


@pytest.fixture
def run(tmp_path) -> Path:
    """A model in a file."""
    file = tmp_path / "model.safetensors"
    shutil.copy(shipped_model("clmot-pedestrian"), file)
    return file


def test_a_model_goes_to_the_hub_with_its_card_and_comes_back(hub, run, capsys):
    model = clmot.load_model(run)
    address = model.push_to_hub("owner/name", licence="cc-by-4.0", data="Stills of ours.", scores={"IDF1": 61.5})
    assert address.endswith(COMMIT)
    assert set(hub.repositories["owner/name"]) == {"README.md", "model.safetensors"}
    card = hub.repositories["owner/name"]["README.md"].decode()
    front = yaml.safe_load(card.split("---")[1])
    assert (front["license"], front["library_name"]) == ("cc-by-4.0", "clmot")
    assert "Stills of ours." in card
    assert "| IDF1 | 61.5 |" in card

    again = clmot.load_model("hf://owner/name")
    assert again.fingerprint == model.fingerprint
    hub.asked.clear()
    # what was fetched once is not fetched again, and the command line loses a stroke of the address
    assert find_model(Path("hf://owner/name")).read_bytes() == run.read_bytes()
    assert not [asked for asked in hub.asked if asked.startswith("GET")]
    assert call("info", "hf://owner/name") == 0


def test_what_cannot_be_had_is_one_line(hub, run, capsys, tmp_path, monkeypatch):
    hub.repositories["owner/empty"] = {"README.md": b"nothing"}
    track = ("track", tmp_path, "--model")
    assert "hf://owner/none: there is no such model" in fails(capsys, *track, "hf://owner/none")
    assert "hf://owner/empty: holds no model.safetensors" in fails(capsys, *track, "hf://owner/empty")
    assert "is hf://OWNER/NAME" in fails(capsys, *track, "hf://owner")
    with pytest.raises(clmot.UserError, match="no such model"):
        clmot.load_model("hf://owner/none@v1")
    hub.repositories["owner/broken"] = {"model.safetensors": b"\x80\x04 a pickle"}
    assert "no model of clmot" in fails(capsys, *track, "hf://owner/broken")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert "the Hub cannot be reached" in fails(capsys, *track, "hf://owner/none")
    with pytest.raises(clmot.UserError, match="hf://owner/name: not uploaded"):
        clmot.load_model(run).push_to_hub("owner/name", licence="mit", data="-")


def test_a_hostile_card_is_text():
    config = load_config("street", overrides=["model.classes=['a | b', '<script>']"])
    card = model_card(config, "owner/name", "mit\nevil: yes", "data", {})
    assert yaml.safe_load(card.split("---")[1])["license"] == "mit\nevil: yes"
    assert "a \\| b" in card


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("hf://owner/name", ("owner/name", None)),
        ("hf:/owner/na.me-1@main", ("owner/na.me-1", "main")),
        ("hf://owner/name@refs/pr/1/", ("owner/name", "refs/pr/1")),
        ("hf://owner/name/", ("owner/name", None)),
        ("runs/hf", None),
    ],
)
def test_addresses(name, wanted):
    assert hub_address(name) == wanted


def test_only_weights_are_read(run):
    assert load_saved_model(run, weights=False).weights == {}
