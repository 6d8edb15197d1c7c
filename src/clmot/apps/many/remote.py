"""Videos on object storage and web servers: listed, and copied here while they are tracked (fsspec, an extra)."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clmot.errors import UserError, reason_of
from clmot.io.runtimes import import_extra
from clmot.io.video_headers import CAMERA_SCHEMES

_VERSIONS = ("ETag", "etag", "md5Hash", "LastModified", "created", "mtime")
"""What storages call that which changes with a file."""
_FOLDER = "clmot-fetched-"


def is_remote(source: str) -> bool:
    """Whether a source is an address of a file (``s3://``, ``gs://``, ``https://``, ...), and no camera's."""
    scheme, separator, _ = source.partition("://")
    return bool(separator) and scheme.isalnum() and scheme.lower() not in CAMERA_SCHEMES


def remote_files(address: str) -> Iterator[tuple[str, int, str]]:
    """The files behind an address, which may have a pattern: address, size in bytes and version of each.

    Raises:
        UserError: they cannot be had, or there are none.
    """
    with _told(address):
        files, path = _opened(address)
        scheme = address.partition("://")[0]
        if any(sign in path for sign in "*?["):
            found: dict[str, Any] = files.glob(path, detail=True)
        else:
            found = {path: files.info(path)}
        for name, about in sorted(found.items()):
            if about.get("type") == "directory":
                continue
            version = next((str(about[key]) for key in _VERSIONS if about.get(key)), "")
            yield (name if "://" in name else f"{scheme}://{name}"), int(about.get("size") or 0), version
    if not found:
        raise UserError(f"{address}: no file is called so")


@contextlib.contextmanager
def fetched(origin: str) -> Iterator[str]:
    """The path of a source, which is a copy for the time of the block where the source is remote.

    Raises:
        UserError: it cannot be had; `OSError` is that of the disk here.
    """
    if not is_remote(origin):
        yield origin
        return
    _forget_the_dead()
    with tempfile.TemporaryDirectory(prefix=f"{_FOLDER}{os.getpid()}-") as folder:
        local = Path(folder, origin.rpartition("/")[2] or "video")
        with _told(origin):
            files, path = _opened(origin)
            files.get_file(path, str(local))
        yield str(local)


def _opened(address: str) -> tuple[Any, str]:
    core = import_extra("fsspec", "remote").core
    files, path = core.url_to_fs(address)
    return files, str(path)


@contextlib.contextmanager
def _told(address: str) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # every storage has its own
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, FileNotFoundError):
            raise
        raise UserError(f"{address}: cannot be fetched: {type(error).__name__}: {reason_of(error)}") from error


def _forget_the_dead() -> None:
    """Delete what processes of this machine that were killed have left."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        process = folder.name.removeprefix(_FOLDER).partition("-")[0]
        if process.isdecimal() and not Path("/proc", process).exists() and Path("/proc").exists():
            shutil.rmtree(folder, ignore_errors=True)
