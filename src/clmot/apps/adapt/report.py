"""What an adaptation came to: JSON to go on with, Markdown and a table to read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clmot.apps.adapt.judgement import DECIDING, Judgement
from clmot.errors import plural
from clmot.visualize.table import Table

MEASURES = (
    ("views", "rank-1", "two views: rank-1"),
    ("views", "TPR@FAR=0.01", "two views: TPR at FAR 0.01"),
    ("views", "alignment", "two views: alignment (less is better)"),
    ("views", "uniformity", "two views: uniformity (less is better)"),
    ("time", "rank-1", "across time: rank-1"),
    ("time", "mAP", "across time: mAP"),
    ("time", "TPR@FAR=0.1", "across time: TPR at FAR 0.1"),
)
"""Part of a judgement, its name there, and for people."""

LESS_IS_BETTER = ("alignment", "uniformity")

LEAST_GAIN = 0.005
"""A score that rises less is noise (``docs/adapt.md``), and the old weights stay."""


@dataclass(frozen=True, kw_only=True)
class Adaptation:
    """What became of a model.

    Attributes:
        model: the model to use, new or old: a checkpoint's folder.
        start: what was to be adapted.
        kept: whether the new weights are in `model`; otherwise the old ones are.
        reason: of that, one line.
        before: the old model.
        after: the new model.
        videos: by name, what was learned from and what was held out: counts of frames, tracklets and boxes.
        steps: of training.
    """

    model: Path
    start: str
    kept: bool
    reason: str
    before: Judgement
    after: Judgement
    videos: dict[str, dict[str, int]]
    steps: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON; paths as text."""
        return {
            "model": str(self.model),
            "start": self.start,
            "kept": self.kept,
            "reason": self.reason,
            "before": self.before.as_dict(),
            "after": self.after.as_dict(),
            "videos": self.videos,
            "steps": self.steps,
        }

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Adaptation:
        """What `as_dict` gave."""
        judgements = {name: Judgement.from_dict(values[name]) for name in ("before", "after")}
        return Adaptation(**{**values, **judgements, "model": Path(values["model"])})


def decide(before: Judgement, after: Judgement) -> tuple[bool, str]:
    """Whether to keep the new weights, and why, in one line.

    They are kept where the score rises by `LEAST_GAIN` at least, and no more measures got worse than better.
    """
    change = f"the score went from {before.score:.3f} to {after.score:.3f}"
    if after.views["collapsed"] and not before.views["collapsed"]:
        return False, "rolled back: the new embedding has collapsed, boxes all look alike to it"
    if not after.score >= before.score + LEAST_GAIN:
        return False, f"rolled back: {change}, less than {LEAST_GAIN:g} more"
    signs = [_gain(part, name, before, after) for part, name, _ in MEASURES]
    better, worse = sum(sign > 0 for sign in signs), sum(sign < 0 for sign in signs)
    counts = f"{better} of {len(MEASURES)} measures better, {worse} worse"
    if worse > better:
        return False, f"rolled back: {change}, but {counts}"
    return True, f"kept: {change}, {counts}"


def _gain(part: str, name: str, before: Judgement, after: Judgement) -> float:
    """By how much a measure got better; NaN where it could not be measured."""
    change = getattr(after, part)[name] - getattr(before, part)[name]
    return float(-change if name in LESS_IS_BETTER else change)


def adaptation_table(found: Adaptation) -> Table:
    """The measures before and after; the score that decides comes last."""
    rows = [
        (label, _number(getattr(found.before, part)[name]), _number(getattr(found.after, part)[name]))
        for part, name, label in MEASURES
    ]
    rows.append(("score", _number(found.before.score), _number(found.after.score)))
    return Table(("held out, no identities", "before", "after"), [rows], strong=frozenset({"score"}))


def adaptation_markdown(found: Adaptation) -> str:
    """The whole report."""
    lines = [f"# {found.start}, adapted", "", f"**{found.reason}** after {plural(found.steps, 'step')}.", ""]
    lines += adaptation_table(found).markdown().splitlines()
    labels = {(part, name): label for part, name, label in MEASURES}
    lines += [
        f"The score is the mean of {', '.join(labels[each] for each in DECIDING)}, as far as they can be measured.",
        f"Boxes are those that the model found before. Across time: pairs of boxes at least {found.before.gap:.2g} s "
        "apart, of one tracklet or of two that were seen together. Higher is better, unless it says otherwise.",
        "",
    ]
    header = ["video", "learned from: frames", "tracklets", "boxes", "held out: frames", "tracklets", "boxes"]
    videos = Table(header, [[[name, *map(str, counts.values())] for name, counts in found.videos.items()]])
    return "\n".join([*lines, videos.markdown()])


def _number(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "-"
