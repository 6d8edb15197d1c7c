"""What is compared: data, methods, seeds, references and measures, read from one YAML file (docs/bench.md)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from msgspec import Meta, Struct

from clmot.apps.bench.methods import DEFAULT_METHODS, MOTION, OURS, Method, budget_methods, find_method
from clmot.config import Config, load_config, read_yaml
from clmot.datasets.readers.json_files import as_kind
from clmot.errors import UserError, did_you_mean, require, told_of_disks
from clmot.io.frame_choice import Part
from clmot.io.mot_sequences import ground_truth_file, sequence_folders, video_name

Measure = Literal["embedding", "association", "tracking"]
HISTOGRAM, UNTRAINED = "colour histogram", "untrained network"
REFERENCES = (HISTOGRAM, UNTRAINED)

_Positive = Annotated[int, Meta(ge=1)]
_Share = Annotated[float, Meta(ge=0, le=1)]
_Paths = str | list[str]


@dataclass(frozen=True, kw_only=True)
class Fold:
    """What is trained on and what is scored.

    Attributes:
        name: of the fold.
        train: folders or files of frames.
        test: MOTChallenge sequence folders, none of which shows a video that is trained on.
        part: of the frames of `test` that are scored; of their second halves, the first are trained on too.
    """

    name: str
    train: tuple[Path, ...]
    test: tuple[Path, ...]
    part: Part = "all"


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
        measures: those that are taken.
        every: frame distances at which tracking is scored.
        embed_every: of the test frames, embed every so many.
    """

    common: Config
    seeds: tuple[int, ...]
    folds: tuple[Fold, ...]
    methods: tuple[Method, ...]
    references: tuple[Reference, ...]
    measures: tuple[Measure, ...]
    every: tuple[int, ...]
    embed_every: int

    @property
    def trained(self) -> tuple[Method, ...]:
        """The methods that need a training."""
        return tuple(method for method in self.methods if method.name != MOTION)


class _Data(Struct, forbid_unknown_fields=True):
    train: _Paths = []
    test: _Paths = []
    cross_validate: _Paths = []
    half_split: _Paths = []


class _Budget(Struct, forbid_unknown_fields=True):
    shares: list[_Share]
    methods: tuple[str, ...] = ("contrast with identities",)


class _Onnx(Struct, forbid_unknown_fields=True):
    onnx: str
    size: tuple[_Positive, _Positive] = (128, 256)


class _File(Struct, forbid_unknown_fields=True, kw_only=True):
    """The file's content."""

    data: _Data
    recipe: str | None = None
    steps: int | None = None
    seeds: Annotated[tuple[Annotated[int, Meta(ge=0)], ...], Meta(min_length=1)] = (0,)
    settings: dict[str, dict[str, Any]] = {}
    methods: list[str] | dict[str, dict[str, Any] | None] | None = None
    label_budget: list[_Share] | _Budget | None = None
    references: list[str] | dict[str, _Onnx | None] | None = None
    measures: tuple[Measure, ...] = get_args(Measure)
    every: Annotated[tuple[_Positive, ...], Meta(min_length=1)] = (1, 5)
    embed_every: _Positive = 1


@told_of_disks()
def read_plan(file: Path) -> Plan:
    """Read a comparison.

    Args:
        file: YAML. Paths are relative to it; environment variables in them are filled in.

    Raises:
        UserError: an unknown key, a wrong value, no data, a test sequence without ground truth or trained on.
    """
    content: _File = as_kind(read_yaml(file), _File, file, "$")
    changes = dict(content.settings)
    if content.steps is not None:
        changes["train"] = {**changes.get("train", {}), "steps": content.steps}
    if "$" in (start := str(changes.get("model", {}).get("pretrained", ""))):
        changes["model"] = {**changes["model"], "pretrained": str(_path(start, file))}
    common = load_config(content.recipe).updated(changes, f"{file}: settings")
    if common.data.identities or common.data.identity_share < 1:
        raise UserError(f"{file}: settings: data.identities is for single methods; only supervised ones may see any")
    methods, references = _methods(content, file), _references(content, file)
    for method in methods:
        method.config(common)
    names = [*(method.name for method in methods), *(each.name for each in references)]
    for name in names:
        require(names.count(name) == 1, f"{file}: two methods or references are named '{name}'")
    return Plan(
        common=common,
        seeds=tuple(dict.fromkeys(content.seeds)),
        folds=_folds(content.data, file),
        methods=methods,
        references=references,
        measures=content.measures,
        every=tuple(dict.fromkeys(content.every)),
        embed_every=content.embed_every,
    )


def _folds(data: _Data, file: Path) -> tuple[Fold, ...]:
    train = tuple(_paths(data.train, file))
    test = [folder for path in _paths(data.test, file) for folder in _annotated(path)]
    turns = [folder for path in _paths(data.cross_validate, file) for folder in _annotated(path)]
    halves = {video_name(each.name): each for path in _paths(data.half_split, file) for each in _annotated(path)}
    given = sum(map(bool, (test, turns, halves)))
    require(given == 1, f"{file}: data needs one of 'test', 'cross_validate' and 'half_split'")
    if halves:  # a video once, however many detectors it is there for
        return (Fold(name="second halves", train=train, test=tuple(halves.values()), part="second-half"),)
    folds = [Fold(name="test", train=train, test=tuple(test))] if test else []
    videos = {folder: video_name(folder.resolve().name) for folder in turns}
    for video in dict.fromkeys(videos.values()):
        held_out = tuple(folder for folder in turns if videos[folder] == video)
        folds.append(Fold(name=video, train=(*train, *(each for each in turns if each not in held_out)), test=held_out))
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


def _methods(content: _File, file: Path) -> tuple[Method, ...]:
    given = content.methods or list(DEFAULT_METHODS)
    named: Mapping[str, Any] = given if isinstance(given, dict) else dict.fromkeys(given)
    methods = [find_method(name, changes) for name, changes in named.items()]
    budget = content.label_budget
    if budget:
        budget = _Budget(shares=budget) if isinstance(budget, list) else budget
        methods += [each for base in budget.methods for each in budget_methods(base, budget.shares)]
    if OURS not in [method.name for method in methods]:
        raise UserError(f"{file}: methods: 'ours' must be among them; the others are compared with it")
    return tuple(methods)


def _references(content: _File, file: Path) -> tuple[Reference, ...]:
    given = list(REFERENCES) if content.references is None else content.references
    named: Mapping[str, _Onnx | None] = given if isinstance(given, dict) else dict.fromkeys(given)
    references = []
    for name, facts in named.items():
        if facts is None:
            hint = did_you_mean(name, REFERENCES)
            require(name in REFERENCES, f"{file}: reference '{name}'{hint}: give its file as {{onnx: FILE}}")
            references.append(Reference(name=name))
            continue
        onnx = _path(facts.onnx, file)
        require(onnx.is_file(), f"{file}: reference '{name}': {onnx}: no such file")
        references.append(Reference(name=name, onnx=onnx, size=facts.size))
    return tuple(references)


def _paths(value: _Paths, file: Path) -> list[Path]:
    return [_path(item, file) for item in ([value] if isinstance(value, str) else value)]


def _path(text: str, file: Path) -> Path:
    """A path relative to the file that names it, with environment variables filled in."""
    filled = os.path.expanduser(os.path.expandvars(text))
    if "$" in filled:
        raise UserError(f"{file}: {text}: the environment variable is not set")
    return file.parent / filled
