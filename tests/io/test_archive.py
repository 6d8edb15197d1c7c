"""Unpacking: what belongs in an archive comes out, what does not is refused before anything is written."""

import io
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from clmot.errors import UserError
from clmot.io import archive
from clmot.io.archive import unpack

CONTENT = {"a/000001.jpg": b"\xff\xd8 image", "a/gt/gt.txt": b"1,1,2,3\n" * 40_000, "empty.txt": b""}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def files_in(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def make_zip(path: Path, content: dict[str, bytes], **attributes: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in content.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            for key, value in attributes.items():
                setattr(info, key, value)
            file.writestr(info, data)
    return path


def make_tar(path: Path, members: list[tarfile.TarInfo], mode: str = "w", data: bytes = b"") -> Path:
    with tarfile.open(path, mode) as file:
        for member in members:
            member.size = len(data) if member.isreg() else 0
            file.addfile(member, io.BytesIO(data) if member.isreg() else None)
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"])
def test_files_and_folders_come_out(tmp_path: Path, out: Path, suffix: str) -> None:
    path = tmp_path / f"data.{suffix}"
    if suffix == "zip":
        make_zip(path, {**CONTENT, "hollow/": b""})
    else:
        mode = "w" + suffix.removeprefix("tar").replace(".", ":")
        with tarfile.open(path, mode) as file:
            hollow = tarfile.TarInfo("hollow")
            hollow.type = tarfile.DIRTYPE
            file.addfile(hollow)
            for name, data in CONTENT.items():
                info = tarfile.TarInfo(name)
                info.size, info.mode = len(data), 0o777
                file.addfile(info, io.BytesIO(data))
    seen: list[tuple[int, int]] = []
    assert unpack(path, out, progress=lambda *count: seen.append(count)) == 3
    assert files_in(out) == CONTENT
    assert (out / "hollow").is_dir()
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert not (out / "a/000001.jpg").stat().st_mode & 0o111, "permissions are the user's, not the archive's"


@pytest.mark.parametrize(
    "name", ["../evil.txt", "a/../../evil.txt", "/evil.txt", "..\\evil.txt", "C:\\evil.txt", "C:evil.txt"]
)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_path_that_leads_elsewhere_is_refused(tmp_path: Path, out: Path, name: str, kind: str) -> None:
    path = tmp_path / "bad"
    if kind == "zip":
        make_zip(path, {"good.txt": b"1", name: b"2"})
    else:
        make_tar(path, [member("good.txt"), member(name)], data=b"1")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=r"refused: '.*evil.txt' leads out of the folder"):
        unpack(path, out)
    assert sorted(tmp_path.rglob("*")) == before, "nothing is written, not even what is good"


@pytest.mark.parametrize(
    ("kind", "link"),
    [
        (tarfile.SYMTYPE, "/etc/passwd"),
        (tarfile.SYMTYPE, "good.txt"),
        (tarfile.LNKTYPE, "../outside"),
        (tarfile.CHRTYPE, ""),
        (tarfile.BLKTYPE, ""),
        (tarfile.FIFOTYPE, ""),
    ],
)
def test_links_and_devices_in_tar_are_refused(tmp_path: Path, out: Path, kind: bytes, link: str) -> None:
    path = make_tar(tmp_path / "bad.tar", [member("good.txt"), member("odd", kind, link)])
    with pytest.raises(UserError, match="refused: 'odd' is a link or device"):
        unpack(path, out)
    assert files_in(out) == {}


def test_links_in_zip_are_refused(tmp_path: Path, out: Path) -> None:
    path = make_zip(tmp_path / "bad.zip", {"odd": b"/etc/passwd"}, create_system=3, external_attr=0o120777 << 16)
    with pytest.raises(UserError, match="refused: 'odd' is a link or device"):
        unpack(path, out)


def test_a_bomb_is_refused_by_its_stated_size(tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_ALWAYS_FINE", 1000)
    path = make_zip(tmp_path / "bomb.zip", {"zeros": bytes(2_000_000)})
    with pytest.raises(UserError, match=r"refused: .* bytes that would unpack to 2000000"):
        unpack(path, out)
    assert files_in(out) == {}


@pytest.mark.parametrize("stated", [10, 5_000])
def test_more_or_less_than_stated_is_damage(tmp_path: Path, out: Path, stated: int) -> None:
    path = make_zip(tmp_path / "lies.zip", {"file": bytes(1000)})
    data = bytearray(path.read_bytes())
    directory = data.index(b"PK\x01\x02")
    struct.pack_into("<I", data, directory + 24, stated)
    path.write_bytes(data)
    with pytest.raises(UserError, match="damaged archive"):
        unpack(path, out)
    assert sum(map(len, files_in(out).values())) <= stated


def test_entries_that_overlap_are_refused(tmp_path: Path, out: Path) -> None:
    path = make_zip(tmp_path / "overlap.zip", {f"file-{i}": bytes(range(256)) * 40 for i in range(3)})
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    struct.pack_into("<I", data, at + 20, len(data))
    path.write_bytes(data)
    with pytest.raises(UserError, match="overlap"):
        unpack(path, out)


def test_a_disk_too_small(tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 100})
    monkeypatch.setattr(archive.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(UserError, match="are free on this disk"):
        unpack(make_zip(tmp_path / "data.zip", CONTENT), out)
    assert files_in(out) == {}


@pytest.mark.parametrize("damage", ["flip", "cut", "no archive", "empty"])
@pytest.mark.parametrize("suffix", ["zip", "tar.gz"])
def test_damage_is_named(tmp_path: Path, out: Path, damage: str, suffix: str) -> None:
    path = tmp_path / f"data.{suffix}"
    noise = bytes((i * i * 31 + i // 7) % 256 for i in range(100_000))
    if suffix == "zip":
        make_zip(path, {"noise": noise})
    else:
        make_tar(path, [member("noise")], "w:gz", noise)
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 0xFF
    content = {"flip": bytes(data), "cut": bytes(data[: len(data) // 2]), "no archive": b"<html>", "empty": b""}
    path.write_bytes(content[damage])
    with pytest.raises(UserError, match=r"data\.(zip|tar\.gz)"):
        unpack(path, out)


def test_an_encrypted_zip_is_for_the_user(tmp_path: Path, out: Path) -> None:
    path = make_zip(tmp_path / "secret.zip", {"file": b"1"})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match="encrypted; unpack it by hand"):
        unpack(path, out)
