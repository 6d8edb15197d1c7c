"""What a user can do wrong, as one exception that says what to do about it."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Bad input: one line naming the file and line, or the field, and what to do.

    The command line prints the message without a traceback and exits with code 2; Python callers catch it like any
    exception.
    """


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`` (did you mean '...'?)`` with the nearest known word, empty where none is near: the end of a message."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" (did you mean '{close[0]}'?)" if close else ""


def first_line(error: BaseException) -> str:
    """What someone else's error says, short enough for a message; its type where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:160]


def require(condition: bool, message: str) -> None:
    """Raise a `UserError` with the message unless the condition holds."""
    if not condition:
        raise UserError(message)
