"""Why the tracker decided as it did at an event, from what ``clmot track --explain`` kept, and what would change it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from clmot.apps.report.events import Event
from clmot.apps.report.results import Results
from clmot.tracking.decisions import KINDS, STAGES, Decisions
from clmot.tracking.kalman import GATE

_MATCH, _START, _LOST, _ = range(len(KINDS))
_STAGE_NAMES = {
    "first": "first association",
    "overlap": "second association, by overlap",
    "low score": "association with low-score boxes, by overlap",
    "recovery": "recovery where it was last seen",
    "unconfirmed": "association of tracks not yet confirmed",
    "nearest": "association with the nearest box",
}
_LIMITS = {
    "overlap": "iou_threshold",
    "recovery": "recovery_iou_threshold",
    "nearest": "nearest_distance",
}
_TERMS = {"appearance": "appearance (cosine distance)", "motion": "motion (Mahalanobis)", "overlap": "1 - overlap"}
_REST = {
    "fused": "lost track, by overlap",
    "first": "score and direction",
    "unconfirmed": "score of the box",
    "recovery": "1 - overlap where it was last seen",
}
_LEAST = 1e-3


@dataclass
class _Term:
    """A distance of the pair, what it adds to the cost, the same two of the rival, and whether it decided."""

    name: str
    value: float | None
    cost: float | None
    rival: float | None
    rival_cost: float | None
    decided: bool = False

    @property
    def dearer(self) -> float:
        """How much more the rival would have had to pay."""
        return (self.rival_cost or 0.0) - (self.cost or 0.0)


def why(event: Event, results: Results) -> dict[str, Any] | None:
    """What the report shows of the decision behind an event; None where nothing of it was kept.

    Returns:
        ``text``; ``terms``, each with name, value, cost (its part of the whole), the same two of the rival, and whether
        it decided; ``rival``, who that is, or None; ``setting``, what would have changed it.
    """
    decisions = results.decisions
    if decisions is None:
        return None
    row = _decision(event, decisions)
    if row is None:
        return None
    tracker = (results.record.get("settings") or {}).get("tracker") or {}
    return _told({name: getattr(decisions, name)[row].item() for name in vars(decisions)}, tracker, event)


def _decision(event: Event, decisions: Decisions) -> int | None:
    """The row that decided: how the later track began, why it was lost, or what it was given."""
    mine = decisions.track_id == event.tracks[-1]
    frame, kind = decisions.frame, decisions.kind
    within = mine & (frame > min(event.before, event.frame - 1)) & (frame <= event.frame)
    wanted = [within & (kind == _START), mine & (kind == _MATCH) & (frame == event.frame)]
    if event.kind == "fragment":
        wanted.insert(0, within & (kind == _LOST))
    if event.kind == "split":  # found in the frames in which it had no id yet
        wanted.insert(0, mine & (kind == _START))
    for each in wanted:
        rows = each.nonzero()[0]
        if len(rows):
            return int(rows[0])
    return None


def _told(row: dict[str, Any], tracker: dict[str, Any], event: Event) -> dict[str, Any]:
    stage = STAGES[row["stage"]]
    name = _STAGE_NAMES.get(stage, "")
    limit_of = _LIMITS.get(stage) or _first_limit(stage, tracker)
    track, rival = row["track_id"], row["rival_id"]
    cost, limit, rival_cost = row["cost"], row["limit"], row["rival_cost"]
    setting, with_rival = "", False
    if row["kind"] == _MATCH:
        text = f"Track {track} got its box in the {name}: cost {cost:.2f}, limit {limit:.2f}."
        with_rival = not math.isnan(rival_cost)
        if with_rival:
            text += f" {_named(rival)} would have cost {rival_cost:.2f}."
            setting = _flip(row, tracker, stage)
        if limit_of and stage != "nearest" and not (with_rival and rival_cost < limit):
            setting = f"tracker.{limit_of}={_rounded(cost, down=True)} or less would have refused this match."
    elif row["kind"] == _START:
        text, setting = _start(row, tracker, stage, name, limit_of)
    elif math.isnan(cost):
        text = f"Track {track} was lost in frame {row['frame']}: no box was near where it was expected."
        setting = "Nothing to choose from: a lower detect.score_threshold or tracker.low_score may find boxes there."
    else:
        text = f"Track {track} was lost in frame {row['frame']}: its nearest box cost {cost:.2f} in the {name}, "
        text += f"limit {limit:.2f}" + (f"; it went to {_named(rival, small=True)}." if rival else ".")
        if cost >= limit and limit_of:
            setting = f"tracker.{limit_of}={_rounded(cost)} would have allowed this match."
    terms = _parts(row, tracker, stage, with_rival)
    if event.kind == "split" and "lost_seconds" in tracker and math.isnan(row["appearance"]) and not setting:
        setting = f"A track is kept for tracker.lost_seconds={tracker['lost_seconds']:g} after it was last seen."
    return {
        "text": text,
        "terms": terms,
        "rival": _named(rival, small=True) + ", for the same box" if with_rival else None,
        "setting": setting,
    }


def _start(
    row: dict[str, Any], tracker: dict[str, Any], stage: str, name: str, limit_of: str | None
) -> tuple[str, str]:
    """Why a box began a track, and what would have joined it to the track that was most like it."""
    track, rival, cost, limit = row["track_id"], row["rival_id"], row["cost"], row["limit"]
    text = f"A box of frame {row['frame']} that no track took began track {track}."
    if not rival:
        least = f" or more than tracker.new_track_score={tracker['new_track_score']:g}" * ("new_track_score" in tracker)
        return (
            f"{text} No track with an id was left that might have had it.",
            f"Its score was {row['score']:.2f}{least}.",
        )
    if math.isnan(cost):
        if row["motion"] > GATE:
            text += f" Track {rival} was most like it, but was expected elsewhere: squared Mahalanobis distance "
            text += f"{row['motion']:.1f}, where {GATE:.1f} is the limit."
            return text, "No limit would have changed it; track refinement might: --join 0.2."
        return f"{text} Track {rival} was most like it, and was compared with it in no stage.", ""
    if cost >= limit:
        text += f" Track {rival} would have cost {cost:.2f} in the {name}, limit {limit:.2f}."
        return text, f"tracker.{limit_of}={_rounded(cost)} would have allowed it." if limit_of else ""
    return f"{text} Track {rival} would have cost {cost:.2f} in the {name}, but got another box.", ""


def _first_limit(stage: str, tracker: dict[str, Any]) -> str | None:
    if stage != "first":
        return None
    return "appearance_threshold" if tracker.get("association", "fused") == "fused" else "motion_only_iou_threshold"


def _named(track: int, small: bool = False) -> str:
    named = f"track {track}" if track else "a track without an id yet"
    return named if small else named[0].upper() + named[1:]


def _rounded(cost: float, down: bool = False) -> str:
    """A limit a little beyond a cost, or not above it."""
    return f"{(math.floor if down else math.ceil)(cost * 100 + (0 if down else 0.01)) / 100:g}"


def _flip(row: dict[str, Any], tracker: dict[str, Any], stage: str) -> str:
    """The share of appearance at which the rival would have been cheaper, if there is one."""
    weight = tracker.get("appearance_weight")
    if stage == "first" and weight is not None and not math.isnan(row["appearance"] + row["rival_appearance"]):
        looks = row["rival_appearance"] - row["appearance"]
        moves = row["rival_motion"] - row["motion"]
        if looks != moves:
            share = moves / (moves - looks)
            if 0 < share < 1 and (looks < 0) != (moves < 0):
                side = "above" if looks < 0 else "below"
                return f"With tracker.appearance_weight {side} {share:.3f} (now {weight:g}) the rival is cheaper."
            if looks >= 0 and moves >= 0:
                return "The rival looks less like it and is farther away: no weight of these two would have changed it."
    return ""


def _parts(row: dict[str, Any], tracker: dict[str, Any], stage: str, with_rival: bool) -> list[dict[str, Any]]:
    """Each term with what it adds to the cost, of the pair and of the rival; one of them decided."""
    weight = tracker.get("appearance_weight", 0.0)
    fused = stage == "first" and tracker.get("association", "fused") == "fused" and not math.isnan(row["appearance"])
    gated = tracker.get("association") == "gated"
    shares = dict.fromkeys(_TERMS, 0.0)
    if fused:
        shares |= {"appearance": weight, "motion": 1 - weight}
    elif gated and stage == "first" and abs(row["cost"] - row["appearance"] / 2) < _LEAST:
        shares["appearance"] = 0.5
    elif stage == "nearest":
        shares["appearance"] = float(not math.isnan(row["appearance"]))
    elif stage != "recovery":  # which compares with another place
        shares["overlap"] = 1.0
    told = not math.isnan(row["cost"])
    terms = []
    for name, shown in _TERMS.items():
        value, rival = row[name], row[f"rival_{name}"] if with_rival else math.nan
        share = shares[name] if told else 1.0
        terms.append(_Term(shown, _known(value), _known(value * share), _known(rival), _known(rival * share)))
    rest = _known(row["cost"] - sum(term.cost or 0.0 for term in terms))
    rival_rest = _known(row["rival_cost"] - sum(term.rival_cost or 0.0 for term in terms)) if with_rival else None
    of_rest = _REST.get("fused" if fused else stage)
    if of_rest and max(abs(rest or 0.0), abs(rival_rest or 0.0)) > _LEAST:
        # what a lost track pays for its overlap, a box for its score, ...
        terms.append(_Term(of_rest, rest, rest, rival_rest, rival_rest))
    if told:  # what the rival would have had to pay more, or else what most of the cost is
        max(terms, key=lambda term: term.dearer if with_rival else term.cost or 0.0).decided = True
    return [asdict(term) for term in terms]


def _known(value: float) -> float | None:
    return None if math.isnan(value) else 0.0 if abs(value) < _LEAST else round(value, 4)
