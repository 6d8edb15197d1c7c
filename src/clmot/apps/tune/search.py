"""The search itself: Optuna proposes constants, a `Judge` scores them, a journal in the output folder remembers.

Proposals come in batches from one process and are scored by several, so that they are the same for any number of
processes, and the same whether or not the search was interrupted between two batches.

Source: Watanabe, "Tree-structured Parzen estimator: understanding its algorithm components and their roles", 2023.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from clmot._version import __version__
from clmot.apps.track.cached_sequence import CachedSequence
from clmot.apps.tune.judge import TITLES, Judge, Metric, Validation, measuring, total
from clmot.apps.tune.study import BATCH, Study, Trial, check_optuna
from clmot.apps.tune.tuning_detections import Detecting
from clmot.config.tracker import TrackerConfig
from clmot.errors import UserError
from clmot.evaluation.benchmarks import Benchmark
from clmot.evaluation.comparison import Comparison, compare
from clmot.io.atomic import make_folder, write_whole_text
from clmot.io.frame_choice import FrameChoice
from clmot.io.locks import fills_alone

_LOSS = 0.05
"""Share of what was won that plainer constants may cost."""
_FROM_VIDEO = ("frame_rate",)
DRAWS = 1000
"""Of the bootstrap that compares the best constants with those that the search started from."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class Tuning:
    """What a search came to.

    Attributes:
        metric: what was to be high.
        base: the constants that it started from.
        base_value: theirs, percent.
        best: the best constants, with those put back to `base` that it was not for (`plainer`).
        best_value: theirs.
        trials: all that were scored, also in earlier runs.
        seconds: time that this run took, without the detections.
        comparison: all scores of both, and their differences sequence by sequence.
        config_file: YAML with the section tracker.
    """

    metric: Metric
    base: TrackerConfig
    base_value: float
    best: TrackerConfig
    best_value: float
    trials: Sequence[Trial]
    seconds: float
    comparison: Comparison
    config_file: Path

    @property
    def changes(self) -> dict[str, tuple[Any, Any]]:
        """The constants in which the best differ from those that the search started from: before and after."""
        before, after = dataclasses.asdict(self.base), dataclasses.asdict(self.best)
        return {name: (before[name], after[name]) for name in before if before[name] != after[name]}


@fills_alone
def tune(
    detector: str,
    data: str | Path,
    out: str | Path,
    *,
    boxes: str | None = None,
    changes: Mapping[str, Any] | None = None,
    metric: Metric = "both",
    trials: int = 100,
    timeout: float = math.inf,
    jobs: int | None = None,
    seed: int = 0,
    benchmark: Benchmark = "auto",
    frames: FrameChoice | None = None,
    device: str = "auto",
    progress: bool = True,
) -> Tuning:
    """Search for the constants with which tracks are best on sequences with ground truth.

    The folder gets ``tracker.yaml``, ``results/default`` and ``results/tuned`` (MOTChallenge text), ``detections`` (a
    file for each sequence, used again by the next search) and ``trials.log``. Called again with the same folder, a
    search goes on.

    Args:
        detector: a run folder, a checkpoint or a model file; or boxes without embeddings: ``det``, ``gt``, a folder of
            ``<sequence>.txt``, or one such file.
        data: MOTChallenge sequences with ground truth: a validation set, never the one to be reported on.
        out: the folder.
        boxes: with a model: embed these boxes in place of detecting.
        changes: laid over the model's configuration, as `Config.updated` takes them. What is set here of the section
            tracker is not searched.
        metric: what is to be high.
        trials: how many sets of constants to score in all, with those of earlier runs.
        timeout: seconds after which no others are proposed.
        jobs: processes that track and score; by default one for each processor, at most 8.
        seed: other seed, other proposals.
        benchmark: whose rules decide what counts.
        frames: track and score these frames only.
        device: of the model.
        progress: show progress bars on standard error.

    Raises:
        UserError: Optuna is not installed, something cannot be read or written, or the folder holds a search for
            something else.
        KeyboardInterrupt: as it came, after everything was written as far as it was known.

    Examples:
        >>> found = clmot.tune("gt", "MOT17/val", "tuned", trials=2, jobs=1)
        >>> constants = found.best
    """
    check_optuna()
    if trials < 1 or not timeout > 0 or (jobs is not None and jobs < 1):
        raise UserError(f"trials, timeout and jobs must be > 0, got {trials}, {timeout:g} and {jobs}")
    data, out, frames = Path(data), Path(out), frames or FrameChoice()
    found = Detecting(detector=detector, boxes=boxes, device=device)
    config = found.config.updated(changes or {}, "override")
    base = config.tracker
    held = frozenset((changes or {}).get("tracker", {})) - {"preset"}
    if "frame_rate" in held:
        raise UserError("tracker.frame_rate: sequences have their own; correct frameRate in their seqinfo.ini")
    files, classes = found.collect(
        data, out / "detections", config, benchmark=benchmark, frames=frames, progress=progress
    )
    if len(files) == 1:
        _log.warning("%s: one sequence; what is won on it may not be won elsewhere", data)
    make_folder(out)
    start = time.perf_counter()
    validation = Validation(data=data, detections=files, classes=classes, benchmark=benchmark, frames=frames)
    judge = Judge(validation)
    embeddings = any(CachedSequence.load(file)[0].has_embeddings for file in files)
    search = Study(out, base, held, metric, validation, seed, {"embeddings": embeddings})
    interrupt: KeyboardInterrupt | None = None
    with measuring(judge, validation, jobs or min(os.cpu_count() or 1, BATCH)) as measure:

        def score(constants: TrackerConfig) -> float:
            return total([each.result() for each in [measure(name, constants) for name in validation.names]], metric)[0]

        base_value = score(base)
        try:
            search.run(measure, trials, start + timeout, base_value, progress)
            best, best_value = plainer(*search.best(base_value), base, base_value, score)
        except KeyboardInterrupt as error:
            interrupt = error
            best, best_value = search.best(base_value)
    results = [out / "results" / "default", out / "results" / "tuned"]
    for folder, constants in zip(results, (base, best), strict=True):
        judge.write(constants, folder)
    config_file = out / "tracker.yaml"
    # with other detections than these the constants would not be worth the same
    detect = (changes or {}).get("detect")
    comment = f"{TITLES[metric]} {base_value:.2f} -> {best_value:.2f} on {data.resolve().name}"
    _write_config(config_file, best, {"detect": detect} if detect else {}, comment)
    repeats = DRAWS if len(files) > 1 else 0
    tuning = Tuning(
        metric=metric,
        base=base,
        base_value=base_value,
        best=best,
        best_value=best_value,
        trials=search.done(),
        seconds=time.perf_counter() - start,
        comparison=compare(results, data, benchmark=benchmark, frames=frames, bootstrap=repeats, seed=seed),
        config_file=config_file,
    )
    if interrupt is not None:
        raise interrupt
    return tuning


def plainer(
    best: TrackerConfig,
    best_value: float,
    base: TrackerConfig,
    base_value: float,
    score: Callable[[TrackerConfig], float],
) -> tuple[TrackerConfig, float]:
    """The best constants with those put back that it was not for.

    A search moves all constants at once, and most of the moves are accidents that other sequences would pay for. One
    after the other is set back to what it was, for as long as the value stays near the best.

    Args:
        best: the constants found.
        best_value: theirs.
        base: the constants that the search started from.
        base_value: theirs.
        score: the value of some constants.

    Returns:
        Constants that lose no more than `_LOSS` of what was won, and their value.
    """
    least = best_value - _LOSS * (best_value - base_value)
    value = best_value
    for name in [each.name for each in dataclasses.fields(base)]:
        if getattr(best, name) == getattr(base, name):
            continue
        candidate = dataclasses.replace(best, **{name: getattr(base, name)})
        scored = score(candidate)
        if scored >= least:
            best, value = candidate, scored
    return best, value


def _write_config(file: Path, config: TrackerConfig, others: Mapping[str, Any], comment: str) -> None:
    section = {name: value for name, value in dataclasses.asdict(config).items() if name not in _FROM_VIDEO}
    text = yaml.safe_dump({"clmot": __version__, **others, "tracker": section}, sort_keys=False)
    write_whole_text(file, f"# {comment}\n{text}", "the configuration")
