"""What is compared: data, methods, seeds, references and measures, read from one YAML file (docs/bench.md)."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from clmot.apps.bench.methods import DEFAULT_METHODS, MOTION, OURS, Method, budget_methods, find_method
from clmot.config import Config, load_config, read_yaml
from clmot.errors import UserError, did_you_mean
from clmot.io.mot_sequences import ground_truth_file, sequence_folders, video_name

MEASURES = ("embedding", "association", "tracking")
HISTOGRAM, UNTRAINED = "colour histogram", "untrained network"
REFERENCES = (HISTOGRAM, UNTRAINED)

_log = logging.getLogger(__name__)

_KEYS = (
    "recipe", "steps", "seeds", "data", "settings", "methods",
    "label_budget", "references", "measures", "every", "embed_every",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Fold:
    """What is trained on and what is scored.

    Attributes:
        name: of the fold.
        train: folders or files of frames.
        test: MOTChallenge sequence folders, none of which shows a video that is trained on.
    """

    name: str
    train: tuple[Path, ...]
    test: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class Reference:
    """An embedding that nobody trains here.

    Attributes:
        name: one of `REFERENCES`, or what its file is called in the report.
        onnx: a network that takes one crop; None for the built-in ones.
        size: width and height of its crop in pixels.
    """

    name: str
    onnx: Path | None = None
    size: tuple[int, int] = (128, 256)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A whole comparison.

    Attributes:
        common: the configuration of every method, before the method's own settings.
        seeds: each method is trained once with each.
        folds: and on each.
        methods: in the order of the report; `OURS` is among them.
        references: embeddings to compare with.
        measures: those of `MEASURES` that are taken.
        every: frame distances at which tracking is scored.
        embed_every: of the test frames, embed every so many.
    """

    common: Config
    seeds: tuple[int, ...]
    folds: tuple[Fold, ...]
    methods: tuple[Method, ...]
    references: tuple[Reference, ...]
    measures: tuple[str, ...]
    every: tuple[int, ...]
    embed_every: int

    @property
    def trained(self) -> tuple[Method, ...]:
        """The methods that need a training."""
        return tuple(method for method in self.methods if method.name != MOTION)


def read_plan(file: Path) -> Plan:
    """Read a comparison.

    Args:
        file: YAML. Paths are relative to it; environment variables in them are filled in.

    Raises:
        UserError: an unknown key, a wrong value, no data, a test sequence without ground truth or trained on.
    """
    content = _renamed(read_yaml(file), file)
    _known(content, _KEYS, str(file))
    changes = dict(_section(content, "settings", file))
    if "steps" in content:
        changes["train"] = {**changes.get("train", {}), "steps": content["steps"]}
    if "$" in (start := str(changes.get("model", {}).get("pretrained", ""))):
        changes["model"] = {**changes["model"], "pretrained": str(_path(start, file))}
    common = load_config(content.get("recipe")).updated(changes, f"{file}: settings")
    if common.data.identities or common.data.identity_share < 1:
        raise UserError(f"{file}: settings: data.identities is for single methods; only supervised ones may see any")
    methods = _methods(content, file)
    for method in methods:
        method.config(common)
    references = _references(content, file)
    names = [*(method.name for method in methods), *(each.name for each in references)]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{file}: two methods or references are named '{name}'")
    measures = tuple(_list(content, "measures", MEASURES, file))
    for measure in measures:
        if measure not in MEASURES:
            raise UserError(f"{file}: unknown measure '{measure}'; known: {', '.join(MEASURES)}")
    return Plan(
        common=common,
        seeds=_whole_numbers(content, "seeds", [0], 0, file),
        folds=_folds(_section(content, "data", file), file),
        methods=methods,
        references=references,
        measures=measures,
        every=_whole_numbers(content, "every", [1, 5], 1, file),
        embed_every=_whole_numbers(content, "embed_every", [1], 1, file)[0],
    )


def _renamed(content: dict[str, Any], file: Path) -> dict[str, Any]:
    """A plan of before, in which methods are called arms, under today's keys."""
    budget = content.get("label_budget")
    old = "arms" in content or (isinstance(budget, Mapping) and "arms" in budget)
    if not old:
        return content
    _log.warning("%s: 'arms' are called 'methods' now", file)
    content = {"methods" if key == "arms" else key: value for key, value in content.items()}
    if isinstance(budget, Mapping):
        content["label_budget"] = {"methods" if key == "arms" else key: value for key, value in budget.items()}
    return content


def _folds(data: Mapping[str, Any], file: Path) -> tuple[Fold, ...]:
    _known(data, ("train", "test", "cross_validate"), f"{file}: data")
    train = tuple(_paths(data, "train", file))
    test = [folder for path in _paths(data, "test", file) for folder in _annotated(path)]
    turns = [folder for path in _paths(data, "cross_validate", file) for folder in _annotated(path)]
    if bool(test) == bool(turns):
        raise UserError(f"{file}: data needs either 'test' or 'cross_validate'")
    if test:
        folds = [Fold(name="test", train=train, test=tuple(test))]
    else:
        videos = list(dict.fromkeys(video_name(folder.resolve().name) for folder in turns))
        folds = [
            Fold(
                name=video,
                train=(*train, *(folder for folder in turns if video_name(folder.resolve().name) != video)),
                test=tuple(folder for folder in turns if video_name(folder.resolve().name) == video),
            )
            for video in videos
        ]
    for fold in folds:
        if not fold.train:
            raise UserError(f"{file}: data: nothing is left to train on when {fold.name} is held out")
        seen = {folder.resolve() for path in fold.train for folder in (_sequences(path) or [path])}
        for folder in fold.test:
            if folder.resolve() in seen:
                raise UserError(f"{file}: data: {folder} is to be scored, and is trained on as well")
    return tuple(folds)


def _sequences(path: Path) -> list[Path]:
    return sequence_folders(path) if path.is_dir() else []


def _annotated(path: Path) -> list[Path]:
    """The sequences at a path, which must have ground truth to be scored with."""
    found = sequence_folders(path)
    for folder in found:
        if ground_truth_file(folder) is None:
            raise UserError(f"{folder}: no gt/gt.txt to score with")
    if not found:
        raise UserError(f"{path}: no MOTChallenge sequence to score on")
    return found


def _methods(content: Mapping[str, Any], file: Path) -> tuple[Method, ...]:
    given = content.get("methods") or list(DEFAULT_METHODS)
    named = given if isinstance(given, Mapping) else dict.fromkeys(_list(content, "methods", DEFAULT_METHODS, file))
    for name, changes in named.items():
        if changes is not None and not isinstance(changes, Mapping):
            raise UserError(f"{file}: method '{name}': expected settings, got {changes!r}")
    methods = [find_method(str(name), changes) for name, changes in named.items()]
    budget = content.get("label_budget") or {}
    if isinstance(budget, list):
        budget = {"shares": budget}
    if not isinstance(budget, Mapping):
        raise UserError(f"{file}: label_budget: expected a list of shares, got {budget!r}")
    _known(budget, ("methods", "shares"), f"{file}: label_budget")
    shares = budget.get("shares", [])
    if not isinstance(shares, list) or not all(_is_number(share) and 0 <= share <= 1 for share in shares):
        raise UserError(f"{file}: label_budget: shares must be numbers in [0, 1], got {shares!r}")
    for base in budget.get("methods", ["contrast with identities"]):
        methods += budget_methods(str(base), shares)
    if OURS not in [method.name for method in methods]:
        raise UserError(f"{file}: methods: 'ours' must be among them; the others are compared with it")
    return tuple(methods)


def _references(content: Mapping[str, Any], file: Path) -> tuple[Reference, ...]:
    given = content.get("references")
    given = dict.fromkeys(REFERENCES) if given is None else given
    if not isinstance(given, Mapping):
        given = dict.fromkeys(_list(content, "references", REFERENCES, file))
    references = []
    for name, facts in given.items():
        if facts is None:
            if name not in REFERENCES:
                hint = did_you_mean(str(name), REFERENCES)
                raise UserError(f"{file}: reference '{name}'{hint}: give its file as {{onnx: FILE}}")
            references.append(Reference(name=name))
            continue
        where = f"{file}: reference '{name}'"
        if not isinstance(facts, Mapping) or "onnx" not in facts:
            raise UserError(f"{where}: expected {{onnx: FILE}}, got {facts!r}")
        _known(facts, ("onnx", "size"), where)
        size = facts.get("size", [128, 256])
        if not isinstance(size, list) or len(size) != 2 or not all(isinstance(n, int) and n > 0 for n in size):
            raise UserError(f"{where}: size must be the crop's width and height in pixels, got {size!r}")
        onnx = _path(str(facts["onnx"]), file)
        if not onnx.is_file():
            raise UserError(f"{where}: {onnx}: no such file")
        references.append(Reference(name=str(name), onnx=onnx, size=(size[0], size[1])))
    return tuple(references)


def _section(content: Mapping[str, Any], key: str, file: Path) -> Mapping[str, Any]:
    value = content.get(key) or {}
    if not isinstance(value, Mapping):
        raise UserError(f"{file}: {key}: expected a mapping, got {value!r}")
    return value


def _list(content: Mapping[str, Any], key: str, default: Sequence[str], file: Path) -> list[str]:
    value = content.get(key)
    value = list(default) if value is None else value
    if not isinstance(value, list):
        raise UserError(f"{file}: {key}: expected a list, got {value!r}")
    return [str(item) for item in value]


def _whole_numbers(content: Mapping[str, Any], key: str, default: list[int], least: int, file: Path) -> tuple[int, ...]:
    value = content.get(key, default)
    items = value if isinstance(value, list) else [value]
    if not items or not all(isinstance(item, int) and not isinstance(item, bool) and item >= least for item in items):
        raise UserError(f"{file}: {key}: expected whole numbers >= {least}, got {value!r}")
    return tuple(dict.fromkeys(cast(list[int], items)))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _paths(data: Mapping[str, Any], key: str, file: Path) -> list[Path]:
    value = data.get(key) or []
    return [_path(str(item), file) for item in (value if isinstance(value, list) else [value])]


def _path(text: str, file: Path) -> Path:
    """A path relative to the file that names it, with environment variables filled in."""
    filled = os.path.expanduser(os.path.expandvars(text))
    if "$" in filled:
        raise UserError(f"{file}: {text}: the environment variable is not set")
    return file.parent / filled


def _known(content: Mapping[str, Any], keys: Sequence[str], where: str) -> None:
    for key in content:
        if key not in keys:
            raise UserError(f"{where}: unknown key '{key}'{did_you_mean(str(key), keys)}; known: {', '.join(keys)}")
