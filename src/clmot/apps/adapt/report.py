"""What an adaptation came to: JSON to go on with, Markdown and a table to read."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clmot.apps.adapt.judgement import EDGES, GAP_SECONDS, Judgement, gain
from clmot.errors import plural
from clmot.visualize.table import TextTable


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
    """Whether to keep the new weights, and why, in one line: where the gain's interval over tracklets is above zero."""
    mean, low, high = gain(before, after)
    tracklets = sum(map(len, before.hardest.values()))
    if not tracklets:
        return False, "no evidence of gain, the old weights stay: no held-out tracklet is seen beside another"
    change = (
        f"d' against the hardest other tracklet went from {before.score:.2f} to {after.score:.2f}, "
        f"by {mean:+.2f} (95 % interval {low:+.2f} to {high:+.2f} over {plural(tracklets, 'tracklet')})"
    )
    return low > 0, f"{'kept' if low > 0 else 'no evidence of gain, the old weights stay'}: {change}"


def adaptation_table(found: Adaptation) -> TextTable:
    """The measures before and after; the score that decides comes last."""
    gaps = [f"all pairs, {low:g} s" + (f" to {high:g} s" if np.isfinite(high) else " and more") for low, high in _GAPS]
    rows = [
        (label, _number(old), _number(new))
        for label, old, new in zip(gaps, found.before.by_gap, found.after.by_gap, strict=True)
    ]
    rows.append(("d' against the hardest", _number(found.before.score), _number(found.after.score)))
    header = ("area under the ROC curve, held out", "before", "after")
    return TextTable(header, [rows], strong=frozenset({"d' against the hardest"}))


def adaptation_markdown(found: Adaptation) -> str:
    """The whole report."""
    how = f" after {plural(found.steps, 'step')}" if found.steps else ""
    lines = [f"# {found.start}, adapted", "", f"**{found.reason}**{how}.", ""]
    lines += adaptation_table(found).markdown().splitlines()
    lines += [
        "Boxes are those that were found before. Pairs are of one tracklet, or of two that some moment shows both. "
        f"What decides is the mean over tracklets of the last line: pairs at least {GAP_SECONDS:g} s apart (half of "
        "how long a shorter tracklet lasts), and of the other tracklets the one it is hardest to tell from. An area of "
        "1 is perfect, 0.5 is chance; d' is by how many deviations the cosines of the two kinds of pairs are apart.",
        "",
    ]
    header = ["video", "learned from: frames", "tracklets", "boxes", "held out: frames", "tracklets", "boxes"]
    videos = TextTable(header, [[[name, *map(str, counts.values())] for name, counts in found.videos.items()]])
    return "\n".join([*lines, videos.markdown()])


_GAPS = tuple(itertools.pairwise(EDGES))


def _number(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "-"
