"""What happened to tracks, in one form for what ground truth knows and for what is only suspected."""

from __future__ import annotations

from dataclasses import dataclass

KINDS: dict[str, str] = {
    "switch": "identity switch",
    "merge": "merge",
    "fragment": "fragment",
    "swap": "two tracks may have changed places",
    "jump": "appearance changes",
    "split": "one object, two tracks?",
    "teleport": "teleport",
    "margin": "close call",
    "short": "short track",
}
"""Kinds of events, and what people read. The first three are known from ground truth, the rest are suspects."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened between two frames.

    Attributes:
        kind: one of `KINDS`.
        frame: from which on it is so.
        before: the last frame in which it was otherwise; smaller than `frame`, or the same where a track only begins.
        tracks: ids, the one that goes on first; one or two.
        severity: the larger the worse; comparable within one report.
        text: what is known of it, in a sentence.
        identity: whom it is about by ground truth, where there is any.
    """

    kind: str
    frame: int
    before: int
    tracks: tuple[int, ...]
    severity: float
    text: str
    identity: int | None = None
