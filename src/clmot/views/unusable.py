"""Images that turn out to be unusable while training runs: missing, corrupt, or of another size than annotated.

One bad file in ten thousand is no reason to lose a night's training: it is left out, logged and counted. Many mean that
something is wrong with the data set, and training on whatever is left would hide it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import NamedTuple

from clmot.errors import UserError, plural

log = logging.getLogger(__name__)

LARGEST_SHARE = 0.01
"""Training stops when this share of a data set's images has turned out to be unusable."""

MOST_IN_A_ROW = 10
"""Training stops as well when so many draws in a row met an unusable image, as where a disk is gone: where fewer than
`LARGEST_SHARE` are bad, that does not happen by chance."""

_NAMED = 3


class Fault(NamedTuple):
    """An unusable image.

    Attributes:
        sample_index: its place in the data set.
        message: what is wrong, with the image's path.
    """

    sample_index: int
    message: str


class UnusableImage(UserError):
    """An image of a data set cannot be used.

    Attributes:
        sample_index: its place in the data set.
    """

    def __init__(self, message: str, sample_index: int) -> None:
        super().__init__(message)
        self.sample_index = sample_index


class UnusableImages:
    """Counts the unusable images that a process meets, and stops it when they are too many.

    Counting starts afresh when a run resumes.

    Args:
        images: number of images of the data set.
    """

    def __init__(self, images: int) -> None:
        self.images = images
        self._messages: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def faults(self) -> list[Fault]:
        """All that were met, each once."""
        return [Fault(index, message) for index, message in self._messages.items()]

    def add(self, faults: Iterable[Fault]) -> None:
        """Log those that are new, one line each.

        Raises:
            UserError: they are `LARGEST_SHARE` of the data set's images or more now.
        """
        for index, message in faults:
            if index in self._messages:
                continue
            self._messages[index] = message
            if len(self) / self.images >= LARGEST_SHARE:
                raise UserError(f"{describe(self.faults, self.images)}; correct these images or take them out")
            log.warning("%s; another image takes its place", message)


def describe(faults: Iterable[Fault], images: int) -> str:
    """The first of some unusable images, and how many of a data set's images they are, in one line."""
    messages = dict(faults)
    return f"{first_messages(messages.values())}; {len(messages)} of {plural(images, 'image')} cannot be used"


def first_messages(messages: Iterable[str]) -> str:
    """The first few messages in one line, and how many more there are."""
    messages = list(messages)
    more = f"; and {len(messages) - _NAMED} more" if len(messages) > _NAMED else ""
    return "; ".join(messages[:_NAMED]) + more
