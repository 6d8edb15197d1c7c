"""One look for every progress bar."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column

_Item = TypeVar("_Item")


def progress_bar(enabled: bool = True) -> Progress:
    """A progress bar on standard error with a count, elapsed and remaining time and a free `note` field.

    Tasks are added with ``add_task(description, total=..., note="")``.
    """
    return Progress(
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=12),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeElapsedColumn(table_column=Column(no_wrap=True)),
        TextColumn("eta", table_column=Column(no_wrap=True)),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
        # what does not fit a narrow terminal is cut off here and nowhere else
        TextColumn("{task.fields[note]}", style="dim", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
        console=Console(stderr=True),
        expand=True,
        disable=not enabled,
    )


def followed(items: Iterable[_Item], bar: Progress, task: TaskID) -> Iterator[_Item]:
    """The items, while the bar counts those that are done with."""
    for item in items:
        yield item
        bar.advance(task)
