"""Train and measure what a plan asks for; what is finished is kept (`clmot.apps.bench.runs`) and not done again."""

from __future__ import annotations

import json
import logging
import platform
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from clmot._version import __version__
from clmot.apps.bench.measures import ASSOCIATION, Measured, embedding_measures, tracking_measures
from clmot.apps.bench.methods import OURS, known_identities
from clmot.apps.bench.plan import HISTOGRAM, UNTRAINED, Fold, Plan, Reference, read_plan
from clmot.apps.bench.runs import (
    Finished,
    Run,
    all_runs,
    config_of,
    finished,
    keep,
    settings_of,
    slug,
)
from clmot.config import Config
from clmot.errors import UserError
from clmot.evaluation.baselines import histogram_embedding, onnx_embedding
from clmot.inference.model import Model, load_model
from clmot.inference.network_model import NetworkModel, untrained
from clmot.io.atomic import make_folder, write_whole_json, write_whole_text
from clmot.io.begun_with import check_same, read_json
from clmot.io.frame_choice import Part
from clmot.models.network import Network
from clmot.structures import Embed
from clmot.training.trainer import train
from clmot.views.labels import labels_of

log = logging.getLogger(__name__)


def run_bench(
    plan: Plan | str | Path, out: str | Path, part: tuple[int, int] = (1, 1), *, progress: bool = True
) -> Iterator[Finished]:
    """Do what is not done yet, and give each run as it is finished.

    Args:
        plan: what to compare, or a file that says it.
        out: folder for everything.
        part: (k, n) does every n-th run from the k-th on; several processes, on a GPU each, share the work so.
        progress: show progress bars on standard error.

    Raises:
        UserError: bad data or settings, or `out` holds runs with other settings.
        KeyboardInterrupt: as it came; calling again goes on.

    Examples:
        >>> for finished in clmot.bench("plan.yaml", "compared"):  # doctest: +SKIP
        ...     print(finished)
    """
    plan, out = plan if isinstance(plan, Plan) else read_plan(Path(plan)), Path(out)
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


def commit() -> str:
    """The commit of this code, where it lies in a repository, else its version."""
    options = ["--always", "--dirty", "--abbrev=10"]
    command = ["git", "--no-optional-locks", "-C", str(Path(__file__).parent), "describe", *options]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        found = ""
    return found or f"version {__version__}"


def _do(plan: Plan, run: Run, out: Path, progress: bool) -> Finished:
    folder = run.folder(out)
    make_folder(folder)
    facts: dict[str, Any] = {"commit": commit(), "device": _device(plan.common)}
    if run.method is not None:
        model, seconds = _train(plan, run, folder, progress)
        facts |= {"steps": model.config.train.steps, "minutes": seconds / 60, "precision": model.precision}
        facts["identities"] = known_identities(model.config)
        sequences = {
            test.resolve().name: _measure_method(
                plan, model, run.fold.part, test, folder / "tracks" / test.resolve().name
            )
            for test in run.fold.test
        }
    else:
        assert run.reference is not None
        embed = _embed_of(plan, run.reference)
        sequences = {
            test.resolve().name: embedding_measures(embed, test, plan.measures, plan.embed_every, run.fold.part)
            for test in run.fold.test
        }
    found = Finished(run=run, sequences=sequences, facts=facts)
    keep(plan, found, out)
    return found


def _train(plan: Plan, run: Run, folder: Path, progress: bool) -> tuple[Model, float]:
    """The trained network of a method, and the seconds that its training took, all sittings together."""
    assert run.method is not None
    config, file = config_of(plan, run), folder / "settings.json"
    # whoever was given no identities must have none to learn from
    assert config.data.tracklets or (labels_of(config) == "known") == (known_identities(config) > 0)
    settings, seconds = settings_of(plan, run), 0.0
    if file.is_file():
        before = read_json(file)
        check_same(before["settings"], settings, file)
        seconds = float(before["seconds"])
    write_whole_json(file, {"settings": settings, "seconds": seconds}, "the settings")
    began = time.perf_counter()
    try:
        train(_training_data(run.fold, folder), folder / "run", config, resume=True, progress=progress)
    finally:
        seconds += time.perf_counter() - began
        write_whole_json(file, {"settings": settings, "seconds": seconds}, "the settings")
    return load_model(folder / "run", device=config.train.device), seconds


def _training_data(fold: Fold, folder: Path) -> Sequence[Path]:
    """What a fold is trained on; with the first halves of what it is scored on, a mix that is written into a folder."""
    if fold.part == "all":
        return fold.train
    entries = [{"path": str(path.resolve())} for path in fold.train]
    entries += [{"path": str(path.resolve()), "split": "first-half"} for path in fold.test]
    write_whole_text(folder / "data.yaml", json.dumps(entries), "the training data")
    return [folder / "data.yaml"]


def _measure_method(plan: Plan, model: Model, part: Part, test: Path, tracks: Path) -> Measured:
    embedded = embedding_measures(model.embed, test, plan.measures, plan.embed_every, part)
    if "tracking" not in plan.measures:
        return embedded
    tracked = tracking_measures(model, test, tracks, plan.every, part)
    return Measured(scores=embedded.scores | tracked.scores, identities=embedded.identities)


def _embed_of(plan: Plan, reference: Reference) -> Embed:
    if reference.onnx is not None:
        return onnx_embedding(reference.onnx, reference.size)
    if reference.name == HISTOGRAM:
        return histogram_embedding
    assert reference.name == UNTRAINED
    config = next(method for method in plan.methods if method.name == OURS).config(plan.common)
    return untrained(NetworkModel(Network(config.model), config, config.train.device), plan.seeds[0]).embed


def _device(config: Config) -> str:
    """The name of what trains and measures."""
    if config.train.device != "cpu" and torch.cuda.is_available():
        return f"{config.train.devices} x {torch.cuda.get_device_name()}"
    return f"CPU ({platform.machine()}, {torch.get_num_threads()} threads)"


def describe(found: Finished, names: Sequence[str] = ("rank-1", ASSOCIATION, "IDF1")) -> str:
    """One line of what a run came to, means over its sequences."""
    parts = []
    for name in names:
        values = [each.scores[name] for each in found.sequences.values() if name in each.scores]
        if values:
            parts.append(f"{name} {sum(values) / len(values):.3g}")
    minutes = f", {found.facts['minutes']:.1f} min of training" if "minutes" in found.facts else ""
    seed = f", seed {found.run.seed}" if found.run.seed is not None else ""
    return f"{found.run.name}, {found.run.fold.name}{seed}: {', '.join(parts)}{minutes}"
