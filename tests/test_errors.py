import pytest

from clmot.errors import first_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("no such thing\nTraceback: 1"), "no such thing"),
        (ValueError("\n  indented"), "indented"),
        (RuntimeError(), "RuntimeError"),
        (RuntimeError(" \n"), "RuntimeError"),
        (ValueError("x" * 500), "x" * 160),
    ],
)
def test_of_a_long_message_one_line_is_left(error, line):
    assert first_line(error) == line
