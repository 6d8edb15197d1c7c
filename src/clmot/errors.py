"""What a user can do wrong, as one exception that says what to do about it."""

import difflib
import re
from collections.abc import Iterable

from clmot._version import __version__


class UserError(Exception):
    """Bad input: one line naming the file and line, or the field, and what to do.

    The command line prints the message without a traceback and exits with code 2; Python callers catch it like any
    exception.
    """


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`` (did you mean '...'?)`` with the nearest known word, empty where none is near: the end of a message."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" (did you mean '{close[0]}'?)" if close else ""


def plural(count: int, one: str, many: str | None = None) -> str:
    """``1 box``, ``2 boxes``: a number and its noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def reason_of(error: BaseException) -> str:
    """What an error says, as one line for a message; never empty, and the same wherever an error is told.

    An operating system's error gives its reason without number and file, YAML its problem, a key that is missing its
    name; one that says nothing gives its type. Our own lines are whole, others at most 200 characters.
    """
    if isinstance(error, UserError):
        return str(error)
    text = getattr(error, "strerror", None) or getattr(error, "problem", None) or str(error)
    if isinstance(error, KeyError):
        text = f"{text} is missing"
    elif isinstance(error, UnicodeDecodeError):
        text = f"not text in {error.encoding.upper()}: byte {error.start + 1} of it"
    line = next((line for line in map(str.strip, str(text).splitlines()) if line), "")
    if not re.search(r"\w", line):
        line = type(error).__name__
    return line[:200]


def newer(what: object, written_by: str) -> UserError | None:
    """The error to raise for what cannot be understood because a newer version wrote it; None where it is not newer."""

    def numbers(version: str) -> list[int]:
        return [int(number) for number in re.findall(r"\d+", version)]

    if numbers(written_by) <= numbers(__version__):
        return None
    return UserError(
        f"{what}: written by clmot {written_by}, which is newer than this clmot {__version__}; "
        "upgrade: pip install -U clmot"
    )


def require(condition: bool, message: str) -> None:
    """Raise a `UserError` with the message unless the condition holds."""
    if not condition:
        raise UserError(message)
