"""When identities go wrong: the moments that TrackEval's CLEAR metric counts, each with its frame, identity and tracks.

The matching is CLEAR MOT's (Bernardin and Stiefelhagen 2008) in TrackEval's form: pairs that overlap by an IoU of 0.5,
those of the frame before first. A test compares the counts with TrackEval's, frame by frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.optimize import linear_sum_assignment

_EPSILON = np.finfo(np.float64).eps
_MATCH_IOU = 0.5 - _EPSILON
_BEFORE_FIRST = 1000

IdentityKind = Literal["switch", "fragment", "merge"]


@dataclass(frozen=True, kw_only=True)
class IdentityEvent:
    """A moment at which a track and an identity part.

    Attributes:
        kind: ``switch``: an identity goes on under another track's id (IDSW). ``fragment``: it was not tracked for a
            while, and then is again under the same id (Frag; a switch after a gap is counted there too, see `gap`).
            ``merge``: a track goes on with an identity that has not been tracked before.
        frame: from which on.
        last_frame: the last one before in which the identity, of a merge the track, was matched.
        identity: whom the ground truth calls so.
        before: the id of the track that had the identity before; of a merge the same as `after`.
        after: the id of the track that has it now.
        other: the identity that the track `after` had before, if it had one.
        gap: whether the identity was not tracked in between.
        length: frames that are matched as they are now until the next event or the end, or that were before the last
            one, whichever is fewer; of a fragment the frames missed.
    """

    kind: IdentityKind
    frame: int
    last_frame: int
    identity: int
    before: int
    after: int
    other: int | None
    gap: bool
    length: int


def identity_events(data: dict[str, Any]) -> list[IdentityEvent]:
    """Every switch, fragment and merge in what `clmot.evaluation.track_rows.trackeval_data` made, by frame."""
    frames, truth_ids, found_ids = (data[name].tolist() for name in ("frames", "truth_ids", "found_ids"))
    pairs = _matches(data)
    runs = _Runs(pairs)
    events = []
    last: dict[int, tuple[int, int]] = {}  # identity: time and track of its last match
    of_track: dict[int, tuple[int, int]] = {}
    before: set[int] = set()
    for time, matched in pairs:
        for identity, track in matched:
            had, previous = last.get(identity), of_track.get(track)
            other = None if previous is None or previous[1] == identity else previous[1]
            kind: IdentityKind | None = None
            if had is not None and had[1] != track:
                kind, since = "switch", had[0]
                length = min(runs.before(identity, had[1], time), runs.after(identity, track, time))
            elif had is not None and identity not in before:
                kind, since, length = "fragment", had[0], max(frames[time] - frames[had[0]] - 1, 1)
            elif had is None and other is not None and previous is not None:
                kind, since = "merge", previous[0]
                length = min(runs.before(other, track, time), runs.after(identity, track, time))
            if kind:
                events.append(
                    IdentityEvent(
                        kind=kind,
                        frame=frames[time],
                        last_frame=frames[since],
                        identity=truth_ids[identity],
                        before=found_ids[track if had is None else had[1]],
                        after=found_ids[track],
                        other=None if other is None else truth_ids[other],
                        gap=had is not None and identity not in before,
                        length=length,
                    )
                )
        for identity, track in matched:
            last[identity], of_track[track] = (time, track), (time, identity)
        before = {identity for identity, _ in matched}
    return events


def _matches(data: dict[str, Any]) -> list[tuple[int, list[tuple[int, int]]]]:
    """Identity and track of each match, by time, without the times at which there is nothing to match."""
    found = []
    previous: dict[int, int] = {}
    for time, (truth, tracks) in enumerate(zip(data["gt_ids"], data["tracker_ids"], strict=True)):
        if not len(truth) or not len(tracks):
            continue  # as TrackEval: the match before stays the one before
        overlap = data["similarity_scores"][time]
        stays = np.array(
            [[previous.get(identity) == track for track in tracks.tolist()] for identity in truth.tolist()]
        )
        score = np.where(overlap < _MATCH_IOU, 0, _BEFORE_FIRST * stays + overlap)
        row, column = linear_sum_assignment(score, maximize=True)
        real = score[row, column] > _EPSILON
        matched = list(zip(truth[row[real]].tolist(), tracks[column[real]].tolist(), strict=True))
        previous = dict(matched)
        found.append((time, matched))
    return found


class _Runs:
    """How long an identity stays with a track, in matched frames."""

    def __init__(self, pairs: list[tuple[int, list[tuple[int, int]]]]) -> None:
        self._of: dict[int, list[tuple[int, int]]] = {}
        for time, matched in pairs:
            for identity, track in matched:
                self._of.setdefault(identity, []).append((time, track))

    def before(self, identity: int, track: int, time: int) -> int:
        return self._length([each for each in reversed(self._of[identity]) if each[0] < time], track)

    def after(self, identity: int, track: int, time: int) -> int:
        return self._length([each for each in self._of[identity] if each[0] >= time], track)

    @staticmethod
    def _length(times: list[tuple[int, int]], track: int) -> int:
        return next((index for index, each in enumerate(times) if each[1] != track), len(times))
