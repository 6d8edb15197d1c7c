"""Tracking scores of our presets and of other trackers on the very same detections.

    python benchmarks/tracking.py [--json FILE] [--quick] [--model [SEQUENCE=]RUN ...] [--scenarios public oracle ...]
                                  [--no-images] [--try key=value[,key=value ...] ...] [--least-score S] [--out FOLDER]

Scenarios, from the sequences in $CLMOT_DATA/mot and from synthetic clips made on the spot:

    public     det/det.txt of every sequence. Its scores are of old detectors and lie anywhere: a straight line takes
               the lowest of the file to 0 and the 95 % quantile to 1, beyond is cut; the same for everyone.
    public, unscored  the same boxes, all with score 1.
    yolox      det/yolox_second_half.txt where there is one, tracked and scored in the second half only.
    detectors  real detections: NAME.txt of every sequence in the folders of --detections, one for each detector
               (`benchmarks/detections.py`).
    oracle     the annotated boxes of every sequence, all with score 1.
    synthetic  what a middling detector would find in the clips: people behind others are missed, or found with a low
               score and out of place, and there are false detections.
    synthetic-oracle  the annotated boxes of the clips.

Everyone gets the detections with a score of at least --least-score; what a tracker then takes seriously is decided by
its own default thresholds. Rows "camera" are given the images, and estimate the camera's motion from them. Rows
"embedding" are given, beside the images, the embeddings that --model reads at the boxes: the same for ours and for
every peer that can be handed any. A run folder may be for one sequence alone (SEQUENCE=RUN): one that did not learn
from it.

The first row is our default with all that it can be given; differences are to it. Where there are several sequences,
they have 95 % intervals, from drawing the sequences anew, the same for both trackers; with four sequences these are
rough, with one there are none. Constants of ours are tuned on TUD-Stadtmitte and synthetic clips only: `validation`
scores TUD-Stadtmitte apart from the rest.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt
from peer_trackers import Entry, ours, peers, version
from rich.console import Console
from rich.table import Table

from clmot import Detections
from clmot import boxes as box
from clmot.apps.track.external_detections import rescaled
from clmot.config import load_config
from clmot.config.tracker import PRESETS, Family
from clmot.evaluation.comparison import Comparison, compare
from clmot.io.frame_choice import FrameChoice
from clmot.io.mot_sequences import PERSON, read_sequence_info
from clmot.io.mot_text import MotRows, read_mot_rows
from clmot.io.mot_writer import TrackWriter
from clmot.structures import Image, TrackedFrame
from clmot.synthetic import write_scenes

if TYPE_CHECKING:
    from clmot.inference.model import Model

CONSOLE = Console(width=140)
SCENARIOS = ("public", "unscored", "yolox", "detectors", "oracle", "synthetic", "synthetic-oracle", "validation")
METRICS = ("HOTA", "IDF1", "MOTA", "IDSW")
DEFAULT = "clmot"
VALIDATION = "TUD-Stadtmitte"
DRAWS = 1000
EVERY_FRAME = FrameChoice()


@dataclass(frozen=True)
class Scenario:
    """Sequences and what is detected in them.

    Attributes:
        name: as in tables.
        folder: of the sequences with ground truth.
        detections: by sequence, and there by frame.
        frames: which of them are tracked and scored.
        family: what their scores are like.
    """

    name: str
    folder: Path
    detections: dict[str, dict[int, Detections]]
    frames: FrameChoice = EVERY_FRAME
    family: Family = "detector"


def by_frame(rows: MotRows, score: npt.NDArray[np.float64], least: float) -> dict[int, Detections]:
    """The rows that are sure enough, all as one class."""
    found = {}
    for frame in np.unique(rows.frame).tolist():
        here = (rows.frame == frame) & (score >= least)
        found[frame] = _of_one_class(rows.boxes[here], score[here])
    return found


def detected(file: Path, least: float) -> dict[int, Detections]:
    """A detection file's boxes; scores on another scale than [0, 1] are rescaled as `clmot track --boxes` does."""
    rows = read_mot_rows(file)
    return by_frame(rows, rescaled(rows.confidence), least)


def unscored(file: Path) -> dict[int, Detections]:
    """A detection file's boxes, as if nothing were known but these."""
    rows = read_mot_rows(file)
    return by_frame(rows, np.ones(len(rows)), least=1)


def annotated(file: Path) -> dict[int, Detections]:
    """Ground truth that counts: persons with a non-zero flag."""
    rows = read_mot_rows(file)
    counts = (rows.confidence != 0) & ((rows.class_id == -1) | (rows.class_id == PERSON))
    return by_frame(rows, counts.astype(np.float64), least=1)


def simulated(file: Path, size: tuple[int, int], least: float, seed: int) -> dict[int, Detections]:
    """What a middling detector would find of people as visible as the annotation says they are."""
    rng, rows = np.random.default_rng(seed), read_mot_rows(file)
    # what is mostly hidden is found as well, only with low scores (Zhang et al., "ByteTrack", 2022)
    noticed = rng.random(len(rows)) < 0.98 / (1 + np.exp(-12 * (rows.visibility - 0.25)))
    hidden = 1 - rows.visibility
    height = rows.boxes[:, 3:] - rows.boxes[:, 1:2]
    boxes = rows.boxes + rng.normal(0, 1, rows.boxes.shape) * height * (0.015 + 0.05 * hidden[:, None])
    score = (0.92 - 0.85 * hidden + rng.normal(0, 0.08, len(rows))).clip(0.05, 0.99)
    usable = noticed & (score >= least) & (rows.class_id == PERSON) & (boxes[:, 2:] > boxes[:, :2] + 1).all(axis=1)
    found = {}
    for frame in range(1, int(rows.frame.max()) + 1):
        here = usable & (rows.frame == frame)
        false = rng.poisson(0.7)
        corner, tall = rng.uniform(0, 1, (false, 2)) * size, rng.uniform(40, 110, (false, 1))
        nobody = np.concatenate([corner, corner + tall * [0.4, 1.0]], axis=1)
        found[frame] = _of_one_class(
            np.concatenate([boxes[here], nobody]),
            np.concatenate([score[here], least + (0.7 - least) * rng.beta(1, 2, false)]),
        )
    return found


def _of_one_class(boxes: npt.NDArray[Any], score: npt.NDArray[np.float64]) -> Detections:
    return Detections(xyxy=boxes, score=score, class_id=np.zeros(len(boxes), np.int64))


def real_scenarios(
    folder: Path, wanted: Sequence[str], least: float, detectors: Sequence[Path] = ()
) -> Iterator[Scenario]:
    """Scenarios on the sequences of a folder."""
    names = [each.name for each in sorted(folder.iterdir()) if (each / "gt" / "gt.txt").is_file()]
    files = {name: folder / name / "det" / "det.txt" for name in names}
    if "public" in wanted:
        yield Scenario(
            "public", folder, {name: detected(file, least) for name, file in files.items()}, family="rescaled"
        )
    if "unscored" in wanted:
        yield Scenario("public, unscored", folder, {name: unscored(file) for name, file in files.items()})
    if "yolox" in wanted:
        for name in names:
            file = folder / name / "det" / "yolox_second_half.txt"
            if file.is_file():
                second_half = FrameChoice(part="second-half")
                yield Scenario(f"yolox, {name}", folder / name, {name: detected(file, least)}, second_half)
    if "detectors" in wanted:
        for detector in detectors:
            found = {name: detected(detector / f"{name}.txt", least) for name in names}
            yield Scenario(f"detector, {detector.name}", folder, found)
    if "oracle" in wanted:
        yield Scenario("oracle", folder, {name: annotated(folder / name / "gt" / "gt.txt") for name in names})
    if "validation" in wanted and VALIDATION in names:
        here = folder / VALIDATION
        public = {VALIDATION: detected(here / "det" / "det.txt", least)}
        yield Scenario("validation, public", here, public, family="rescaled")
        yield Scenario("validation, oracle", here, {VALIDATION: annotated(here / "gt" / "gt.txt")})


def synthetic_scenarios(folder: Path, wanted: Sequence[str], least: float, clips: int) -> Iterator[Scenario]:
    """Scenarios on clips, which are written into the folder unless they are there."""
    if not {"synthetic", "synthetic-oracle"} & set(wanted):
        return
    if not folder.exists():
        partial = folder.with_name(folder.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        write_scenes(partial, still_frames=0, still_sequences=0, clips=clips, clip_frames=200, seed=7)
        partial.rename(folder)
    sequences = sorted((folder / "clips").iterdir())
    if "synthetic" in wanted:
        found = {
            each.name: simulated(each / "gt" / "gt.txt", _size(each), least, seed)
            for seed, each in enumerate(sequences)
        }
        yield Scenario("synthetic", folder / "clips", found)
    if "synthetic-oracle" in wanted:
        true = {each.name: annotated(each / "gt" / "gt.txt") for each in sequences}
        yield Scenario("synthetic-oracle", folder / "clips", true)


def contenders(images: bool, embeds: bool, tries: Sequence[str]) -> list[Entry]:
    """Who takes part: our default, with all that it can be given, before all others."""
    default = PRESETS["clmot"]
    rows = [ours(DEFAULT, default, images, embeds)]
    if embeds and images:
        rows.append(ours(f"{DEFAULT}, no camera", default, embeds=True))
        rows.append(ours(f"{DEFAULT}, camera", default, True))
    if embeds or images:
        rows.append(ours(f"{DEFAULT}, motion", default))
    for number, each in enumerate(tries, 1):
        changed = load_config(
            overrides=["tracker.preset=clmot", *(f"tracker.{part}" for part in each.split(","))]
        ).tracker
        rows.append(ours(_label(number, each), changed, images, embeds))
    others = {name: each for name, each in PRESETS.items() if name != DEFAULT}
    if embeds:
        seeing = ("fairmot", "botsort")
        rows += [ours(f"preset {name}, embedding", others[name], images, embeds=True) for name in seeing]
    if images:
        moving = [name for name, each in others.items() if each.camera != "none"]
        rows += [ours(f"preset {name}, camera", others[name], True) for name in moving]
    rows += [ours(f"preset {name}", each) for name, each in others.items()]
    if embeds and images:
        rows += peers(embeds=True)
    if images:
        rows += peers(camera=True)
    return rows + peers()


class Models:
    """Whose embeddings a sequence's detections get.

    Args:
        given: run folders or model files, perhaps for one sequence alone.
    """

    def __init__(self, given: Sequence[str]) -> None:
        self._runs = {name: run for name, _, run in (each.rpartition("=") for each in given)}

    def __bool__(self) -> bool:
        return bool(self._runs)

    def of(self, sequence: str) -> Model | None:
        """The model for a sequence, loaded; None where there is none."""
        run = self._runs.get(sequence, self._runs.get(""))
        if run is None:
            return None
        from clmot.inference.model import load_model

        return load_model(run)


def _label(number: int, change: str) -> str:
    """A change of the configuration in a table's first column."""
    return change if len(change) <= 36 else f"change {number}"


def track(scenario: Scenario, entries: Sequence[Entry], models: Models, out: Path) -> list[Path]:
    """Run all trackers side by side, frame by frame; returns the folder of results of each."""
    folders = [out / "".join(c if c.isalnum() or c in "-=." else "_" for c in each.name) for each in entries]
    for folder in folders:
        folder.mkdir(parents=True)
    for name, detections in scenario.detections.items():
        sequence = scenario.folder if scenario.folder.name == name else scenario.folder / name
        info = read_sequence_info(sequence)
        length = info.length or max(detections)
        numbers = np.arange(1, length + 1)
        running = [each.make(info.frame_rate) for each in entries]
        model = models.of(name)
        wanted = model is not None or any(each.needs_images for each in entries)
        with ExitStack() as stack:
            writers = [stack.enter_context(TrackWriter(folder / f"{name}.txt")) for folder in folders]
            for number in numbers[scenario.frames.keeps(numbers, length)].tolist():
                image = _read(sequence / info.image_folder / f"{number:06d}.jpg") if wanted else None
                found = detections.get(number, _of_one_class(np.empty((0, 4)), np.empty(0)))
                seen = found
                if model is not None and image is not None:
                    seen = replace(found, embedding=model.embed(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), found.xyxy))
                for each, tracker, writer in zip(entries, running, writers, strict=True):
                    prepared = tracker.prepare(seen if each.embeds else found)
                    answer = tracker.update(prepared, image if each.needs_images else None)
                    ids, boxes = tracker.tracks(answer)
                    # peers that predict now and then answer with boxes that have no area
                    sound = box.well_formed(boxes)
                    kept = _of_one_class(boxes[sound], np.ones(np.count_nonzero(sound)))
                    writer.write(TrackedFrame(frame=number, detections=kept, track_id=ids[sound]))
    return folders


def _size(sequence: Path) -> tuple[int, int]:
    info = read_sequence_info(sequence)
    return info.width or 512, info.height or 288


def _read(file: Path) -> Image:
    image = cv2.imread(str(file))
    if image is None:
        raise SystemExit(f"{file}: cannot read the image; --no-images does without")
    return np.asarray(image, np.uint8)


def print_table(scenario: Scenario, entries: Sequence[Entry], compared: Comparison, missing: dict[str, str]) -> None:
    """Scores, and how far ahead of our default everybody else is."""
    names, sequences = [entry.name for entry in entries], list(scenario.detections)
    note = f"{len(sequences)} sequences" if len(sequences) > 1 else "one sequence: no intervals"
    table = Table(title=f"{scenario.name} ({note})", title_justify="left", box=None)
    table.add_column("", no_wrap=True, min_width=30)
    for heading in METRICS:
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("HOTA - ours", "IDF1 - ours"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, key in zip(names, compared.scores, strict=True):
        scores = compared.scores[key].combined
        cells = [f"{scores[metric]:.{0 if metric == 'IDSW' else 1}f}" for metric in METRICS]
        difference = compared.differences.get(key)
        for metric in ("HOTA", "IDF1"):
            cells.append("" if difference is None else difference[metric].text(1))
        table.add_row(name, *cells)
    for name, reason in missing.items():
        table.add_row(name, reason.split(":")[0])
    CONSOLE.print(table)
    for metric in ("HOTA", "IDF1"):
        ahead = [
            f"{entry.name} {compared.differences[key][metric].value:+.1f}"
            for entry, key in zip(entries, compared.scores, strict=True)
            if entry.package and compared.differences[key][metric].value > 0
        ]
        CONSOLE.print(f"ahead of {DEFAULT} in {metric}: {', '.join(ahead) or 'no peer'}")
    CONSOLE.print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write all scores there as well, by sequence too")
    parser.add_argument("--quick", action="store_true", help="validation and synthetic only, without images")
    parser.add_argument("--scenarios", nargs="+", choices=SCENARIOS, default=[*SCENARIOS[:-1]])
    parser.add_argument("--model", nargs="+", default=[], metavar="[SEQUENCE=]RUN", help="models, for embeddings")
    parser.add_argument("--no-images", action="store_true", help="leave the rows out that need images")
    parser.add_argument("--try", nargs="+", default=[], dest="tries", metavar="key=value[,...]", help="further rows")
    parser.add_argument("--ours", action="store_true", help="our own trackers only")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these trackers only, beside our default")
    parser.add_argument("--least-score", type=float, default=0.1, help="detections less sure are nobody's")
    parser.add_argument("--clips", type=int, default=8, help="synthetic clips")
    parser.add_argument("--detections", type=Path, nargs="+", default=[], help="folders of NAME.txt, of real detectors")
    parser.add_argument("--scenes", type=Path, help="folder to keep the synthetic clips in")
    parser.add_argument("--out", type=Path, help="folder to keep the result files in")
    options = parser.parse_args()
    data = Path(os.environ.get("CLMOT_DATA", "")) / "mot"
    wanted = ("validation", "synthetic") if options.quick else options.scenarios
    images = not (options.no_images or options.quick)
    models = Models(options.model)
    entries, missing, packages = [], {}, {}
    for entry in contenders(images, bool(models), options.tries):
        if options.only and entry.name not in (DEFAULT, *options.only):
            continue
        if entry.package and options.ours:
            continue
        if reason := entry.missing():
            missing[entry.name] = reason
            continue
        entries.append(entry)
        if entry.package:
            packages[entry.package] = version(entry.package)
    CONSOLE.print(", ".join(f"{name} {number}" for name, number in packages.items()), "\n")
    for number, change in enumerate(options.tries, 1):
        if _label(number, change) != change:
            CONSOLE.print(f"change {number}: {change}", soft_wrap=True)
    names = [each.name for each in entries]
    figures = {}
    with tempfile.TemporaryDirectory() as temporary:
        out = options.out or Path(temporary) / "results"
        scenes = options.scenes or Path(temporary) / "scenes"
        scenarios = [*synthetic_scenarios(scenes, wanted, options.least_score, options.clips)]
        if data.is_dir():
            scenarios = [*real_scenarios(data, wanted, options.least_score, options.detections), *scenarios]
        else:
            CONSOLE.print("CLMOT_DATA names no folder with mot/: synthetic clips only\n")
        for scenario in scenarios:
            folder = out / scenario.name.replace(", ", "-")
            shutil.rmtree(folder, ignore_errors=True)
            results = track(scenario, [each.suited(scenario.family) for each in entries], models, folder)
            draws = DRAWS if len(scenario.detections) > 1 else 0
            compared = compare(results, scenario.folder, frames=scenario.frames, bootstrap=draws)
            print_table(scenario, entries, compared, missing)
            figures[scenario.name] = dict(zip(names, _figures(compared), strict=True))
    if options.json is not None:
        content = {"versions": packages, "missing": missing, "scenarios": figures}
        options.json.write_text(json.dumps(content, indent=2) + "\n")


def _figures(compared: Comparison) -> Iterator[dict[str, Any]]:
    content = compared.as_dict()
    for key, scores in content["results"].items():
        yield scores | ({"minus_ours": content["differences"][key]} if key in content["differences"] else {})


if __name__ == "__main__":
    main()
