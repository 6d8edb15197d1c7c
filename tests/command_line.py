"""The command line as tests call it: in this process."""

import pytest

from clmot.cli import main


def call(*arguments: object) -> int:
    """Exit code of the command line, run in this process."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def fails(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line that a user's mistake is answered with."""
    capsys.readouterr()
    assert call(*arguments) == 2
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line.startswith("clmot: ")]
    assert len(lines) == 1, captured.err
    assert "Traceback" not in captured.err
    return lines[0]
