"""What was tried and what failed, with what is needed to try it again."""

from __future__ import annotations

import dataclasses
import time


@dataclasses.dataclass
class Kind:
    """One row of the table.

    Attributes:
        name: what was tried.
        attempts: how often.
        failures: each with its seed or its moment, and what happened.
        note: what was not tried, and why.
    """

    name: str
    attempts: int = 0
    failures: list[str] = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    note: str = ""

    def __post_init__(self) -> None:
        self._began = time.monotonic()

    def fail(self, what: str) -> None:
        """Add a failure, and tell it."""
        self.failures.append(what)
        print(f"  FAILED {self.name}: {what}", flush=True)

    def done(self) -> Kind:
        """Tell how it went."""
        self.seconds = time.monotonic() - self._began
        print(
            f"{self.name:<44} {self.attempts:>8,} attempts {len(self.failures):>4} failures {self.seconds:7.0f} s"
            + f"  {self.note}" * bool(self.note),
            flush=True,
        )
        return self
