"""Unpacking of zip and tar archives from strangers.

Only files and folders come out, below the folder that is named, with the user's own permissions: an archive with a
path that leads elsewhere, a link, a device, or sizes that cannot be meant is refused before anything is written. Its
checksums are verified on the way.
"""

from __future__ import annotations

import gzip
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO

from clmot.errors import UserError

_CHUNK = 1 << 20
_MOST_FILES = 5_000_000
_LARGEST_RATIO = 200
"""How many times larger than the archive its content may be; text shrinks to a tenth, a bomb to a thousandth."""
_ALWAYS_FINE = 100 << 20
"""Bytes of content that need no questioning."""
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    LZMAError,
    EOFError,
    NotImplementedError,
)


@dataclass(frozen=True)
class _Member:
    """A file or folder in an archive."""

    path: PurePosixPath
    size: int
    is_folder: bool
    open: Callable[[], IO[bytes]]


def unpack(archive: Path, out: Path, *, progress: Callable[[int, int], None] | None = None) -> int:
    """Unpack an archive below a folder.

    Args:
        archive: a zip or tar file, the latter compressed or not.
        out: an existing folder; files of the same name there are replaced.
        progress: called with (files written, files in all).

    Returns:
        How many files were written.

    Raises:
        UserError: it is no archive, is damaged, holds what must not be in one, or does not fit the disk. What was
            written before stays.
    """
    with _open(archive) as members:
        files = [member for member in members if not member.is_folder]
        _check_sizes(archive, files, out)
        try:
            for member in members:
                if member.is_folder:
                    out.joinpath(member.path).mkdir(parents=True, exist_ok=True)
            for number, member in enumerate(files, 1):
                _write(member, out.joinpath(member.path))
                if progress:
                    progress(number, len(files))
        except OSError as error:
            raise UserError(f"{out}: cannot unpack {archive.name}: {error.strerror or error}") from error
    return len(files)


def _write(member: _Member, target: Path) -> None:
    """Write one file; both libraries stop at the size that the archive states, and verify checksums there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with member.open() as source, target.open("wb") as file:
        shutil.copyfileobj(source, file, _CHUNK)
        if file.tell() != member.size:
            raise EOFError(f"{member.path} is smaller than stated")


@contextmanager
def _open(archive: Path) -> Iterator[list[_Member]]:
    """The checked content of an archive; whatever is wrong with it while it is read becomes a UserError."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zip_file:
                yield _zip_members(zip_file, archive)
        elif tarfile.is_tarfile(archive):
            with tarfile.open(archive) as tar_file:
                yield _tar_members(tar_file, archive)
        else:
            raise UserError(f"{archive}: not a zip or tar archive, or not all of it; delete it and download it again")
    except _DAMAGE as error:
        raise UserError(f"{archive}: damaged archive ({error}); delete it and download it again") from error


def _zip_members(archive: zipfile.ZipFile, path: Path) -> list[_Member]:
    members = []
    for info in archive.infolist():
        # the system that an entry comes from decides what its attributes mean; links are Unix's
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise UserError(f"{path}: refused: '{info.filename}' is a link or device, not a file")
        if info.flag_bits & 1:
            raise UserError(f"{path}: '{info.filename}' is encrypted; unpack it by hand")

        def open_member(info: zipfile.ZipInfo = info) -> IO[bytes]:
            return archive.open(info)

        name = _checked(info.filename, path)
        members.append(_Member(name, info.file_size, info.is_dir() or kind == stat.S_IFDIR, open_member))
    if sum(info.compress_size for info in archive.infolist()) > path.stat().st_size:
        raise UserError(f"{path}: refused: its entries overlap")
    return members


def _tar_members(archive: tarfile.TarFile, path: Path) -> list[_Member]:
    members = []
    for info in archive:
        if not (info.isreg() or info.isdir()):
            raise UserError(f"{path}: refused: '{info.name}' is a link or device, not a file")
        name = _checked(info.name, path)
        tarfile.data_filter(info, "/nowhere")  # raises a TarError for what else the standard library distrusts

        def open_member(info: tarfile.TarInfo = info) -> IO[bytes]:
            file = archive.extractfile(info)
            assert file is not None, "a regular file"
            return file

        members.append(_Member(name, info.size, info.isdir(), open_member))
        if len(members) > _MOST_FILES:
            return members
    # the checksum of a compressed archive stands at its very end, where unpacking never gets
    assert archive.fileobj is not None
    while archive.fileobj.read(_CHUNK):
        pass
    return members


def _checked(name: str, archive: Path) -> PurePosixPath:
    """The path of an entry, if it leads nowhere but below the folder that is unpacked into."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or "\0" in name:
        raise UserError(f"{archive}: refused: '{name}' leads out of the folder to unpack into")
    return path


def _check_sizes(archive: Path, files: list[_Member], out: Path) -> None:
    if len(files) > _MOST_FILES:
        raise UserError(f"{archive}: refused: more than {_MOST_FILES} files")
    size, packed = sum(member.size for member in files), archive.stat().st_size
    if size > max(_ALWAYS_FINE, _LARGEST_RATIO * packed):
        raise UserError(f"{archive}: refused: {packed} bytes that would unpack to {size}")
    free = shutil.disk_usage(out).free
    if size > free:
        raise UserError(f"{out}: {size / 1e9:.1f} GB to unpack, but only {free / 1e9:.1f} GB are free on this disk")
