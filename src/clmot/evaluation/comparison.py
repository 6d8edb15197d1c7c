"""Two or more sets of results side by side: scores, differences, and how sure the differences are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clmot.errors import UserError
from clmot.evaluation.benchmarks import Benchmark, find_truth
from clmot.evaluation.bootstrap import Difference, interval
from clmot.evaluation.metrics import Metrics
from clmot.evaluation.mot import Measurement
from clmot.evaluation.scores import Scores
from clmot.io.frame_choice import FrameChoice


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Scores of several result sets on the same ground truth.

    Attributes:
        scores: by result set, in the order given.
        differences: of each result set but the first, minus the first, by metric, over all sequences together. The
            intervals draw sequences anew, the same for both sets.
    """

    scores: dict[str, Scores]
    differences: dict[str, dict[str, Difference]]

    def of_sequences(self, name: str) -> dict[str, dict[str, float]]:
        """A result set minus the first, by sequence and metric."""
        first = next(iter(self.scores.values())).sequences
        return {
            sequence: {metric: value - first[sequence][metric] for metric, value in values.items()}
            for sequence, values in self.scores[name].sequences.items()
        }

    def as_dict(self) -> dict[str, Any]:
        """The form written as JSON: ``{"results": {name: ...}, "differences": {name: ...}}``."""
        return {
            "results": {name: scores.as_dict() for name, scores in self.scores.items()},
            "differences": {
                name: {
                    "combined": {metric: each.value for metric, each in found.items()},
                    "sequences": self.of_sequences(name),
                    "intervals": {metric: each.interval for metric, each in found.items() if each.interval},
                }
                for name, found in self.differences.items()
            },
        }


def compare(
    results: Sequence[str | Path],
    ground_truth: str | Path,
    *,
    benchmark: Benchmark = "auto",
    classes: Sequence[str] | None = None,
    frames: FrameChoice | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Score several result sets, and each against the first.

    Args:
        results: folders (or files) as `clmot.evaluation.mot.evaluate` takes them; the first is what the others are
            compared with.
        ground_truth: as of `evaluate`, and so are the other arguments.
        benchmark: whose rules apply.
        classes: score these classes only.
        frames: score these frames only.
        bootstrap: how many times to draw sequences anew for the intervals; 0 for none.
        seed: of the draws.

    Raises:
        UserError: as `evaluate`, or there are no two result sets.
    """
    if len(results) < 2:
        raise UserError("a comparison needs two or more sets of results")
    truth, metrics = find_truth(Path(ground_truth), benchmark, classes), Metrics()
    names = _short_names([Path(each) for each in results])
    measured = [Measurement(metrics, Path(each), truth, frames or FrameChoice()) for each in results]
    replicates = [measured[0].replicates(bootstrap, seed)]
    # one word about too few sequences is enough
    replicates += [each.replicates(bootstrap, seed) if replicates[0] else None for each in measured[1:]]
    scores = {name: each.scores(drawn) for name, each, drawn in zip(names, measured, replicates, strict=True)}
    first, *others = names
    differences = {}
    for name, drawn in zip(others, replicates[1:], strict=True):
        if scores[name].sequences.keys() != scores[first].sequences.keys():
            raise UserError(f"{name}: its sequences are not those of {first}; compare the same sequences")
        differences[name] = {
            metric: Difference(
                value - scores[first].combined[metric],
                interval(drawn[metric] - replicates[0][metric]) if drawn and replicates[0] else None,
            )
            for metric, value in scores[name].combined.items()
        }
    return Comparison(scores=scores, differences=differences)


def _short_names(paths: Sequence[Path]) -> list[str]:
    """The last parts of the paths that tell them apart.

    Raises:
        UserError: two paths are one.
    """
    resolved = [path.resolve() for path in paths]
    if len(set(resolved)) < len(resolved):
        raise UserError("two of the result sets to compare are the same folder")
    for parts in range(1, max(len(path.parts) for path in resolved)):
        names = ["/".join(path.parts[-parts:]) for path in resolved]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in resolved]
