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
from xml.etree import ElementTree
from xml.parsers import expat

from clmot.errors import UserError

_CHUNK = 1 << 16


class Element(ElementTree.Element):
    """An XML element that knows the line it starts in."""

    line: int


def children_of_root(path: Path, root: str) -> Iterator[Element]:
    """The elements right below the root element, each complete, without keeping those before it in memory.

    Args:
        path: an XML file.
        root: the name that its root element must have.

    Raises:
        UserError: the file cannot be read, is not well-formed (with the line), has another root, or declares entities.
    """
    parser = expat.ParserCreate()
    # text in whole pieces; expat's own default hands it out line by line
    parser.buffer_text = True
    builder = ElementTree.TreeBuilder(element_factory=Element)
    finished: list[Element] = []
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, builder
        if depth == 0 and name != root:
            raise UserError(f"{path}:{parser.CurrentLineNumber}: root element is <{name}>, expected <{root}>")
        if depth > 0:
            if depth == 1:
                builder = ElementTree.TreeBuilder(element_factory=Element)
                parser.CharacterDataHandler = builder.data
            element = builder.start(name, attributes)
            assert isinstance(element, Element)
            element.line = parser.CurrentLineNumber
        depth += 1

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        if depth > 0:
            builder.end(name)
        if depth == 1:
            child = builder.close()
            assert isinstance(child, Element)
            finished.append(child)
            parser.CharacterDataHandler = None

    def refuse(*_: Any) -> NoReturn:
        raise UserError(f"{path}:{parser.CurrentLineNumber}: declares an entity, which annotations have no use for")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.EntityDeclHandler = refuse
    try:
        with path.open("rb") as file:
            last = False
            while not last:
                chunk = file.read(_CHUNK)
                last = not chunk
                parser.Parse(chunk, last)
                yield from finished
                finished.clear()
    except OSError as error:
        raise UserError(f"{path}: cannot read annotations: {error.strerror}") from error
    except expat.ExpatError as error:
        raise UserError(f"{path}:{error.lineno}: not valid XML: {expat.ErrorString(error.code)}") from error


def root_name(path: Path) -> str | None:
    """The name of the root element, looked up in the first bytes of a file; None where there is none."""
    try:
        with path.open("rb") as file:
            head = file.read(4096).decode("utf-8", "replace")
    except OSError:
        return None
    head = re.sub(r"<!--.*?-->|<\?.*?\?>", "", head, flags=re.DOTALL)
    found = re.search(r"<([A-Za-z_][\w.-]*)", head)
    return found[1] if found else None


def attribute(element: Element, name: str, path: Path) -> str:
    """A required attribute.

    Raises:
        UserError: it is missing.
    """
    value = element.get(name)
    if value is None:
        raise UserError(f"{path}:{element.line}: <{element.tag}> has no {name}")
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
        raise UserError(f"{path}:{element.line}: {name} of <{element.tag}> is {found}, expected a number") from None


def whole_number(text: str | None, path: Path, element: Element, name: str, at_least: int = 0) -> int:
    """A text as a whole number.

    Raises:
        UserError: it is missing, not whole or too small.
    """
    value = number(text, path, element, name)
    if not (value.is_integer() and value >= at_least):
        raise UserError(
            f"{path}:{element.line}: {name} of <{element.tag}> is {text!r}, expected a whole number >= {at_least}"
        )
    return int(value)
