"""What was tried and what failed, with what is needed to try it again."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

from clmot._version import __version__
from clmot.io.atomic import write_whole_text


@dataclasses.dataclass
class Kind:
    """One row of the table.

    Attributes:
        name: what was tried.
        attempts: how often.
        failures: each with its seed or its moment, and what happened.
        note: what was not tried, and why.
        tried: numbers of attempts that were made, where some can be left for later.
    """

    name: str
    attempts: int = 0
    failures: list[str] = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    note: str = ""
    tried: list[int] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Time counts from now on."""
        self._began = time.monotonic()

    def fail(self, what: str) -> None:
        """Add a failure, and tell it."""
        self.failures.append(what)
        print(f"  FAILED {self.name}: {what}", flush=True)

    def done(self) -> Kind:
        """Tell how it went."""
        self.seconds += time.monotonic() - self._began
        self._began = time.monotonic()
        print(
            f"{self.name:<44} {self.attempts:>8,} attempts {len(self.failures):>4} failures {self.seconds:7.0f} s"
            + f"  {self.note}" * bool(self.note),
            flush=True,
        )
        return self


class Table:
    """All rows, kept in a file as they grow, so that a campaign goes on where it was ended.

    Args:
        file: JSON; may be there already.
        seed: of everything.

    Attributes:
        kinds: the rows.
    """

    def __init__(self, file: Path | None = None, seed: int = 0) -> None:
        self._file, self._seed = file, seed
        rows = json.loads(file.read_text())["table"] if file and file.exists() else []
        self.kinds = [Kind(**row) for row in rows]

    def kind(self, name: str) -> Kind:
        """The row of a name, a new one unless there is one."""
        found = next((each for each in self.kinds if each.name == name), None)
        if found is None:
            found = Kind(name)
            self.kinds.append(found)
        found.begin()
        return found

    def save(self) -> None:
        """Write the file, if there is one."""
        if self._file:
            rows = [dataclasses.asdict(each) for each in self.kinds]
            told = {"clmot": __version__, "seed": self._seed, "table": rows}
            write_whole_text(self._file, json.dumps(told, indent=2) + "\n", "the table")
