"""Train and measure what a plan asks for; what is finished is kept as JSON and not done again.

A training lies in ``<arm>/<fold>/seed-<n>/``: ``run/`` goes on where it was interrupted, ``settings.json`` says what it
is trained with and how long that took, ``tracks/`` holds the tracks of the test sequences, and ``scores.json`` what was
measured, when all is done. A reference has ``<reference>/<fold>/scores.json``.
"""

from __future__ import annotations

import json
import logging
import math
import platform
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from clmot._version import __version__
from clmot.apps.bench.measures import Embed, Measured, embedding_measures, tracking_measures
from clmot.apps.bench.methods import OURS, Arm, known_identities
from clmot.apps.bench.plan import HISTOGRAM, UNTRAINED, Fold, Plan, Reference
from clmot.config import Config
from clmot.errors import UserError, reason_of
from clmot.evaluation.baselines import histogram_embedding, onnx_embedding
from clmot.evaluation.mot import write_text
from clmot.inference.model import Model, load_model, untrained
from clmot.models.network import Network
from clmot.training.trainer import train
from clmot.views.labels import labels_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training and its measures, or (without an arm) the measures of a reference.

    Attributes:
        name: of the arm or the reference.
        fold: what it is trained and scored on.
        seed: of the training, None for a reference.
        arm: None for a reference.
        reference: None for an arm.
    """

    name: str
    fold: Fold
    seed: int | None = None
    arm: Arm | None = None
    reference: Reference | None = None

    def folder(self, out: Path) -> Path:
        """Where everything of it lies."""
        folder = out / slug(self.name) / slug(self.fold.name)
        return folder if self.seed is None else folder / f"seed-{self.seed}"


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A run and what came out.

    Attributes:
        run: what was done.
        sequences: measures by sequence.
        facts: ``steps``, ``minutes`` of training, ``device``, ``commit``, ``identities`` (their share that training
            saw).
    """

    run: Run
    sequences: dict[str, Measured]
    facts: dict[str, Any]


def all_runs(plan: Plan) -> list[Run]:
    """References first, then seed by seed, so that an interrupted comparison has every arm."""
    runs = [Run(name=each.name, fold=fold, reference=each) for each in plan.references for fold in plan.folds]
    return runs + [
        Run(name=arm.name, fold=fold, seed=seed, arm=arm)
        for seed in plan.seeds
        for fold in plan.folds
        for arm in plan.trained
    ]


def run_bench(plan: Plan, out: Path, part: tuple[int, int] = (1, 1), *, progress: bool = True) -> Iterator[Finished]:
    """Do what is not done yet, and give each run as it is finished.

    Args:
        plan: what to compare.
        out: folder for everything.
        part: (k, n) does every n-th run from the k-th on; several processes, on a GPU each, share the work so.
        progress: show progress bars on standard error.

    Raises:
        UserError: bad data or settings, or `out` holds runs with other settings.
        KeyboardInterrupt: as it came; calling again goes on.
    """
    runs = all_runs(plan)
    slugs = {slug(run.name): run.name for run in runs}
    for run in runs:
        if slugs[slug(run.name)] != run.name:
            raise UserError(f"'{run.name}' and '{slugs[slug(run.name)]}' would share a folder; rename one of them")
    for number, run in enumerate(runs[part[0] - 1 :: part[1]], 1):
        found = finished(plan, run, out)
        if found is None:
            log.info("%s, %s, seed %s (%d of %d)", run.name, run.fold.name, run.seed, number, len(runs))
            found = _do(plan, run, out, progress)
        yield found


def finished(plan: Plan, run: Run, out: Path) -> Finished | None:
    """What is there of a run, None if it is not (wholly) done.

    Raises:
        UserError: it was done with other settings or data.
    """
    file = run.folder(out) / "scores.json"
    if not file.is_file():
        return None
    content = _read(file)
    _same_settings(content["settings"], _settings(plan, run), file)
    if content["measured"] != _measured(plan):
        return None
    sequences = {
        name: Measured(
            scores=dict(each["scores"]),
            identities={key: (boxes, right) for key, (boxes, right) in each["identities"].items()},
        )
        for name, each in content["sequences"].items()
    }
    return Finished(run=run, sequences=sequences, facts=content["facts"])


def slug(name: str) -> str:
    """A name as a folder's."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-")


def commit() -> str:
    """The commit of this code, where it lies in a repository, else its version."""
    command = [
        "git",
        "--no-optional-locks",
        "-C",
        str(Path(__file__).parent),
        "describe",
        "--always",
        "--dirty",
        "--abbrev=10",
    ]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        found = ""
    return found or f"version {__version__}"


def _do(plan: Plan, run: Run, out: Path, progress: bool) -> Finished:
    folder = run.folder(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot make the folder: {reason_of(error)}") from error
    facts: dict[str, Any] = {"commit": commit(), "device": _device(plan.common)}
    if run.arm is not None:
        model, seconds = _train(plan, run, folder, progress)
        facts |= {"steps": model.config.train.steps, "minutes": seconds / 60, "precision": model.precision}
        facts["identities"] = known_identities(model.config)
        sequences = {
            test.resolve().name: _measure_arm(plan, model, test, folder / "tracks" / test.resolve().name)
            for test in run.fold.test
        }
    else:
        assert run.reference is not None
        embed = _embed_of(plan, run.reference)
        sequences = {
            test.resolve().name: embedding_measures(embed, test, plan.measures, plan.embed_every)
            for test in run.fold.test
        }
    content = {
        "name": run.name,
        "fold": run.fold.name,
        "seed": run.seed,
        "facts": facts,
        "settings": _settings(plan, run),
        "measured": _measured(plan),
        "sequences": {
            name: {
                # JSON knows no NaN: what could not be measured is left out
                "scores": {key: value for key, value in each.scores.items() if not math.isnan(value)},
                "identities": each.identities,
            }
            for name, each in sequences.items()
        },
    }
    write_text(folder / "scores.json", json.dumps(content, indent=1) + "\n")
    found = finished(plan, run, out)
    assert found is not None
    return found


def _train(plan: Plan, run: Run, folder: Path, progress: bool) -> tuple[Model, float]:
    """The trained network of an arm, and the seconds that its training took, all sittings together."""
    assert run.arm is not None
    config, file = _config(plan, run), folder / "settings.json"
    # whoever was given no identities must have none to learn from
    assert config.data.tracklets or (labels_of(config) == "known") == (known_identities(config) > 0)
    settings, seconds = _settings(plan, run), 0.0
    if file.is_file():
        before = _read(file)
        _same_settings(before["settings"], settings, file)
        seconds = float(before["seconds"])
    write_text(file, json.dumps({"settings": settings, "seconds": seconds}, indent=1) + "\n")
    began = time.perf_counter()
    try:
        train(run.fold.train, folder / "run", config, resume=True, progress=progress)
    finally:
        seconds += time.perf_counter() - began
        write_text(file, json.dumps({"settings": settings, "seconds": seconds}, indent=1) + "\n")
    return load_model(folder / "run", device=config.train.device), seconds


def _measure_arm(plan: Plan, model: Model, test: Path, tracks: Path) -> Measured:
    looks = embedding_measures(model.embed, test, plan.measures, plan.embed_every)
    if "tracking" not in plan.measures:
        return looks
    tracked = tracking_measures(model, test, tracks, plan.every)
    return Measured(scores=looks.scores | tracked.scores, identities=looks.identities)


def _embed_of(plan: Plan, reference: Reference) -> Embed:
    if reference.onnx is not None:
        return onnx_embedding(reference.onnx, reference.size)
    if reference.name == HISTOGRAM:
        return histogram_embedding
    assert reference.name == UNTRAINED
    config = next(arm for arm in plan.arms if arm.name == OURS).config(plan.common)
    return untrained(Model(Network(config.model), config, config.train.device), plan.seeds[0]).embed


def _config(plan: Plan, run: Run) -> Config:
    assert run.arm is not None
    return run.arm.config(plan.common).updated({"train": {"seed": run.seed}})


def _settings(plan: Plan, run: Run) -> dict[str, Any]:
    """All that decides a run's outcome, as JSON gives it back; where it runs is not part of it."""
    tested = [str(path.resolve()) for path in run.fold.test]
    if run.arm is None:
        assert run.reference is not None
        onnx = run.reference.onnx
        return {"onnx": str(onnx.resolve()) if onnx else None, "size": list(run.reference.size), "test": tested}
    config = _config(plan, run).as_dict()
    for name in ("device", "devices", "save_every", "log_every"):
        del config["train"][name]
    del config["data"]["workers"]
    settings = {"config": config, "train": [str(path.resolve()) for path in run.fold.train], "test": tested}
    return dict(json.loads(json.dumps(settings)))


def _measured(plan: Plan) -> dict[str, Any]:
    return {"measures": list(plan.measures), "every": list(plan.every), "embed_every": plan.embed_every}


def _same_settings(before: Any, now: Any, file: Path) -> None:
    if before != now:
        changed = _first_difference(before, now, "")
        raise UserError(f"{file}: was made with another {changed}; choose another --out, or delete that folder")


def _first_difference(before: Any, now: Any, path: str) -> str:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*before, *now]:
            if before.get(key) != now.get(key):
                return _first_difference(before.get(key), now.get(key), f"{path}.{key}".lstrip("."))
    return f"{path.removeprefix('config.')} ({before!r}, now {now!r})"


def _read(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: cannot be read; delete it to do that run again") from error


def _device(config: Config) -> str:
    """The name of what trains and measures."""
    if config.train.device != "cpu" and torch.cuda.is_available():
        return f"{config.train.devices} x {torch.cuda.get_device_name()}"
    return f"CPU ({platform.machine()}, {torch.get_num_threads()} threads)"


def describe(found: Finished, names: Sequence[str] = ("rank-1", "IDF1, looks alone", "IDF1")) -> str:
    """One line of what a run came to, means over its sequences."""
    parts = []
    for name in names:
        values = [each.scores[name] for each in found.sequences.values() if name in each.scores]
        if values:
            parts.append(f"{name} {sum(values) / len(values):.3g}")
    minutes = f", {found.facts['minutes']:.1f} min of training" if "minutes" in found.facts else ""
    seed = f", seed {found.run.seed}" if found.run.seed is not None else ""
    return f"{found.run.name}, {found.run.fold.name}{seed}: {', '.join(parts)}{minutes}"
