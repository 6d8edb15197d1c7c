"""The formats that can be read, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from clmot.data.readers.formats import Format


def formats_table(formats: Sequence[Format]) -> Table:
    """A row for each format: its name, and what `format_page` says of it."""
    table = Table("name", "title, home page, licence, expected files", box=box.HORIZONTALS, show_lines=True)
    for each in formats:
        table.add_row(Text(each.name, style="bold"), format_page(each))
    return table


def format_page(each: Format) -> Group:
    """All that is known of one format; the lines of its tree stand below the path that a user names."""
    tree = "\n".join(f"  {line}" for line in each.tree.splitlines())
    return Group(
        Text(each.title),
        Text(each.home, style="dim", overflow="fold"),
        Text(f"licence: {each.licence or 'that of your own data'}"),
        # a tree is copied from the screen: nothing of it may be cut off
        Text(tree, overflow="fold"),
    )
