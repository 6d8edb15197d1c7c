"""Fetching of large files over HTTP: resumed where the connection broke, and checked before they get their name."""

from __future__ import annotations

import hashlib
import http.client
import json
import logging
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from functools import partial as partial_call
from pathlib import Path
from typing import Any

from clmot._version import __version__
from clmot.errors import UserError

_CHUNK = 1 << 20
_TIMEOUT = 60.0
_TEMPORARY = (408, 425, 429, 500, 502, 503, 504)
"""HTTP states that pass."""

_log = logging.getLogger(__name__)

Progress = Callable[[int, int | None], None]
"""Called with (bytes finished, bytes in all or None where the server does not say)."""


def fetch(
    url: str,
    target: Path,
    *,
    size: int | None = None,
    sha256: str | None = None,
    md5: str | None = None,
    progress: Progress | None = None,
    attempts: int = 5,
    pause: float = 2.0,
) -> str:
    """Fetch a file.

    Bytes go to ``<target>.partial``, beside ``<target>.partial.json`` that says which version of the file they are of.
    A broken connection is taken up where it broke, in this call or the next one, if the server still has that version
    (RFC 9110, Range and If-Range) and starts from the beginning otherwise.

    Args:
        url: an http or https address.
        target: the file; its folder exists. A file that is there already is checked and not fetched again.
        size: exact size in bytes, None where unknown.
        sha256: SHA-256 in hexadecimal digits, None where unknown.
        md5: MD5 in hexadecimal digits, None where unknown.
        progress: called after each piece.
        attempts: how often in succession a connection may bring nothing new.
        pause: seconds before the second attempt, twice as many before each one after it.

    Returns:
        The SHA-256 of the file.

    Raises:
        UserError: there is no such file, the connection keeps breaking, size or checksum differ from what was said,
            or the disk is full.
    """
    partial = _partial(target)
    if target.is_file():
        return _check(url, target, size, sha256, md5)
    failures = 0
    while True:
        before = _length(partial)
        try:
            _fetch_rest(url, target, size, progress)
            break
        except urllib.error.HTTPError as error:
            error.close()
            if error.code not in _TEMPORARY:
                raise UserError(f"{url}: the server says {error.code} {error.reason}") from error
            reason: object = f"{error.code} {error.reason}"
        except (http.client.HTTPException, urllib.error.URLError, ConnectionError, TimeoutError) as error:
            reason = getattr(error, "reason", None) or error or type(error).__name__
        except OSError as error:
            raise UserError(f"{partial}: cannot write: {error.strerror or error}") from error
        failures = 1 if _length(partial) > before else failures + 1
        if failures >= attempts:
            raise UserError(
                f"{url}: gave up after {attempts} attempts ({reason}); {_length(partial)} bytes are kept, the same "
                "command goes on from there"
            )
        _log.warning("%s: connection broke (%s); trying again", url, reason)
        time.sleep(pause * 2 ** (failures - 1))
    try:
        found = _check(url, partial, size, sha256, md5)
        partial.replace(target)
        return found
    finally:
        if not partial.exists():
            _state_file(target).unlink(missing_ok=True)


def _fetch_rest(url: str, target: Path, size: int | None, progress: Progress | None) -> None:
    """Append what is missing to the partial file, or start it anew.

    Raises:
        HTTPException, URLError, OSError: the connection broke; what came is kept.
    """
    partial, state = _partial(target), _read_state(target)
    start = _length(partial) if state.get("url") == url and state.get("version") else 0
    request = urllib.request.Request(url, headers={"User-Agent": f"clmot/{__version__}", "Accept-Encoding": "identity"})
    if start:
        request.add_header("Range", f"bytes={start}-")
        request.add_header("If-Range", str(state["version"]))
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and start and start == state.get("total"):
            error.close()
            return  # nothing is missing
        if error.code == 416:
            partial.unlink()
            raise http.client.HTTPException("the server has less than was fetched before") from error
        raise
    with response:
        if url.startswith("https:") and not response.url.startswith("https:"):
            raise UserError(f"{url}: the server leads to {response.url}, which is not encrypted")
        if response.headers.get_content_type() == "text/html":
            raise UserError(f"{url}: the server sends a web page in place of the file; see it in a browser")
        version = _version(response.headers)
        if response.status == 206:
            total = _total_of_range(response.headers.get("Content-Range", ""), start)
            if (version or state["version"], total) != (state["version"], state.get("total")):
                # a server that does not know If-Range
                partial.unlink()
                raise http.client.HTTPException("the file changed on the server")
        else:
            start, total = 0, _number(response.headers.get("Content-Length"))
        if size is not None and total is not None and total != size:
            raise UserError(
                f"{url}: the server offers {total} bytes, expected {size}; it is not the file that is known"
            )
        _check_space(partial, start, total)
        _write_state(target, {"url": url, "version": version, "total": total})
        with partial.open("r+b" if start else "wb") as file:
            file.seek(start)
            file.truncate()
            done = start
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                if progress:
                    progress(done, total)
    if total is not None and done < total:
        raise http.client.IncompleteRead(b"", total - done)


def _version(headers: Message) -> str | None:
    """What tells versions of a file apart in If-Range: a strong entity tag or a date; None without either."""
    tag = headers.get("ETag") or ""
    return tag if tag.startswith('"') else headers.get("Last-Modified")


def _total_of_range(header: str, start: int) -> int | None:
    """The whole file's size in a Content-Range header, which must be the range that was asked for."""
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", header.strip())
    if match is None or int(match[1]) != start:
        raise http.client.HTTPException(f"the server sent range '{header}', asked for {start}-")
    return _number(match[2])


def _check_space(partial: Path, start: int, total: int | None) -> None:
    free = shutil.disk_usage(partial.parent).free
    if total is not None and total - start > free:
        needed = f"{(total - start) / 1e9:.1f} GB to fetch"
        raise UserError(f"{partial.parent}: {needed}, but only {free / 1e9:.1f} GB are free on this disk")


def _check(url: str, file: Path, size: int | None, sha256: str | None, md5: str | None) -> str:
    """The SHA-256 of a fetched file, if it is what was said; it is deleted if not."""
    found: dict[str, object] = {"size": _length(file)}
    expected = {"size": size, "sha256": sha256 and sha256.lower(), "md5": md5 and md5.lower()}
    for name in ("sha256", "md5") if md5 else ("sha256",):
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, partial_call(hashlib.new, name, usedforsecurity=False))
        found[name] = digest.hexdigest()
    for name, value in expected.items():
        if value is not None and found[name] != value:
            file.unlink()
            raise UserError(f"{url}: {name} is {found[name]}, expected {value}; the file was deleted, try again")
    return str(found["sha256"])


def _read_state(target: Path) -> dict[str, Any]:
    try:
        state = json.loads(_state_file(target).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def _write_state(target: Path, state: dict[str, Any]) -> None:
    _state_file(target).write_text(json.dumps(state), encoding="utf-8")


def _partial(target: Path) -> Path:
    return target.with_name(f"{target.name}.partial")


def _state_file(target: Path) -> Path:
    return target.with_name(f"{target.name}.partial.json")


def _length(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None
