import pytest
import yaml

from clmot.errors import UserError, newer, reason_of


def _raised_by(text):
    with pytest.raises(yaml.YAMLError) as caught:
        yaml.safe_load(text)
    return caught.value


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("no such thing\nTraceback: 1"), "no such thing"),
        (ValueError("\n  indented"), "indented"),
        (RuntimeError(), "RuntimeError"),
        (RuntimeError(" \n"), "RuntimeError"),
        (RuntimeError(()), "RuntimeError"),
        (ValueError("x" * 500), "x" * 200),
        (UserError("x" * 500), "x" * 500),
        (OSError(28, "No space left on device", "file"), "No space left on device"),
        (OSError("odd"), "odd"),
        (KeyError("name"), "'name' is missing"),
        (_raised_by("a: [1"), "expected ',' or ']', but got '<stream end>'"),
        (UnicodeDecodeError("utf-8", b"a\xff", 1, 2, "invalid start byte"), "not text in UTF-8: byte 2 of it"),
    ],
)
def test_every_error_is_told_in_one_line_that_is_never_empty(error, line):
    assert reason_of(error) == line


@pytest.mark.parametrize(
    ("version", "is_newer"), [("0.1.0", False), ("0.0.9", False), ("0.10", True), ("12.0.1", True)]
)
def test_a_file_of_a_newer_version_says_so(monkeypatch, version, is_newer):
    monkeypatch.setattr("clmot.errors.__version__", "0.1.0")
    error = newer("model.safetensors", version)
    assert (error is not None) == is_newer
    if error:
        assert f"written by clmot {version}, which is newer than this clmot 0.1.0" in str(error)


def test_what_a_message_quotes_of_a_file_neither_breaks_lines_nor_moves_the_cursor():
    assert str(UserError("a\nb\x1b[2J\x0c\u2028\u202ec\x85")) == "a␊b␛[2J␌��c�"
    # a list of problems is set in
    assert str(UserError("not ready:\n  first\n  second\r")) == "not ready:\n  first\n  second␍"
