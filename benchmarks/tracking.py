"""Tracking scores of our presets and of other trackers on the very same detections.

    python benchmarks/tracking.py [--json FILE] [--quick] [--model [SEQUENCE=]RUN ...] [--scenarios public oracle ...]
                                  [--no-images] [--try key=value[,key=value ...] ...] [--least-score S] [--out FOLDER]
                                  [--detections FOLDER ...] [--reid FILE.onnx] [--cache FOLDER]

Scenarios, from the sequences in $CLMOT_DATA/mot and from synthetic clips made on the spot:

    public     det/det.txt of every sequence. Its scores are of old detectors and lie anywhere: a straight line takes
               the lowest of the file to 0 and the 95 % quantile to 1, beyond is cut; the same for everyone.
    public, unscored  the same boxes, all with score 1.
    yolox      det/yolox_second_half.txt where there is one, tracked and scored in the second half only.
    detectors  real detections: NAME.txt of every sequence in the folders of --detections, one for each detector
               (`benchmarks/detections.py`). Scores are means over sequences x detectors.
    oracle     the annotated boxes of every sequence, all with score 1.
    synthetic  what a middling detector would find in the clips: people behind others are missed, or found with a low
               score and out of place, and there are false detections.
    synthetic-oracle  the annotated boxes of the clips.

Everyone gets the detections with a score of at least --least-score; what a tracker then takes seriously is decided by
its own default thresholds. Rows "camera" are given the images, and estimate the camera's motion from them. Rows
"embedding" are given, beside the images, the embeddings that --model reads at the boxes: the same for ours and for
every peer that can be handed any. A run folder may be for one sequence alone (SEQUENCE=RUN): one that did not learn
from it. Rows "re-ID" have those of a network of others (--reid: crops of 128x256 pixels) in the same way. --cache
keeps embeddings; with --out, what peers have written stays for the next run.

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
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from peer_trackers import Entry, ours, peers, version
from rich.console import Console
from rich.table import Table

from clmot import Detections
from clmot import boxes as box
from clmot.apps.track.cached_sequence import CachedSequence
from clmot.apps.track.detection import Finder
from clmot.apps.track.detection_store import find_once
from clmot.apps.track.external_detections import rescaled
from clmot.config import load_config
from clmot.config.tracker import PRESETS, Family
from clmot.evaluation.baselines import onnx_embedding
from clmot.evaluation.bootstrap import Difference, interval
from clmot.evaluation.comparison import Comparison, compare
from clmot.inference.model import load_model
from clmot.io.frame_choice import FrameChoice
from clmot.io.mot_sequences import PERSON, read_sequence_info
from clmot.io.mot_text import MotRows, read_mot_rows
from clmot.io.mot_writer import TrackWriter
from clmot.io.sources import open_one
from clmot.structures import Image, TrackedFrame
from clmot.synthetic import write_scenes

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
        means: of the sequences' scores are compared, not scores of all together.
    """

    name: str
    folder: Path
    detections: dict[str, dict[int, Detections]]
    frames: FrameChoice = EVERY_FRAME
    family: Family = "detector"
    means: bool = False


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
    folder: Path, wanted: Sequence[str], least: float, detectors: Sequence[Path], units: Path
) -> Iterator[Scenario]:
    """Scenarios on the sequences of a folder; into `units` go links to them, one for each detector."""
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
    if "detectors" in wanted and detectors:
        found = {}
        for detector, name in ((detector, name) for detector in detectors for name in names):
            unit = units / f"{detector.name}-{name}"
            unit.mkdir()
            for part in (folder / name).resolve().iterdir():
                (unit / part.name).symlink_to(part)
            found[unit.name] = detected(detector / f"{name}.txt", least)
        yield Scenario("detectors", units, found, means=True)
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


def contenders(images: bool, embeds: Sequence[str], tries: Sequence[str]) -> list[Entry]:
    """Who takes part: our default, with all that it can be given, before all others; `embeds` names the embeddings."""
    default = PRESETS["clmot"]
    best = embeds[0] if embeds else ""
    rows = [ours(DEFAULT, default, images, best)]
    if embeds and images:
        rows += [ours(f"{DEFAULT}, {each}", default, images, each) for each in embeds[1:]]
        rows += [ours(f"{DEFAULT}, {each}, no camera", default, embeds=each) for each in embeds]
        rows.append(ours(f"{DEFAULT}, camera", default, True))
    if embeds or images:
        rows.append(ours(f"{DEFAULT}, motion", default))
    for number, each in enumerate(tries, 1):
        changed = load_config(
            overrides=["tracker.preset=clmot", *(f"tracker.{part}" for part in each.split(","))]
        ).tracker
        rows.append(ours(_label(number, each), changed, images, best))
    others = {name: each for name, each in PRESETS.items() if name != DEFAULT}
    if embeds:
        seeing = ("fairmot", "botsort")
        rows += [ours(f"preset {name}, {best}", others[name], images, best) for name in seeing]
    if images:
        moving = [name for name, each in others.items() if each.camera != "none"]
        rows += [ours(f"preset {name}, camera", others[name], True) for name in moving]
    rows += [ours(f"preset {name}", each) for name, each in others.items()]
    if images:
        rows += [peer for each in embeds for peer in peers(embeds=each)]
    if images:
        rows += peers(camera=True)
    return rows + peers()


class Embeddings:
    """Whose embeddings the detections get.

    Args:
        runs: run folders or model files, perhaps for one sequence alone.
        reid: ONNX file of a network of others.
        cache: store where they are kept, by name and sequence (`clmot.apps.track.detection_store`).
    """

    def __init__(self, runs: Sequence[str], reid: Path | None, cache: Path) -> None:
        self._runs = {name: run for name, _, run in (each.rpartition("=") for each in runs)}
        self._reid, self._cache = reid, cache
        self.names = [*(["embedding"] if runs else []), *(["re-ID"] if reid else [])]

    def of(
        self, name: str, sequence: Path, detections: dict[int, Detections], frames: FrameChoice
    ) -> dict[int, Detections]:
        """A sequence's detections with those of that name; as they are where there is no model for it."""
        other = self._reid if name == "re-ID" else None
        model = other or self._runs.get(sequence.name, self._runs.get(""))
        if model is None:
            return detections

        def finders() -> dict[str, Finder]:
            embed = onnx_embedding(other) if other else load_model(str(model)).embed
            return {
                sequence.name: lambda batch: [
                    replace(detections[number], embedding=embed(image, detections[number].xyxy))
                    for number, image in batch
                ]
            }

        boxes = zlib.crc32(np.concatenate([each.xyxy for each in detections.values()]).tobytes())
        origin = {sequence.name: {"embeddings of": str(model), "boxes": boxes}}
        source = {sequence.name: open_one(sequence).only(frames)}
        (file,) = find_once(source, finders, self._cache / name, origin, progress=False)
        stored, _ = CachedSequence.load(file)
        return detections | dict(zip(stored.frame.tolist(), stored.detections, strict=True))


def _label(number: int, change: str) -> str:
    """A change of the configuration in a table's first column."""
    return change if len(change) <= 36 else f"change {number}"


def track(scenario: Scenario, entries: Sequence[Entry], embeddings: Embeddings, out: Path) -> list[Path]:
    """Run all trackers side by side, frame by frame; returns the folder of results of each."""
    folders = [out / "".join(c if c.isalnum() or c in "-=." else "_" for c in each.name) for each in entries]
    for folder, entry in zip(folders, entries, strict=True):
        if not entry.package:  # what peers wrote before is what they would write again
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
    for name, detections in scenario.detections.items():
        began = time.perf_counter()
        files = [folder / f"{name}.txt" for folder in folders]
        those = [(each, file) for each, file in zip(entries, files, strict=True) if not file.is_file()]
        sequence = scenario.folder if scenario.folder.name == name else scenario.folder / name
        _track_one(scenario, sequence, detections, those, embeddings)
        CONSOLE.print(f"{scenario.name}: {name}, {len(those)} trackers, {time.perf_counter() - began:.0f} s")
    return folders


def _track_one(
    scenario: Scenario,
    sequence: Path,
    detections: dict[int, Detections],
    entries: Sequence[tuple[Entry, Path]],
    embeddings: Embeddings,
) -> None:
    info = read_sequence_info(sequence)
    length = info.length or max(detections)
    numbers = np.arange(1, length + 1)
    chosen = numbers[scenario.frames.keeps(numbers, length)].tolist()
    nothing = _of_one_class(np.empty((0, 4)), np.empty(0))
    found = {number: detections.get(number, nothing) for number in chosen}

    seen = {"": found}
    for name in {each.embeds for each, _ in entries} - {""}:
        seen[name] = embeddings.of(name, sequence, found, scenario.frames)
    running = [each.make(info.frame_rate) for each, _ in entries]
    wanted = any(each.needs_images for each, _ in entries)
    with ExitStack() as stack:
        writers = [stack.enter_context(TrackWriter(file)) for _, file in entries]
        for number in chosen:
            image = _read(sequence / info.image_folder / f"{number:06d}.jpg") if wanted else None
            for (each, _), tracker, writer in zip(entries, running, writers, strict=True):
                prepared = tracker.prepare(seen[each.embeds][number])
                answer = tracker.update(prepared, image if each.needs_images else None)
                ids, boxes = tracker.tracks(answer)
                # peers that predict now and then answer with boxes that have no area
                sound = box.well_formed(boxes)
                kept = _of_one_class(boxes[sound], np.ones(np.count_nonzero(sound)))
                writer.write(TrackedFrame(frame=number, detections=kept, track_id=ids[sound]))


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
    for heading in ("HOTA - ours", "IDF1 - ours", "MOTA - ours"):
        table.add_column(heading, justify="right", no_wrap=True)
    rows = dict(zip(names, _scores(compared, scenario.means), strict=True))
    for name, (scores, differences) in rows.items():
        cells = [f"{scores[metric]:.{0 if metric == 'IDSW' else 1}f}" for metric in METRICS]
        table.add_row(name, *cells, *(differences[metric].text(1) for metric in METRICS[:3] if differences))
    for name, reason in missing.items():
        table.add_row(name, reason.split(":")[0])
    CONSOLE.print(table)
    for metric in METRICS[:3]:
        ahead = [
            f"{entry.name} {rows[entry.name][1][metric].value:+.1f}"
            for entry in entries
            if entry.package and rows[entry.name][1][metric].value > 0
        ]
        CONSOLE.print(f"ahead of {DEFAULT} in {metric}: {', '.join(ahead) or 'no peer'}")
    CONSOLE.print()


def _scores(compared: Comparison, means: bool) -> Iterator[tuple[dict[str, float], dict[str, Difference]]]:
    """Of each result set the scores, and how much they are more than those of the first."""
    for key, scores in compared.scores.items():
        differences = compared.differences.get(key, {})
        if not means:
            yield scores.combined, differences
            continue
        mean = {name: float(np.mean([each[name] for each in scores.sequences.values()])) for name in METRICS}
        less = [*compared.of_sequences(key).values()] if differences else []
        drawn = np.random.default_rng(0).integers(len(less) or 1, size=(DRAWS, len(less)))
        apart = {name: np.array([each[name] for each in less]) for name in METRICS if less}
        yield (
            mean,
            {name: Difference(float(each.mean()), interval(each[drawn].mean(axis=1))) for name, each in apart.items()},
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write all scores there as well, by sequence too")
    parser.add_argument("--quick", action="store_true", help="validation and synthetic only, without images")
    parser.add_argument("--scenarios", nargs="+", choices=SCENARIOS, default=[*SCENARIOS[:-1]])
    parser.add_argument("--model", nargs="+", default=[], metavar="[SEQUENCE=]RUN", help="models, for embeddings")
    parser.add_argument("--reid", type=Path, metavar="FILE.onnx", help="a re-ID network of others, for embeddings")
    parser.add_argument("--cache", type=Path, help="folder to keep embeddings in")
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
    scratch = tempfile.TemporaryDirectory()
    embeddings = Embeddings(options.model, options.reid, options.cache or Path(scratch.name))
    entries, missing, packages = [], {}, {}
    for entry in contenders(images, embeddings.names, options.tries):
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
            units = Path(temporary) / "units"
            units.mkdir()
            scenarios = [*real_scenarios(data, wanted, options.least_score, options.detections, units), *scenarios]
        else:
            CONSOLE.print("CLMOT_DATA names no folder with mot/: synthetic clips only\n")
        for scenario in scenarios:
            folder = out / scenario.name.replace(", ", "-")
            results = track(scenario, [each.suited(scenario.family) for each in entries], embeddings, folder)
            draws = DRAWS if len(scenario.detections) > 1 and not scenario.means else 0
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
