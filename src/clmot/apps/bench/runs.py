"""The runs of a comparison: which there are, what decides the outcome of each, and what is kept of it on disk.

A training lies in ``<method>/<fold>/seed-<n>/``: ``run/`` goes on where it was interrupted, ``settings.json`` says what
it is trained with and how long that took, ``tracks/`` holds the tracks of the test sequences, and ``scores.json`` what
was measured, when all is done. A reference has ``<reference>/<fold>/scores.json``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clmot.apps.bench.measures import Measured
from clmot.apps.bench.methods import Method
from clmot.apps.bench.plan import Fold, Plan, Reference
from clmot.config import Config
from clmot.io.atomic import write_whole_json
from clmot.io.begun_with import check_same, read_json

SCORES = "scores.json"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training and its measures, or (without a method) the measures of a reference.

    Attributes:
        name: of the method or the reference.
        fold: what it is trained and scored on.
        seed: of the training, None for a reference.
        method: None for a reference.
        reference: None for a method.
    """

    name: str
    fold: Fold
    seed: int | None = None
    method: Method | None = None
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
    """References first, then seed by seed, so that an interrupted comparison has every method."""
    runs = [Run(name=each.name, fold=fold, reference=each) for each in plan.references for fold in plan.folds]
    return runs + [
        Run(name=method.name, fold=fold, seed=seed, method=method)
        for seed in plan.seeds
        for fold in plan.folds
        for method in plan.trained
    ]


def finished(plan: Plan, run: Run, out: Path) -> Finished | None:
    """What is there of a run, None if it is not (wholly) done.

    Raises:
        UserError: it was done with other settings or data.
    """
    file = run.folder(out) / SCORES
    if not file.is_file():
        return None
    content = read_json(file)
    check_same(content["settings"], settings_of(plan, run), file)
    if content["measured"] != _measured(plan):
        return None
    sequences = {
        name: Measured(
            scores=each["scores"],
            identities={key: (boxes, right) for key, (boxes, right) in each["identities"].items()},
        )
        for name, each in content["sequences"].items()
    }
    return Finished(run=run, sequences=sequences, facts=content["facts"])


def keep(plan: Plan, found: Finished, out: Path) -> None:
    """Write what came out of a run, for `finished`."""
    run = found.run
    content = {
        "name": run.name,
        "fold": run.fold.name,
        "seed": run.seed,
        "facts": found.facts,
        "settings": settings_of(plan, run),
        "measured": _measured(plan),
        "sequences": {
            name: {"scores": each.scores, "identities": each.identities} for name, each in found.sequences.items()
        },
    }
    write_whole_json(run.folder(out) / SCORES, content, "scores")


def config_of(plan: Plan, run: Run) -> Config:
    """The whole configuration of a training."""
    assert run.method is not None
    return run.method.config(plan.common).updated({"train": {"seed": run.seed}})


def settings_of(plan: Plan, run: Run) -> dict[str, Any]:
    """All that decides a run's outcome; where it runs is not part of it."""
    tested = [str(path.resolve()) for path in run.fold.test]
    if run.fold.part != "all":
        tested.append(run.fold.part)
    if run.method is None:
        assert run.reference is not None
        onnx = run.reference.onnx
        return {"onnx": str(onnx.resolve()) if onnx else None, "size": list(run.reference.size), "test": tested}
    config = config_of(plan, run).as_dict()
    for name in ("device", "devices", "save_every"):
        del config["train"][name]
    del config["data"]["workers"]
    return {"config": config, "train": [str(path.resolve()) for path in run.fold.train], "test": tested}


def _measured(plan: Plan) -> dict[str, Any]:
    return {"measures": list(plan.measures), "every": list(plan.every), "embed_every": plan.embed_every}


def slug(name: str) -> str:
    """A name as a folder's."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-")
