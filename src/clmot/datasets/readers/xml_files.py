"""XML annotation files, read piece by piece, with line numbers for messages and without entities.

Trees with line numbers take several times as long as trees without: files are read without them, and again with them
where there is a fault to be named (`read_twice`). What is too large for a tree is read by handlers (`parse`).

A few nested entity declarations expand to gigabytes ("billion laughs"), and no annotation format has use for one: a
file that declares an entity is refused before anything is expanded. External entities are never fetched, because
nothing here resolves them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any, NoReturn, TypeVar
from xml.etree import ElementTree
from xml.etree.ElementTree import Element
from xml.parsers import expat

from clmot.errors import UserError, reason_of
from clmot.io.text import decode_text, head_of

_CHUNK = 1 << 16
_DECLARATION = re.compile(rb"""\s*<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)["']""")
T = TypeVar("T")


def read_twice(read: Callable[[bool], T]) -> T:
    """Read a file fast, and once more with line numbers where that finds a fault, to name it.

    Args:
        read: reads the file; its argument is what `children_of_root` takes as `lines`.

    Raises:
        UserError: what the second reading finds.
    """
    try:
        return read(False)
    except UserError:
        return read(True)


def read_xml(path: Path) -> bytes:
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


def children_of_root(path: Path, root: str, *, lines: bool, content: bytes | None = None) -> Iterator[Element]:
    """The elements right below the root element, each complete, without keeping those before it in memory.

    Args:
        path: an XML file.
        root: the name that its root element must have.
        lines: give elements the line that they start in (`line_of`), which takes several times as long.
        content: is parsed instead of what the file holds.

    Raises:
        UserError: the file cannot be read, is not well-formed (with the line), has another root, or declares entities.
    """
    with _faults_named(path), BytesIO(read_xml(path) if content is None else content) as file:
        if lines:
            yield from _parse_with_lines(file, path, root)
        else:
            _check_prolog(file, path, root)
            file.seek(0)
            yield from _parse(file)


def parse(path: Path, root: str, set_handlers: Callable[[expat.XMLParserType], None]) -> None:
    """Parse a file by handlers, which are not called before its root element and entities are known to be as expected.

    Args:
        path: an XML file.
        root: the name that its root element must have.
        set_handlers: gives the parser its handlers.

    Raises:
        UserError: as `children_of_root`, or a handler's.
    """
    with _faults_named(path), BytesIO(read_xml(path)) as file:
        _check_prolog(file, path, root)
        file.seek(0)
        parser = expat.ParserCreate()
        # text in whole pieces; expat's own default hands it out line by line
        parser.buffer_text = True
        set_handlers(parser)
        while chunk := file.read(_CHUNK):
            parser.Parse(chunk, False)
        parser.Parse(b"", True)


@contextmanager
def _faults_named(path: Path) -> Iterator[None]:
    try:
        yield
    except ElementTree.ParseError as error:
        raise UserError(f"{path}:{error.position[0]}: not valid XML: {expat.ErrorString(error.code)}") from error
    except expat.ExpatError as error:
        raise UserError(f"{path}:{error.lineno}: not valid XML: {expat.ErrorString(error.code)}") from error


def line_of(element: Element) -> int:
    """The line that an element starts in; 0 where it was read without."""
    return element.line if isinstance(element, ElementWithLine) else 0


def _parse(file: IO[bytes]) -> Iterator[Element]:
    builder = ElementTree.TreeBuilder()
    # an element around the root one, whose children can be looked at before the parser is done with it
    outer = builder.start("outer", {})
    parser = ElementTree.XMLParser(target=builder)
    while chunk := file.read(_CHUNK):
        parser.feed(chunk)
        if len(outer):
            # the last child may be open still
            complete = outer[0][:-1]
            del outer[0][:-1]
            yield from complete
    parser.close()
    yield from outer[0]


class ElementWithLine(Element):
    """An element that knows the line it starts in."""

    line: int


class _RootFound(Exception):
    """The root element has begun, and with it the part of a file that can declare nothing."""


def _check_prolog(file: IO[bytes], path: Path, root: str) -> None:
    """Refuse another root element, and entities, before anything is expanded."""
    parser = expat.ParserCreate()

    def start(name: str, attributes: dict[str, str]) -> None:
        _check_root(name, root, path, parser)
        raise _RootFound

    parser.StartElementHandler = start
    parser.EntityDeclHandler = _refusal(path, parser)
    try:
        while chunk := file.read(_CHUNK):
            parser.Parse(chunk, False)
        parser.Parse(b"", True)
    except _RootFound:
        pass


def _parse_with_lines(file: IO[bytes], path: Path, root: str) -> Iterator[Element]:
    parser = expat.ParserCreate()
    # text in whole pieces; expat's own default hands it out line by line
    parser.buffer_text = True
    builder = ElementTree.TreeBuilder(element_factory=ElementWithLine)
    finished: list[Element] = []
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, builder
        if depth == 0:
            _check_root(name, root, path, parser)
        else:
            if depth == 1:
                builder = ElementTree.TreeBuilder(element_factory=ElementWithLine)
                parser.CharacterDataHandler = builder.data
            element = builder.start(name, attributes)
            assert isinstance(element, ElementWithLine)
            element.line = parser.CurrentLineNumber
        depth += 1

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        if depth > 0:
            builder.end(name)
        if depth == 1:
            finished.append(builder.close())
            parser.CharacterDataHandler = None

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.EntityDeclHandler = _refusal(path, parser)
    last = False
    while not last:
        chunk = file.read(_CHUNK)
        last = not chunk
        parser.Parse(chunk, last)
        yield from finished
        finished.clear()


def _check_root(name: str, root: str, path: Path, parser: expat.XMLParserType) -> None:
    if name != root:
        raise UserError(f"{path}:{parser.CurrentLineNumber}: root element is <{name}>, expected <{root}>")


def _refusal(path: Path, parser: expat.XMLParserType) -> Callable[..., NoReturn]:
    def refuse(*_: Any) -> NoReturn:
        raise UserError(f"{path}:{parser.CurrentLineNumber}: declares an entity, which annotations have no use for")

    return refuse


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
