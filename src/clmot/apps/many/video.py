"""One of many videos, as processes tell each other of it."""

from __future__ import annotations

import hashlib

import msgspec


class Video(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One source.

    Attributes:
        name: of its results.
        origin: file, folder or address.
        size: bytes.
        stamp: when it was changed last, in nanoseconds; of an address, what its server says.
        content: hash of what is in it.
        settings: ``SECTION.KEY=VALUE`` of its row in a list, and ``fps=VALUE``.
    """

    name: str
    origin: str
    size: int = 0
    stamp: str = ""
    content: str = ""
    settings: tuple[str, ...] = ()

    def key(self, settings: str) -> str:
        """Hash of content and settings: what its results depend on."""
        return digest(self.content, settings, *self.settings)


def digest(*facts: str) -> str:
    """Sixteen hexadecimal digits that stand for some texts."""
    return hashlib.blake2b("\0".join(facts).encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
