"""The one table: on the terminal, where it never loses a name or part of a number, and as Markdown."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table as RichTable
from rich.text import Text

_WIDTH_OF_FILES = 160
"""Columns of output that is no terminal."""
_FRAME = 3
"""Characters that a column takes beside its content."""


def show(*parts: RenderableType) -> None:
    """Print on standard output, as wide as the terminal; files get 160 columns, or what ``COLUMNS`` says."""
    narrow = sys.stdout.isatty() or "COLUMNS" in os.environ
    Console(width=None if narrow else _WIDTH_OF_FILES).print(*parts, sep="\n")


@dataclass(frozen=True)
class TextTable:
    """Rows of text that each output draws in its own way. The first cell of a row is its name.

    Where the columns do not fit beside each other, rich prints blocks below each other, each with the names again; a
    cell that is wider than the screen by itself, names above all, goes on in the next line. Nothing is cut off.

    Attributes:
        header: names of the columns.
        sections: groups of rows.
        strong: names of rows that stand out.
        title: a line above.
        notes: lines below.
        prose: columns of words, left aligned and folded where they are long.
    """

    header: Sequence[str]
    sections: Sequence[Sequence[Sequence[str]]]
    strong: frozenset[str] = field(default=frozenset({"combined"}))
    title: str = ""
    notes: Sequence[str] = ()
    prose: frozenset[int] = frozenset()

    @property
    def rows(self) -> list[Sequence[str]]:
        """All rows, without sections."""
        return [row for rows in self.sections for row in rows]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The table in blocks that fit."""
        if self.title:
            yield Text(self.title)
        for block, widths in self._blocks(options.max_width):
            table = RichTable()
            for column, width in zip(block, widths, strict=True):
                words = column == 0 or column in self.prose
                table.add_column(
                    Text(self.header[column]), justify="left" if words else "right", width=width, overflow="fold"
                )
            for rows in self.sections:
                for row in rows:
                    cells = (Text(row[column], overflow="fold") for column in block)
                    table.add_row(*cells, style="bold" if row[0] in self.strong else "")
                table.add_section()
            yield table
        for note in self.notes:
            yield Text(note)

    def _blocks(self, width: int) -> Iterator[tuple[list[int], list[int]]]:
        """Columns side by side, and the width of the content of each."""
        natural = [max(map(cell_len, column), default=0) for column in zip(self.header, *self.rows, strict=True)]
        room = width - 1
        # where not everything fits, long names take two lines rather than the room of two columns
        fits = sum(natural) + _FRAME * len(natural) <= room
        name = natural[0] if fits else min(natural[0], max(width // 3, 1))
        block, widths, left = [0], [name], room - name - _FRAME
        for column, wanted in enumerate(natural[1:], 1):
            if len(block) > 1 and wanted + _FRAME > left:
                yield block, widths
                block, widths, left = [0], [name], room - name - _FRAME
            fitting = max(min(wanted, left - _FRAME), 1)
            block, widths, left = [*block, column], [*widths, fitting], left - fitting - _FRAME
        yield block, widths

    def markdown(self) -> str:
        """As a Markdown table."""
        ends = ["---"] + ["---" if column in self.prose else "---:" for column in range(1, len(self.header))]
        lines: list[Sequence[str]] = [self.header, ends]
        for row in self.rows:
            lines.append([f"**{cell}**" if row[0] in self.strong and cell else cell for cell in row])
        table = "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
        return "\n".join([table, *(f"{note}\n" for note in self.notes)])
