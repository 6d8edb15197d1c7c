"""Text files in whatever encoding tools wrote them, without a character lost: two names never become one."""

from __future__ import annotations

import codecs
import logging
import re
from collections.abc import Iterator
from pathlib import Path

from clmot.errors import UserError, reason_of
from clmot.io.kinds import kind_of

_log = logging.getLogger(__name__)

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    # the mark of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_told: set[tuple[Path, str]] = set()
_HIGH = re.compile(rb"[\x80-\xff]+")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def read_text(path: Path, what: str = "annotations") -> str:
    """The text of a file, decoded as `decode_text` does, with plain line ends.

    Raises:
        UserError: the file cannot be read or is not text; `what` says what was expected.
    """
    return decode_text(read_bytes(path, what), path, what).replace("\r\n", "\n").replace("\r", "\n")


def read_lines(path: Path, what: str = "annotations") -> list[tuple[int, str]]:
    """The lines of a text file that are not empty, each after its 1-based number, without blanks at its ends.

    Raises:
        UserError: as `read_text`.
    """
    lines = enumerate(read_text(path, what).split("\n"), 1)
    return [(number, text) for number, line in lines if (text := line.strip())]


def read_bytes(path: Path, what: str = "annotations") -> bytes:
    """What a file holds.

    Raises:
        UserError: the file cannot be read; `what` says what was expected.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot read {what}: {reason_of(error)}") from error


def decode_text(content: bytes, path: Path, what: str = "annotations") -> str:
    """The text of some bytes, without its byte order mark.

    Tried are what the byte order mark says, UTF-16 where there are zero bytes, UTF-8, and then GB18030 (with GBK and
    GB2312) and Windows-1252, the likelier one first. A guess is logged.

    Args:
        content: what the file holds.
        path: what messages name.
        what: what it should be.

    Raises:
        UserError: none of these fits; what is not UTF-8 has control characters.
    """
    for encoding in _encodings(content):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding not in ("utf-8", "utf-8-sig") and _CONTROLS.search(text):
            break
        if encoding in ("gb18030", "cp1252") and (path.parent, encoding) not in _told:
            # once for all files of a folder
            _told.add((path.parent, encoding))
            _log.warning("%s: not UTF-8, read as %s; if names look wrong, save it as UTF-8", path, encoding)
        return text
    raise UserError(f"{path}: not a text file in UTF-8, UTF-16 or GB18030 (it is {kind_of(path)}); expected {what}")


def head_of(path: Path, size: int = 1 << 16) -> str:
    """The beginning of a file, from its first character that is not blank; empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(size)
    except OSError:
        return ""
    return content.decode(next(_encodings(content), "utf-8"), "replace").lstrip()


def _encodings(content: bytes) -> Iterator[str]:
    """What the bytes may be encoded in, the likeliest first."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            yield encoding
            return
    start = content[:4096]
    if b"\0" in start:
        # of Latin letters in UTF-16, every other byte is zero
        if 4 * start.count(0) >= len(start):
            yield "utf-16-be" if start[::2].count(0) > start[1::2].count(0) else "utf-16-le"
        return
    yield "utf-8"
    runs = _HIGH.findall(content)
    # of nearly all Chinese characters both bytes are high, of Latin text single ones are
    latin = 2 * sum(len(run) % 2 for run in runs) > len(runs)
    yield from ("cp1252", "gb18030") if latin else ("gb18030", "cp1252")
