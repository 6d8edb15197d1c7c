"""The training log: one JSON object a line, continued without gaps or doubles when a run resumes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from clmot.io.atomic import write_whole_text


class TrainingLog:
    """Appends lines to ``log.jsonl``.

    Args:
        file: created if missing.
        start_step: lines of this step and later (written after the checkpoint that a run resumes from) are dropped.
    """

    def __init__(self, file: Path, start_step: int = 0) -> None:
        self.file = file
        kept = [line for line in _lines(file) if line["step"] <= start_step] if start_step else []
        write_whole_text(file, "".join(json.dumps(line) + "\n" for line in kept), "the training log")
        self._handle = file.open("a", buffering=1)

    def write(self, values: Mapping[str, float]) -> None:
        """Append one line."""
        self._handle.write(json.dumps({key: round(value, 6) for key, value in values.items()}) + "\n")

    def close(self) -> None:
        """Close the file; writing afterwards is an error."""
        self._handle.close()


def _lines(file: Path) -> list[dict[str, float]]:
    """The complete lines of a log; a last line cut off by a kill is left out."""
    lines = []
    for text in file.read_text().splitlines() if file.is_file() else []:
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            break
    return lines
