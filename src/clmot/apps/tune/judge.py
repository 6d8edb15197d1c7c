"""How good a set of constants is: the validation sequences tracked with them, and scored as `clmot evaluate` does."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import numpy as np

from clmot.apps.track.cached_sequence import CachedSequence
from clmot.config.tracker import TrackerConfig
from clmot.errors import UserError
from clmot.evaluation.benchmarks import Benchmark, find_truth
from clmot.evaluation.metrics import Fields, Metrics, summary
from clmot.evaluation.mot import Measurement
from clmot.io.atomic import make_folder
from clmot.io.class_names import write_class_names
from clmot.io.frame_choice import FrameChoice
from clmot.io.interrupts import end_with_parent, out_of_reach
from clmot.io.mot_writer import write_mot_text

Metric = Literal["hota", "idf1", "both"]
"""What is to be high; both is the mean of the two."""

TITLES = {"hota": "HOTA", "idf1": "IDF1", "both": "mean of HOTA and IDF1"}

_MEANS = {"hota": ("HOTA",), "idf1": ("IDF1",), "both": ("HOTA", "IDF1")}


@dataclass(frozen=True, kw_only=True)
class Validation:
    """What constants are judged on.

    Attributes:
        data: MOTChallenge folder with ground truth.
        detections: files of cached detections, one a sequence.
        classes: what the class ids of the detections mean.
        benchmark: whose rules decide what counts.
        frames: which frames are tracked and scored.
    """

    data: Path
    detections: tuple[Path, ...]
    classes: tuple[str, ...]
    benchmark: Benchmark = "auto"
    frames: FrameChoice = field(default_factory=FrameChoice)

    @property
    def names(self) -> tuple[str, ...]:
        """The sequences."""
        return tuple(file.stem for file in self.detections)


class Judge:
    """Tracks and scores, with everything that does not depend on the constants in memory.

    Args:
        validation: what is judged on.

    Raises:
        UserError: ground truth or detections cannot be read.
    """

    def __init__(self, validation: Validation) -> None:
        self._validation = validation
        self._truth = find_truth(validation.data, validation.benchmark)
        self._sequences = {file.stem: CachedSequence.load(file)[0] for file in validation.detections}
        self._metrics = Metrics()

    def measure(self, name: str, config: TrackerConfig) -> list[Fields]:
        """What is counted in one sequence, class by class.

        Results go through a file, because what is tuned is what will be tracked, written and evaluated.
        """
        with tempfile.TemporaryDirectory(prefix="clmot-tune-") as folder:
            file = self._write(name, config, Path(folder))
            truth = {name: self._truth[name]}
            return list(Measurement(self._metrics, file, truth, self._validation.frames).fields[name].values())

    def write(self, config: TrackerConfig, folder: Path) -> None:
        """Write the results of all sequences.

        Raises:
            UserError: they cannot be written.
        """
        make_folder(folder)
        for name in self._sequences:
            self._write(name, config, folder)

    def _write(self, name: str, config: TrackerConfig, folder: Path) -> Path:
        classes, file = self._validation.classes, folder / f"{name}.txt"
        if len(classes) > 1:
            write_class_names(folder, classes)
        write_mot_text(file, self._sequences[name].track(config), with_classes=len(classes) > 1)
        return file


def total(parts: Iterable[list[Fields]], metric: Metric) -> tuple[float, dict[str, float]]:
    """The value to be high, and all scores, of everything that was measured together."""
    scores = summary(Metrics().combine([fields for each in parts for fields in each]))
    return float(np.mean([scores[name] for name in _MEANS[metric]])), scores


Measure = Callable[[str, TrackerConfig], Future[list[Fields]]]
"""Starts a measurement of one sequence with one set of constants."""


@contextlib.contextmanager
def measuring(judge: Judge, validation: Validation, jobs: int) -> Iterator[Measure]:
    """Measurements in so many processes; 1: in this one.

    Args:
        judge: for those in this process.
        validation: what it judges on.
        jobs: how many.
    """
    pool: Executor
    if jobs == 1:
        pool, measure = ThreadPoolExecutor(1), judge.measure
    else:
        # forking a process with threads (torch's, or a GPU's) does not work
        pool, measure = ProcessPoolExecutor(jobs, get_context("spawn"), _start, (validation,)), _measure
    with pool:
        try:

            def start(name: str, config: TrackerConfig) -> Future[list[Fields]]:
                with out_of_reach():  # the pool starts its processes as they are needed
                    return pool.submit(measure, name, config)

            yield start
        except BrokenProcessPool as error:
            raise UserError("a process of --jobs has died, perhaps for want of memory; give fewer") from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


_JUDGES: list[Judge] = []
"""In a process of the pool: its own."""


def _start(validation: Validation) -> None:
    end_with_parent()
    _JUDGES.append(Judge(validation))


def _measure(name: str, config: TrackerConfig) -> list[Fields]:
    return _JUDGES[0].measure(name, config)
