"""The public data sets that can be fetched, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from clmot.data.addresses import Address


def addresses_table(addresses: Sequence[Address]) -> Table:
    """A row for each data set: its name, and what `address_page` says of it."""
    table = Table("name", "title, licence, home page, size", box=box.HORIZONTALS, show_lines=True)
    for each in addresses:
        table.add_row(Text(each.name, style="bold"), address_page(each))
    return table


def address_page(each: Address) -> Group:
    """All that is known of one data set."""
    if each.files:
        size = "size unknown" if each.gigabytes is None else f"about {each.gigabytes:.3g} GB"
        fetched = Text("\n".join(file.url for file in each.files) + f"\n{size}", overflow="fold")
    else:
        fetched = Text(f"by hand: {each.by_hand}")
    return Group(
        Text(each.title),
        Text(f"licence: {each.licence}"),
        Text(each.home, style="dim", overflow="fold"),
        fetched,
    )
