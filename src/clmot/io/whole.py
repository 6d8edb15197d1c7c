"""Files that appear under their name only when they are whole."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from clmot.errors import UserError, reason_of


@contextlib.contextmanager
def whole_file(path: Path, what: str) -> Iterator[Path]:
    """Write a file under another name, ``<path>.partial``, that becomes its own at the end of the block.

    Args:
        path: the file; what was there before stays until then, and stays after an exception.
        what: it is, for messages: ``the report``.

    Yields:
        The name to write under; after an exception nothing of it is left.

    Raises:
        UserError: the file cannot be written: the block raised `OSError`, or it cannot get its name.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        raise UserError(f"{path}: cannot write {what}: {reason_of(error)}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def write_whole_text(path: Path, text: str, what: str, *, errors: str = "strict") -> None:
    """Write a text in UTF-8, all or nothing; arguments as of `whole_file`, and `errors` as of `str.encode`.

    Raises:
        UserError: the file cannot be written.
    """
    with whole_file(path, what) as partial:
        partial.write_text(text, encoding="utf-8", errors=errors)
