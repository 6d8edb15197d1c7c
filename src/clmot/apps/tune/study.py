"""One Optuna study in the output folder, which proposes constants and remembers their values."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
import warnings
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clmot.apps.track.cached_sequence import CachedSequence
from clmot.apps.tune.judge import Measure, Metric, Validation, total
from clmot.apps.tune.space import Near, Values, choose
from clmot.config.tracker import PRESETS, TrackerConfig
from clmot.errors import UserError, reason_of
from clmot.io.begun_with import check_same
from clmot.io.progress import progress_bar

if TYPE_CHECKING:
    import optuna


_log = logging.getLogger(__name__)

BATCH = 8
"""Proposals made at once, none of which knows how the others do."""

_JOURNAL = "trials.log"

_NAME = "tune"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One set of constants that was scored.

    Attributes:
        number: trials count from 0, in the order in which they were proposed.
        chosen: what was proposed, by name of `TrackerConfig`'s fields.
        config: the constants.
        value: percent.
    """

    number: int
    chosen: Values
    config: TrackerConfig
    value: float


class Study:
    """One study in the output folder."""

    def __init__(
        self,
        out: Path,
        base: TrackerConfig,
        held: frozenset[str],
        metric: Metric,
        validation: Validation,
        seed: int,
        known: dict[str, bool],
    ) -> None:
        self._base, self._held, self._metric, self._names = base, held, metric, validation.names
        self._seed, self._known = seed, known
        about = {
            "metric": metric,
            "data": str(validation.data.resolve()),
            "benchmark": validation.benchmark,
            "frames": dataclasses.asdict(validation.frames),
            "tracker": dataclasses.asdict(base),
            "held": sorted(held),
            "detections": {file.stem: CachedSequence.load(file)[1] for file in validation.detections},
        }
        self._journal = out / _JOURNAL
        with _quiet(self._journal):
            self._study = self._open(self._journal, about)

    def done(self) -> list[Trial]:
        """All that were scored."""
        import optuna

        complete = self._study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE])
        return [
            Trial(
                number=trial.number,
                chosen=dict(trial.params),
                config=TrackerConfig(**trial.user_attrs["tracker"]),
                value=float(trial.value or 0.0),
            )
            for trial in complete
        ]

    def best(self, base_value: float) -> tuple[TrackerConfig, float]:
        """The best constants and their value: those that the search started from, unless others are better."""
        best = max(self.done(), key=lambda trial: trial.value, default=None)
        return (self._base, base_value) if best is None or best.value <= base_value else (best.config, best.value)

    def run(self, measure: Measure, trials: int, deadline: float, base_value: float, progress: bool) -> None:
        """Score sets of constants until there are so many, or it is late.

        Raises:
            KeyboardInterrupt: as it came; what was scored is kept.
        """
        done = self.done()
        best = max([base_value, *(trial.value for trial in done)])
        with progress_bar(progress) as bar, _quiet(self._journal):
            task = bar.add_task("tune", total=trials, completed=len(done), note=f"best {best:.2f}")
            count = len(done)
            while count < trials and time.perf_counter() < deadline:
                with contextlib.closing(self._batch(measure, min(BATCH, trials - count), deadline)) as values:
                    for value in values:
                        best = max(best, value)
                        count += 1
                        bar.update(task, completed=count, note=f"best {best:.2f}, default {base_value:.2f}")

    def _batch(self, measure: Measure, size: int, deadline: float) -> Generator[float, None, None]:
        """The values of so many proposals; those not come to are given up."""
        import optuna

        # a search that was interrupted goes on as if it had not been
        self._study.sampler = optuna.samplers.TPESampler(
            seed=self._seed + len(self.done()), multivariate=True, group=True, constant_liar=True
        )
        asked = [self._study.ask() for _ in range(size)]
        configs = [choose(trial, self._base, self._held, **self._known) for trial in asked]
        under_way = [[measure(name, config) for name in self._names] for config in configs]
        told = 0
        try:
            for trial, config, promises in zip(asked, configs, under_way, strict=True):
                if time.perf_counter() >= deadline:
                    break
                value, scores = total([promise.result() for promise in promises], self._metric)
                trial.set_user_attr("tracker", dataclasses.asdict(config))
                trial.set_user_attr("scores", {name: scores[name] for name in ("HOTA", "IDF1", "MOTA", "IDSW")})
                self._study.tell(trial, value)
                told += 1
                yield value
        finally:
            for trial, promises in list(zip(asked, under_way, strict=True))[told:]:
                for promise in promises:
                    promise.cancel()
                with contextlib.suppress(OSError, ValueError):  # a full disk would hide the exception under way
                    self._study.tell(trial, state=optuna.trial.TrialState.FAIL)

    def _open(self, journal: Path, about: dict[str, Any]) -> optuna.Study:
        import optuna
        from optuna.storages.journal import JournalFileBackend

        is_new = not journal.exists()
        try:
            if not is_new:
                _drop_cut_line(journal)
            lock: Any = _NoLock()
            storage = optuna.storages.JournalStorage(JournalFileBackend(str(journal), lock_obj=lock))
            study = optuna.create_study(storage=storage, study_name=_NAME, direction="maximize", load_if_exists=True)
        except (OSError, ValueError, KeyError) as error:
            raise UserError(
                f"{journal}: cannot go on with this search ({reason_of(error)}); choose another --out"
            ) from error
        if not study.user_attrs:
            study.set_user_attr("about", about)
            for start in (self._base, *PRESETS.values()):
                near = Near(start)
                choose(near, self._base, self._held, **self._known)
                study.enqueue_trial(near.chosen, skip_if_exists=True)
        check_same(study.user_attrs["about"], about, journal)
        if not is_new:
            _log.info("%s: %d trials from before", journal, len(study.trials))
        return study


def _drop_cut_line(journal: Path) -> None:
    """Forget what a killed process was about to write."""
    content = journal.read_bytes()
    if not content.endswith(b"\n"):
        with journal.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)


def check_optuna() -> None:
    """Check that Optuna is installed, and keep it silent.

    Raises:
        UserError: it is not.
    """
    try:
        import optuna
    except ImportError as error:
        raise UserError("tuning needs Optuna: pip install 'clmot[tune]'") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)


class _NoLock:
    """In place of Optuna's lock, which outlives a kill: a search has its folder alone (`clmot.io.locks`)."""

    def acquire(self) -> bool:
        """As Optuna's."""
        return True

    def release(self) -> None:
        """As Optuna's."""


@contextlib.contextmanager
def _quiet(journal: Path) -> Iterator[None]:
    """Without Optuna's warnings that what is used here may change; a full disk is one line."""
    import optuna

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    except OSError as error:
        raise UserError(f"{journal}: cannot write the search: {reason_of(error)}") from error
