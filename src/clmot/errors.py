"""What a user can do wrong, as one exception that says what to do about it."""

import contextlib
import difflib
import re
from collections.abc import Iterable, Iterator

from clmot._version import __version__

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Characters that break lines, move the cursor, or turn the direction of what follows."""


class UserError(Exception):
    """Bad input: one line naming the file and line, or the field, and what to do.

    The command line prints the message without a traceback and exits with code 2; Python callers catch it like any
    exception. What it quotes of a file is `readable`. Where it is a list, each part is a line that is set in.

    Examples:
        >>> try:
        ...     clmot.load_model("runs/missing")
        ... except clmot.UserError as error:
        ...     reason = str(error)
    """

    def __init__(self, message: object = "") -> None:
        super().__init__("\n  ".join(readable(line) for line in str(message).split("\n  ")))


@contextlib.contextmanager
def told_of_disks() -> Iterator[None]:
    """A path that comes from a file or a user, and that the system has no answer for, is a user's mistake.

    Raises:
        UserError: the block raised `OSError`: a name is too long, a folder may not be looked into, a disk fails.
    """
    try:
        yield
    except OSError as error:
        raise UserError(f"{str(error.filename or 'a file')[:300]}: {reason_of(error)}") from error


@contextlib.contextmanager
def told_of_numbers(file: object) -> Iterator[None]:
    """A number in a file that no computer counts with is a user's mistake; `file` is what to blame.

    Raises:
        UserError: the block raised `OverflowError`.
    """
    try:
        yield
    except OverflowError as error:
        raise UserError(f"{file}: holds a number that is too large: {reason_of(error)}") from error


def readable(text: str) -> str:
    """A text from a file, with control characters as the pictures that Unicode has of them."""
    return _CONTROL.sub(lambda found: chr(0x2400 + ord(found[0])) if ord(found[0]) < 0x20 else "\ufffd", text)


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
