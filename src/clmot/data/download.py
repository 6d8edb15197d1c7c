"""Public data sets, fetched and unpacked."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clmot.data.addresses import Address, RemoteFile
from clmot.errors import UserError
from clmot.io.archive import unpack
from clmot.io.fetch import fetch

_log = logging.getLogger(__name__)

Progress = Callable[[str, int, int | None], None]
"""Called with (what is done, how much of it is finished, how much there is or None)."""


def download(
    address: Address, out: Path, *, keep_archive: bool = False, progress: Progress | None = None, pause: float = 2.0
) -> None:
    """Fetch the archives of a data set one by one and unpack each into a folder.

    Called again after an interruption, it goes on where it was. What was fetched, with its SHA-256, is noted in
    ``.download.json`` in the folder.

    Args:
        address: the data set.
        out: folder, made if needed; several archives share it.
        keep_archive: keep the archives beside what is unpacked.
        progress: called with megabytes fetched and files unpacked.
        pause: seconds before a broken connection is tried again.

    Raises:
        UserError: it can only be fetched by hand; the disk is too small; or as `fetch` and `unpack`.
    """
    check_fetchable(address)
    try:
        out.mkdir(parents=True, exist_ok=True)
        note = _read_note(out)
        missing = [file for file in address.files if file.url not in note]
        _check_space(missing, out)
        for file in missing:
            note[file.url] = _fetch_and_unpack(file, out, keep_archive, progress, pause)
            _write_note(out, address, note)
    except KeyboardInterrupt:
        _log.warning("%s: interrupted; the same command goes on from here", out)
        raise
    except OSError as error:
        raise UserError(f"{error.filename or out}: {error.strerror or error}") from error


def check_fetchable(address: Address) -> None:
    """Check that a data set can be fetched without its user.

    Raises:
        UserError: it cannot; says what to do.
    """
    if not address.files:
        raise UserError(f"{address.name}: {address.by_hand} ({address.home})")


def _fetch_and_unpack(
    file: RemoteFile, out: Path, keep_archive: bool, progress: Progress | None, pause: float
) -> dict[str, Any]:
    """One archive; its content moves to its place only when all of it is unpacked."""
    archive = out / file.name

    def fetched(done: int, total: int | None) -> None:
        if progress:
            progress(f"{file.name} (MB)", done >> 20, None if total is None else total >> 20)

    def unpacked(done: int, total: int) -> None:
        if progress:
            progress(f"{file.name} (files)", done, total)

    sha256 = fetch(file.url, archive, size=file.bytes, sha256=file.sha256, md5=file.md5, progress=fetched, pause=pause)
    size = archive.stat().st_size
    partial = out / f".{file.name}.unpacked"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        unpack(archive, partial, progress=unpacked)
        _merge(partial, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    if not keep_archive:
        archive.unlink()
    return {"bytes": size, "sha256": sha256}


def _merge(source: Path, target: Path) -> None:
    """Move what is in one folder into another, folders of one name together."""
    for entry in source.iterdir():
        place = target / entry.name
        if place.is_dir() and entry.is_dir():
            _merge(entry, place)
        else:
            os.replace(entry, place)


def _check_space(files: list[RemoteFile], out: Path) -> None:
    """Each archive is there together with its content, and then deleted."""
    present = sum(place.stat().st_size for file in files for place in out.glob(f"{file.name}*")) / 1e9
    sizes = [file.gigabytes or (file.bytes or 0) / 1e9 for file in files]
    needed, free = sum(sizes) + max(sizes, default=0) - present, shutil.disk_usage(out).free / 1e9
    if needed > free:
        raise UserError(f"{out}: needs about {needed:.0f} GB until all is unpacked, but only {free:.1f} GB are free")


def _note_file(out: Path) -> Path:
    # hidden, because a JSON file in a folder of images is an annotation to some readers
    return out / ".download.json"


def _read_note(out: Path) -> dict[str, Any]:
    """What was fetched and unpacked into a folder before, by address."""
    try:
        content = json.loads(_note_file(out).read_text(encoding="utf-8"))
        return dict(content["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _write_note(out: Path, address: Address, files: dict[str, Any]) -> None:
    content = {"name": address.name, "licence": address.licence, "home": address.home, "files": files}
    partial = _note_file(out).with_name(".download.json.partial")
    partial.write_text(json.dumps(content, indent=1), encoding="utf-8")
    partial.replace(_note_file(out))
