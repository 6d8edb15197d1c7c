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

from clmot.errors import UserError
from clmot.io.text import decode_text, head_of, read_bytes

_CHUNK = 1 << 16
_DECLARATION = re.compile(rb"""\s*<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)["']""")
_LINE = " line"
"""The attribute that keeps an element's line; no attribute of a file has a blank in its name."""


class XmlFile:
    """An XML file whose faults are named by line.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def children(self, root: str) -> Iterator[Element]:
        """The elements right below the root element, each complete, without keeping those before it in memory.

        Raises:
            UserError: the file cannot be read, is not well-formed (with the line), has a root of another name, or
                declares entities.
        """
        content = _read(self.path)
        parser, builder = expat.ParserCreate(), TreeBuilder()
        top: list[Element] = []

        def start(name: str, attributes: dict[str, Any]) -> None:
            attributes[_LINE] = parser.CurrentLineNumber
            element = builder.start(name, attributes)
            if not top:
                if name != root:
                    raise self.fault(element, f"root element is <{name}>, expected <{root}>")
                top.append(element)

        def refuse(*_: Any) -> NoReturn:
            line = parser.CurrentLineNumber
            raise UserError(f"{self.path}:{line}: declares an entity, which annotations have no use for")

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
            raise UserError(f"{self.path}:{error.lineno}: not valid XML: {expat.ErrorString(error.code)}") from error
        yield from top[0]

    def where(self, element: Element) -> str:
        """The file and the line that an element starts in."""
        return f"{self.path}:{element.get(_LINE)}"

    def fault(self, element: Element, what: str) -> UserError:
        """What is wrong with an element."""
        return UserError(f"{self.where(element)}: {what}")

    def attribute(self, element: Element, name: str) -> str:
        """A required attribute.

        Raises:
            UserError: it is missing.
        """
        value = element.get(name)
        if value is None:
            raise self.fault(element, f"<{element.tag}> has no {name}")
        return value

    def number(self, element: Element, name: str, text: str | None = None) -> float:
        """A required attribute as a number, which need not be finite; else the `text` that is called so.

        Raises:
            UserError: it is missing or no number.
        """
        text = self.attribute(element, name) if text is None else text
        try:
            return float(text)
        except ValueError:
            found = repr(text) if text.strip() else "missing"
            raise self.fault(element, f"{name} of <{element.tag}> is {found}, expected a number") from None

    def whole(self, element: Element, name: str, at_least: int = 0, text: str | None = None) -> int:
        """As `number`, a whole one.

        Raises:
            UserError: it is missing, not whole or too small.
        """
        value = self.number(element, name, text)
        if not (value.is_integer() and value >= at_least):
            expected = f"expected a whole number >= {at_least}"
            raise self.fault(element, f"{name} of <{element.tag}> is {text or element.get(name)!r}, {expected}")
        return int(value)


def root_name(path: Path) -> str | None:
    """The name of the root element, looked up in the first bytes of a file; None where there is none."""
    head = re.sub(r"<!--.*?-->|<\?.*?\?>", "", head_of(path, 4096), flags=re.DOTALL)
    found = re.search(r"<([A-Za-z_][\w.-]*)", head)
    return found[1] if found else None


def _read(path: Path) -> bytes:
    """What an XML file holds, as UTF-8 without a declaration of another encoding.

    Parsers know a few encodings only; GB2312 is read as its superset GB18030. Where the bytes are not of the declared
    encoding, they are decoded as those of any text file.

    Raises:
        UserError: the file cannot be read, or is not in the encoding that it declares nor in another one.
    """
    content = read_bytes(path)
    declared = _DECLARATION.match(content)
    name = declared[1].decode().lower() if declared else "utf-8"
    try:
        # a declaration that can be read byte by byte is in no such encoding, whatever it says
        if name.startswith(("utf-16", "utf-32")):
            raise LookupError(name)
        text = content.decode("gb18030" if name in ("gb2312", "gbk") else name)
    except (LookupError, UnicodeError):
        text = decode_text(content, path)
    else:
        if name in ("utf-8", "utf8", "us-ascii", "ascii"):
            return content
    start = text.find("?>") if text.lstrip().startswith("<?xml") else -2
    return text[start + 2 :].encode(errors="replace")  # UTF-7 can hold halves of characters
