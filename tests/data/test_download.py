"""Public data sets, from a table to a folder; the server is one on this machine."""

import functools
import http.server
import json
import re
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import pytest

from clmot.data import download as download_module
from clmot.data.addresses import Address, RemoteFile, address_named, addresses
from clmot.data.download import download
from clmot.data.readers import format_named
from clmot.errors import UserError


class Quiet(http.server.SimpleHTTPRequestHandler):
    requests: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.requests.append(self.path)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address that it is served at."""
    folder = tmp_path / "site"
    folder.mkdir()
    Quiet.requests = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def address(*files: RemoteFile) -> Address:
    return Address(name="toy", title="toy", format="kitti", licence="CC0", home="https://example.org", files=files)


def put_zip(path: Path, content: dict[str, str]) -> None:
    with zipfile.ZipFile(path, "w") as file:
        for name, text in content.items():
            file.writestr(name, text)


@pytest.fixture
def toy(site: tuple[Path, str]) -> Address:
    folder, url = site
    put_zip(folder / "labels.zip", {"training/label_02/0000.txt": "labels"})
    put_zip(folder / "images.zip", {"training/image_02/0000/000000.png": "image", "testing/readme": "text"})
    return address(RemoteFile(url=f"{url}/labels.zip"), RemoteFile(url=f"{url}/images.zip"))


def visible(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


TOY = ["testing/readme", "training/image_02/0000/000000.png", "training/label_02/0000.txt"]


def test_archives_are_unpacked_together(toy: Address, tmp_path: Path) -> None:
    steps: list[str] = []
    download(toy, tmp_path / "out", progress=lambda what, *_: steps.append(what))
    assert visible(tmp_path / "out") == [".download.json", *TOY]
    note = json.loads((tmp_path / "out/.download.json").read_text())
    assert (note["name"], note["licence"], note["home"]) == ("toy", "CC0", "https://example.org")
    assert [len(each["sha256"]) for each in note["files"].values()] == [64, 64]
    assert list(dict.fromkeys(steps)) == [
        "labels.zip (MB)", "labels.zip (files)", "images.zip (MB)", "images.zip (files)",
    ]  # fmt: skip
    download(toy, tmp_path / "out")
    assert len(Quiet.requests) == 2, "what is there is not fetched again"


def test_archives_can_be_kept(toy: Address, tmp_path: Path) -> None:
    download(toy, tmp_path / "out", keep_archive=True)
    assert visible(tmp_path / "out") == [".download.json", "images.zip", "labels.zip", *TOY]


def test_a_damaged_archive_leaves_nothing_of_it(toy: Address, site: tuple[Path, str], tmp_path: Path) -> None:
    whole = (site[0] / "images.zip").read_bytes()
    (site[0] / "images.zip").write_bytes(whole.replace(b"image", b"imagf", 1).replace(b"text", b"test", 1))
    with pytest.raises(UserError, match=r"images.zip: damaged archive .* delete it and download it again"):
        download(toy, tmp_path / "out")
    assert visible(tmp_path / "out") == [".download.json", "images.zip", "training/label_02/0000.txt"]
    (site[0] / "images.zip").write_bytes(whole)
    (tmp_path / "out/images.zip").unlink()
    download(toy, tmp_path / "out")
    assert visible(tmp_path / "out") == [".download.json", *TOY]
    assert Quiet.requests == ["/labels.zip", "/images.zip", "/images.zip"]


def test_an_archive_that_was_being_unpacked_is_not_fetched_again(
    toy: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(download_module, "unpack", interrupt)
        with pytest.raises(KeyboardInterrupt):
            download(toy, tmp_path / "out")
    assert "interrupted; the same command goes on from here" in caplog.text
    download(toy, tmp_path / "out")
    assert visible(tmp_path / "out") == [".download.json", *TOY]
    assert Quiet.requests == ["/labels.zip", "/images.zip"]


def test_known_checksums_are_checked(toy: Address, tmp_path: Path) -> None:
    wrong = replace(toy, files=(replace(toy.files[0], sha256="0" * 64),))
    with pytest.raises(UserError, match=r"sha256 is .*, expected 0000"):
        download(wrong, tmp_path / "out")
    assert visible(tmp_path / "out") == []


def test_too_little_room_is_said_before_anything_is_fetched(toy: Address, tmp_path: Path) -> None:
    large = replace(toy, files=(replace(toy.files[0], gigabytes=1e6), toy.files[1]))
    with pytest.raises(UserError, match="needs about 2000000 GB until all is unpacked, but only"):
        download(large, tmp_path / "out")
    assert Quiet.requests == []


def test_what_has_to_be_fetched_by_hand(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"crowdhuman: it is on Google Drive.*https://www.crowdhuman.org"):
        download(address_named("crowdhuman"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("entry", addresses(), ids=lambda entry: entry.name)
def test_the_table(entry: Address) -> None:
    assert re.fullmatch(r"[a-z0-9-]+", entry.name)
    assert entry.title
    assert entry.licence
    assert urlsplit(entry.home).scheme == "https"
    assert bool(entry.files) != bool(entry.by_hand)
    assert format_named(entry.format)
    for file in entry.files:
        assert urlsplit(file.url).scheme == "https"
        assert file.name.endswith((".zip", ".tar", ".tar.gz", ".tgz"))
        assert file.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.md5 is None or re.fullmatch(r"[0-9a-f]{32}", file.md5)


def test_names() -> None:
    assert len({entry.name for entry in addresses()}) == len(addresses())
    assert address_named("MOT17").gigabytes == 5.5
    assert address_named("dancetrack").gigabytes is None
    with pytest.raises(UserError, match=r"unknown data set 'mot71' \(did you mean 'mot17'\?\)"):
        address_named("mot71")
