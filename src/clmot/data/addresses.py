"""Where public data sets are: the table of ``addresses.yaml``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from clmot.errors import UserError, did_you_mean


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file to fetch.

    Attributes:
        url: its address.
        gigabytes: about how large it is (1e9 bytes), None where unknown.
        bytes: its exact size, None where unknown.
        sha256: its SHA-256 in hexadecimal digits, None where unknown.
        md5: its MD5 in hexadecimal digits, None where unknown.
    """

    url: str
    gigabytes: float | None = None
    bytes: int | None = None
    sha256: str | None = None
    md5: str | None = None

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class Address:
    """A public data set.

    Attributes:
        name: short, as in ``clmot data download NAME``.
        title: what it is, in a few words.
        format: name of the reader for it.
        licence: its terms, in a few words.
        home: the page of its publisher.
        files: what is fetched; empty where it has to be fetched by hand.
        by_hand: why, and how.
    """

    name: str
    title: str
    format: str
    licence: str
    home: str
    files: tuple[RemoteFile, ...] = ()
    by_hand: str = ""

    @property
    def gigabytes(self) -> float | None:
        """About how much is fetched, None where unknown."""
        sizes = [file.bytes / 1e9 if file.bytes else file.gigabytes for file in self.files]
        return sum(size for size in sizes if size) if sizes and None not in sizes else None


@cache
def addresses() -> tuple[Address, ...]:
    """All public data sets that are known."""
    entries: list[dict[str, Any]] = yaml.safe_load(
        files("clmot.data").joinpath("addresses.yaml").read_text(encoding="utf-8")
    )
    return tuple(
        Address(**{**entry, "files": tuple(RemoteFile(**file) for file in entry.get("files", ()))}) for entry in entries
    )


def address_named(name: str) -> Address:
    """The data set with a name.

    Raises:
        UserError: none has it (with the nearest that there is).
    """
    by_name = {each.name: each for each in addresses()}
    if name.lower() not in by_name:
        raise UserError(f"unknown data set '{name}'{did_you_mean(name, by_name)}; known: {', '.join(by_name)}")
    return by_name[name.lower()]
