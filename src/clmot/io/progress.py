"""One look for every progress bar: on a terminal it moves, elsewhere lines tell how far it is."""

import logging
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column

_Item = TypeVar("_Item")

_log = logging.getLogger(__name__)

FIRST_LINE, NEXT_LINE = 10.0, 30.0
"""Seconds from the beginning of a task to its first line in a log, and between two lines."""


def progress_bar(enabled: bool = True) -> Progress:
    """A progress bar on standard error with a count, elapsed and remaining time and a free `note` field.

    Where standard error is no terminal, each task that takes longer than `FIRST_LINE` is told of in lines of the log.
    Tasks are added with ``add_task(description, total=..., note="")``.
    """
    console = Console(stderr=True)
    if enabled and not (console.is_terminal or console.is_jupyter):
        return _ProgressLines(disable=True, speed_estimate_period=600)
    return Progress(
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=12),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeElapsedColumn(table_column=Column(no_wrap=True)),
        TextColumn("eta", table_column=Column(no_wrap=True)),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
        # what does not fit a narrow terminal is cut off here and nowhere else
        TextColumn("{task.fields[note]}", style="dim", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
        console=console,
        expand=True,
        disable=not enabled,
    )


class _ProgressLines(Progress):
    """Progress as log lines: ``training 120/400, 0:03:00, eta 0:07:00, total 4.1``."""

    def add_task(self, *arguments: Any, **fields: Any) -> TaskID:
        task = super().add_task(*arguments, **fields)
        self.tasks[-1].fields["told"] = time.monotonic() + FIRST_LINE - NEXT_LINE
        return task

    def update(self, task_id: TaskID, **fields: Any) -> None:
        super().update(task_id, **fields)
        self._tell(task_id)

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        super().advance(task_id, advance)
        self._tell(task_id)

    def _tell(self, task_id: TaskID) -> None:
        task: Task = self._tasks[task_id]
        now = time.monotonic()
        if now - task.fields["told"] < NEXT_LINE:
            return
        task.fields["told"] = now
        total = "" if task.total is None else f"/{task.total:.0f}"
        parts = [f"{task.description} {task.completed:.0f}{total}", _clock(task.elapsed)]
        if task.time_remaining:
            parts.append(f"eta {_clock(task.time_remaining)}")
        if note := task.fields.get("note"):
            parts.append(str(note))
        _log.info("%s", ", ".join(parts))


def _clock(seconds: float | None) -> str:
    whole = round(seconds or 0)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def followed(items: Iterable[_Item], bar: Progress, task: TaskID) -> Iterator[_Item]:
    """The items, while the bar counts those that are done with."""
    for item in items:
        yield item
        bar.advance(task)


def counted(items: Iterable[_Item], bar: Progress | None, description: str, total: int) -> Iterator[_Item]:
    """The items, counted in a task of their own that goes when they are done; without a bar just they."""
    if bar is None:
        yield from items
        return
    task = bar.add_task(description, total=total, note="")
    try:
        yield from followed(items, bar, task)
    finally:
        bar.remove_task(task)
