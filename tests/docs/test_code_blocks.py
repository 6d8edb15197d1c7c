"""Code blocks of the README and the documentation run as they stand, in a folder with the files that they name.

A block that does not run says why, in a comment before it: ``<!-- not run: a GPU -->``.
"""

import re
import shlex
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from command_line import call
from data_builders import TINY_NETWORK

import clmot
from clmot.io.image import read_image

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
def test_code_blocks_run_or_say_why_not(page, request, monkeypatch, capsys):
    blocks = [block for block in blocks_of(page) if block.language in ("bash", "python", "")]
    assert [f"{page.name}:{block.line}" for block in blocks if not block.language and "clmot" in block.text] == []
    if all(block.excuse for block in blocks):
        return
    place = request.getfixturevalue("place")
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
