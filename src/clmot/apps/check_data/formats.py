"""The formats that can be read, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from clmot.datasets.readers.formats import Format


def formats_page(formats: Sequence[Format]) -> Group:
    """The name of each format, and below it what `format_page` says of it."""
    return Group(*(Group(Text(each.name, style="bold"), Padding(format_page(each), (0, 0, 1, 2))) for each in formats))


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
