"""Code blocks of the README and the documentation run as they stand, in a folder with the files that they name.

A block that does not run says why, in a comment before it: ``<!-- not run: a GPU -->``.
"""

import re
import shlex
import shutil
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from command_line import call
from data_builders import TINY_NETWORK

import clmot
from clmot.datasets.readers import read_dataset
from clmot.io.image import read_image
from clmot.io.video_writer import VideoWriter
from clmot.structures import Detections
from clmot.synthetic import write_scenes

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

SMALL = [*TINY_NETWORK, "model.embedding_dimension=16", "data.workers=0", "train.batch_size=2", "train.steps=2"]
EXTRA = {
    "train": [*SMALL, "--size", "128x96"],
    "attach": SMALL,
    "track": ["--overwrite"],
    "adapt": ["train.steps=2", "data.workers=0", "adapt.min_seconds=0.3", "adapt.min_score=0.1"],
}
"""What makes a command quick; it is laid over what the page says."""
SHORTENED = ("--steps", "--epochs", "--size", "--recipe", "--trials")

DETECTOR = """
import numpy as np

def find(image):
    return np.array([[20.0, 40.0, 60.0, 120.0, 0.9, 0], [120.0, 40.0, 160.0, 120.0, 0.8, 0]])
"""


class Block(NamedTuple):
    """One fenced block of a page."""

    line: int
    language: str
    text: str
    excuse: str


def blocks_of(page: Path) -> list[Block]:
    """All fenced blocks, with the reason why one is not run."""
    found, lines = [], page.read_text().splitlines()
    start = None
    for number, line in enumerate(lines):
        if line.lstrip().startswith("```"):
            if start is None:
                start = number
                continue
            before = next((each for each in reversed(lines[:start]) if each.strip()), "")
            excuse = re.fullmatch(r"<!-- not run: (.+) -->", before.strip())
            text = "\n".join(lines[start + 1 : number]) + "\n"
            language = lines[start].strip().strip("`")
            found.append(Block(start + 1, language, text, excuse[1] if excuse else ""))
            start = None
    assert start is None, f"{page.name}:{start}: the block has no end"
    return found


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every file that the pages name."""
    place = tmp_path_factory.mktemp("template")
    scenes = place / "scenes"
    write_scenes(scenes, still_frames=6, still_sequences=1, clips=1, clip_frames=30, size=(256, 160), seed=2)
    samples = read_dataset([scenes / "clips"], identities=True).samples
    with VideoWriter(place / "street.mp4", 10, (256, 160)) as writer:
        for number, sample in enumerate(samples, 1):
            writer.write(read_image(sample.image), number, (number - 1) / 10)
    truth = {sample.frame: sample.boxes[~sample.ignore] for sample in samples}
    for name in ("monday", "other", "road"):
        shutil.copy(place / "street.mp4", place / f"{name}.mp4")
    for name in ("MOT17/train", "MOT17/val", "MOT16/train"):
        shutil.copytree(scenes / "clips", place / name)
    for name in ("photos", "frames"):
        (place / name).mkdir()
        for sample in read_dataset([scenes / "stills"]).samples:
            shutil.copy(sample.image, place / name / Path(sample.image).name)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(place)
        assert call("data", "convert", "scenes/stills", "--to", "coco", "--out", "coco") == 0
    (coco,) = (place / "coco").rglob("*.json")
    shutil.copytree(coco.parent, place, dirs_exist_ok=True)
    (place / coco.name).rename(place / "boxes.json")
    (place / "detect.py").write_text(DETECTOR)
    cv2.imwrite(str(place / "floor.png"), np.full((160, 256), 255, np.uint8))

    frames = iter(sorted(truth))

    class Truth:
        classes = ("person",)

        def detect(self, images):
            boxes = [truth[next(frames)] for _ in images]
            return [Detections(xyxy=b, score=np.full(len(b), 0.9), class_id=np.zeros(len(b))) for b in boxes]

    clmot.track(place / "street.mp4", Truth(), place / "results", explain=True, progress=False)
    shutil.copy(place / "results" / "street.txt", place / "street.txt")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(place)
        assert call("train", "boxes.json", "--out", "runs/first", *EXTRA["train"]) == 0
        shutil.copytree("runs/first", "runs/mine")
    shutil.rmtree(scenes)
    return place


def commands_of(text: str) -> list[list[str]]:
    """The command lines of a shell block, in words."""
    joined = text.replace("\\\n", " ")
    lines = (part for line in joined.splitlines() for part in line.split(" && "))
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def shortened(words: list[str]) -> list[str]:
    """A command of `clmot`, quick."""
    verb, rest = words[1], words[2:]
    if verb in ("train", "attach", "adapt") and "--out" in rest:
        shutil.rmtree(rest[rest.index("--out") + 1], ignore_errors=True)
    if verb in EXTRA:
        drop = {place + step for place, word in enumerate(rest) if word in SHORTENED for step in (0, 1)}
        rest = [word for place, word in enumerate(rest) if place not in drop] + EXTRA[verb]
    return [verb, *rest]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_code_blocks_run_or_say_why_not(page, template, tmp_path, monkeypatch, capsys):
    blocks = [block for block in blocks_of(page) if block.language in ("bash", "python", "")]
    assert [f"{page.name}:{block.line}" for block in blocks if not block.language and "clmot" in block.text] == []
    if all(block.excuse for block in blocks):
        return
    place = tmp_path / "place"
    shutil.copytree(template, place)
    monkeypatch.chdir(place)
    monkeypatch.setenv("CLMOT_OUT", "")
    monkeypatch.delenv("CLMOT_OUT")
    images = [read_image(image) for image in sorted((place / "frames").iterdir())]
    names = {"images": images, "frames": images, "clmot": clmot, "np": np, "numpy": np}
    for block in blocks:
        where = f"{page.name}:{block.line}"
        if block.excuse:
            continue
        if block.language == "python":
            exec(compile("\n" * block.line + block.text, str(page), "exec"), names)
            continue
        for words in commands_of(block.text):
            if words[:2] == ["pip", "install"]:
                continue
            assert words[0] == "clmot", f"{where}: {' '.join(words)}: say why it is not run"
            code = call(*shortened(words))
            assert code == 0, f"{where}: {' '.join(words)}\n{capsys.readouterr().err[-2000:]}"
