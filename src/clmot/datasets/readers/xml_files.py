"""XML annotation files, read piece by piece, with line numbers for messages and without entities.

A few nested entity declarations expand to gigabytes ("billion laughs"), and no annotation format has use for one: a
file that declares an entity is refused before anything is expanded. External entities are never fetched, because
nothing here resolves them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from clmot.errors import UserError, reason_of
from clmot.io.text import decode_text, head_of

_CHUNK = 1 << 16
_DECLARATION = re.compile(rb"""\s*<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)["']""")
_LINE = " line"
"""The attribute that keeps an element's line; no attribute of a file has a blank in its name."""


def _read(path: Path) -> bytes:
    """What an XML file holds, as UTF-8 without a declaration of another encoding.

    Parsers know a few encodings only; GB2312 is read as its superset GB18030. Where the bytes are not of the declared
    encoding, they are decoded as those of any text file.

    Raises:
        UserError: the file cannot be read, or is not in the encoding that it declares nor in another one.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot read annotations: {reason_of(error)}") from error
    declared = _DECLARATION.match(content)
    name = declared[1].decode().lower() if declared else "utf-8"
    try:
        # a declaration that can be read byte by byte is in no such encoding, whatever it says
        if name.startswith(("utf-16", "utf-32")):
            raise LookupError(name)
        text = content.decode("gb18030" if name in ("gb2312", "gbk") else name)
    except (LookupError, UnicodeDecodeError):
        text = decode_text(content, path)
    else:
        if name in ("utf-8", "utf8", "us-ascii", "ascii"):
            return content
    start = text.find("?>") if text.lstrip().startswith("<?xml") else -2
    return text[start + 2 :].encode()


def children_of_root(path: Path, root: str) -> Iterator[Element]:
    """The elements right below the root element, each complete, without keeping those before it in memory.

    Args:
        path: an XML file.
        root: the name that its root element must have.

    Raises:
        UserError: the file cannot be read, is not well-formed (with the line), has another root, or declares entities.
    """
    content = _read(path)
    parser, builder = expat.ParserCreate(), TreeBuilder()
    top: list[Element] = []

    def start(name: str, attributes: dict[str, Any]) -> None:
        attributes[_LINE] = parser.CurrentLineNumber
        element = builder.start(name, attributes)
        if not top:
            if name != root:
                raise UserError(f"{path}:{parser.CurrentLineNumber}: root element is <{name}>, expected <{root}>")
            top.append(element)

    def refuse(*_: Any) -> NoReturn:
        raise UserError(f"{path}:{parser.CurrentLineNumber}: declares an entity, which annotations have no use for")

    # text in whole pieces; expat's own default hands it out line by line
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, builder.end
    parser.CharacterDataHandler, parser.EntityDeclHandler = builder.data, refuse
    try:
        for position in range(0, len(content), _CHUNK):
            parser.Parse(content[position : position + _CHUNK], False)
            if top:
                # the last child may be open still
                complete = top[0][:-1]
                del top[0][:-1]
                yield from complete
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise UserError(f"{path}:{error.lineno}: not valid XML: {expat.ErrorString(error.code)}") from error
    yield from top[0]


def line_of(element: Element) -> Any:
    """The line that an element starts in."""
    return element.get(_LINE)


def root_name(path: Path) -> str | None:
    """The name of the root element, looked up in the first bytes of a file; None where there is none."""
    head = re.sub(r"<!--.*?-->|<\?.*?\?>", "", head_of(path, 4096), flags=re.DOTALL)
    found = re.search(r"<([A-Za-z_][\w.-]*)", head)
    return found[1] if found else None


def attribute(element: Element, name: str, path: Path) -> str:
    """A required attribute.

    Raises:
        UserError: it is missing.
    """
    value = element.get(name)
    if value is None:
        raise UserError(f"{path}:{line_of(element)}: <{element.tag}> has no {name}")
    return value


def number(text: str | None, path: Path, element: Element, name: str) -> float:
    """A text as a number, which need not be finite; `name` is what it is called in `element`.

    Raises:
        UserError: it is missing or no number.
    """
    try:
        return float(text or "")
    except ValueError:
        found = "missing" if not (text or "").strip() else repr(text)
        raise UserError(f"{path}:{line_of(element)}: {name} of <{element.tag}> is {found}, expected a number") from None


def whole_number(text: str | None, path: Path, element: Element, name: str, at_least: int = 0) -> int:
    """A text as a whole number.

    Raises:
        UserError: it is missing, not whole or too small.
    """
    value = number(text, path, element, name)
    if not (value.is_integer() and value >= at_least):
        raise UserError(
            f"{path}:{line_of(element)}: {name} of <{element.tag}> is {text!r}, expected a whole number >= {at_least}"
        )
    return int(value)
