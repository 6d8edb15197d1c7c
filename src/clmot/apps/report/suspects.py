"""What looks wrong in tracks when nobody knows the truth: the moments worth a look, the most suspicious first."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from clmot.apps.report.events import Event
from clmot.apps.report.measured import WINDOW, Measured, Tracklet
from clmot.apps.report.results import Results
from clmot.structures import BoolArray, Float64Array
from clmot.tracking.decisions import KINDS as DECISIONS

_LONGEST_GAP = 5.0
"""Seconds between the end of a track and the start of another that may be its continuation."""
_SHORT = 1.0
_NEAR = 0.5
"""Seconds around a moment in which a contact counts."""
_CLOSE = 0.05
"""A match is a close call where the other track would have cost less than this more."""
_MOST = 1000


def find_suspects(measured: Measured) -> list[Event]:
    """Events that look wrong, the most suspicious first; each moment of a track once."""
    found = [*_jumps(measured), *_swaps(measured), *_splits(measured), *_short(measured), *_margins(measured.results)]
    found.sort(key=lambda event: (-event.severity, event.frame))
    rate = measured.results.frame_rate
    kept: list[Event] = []
    taken: dict[int, list[int]] = {}
    for event in found:
        near = [abs(frame - event.frame) for track in event.tracks for frame in taken.get(track, ())]
        if near and min(near) <= 0.6 * rate:
            continue
        kept.append(event)
        for track in event.tracks:
            taken.setdefault(track, []).append(event.frame)
        if len(kept) >= _MOST:
            break
    return kept


def _jumps(measured: Measured) -> Iterator[Event]:
    """Moments at which a track goes on looking like somebody else, or somewhere else."""
    odds = measured.odds
    touched: dict[int, list[Float64Array]] = {}
    for pair, times in measured.contacts.items():
        for track in pair:
            touched.setdefault(track, []).append(times)
    for each in measured.tracklets:
        if len(each.time) < 2:
            continue
        looks = np.nan_to_num(odds.of_appearance(measured.jumps[each.track]), nan=0.0)
        moves = odds.of_motion(measured.residuals[each.track])
        gap = np.diff(each.time) > 1.5 * measured.usual
        prior = np.where(gap, -0.5, np.where(_close_to(each.time[1:], touched.get(each.track, [])), 0.0, -2.0))
        total = looks + moves + np.where(moves > 0, np.maximum(prior, -0.5), prior)
        for at in _peaks(total, each.time[1:], WINDOW / 2):
            if total[at] <= 0:
                continue
            before, frame = int(each.frame[at]), int(each.frame[at + 1])
            share = _affected(each, at)
            if moves[at] >= max(looks[at], 1.0):
                text = f"Track {each.track} moves {measured.residuals[each.track][at] / odds.step:.0f} times as far"
                text += " from where it was heading as is usual here."
                kind = "teleport"
            else:
                text = f"Track {each.track} looks like another object from here on: appearance distance "
                text += f"{measured.jumps[each.track][at]:.2f}, usual in a track {odds.same:.2f}, between two "
                text += f"{odds.different:.2f}."
                kind = "jump"
            yield Event(
                kind=kind, frame=frame, before=before, tracks=(each.track,), severity=total[at] * share, text=text
            )


def _swaps(measured: Measured) -> Iterator[Event]:
    """Pairs of tracks that look like each other's past after they touched."""
    odds = measured.odds
    if not odds.known:
        return
    boxes = max(1, round(WINDOW / measured.usual))
    for (one, two), times in measured.contacts.items():
        first, second = measured.by_id[one], measured.by_id[two]
        for part in np.split(times, np.flatnonzero(np.diff(times) > _NEAR) + 1):
            begin, end = part[0], part[-1]
            moments = np.unique(np.concatenate([[begin, (begin + end) / 2, end], part[:: max(1, len(part) // 6)]]))
            best = None
            for moment in moments.tolist():
                (a1, a2), (b1, b2) = (track.sides(moment, boxes) for track in (first, second))
                if not all(side.any() for side in (a1, a2, b1, b2)):
                    continue
                distance = 1 - np.array([a1 @ a2, b1 @ b2, a1 @ b2, b1 @ a2])
                stays, leaves = odds.of_appearance(distance[:2]).sum(), odds.of_appearance(distance[2:]).sum()
                if best is None or stays - leaves > best[0]:
                    best = (stays - leaves, moment)
            if best is None or best[0] <= 1:
                continue
            at = first.time.searchsorted(best[1], side="right")
            before, frame = int(first.frame[max(at - 1, 0)]), int(first.frame[min(at, len(first.frame) - 1)])
            share = min(_affected(track, track.time.searchsorted(best[1])) for track in (first, second))
            text = f"Tracks {one} and {two} touch, and afterwards each looks more like the other did before."
            yield Event(
                kind="swap", frame=frame, before=before, tracks=(one, two), severity=best[0] / 2 * share + 1, text=text
            )


def _splits(measured: Measured) -> Iterator[Event]:
    """Tracks that end where, and as what, another starts."""
    odds = measured.odds
    tracks = measured.tracklets
    ends = np.array([each.time[-1] for each in tracks])
    starts = np.array([each.time[0] for each in tracks])
    pairs = []
    for row in np.argsort(ends, kind="stable").tolist():
        later = ((starts > ends[row]) & (starts <= ends[row] + _LONGEST_GAP)).nonzero()[0]
        if not len(later):
            continue
        a = tracks[row]
        look = a.look(np.array(a.time[-1] - WINDOW), np.array(a.time[-1]))
        velocity = _velocity(a)
        for column in later.tolist():
            b = tracks[column]
            gap = b.time[0] - a.time[-1]
            expected = a.centre[-1] + velocity * min(gap, 1.0)
            height = max(a.height[-1], b.height[0])
            away = min(np.linalg.norm(b.centre[0] - expected), np.linalg.norm(b.centre[0] - a.centre[-1])) / (
                height * (0.35 + 0.8 * gap)
            )
            other = b.look(np.array(b.time[0]), np.array(b.time[0] + WINDOW))
            seen = bool(look.any() and other.any())
            looks = -float(odds.of_appearance(np.array([1 - look @ other]))[0]) if seen else 0.0
            taller = abs(np.log(a.height[-1] / b.height[0]))
            score = 0.7 * looks + 3.0 - 2.5 * away - 2.0 * taller - 0.35 * gap
            if score > 0:
                pairs.append((score, row, column, gap))
    pairs.sort(reverse=True)
    used_ends, used_starts = set(), set()
    for score, row, column, gap in pairs:
        if row in used_ends or column in used_starts:
            continue
        used_ends.add(row)
        used_starts.add(column)
        a, b = tracks[row], tracks[column]
        share = min(_share(len(a.time), measured), _share(len(b.time), measured))
        yield Event(
            kind="split",
            frame=int(b.frame[0]),
            before=int(a.frame[-1]),
            tracks=(a.track, b.track),
            severity=score * share,
            text=f"Track {a.track} ends, and {gap:.1f} s later track {b.track} starts near by and looks alike.",
        )


def _short(measured: Measured) -> Iterator[Event]:
    """Tracks that live less than a second, and neither begin nor end with the video."""
    for each in measured.tracklets:
        life = each.time[-1] - each.time[0] + measured.usual
        inside = each.time[0] > measured.first + measured.usual and each.time[-1] < measured.last - measured.usual
        if life < _SHORT and inside:
            frame = int(each.frame[0])
            text = f"Track {each.track} lives for {life:.1f} s only."
            yield Event(
                kind="short", frame=frame, before=frame, tracks=(each.track,), severity=0.5 * (1 - life), text=text
            )


def _margins(results: Results) -> Iterator[Event]:
    """Matches that could as well have gone to another track, as far as the tracker told."""
    decisions = results.decisions
    if decisions is None:
        return
    dearer = decisions.rival_cost - decisions.cost
    close = (decisions.kind == DECISIONS.index("match")) & (dearer < _CLOSE) & (decisions.rival_id > 0)
    for row in close.nonzero()[0].tolist():
        track, rival, frame = (int(getattr(decisions, name)[row]) for name in ("track_id", "rival_id", "frame"))
        if track not in results.tracks or rival not in results.tracks or frame not in results.tracks[track].frame:
            continue
        earlier = results.tracks[track].frame
        earlier = earlier[earlier < frame]
        margin = float(dearer[row])
        yield Event(
            kind="margin",
            frame=frame,
            before=int(earlier[-1]) if len(earlier) else frame,
            tracks=(track, rival),
            severity=0.5 * (1 - margin / _CLOSE) if margin > 0 else 0.6,
            text=f"Track {track} got a box that track {rival} would have had at nearly the same cost.",
        )


def _velocity(track: Tracklet) -> Float64Array:
    """Over the last 0.3 seconds, pixels a second."""
    first = int(track.time.searchsorted(track.time[-1] - 0.3))
    first = min(first, max(len(track.time) - 2, 0))
    passed = track.time[-1] - track.time[first]
    return np.asarray((track.centre[-1] - track.centre[first]) / passed if passed > 0 else np.zeros(2))


def _affected(track: Tracklet, at: int) -> float:
    """How much of a track a wrong moment spoils: near 1 where a second or more lies on both sides of it."""
    sides = track.time[at] - track.time[0], track.time[-1] - track.time[min(at + 1, len(track.time) - 1)]
    return float(np.clip(0.5 + min(sides), 0.5, 1.0))


def _share(boxes: int, measured: Measured) -> float:
    return float(np.clip(0.5 + boxes * measured.usual, 0.5, 1.0))


def _close_to(time: Float64Array, touched: list[Float64Array]) -> BoolArray:
    """Which times are near some others."""
    if not touched:
        return np.zeros(len(time), np.bool_)
    others = np.sort(np.concatenate(touched))
    at = others.searchsorted(time).clip(1, max(len(others) - 1, 1))
    nearest = np.minimum(np.abs(time - others[at - 1]), np.abs(time - others[np.minimum(at, len(others) - 1)]))
    return np.asarray(nearest <= _NEAR)


def _peaks(values: Float64Array, time: Float64Array, apart: float) -> list[int]:
    """The largest values, each at least so far in time from any larger one."""
    kept: list[int] = []
    for at in np.argsort(-values, kind="stable").tolist():
        if values[at] <= 0:
            break
        if all(abs(time[at] - time[other]) > apart for other in kept):
            kept.append(at)
    return kept
