"""HTML pages in one file: tables, plots and pictures inside it, nothing fetched, readable on light and dark screens."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from clmot.io.atomic import write_whole_text
from clmot.io.image import encoded_image
from clmot.structures import Image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Tone = Literal["bad", "doubtful", "good", "plain"]

_INK = "#888888"
"""Grey that is read on white and on black: plots are transparent."""
_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #ffffff; --faint: #6a737d; --line: #d0d7de;
  --bad: #c62828; --doubtful: #b26a00; --good: #2e7d32; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --paper: #15181c; --faint: #9aa4ae; --line: #3a4149;
  --bad: #ff7b72; --doubtful: #e3a33c; --good: #6fcf7c; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 72rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.25rem; margin-top: 2.2rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.4rem 0 .2rem; } p { margin: .3rem 0; overflow-wrap: anywhere; }
.faint, figcaption { color: var(--faint); font-size: .87em; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; margin: .6rem 0; }
th, td { padding: .15rem .7rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
ul { margin: .2rem 0; padding-left: 1.3rem; font-family: ui-monospace, monospace; font-size: .87em; }
li { overflow-wrap: anywhere; } figure { margin: .4rem 0; } img { max-width: 100%; height: auto; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); gap: .8rem; }
.badge { font-weight: 600; }
.bad { color: var(--bad); } .doubtful { color: var(--doubtful); } .good { color: var(--good); }
"""


class Html(str):
    """Text that is HTML already; every other text is escaped where it enters a page."""

    __slots__ = ()


def page(title: str, *blocks: str) -> Html:
    """A whole document.

    Args:
        title: of the window and at the top.
        blocks: what comes below; text that is not `Html` becomes a paragraph.
    """
    body = "\n".join(_block(block) for block in blocks)
    return Html(
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n{body}\n</body>\n</html>\n"
    )


def section(title: str, *blocks: str, level: Literal[2, 3] = 2) -> Html:
    """A headline, which may be `Html`, and what belongs to it."""
    body = "\n".join(_block(block) for block in blocks)
    return Html(f"<section>\n<h{level}>{_inline(title)}</h{level}>\n{body}\n</section>")


def faint(text: str) -> Html:
    """A paragraph of lesser weight."""
    return Html(f'<p class="faint">{_inline(text)}</p>')


def badge(text: str, tone: Tone) -> Html:
    """A word in the colour of its tone, inside of a headline or cell."""
    return Html(f'<span class="badge {tone}">{escape(text)}</span>')


def inline(*parts: str) -> Html:
    """Pieces of one line, those that are not `Html` escaped."""
    return Html("".join(map(_inline, parts)))


def listing(items: Iterable[str]) -> Html:
    """A bulleted list, for file names and the like."""
    return Html("<ul>" + "".join(f"<li>{_inline(item)}</li>" for item in items) + "</ul>")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Html:
    """A table; the first column is text, the others numbers."""
    head = "".join(f"<th>{_inline(cell)}</th>" for cell in header)
    body = "\n".join("<tr>" + "".join(f"<td>{_inline(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return Html(
        f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'
    )


def gallery(figures: Iterable[Html]) -> Html:
    """Pictures side by side."""
    return Html('<div class="gallery">\n' + "\n".join(figures) + "\n</div>")


def picture(image: Image, caption: str = "", quality: int = 80) -> Html:
    """An image, embedded as JPEG.

    Args:
        image: uint8 [height, width, 3], RGB.
        caption: below it.
        quality: of the JPEG.
    """
    return _figure("image/jpeg", encoded_image(image, ".jpg", quality), caption)


def plot(figure: Figure, caption: str = "") -> Html:
    """A matplotlib figure, embedded as SVG without background, its text and axes grey."""
    from matplotlib import rc_context

    for axes in figure.axes:
        axes.tick_params(which="both", colors=_INK)
        axes.title.set_color(_INK)
        for label in (axes.xaxis.label, axes.yaxis.label):
            label.set_color(_INK)
        for spine in axes.spines.values():
            spine.set_color(_INK)
    file = io.BytesIO()
    # equal figures make equal files
    with rc_context({"svg.hashsalt": "clmot"}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    return _figure("image/svg+xml", file.getvalue(), caption)


def write_page(content: Html, path: Path) -> None:
    """Write a page; it appears under its name only when it is whole.

    Raises:
        UserError: the file cannot be written.
    """
    write_whole_text(path, content, "the page", errors="replace")


def _figure(kind: str, content: bytes, caption: str) -> Html:
    source = f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
    below = f"<figcaption>{_inline(caption)}</figcaption>" if caption else ""
    return Html(f'<figure><img src="{source}" alt="{escape(str(caption))}">{below}</figure>')


def _inline(text: str) -> str:
    return text if isinstance(text, Html) else escape(text)


def _block(text: str) -> str:
    return text if isinstance(text, Html) else f"<p>{escape(text)}</p>"
