"""Two processes with one place to write to, begun at once or a little apart: one result, never a mixture."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from campaign.commands import COMMANDS, prepare
from campaign.moments import contents, fresh, halves
from campaign.process import finish, run, start
from campaign.table import Kind, Table

BOTH = ("gallery",)
"""Commands of which two both do their work, one after the other."""


def race(count: int, seed: int, until: float, only: Iterable[str], table: Table) -> None:
    """One row for each command.

    Args:
        count: of each.
        seed: of how far apart they begin.
        until: `time.monotonic` at which to end.
        only: the commands; none for all.
        table: what was tried before is not tried again.
    """
    with tempfile.TemporaryDirectory() as folder:
        places, work = prepare(Path(folder) / "inputs"), Path(folder) / "work"
        for name in [name for name in COMMANDS if not only or name in only]:
            kind, random_of = table.kind(f"two at once: {name}"), random.Random(f"{seed} {name}")
            line, seconds = COMMANDS[name], 0.0
            if kind.attempts >= count:
                continue
            quiet = []
            for _ in range(2):
                with fresh(work) as out:
                    seconds = run(name, line, out, places).seconds
                    if name in BOTH:
                        run(name, line, out, places)
                    quiet.append(contents(out))
            same = {file for file in quiet[0] if quiet[0][file] == quiet[1].get(file)}
            for number in range(count):
                apart = random_of.random() * seconds * (number % 3) / 3
                if number < kind.attempts:
                    continue
                if time.monotonic() > until:
                    kind.note = "no time for more"
                    break
                kind.attempts += 1
                with fresh(work) as out:
                    _two(name, line, out, places, apart, kind)
                    for what in halves(contents(out), quiet[0], same, False):
                        kind.fail(f"{apart:.2f} s apart: {what}")
                    if missing := quiet[0].keys() - contents(out).keys():
                        kind.fail(f"{apart:.2f} s apart: lacks {sorted(missing)}")
                table.save()
            kind.done()


def _two(name: str, line: str, out: Path, places: dict[str, Path], apart: float, kind: Kind) -> None:
    first = start(name, line, out, places)
    time.sleep(apart)
    second = start(name, line, out, places)
    ended = [finish(first), finish(second)]
    codes = sorted(each.code for each in ended)
    if codes not in ([0, 0], [0, 2]):
        kind.fail(f"{apart:.2f} s apart: exit codes {codes}: {ended[0].said[-300:]!r}, {ended[1].said[-300:]!r}")
    for each in ended:
        lines = [text for text in each.said.splitlines() if text.startswith("clmot: ")]
        if "Traceback" in each.said or len(lines) != (each.code == 2):
            kind.fail(f"{apart:.2f} s apart: exit code {each.code} says {each.said[-300:]!r}")
