"""ETH (BIWI) pedestrian sequences and others with ``.idl`` files (Ess et al. 2008, doi:10.1109/CVPR.2008.4587581).

A line an annotated image: ``"left/image_00000000_0.png": (212, 204, 232, 261):-1, (223, 181, 259, 285):-1;`` with two
corners a box in 0-based pixels and a score, which ground truth has no use for. The last line ends in a full stop.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from clmot.data.readers.assembly import Frame
from clmot.data.readers.collector import Collector, Object
from clmot.data.readers.formats import Format
from clmot.data.readers.table import read_text
from clmot.errors import UserError
from clmot.io.image_size import read_image_size
from clmot.io.sequences import describe_folder
from clmot.types import Dataset

EXPECTED = "an .idl file beside left/image_00000000_0.png ..."
"""What a sequence looks like, for error messages."""

_NUMBER = r"\s*([-+]?[0-9]*\.?[0-9]+)\s*"
_BOX = re.compile(rf"\(({','.join([_NUMBER] * 4)})\)\s*(?:[:~]{_NUMBER})*")
_LINE = re.compile(r'\s*"([^"]+)"\s*(?::\s*(.*?))?\s*[;.]?\s*')


def read_eth(path: Path) -> Dataset:
    """Read the annotated frames of one sequence or several.

    Boxes whose corners are the other way round are turned; scores are not looked at; identities are unknown. Images
    without a line are not annotated (some files name every fourth) and no samples.

    Args:
        path: the ``.idl`` file; or the folder that holds it; or a folder of those. Images are looked for as the file
            names them, and by that name in the folders beside the file (``seq03-img-left``).

    Raises:
        UserError: nothing there, several files in one folder, a faulty line, a missing image.
    """
    files = [path] if path.is_file() else _annotation_files(path)
    if not files:
        raise UserError(f"{path}: no .idl file there ({describe_folder(path)}); expected {EXPECTED}")
    collector = Collector(["person"])
    for file in files:
        _add(file, file.stem if path.is_file() else file.absolute().parent.name, collector)
    return collector.dataset()


def _add(file: Path, sequence: str, collector: Collector) -> None:
    lines: dict[str, tuple[int, list[Object]]] = {}
    for number, text in enumerate(read_text(file).splitlines(), 1):
        if not text.strip():
            continue
        name, objects = _parse(text, f"{file}:{number}")
        if name in lines:
            raise UserError(f"{file}:{number}: image {name} is in line {lines[name][0]} already")
        lines[name] = number, objects
    if not lines:
        raise UserError(f"{file}: no line in it")
    folder: Path | None = None
    frame_numbers = _frame_numbers(list(lines))
    for name, (number, objects) in lines.items():
        folder = folder or _image_folder(file, name, number)
        image = folder / PurePosixPath(name).name
        if not image.is_file():
            raise UserError(f"{file}:{number}: image {image} is missing")
        width, height = read_image_size(image)
        collector.add(Frame(image, width, height, sequence, frame_numbers[name]), objects)


def _parse(text: str, where: str) -> tuple[str, list[Object]]:
    line = _LINE.fullmatch(text)
    if line is None:
        raise UserError(
            f'{where}: expected "image.png": (left, top, right, bottom):score, ...; got {text.strip()[:60]}'
        )
    objects, rest = [], (line[2] or "").strip()
    while rest:
        box = _BOX.match(rest)
        after = rest[box.end() :].lstrip() if box else ""
        if box is None or (after and not after.startswith(",")):
            raise UserError(f"{where}: expected a box (left, top, right, bottom):score, got '{rest[:60]}'")
        rest = after.removeprefix(",").lstrip()
        first_x, first_y, second_x, second_y = (float(box[i]) for i in range(2, 6))
        left, right = sorted((first_x, second_x))
        top, bottom = sorted((first_y, second_y))
        objects.append(Object(left, top, right, bottom, 0))
    return line[1].replace("\\", "/"), objects


def _frame_numbers(names: list[str]) -> dict[str, int]:
    """Frame numbers from 1: the number that each name has (``image_00000036_0``), else its place."""
    digits = [re.search(r"([0-9]+)(?:_[0-9])?$", PurePosixPath(name).stem) for name in names]
    numbers = [int(match[1]) for match in digits if match]
    if len(set(numbers)) < len(names):
        return {name: place for place, name in enumerate(names, 1)}
    first = min(numbers)
    return {name: number + (first == 0) for name, number in zip(names, numbers, strict=True)}


def _image_folder(file: Path, name: str, line: int) -> Path:
    """The folder of the images: the first that has the one of the first line."""
    relative = PurePosixPath(name)
    beside = sorted(child for child in file.parent.iterdir() if child.is_dir())
    folders = [file.parent / relative.parent, file.parent, *beside, *(child / relative.parent for child in beside)]
    for folder in folders:
        if (folder / relative.name).is_file():
            return folder
    raise UserError(f"{file}:{line}: image {name} not found; looked in {', '.join(map(str, dict.fromkeys(folders)))}")


def _annotation_files(folder: Path) -> list[Path]:
    """The one file of the folder, else one of each of its folders."""
    files: list[Path] = []
    for place in (folder, *(child for child in sorted(folder.glob("*")) if child.is_dir())):
        here = sorted(place.glob("*.idl"))
        if len(here) > 1:
            raise UserError(f"{place}: {len(here)} .idl files ({here[0].name}, {here[1].name}, ...); name one of them")
        if here and place == folder:
            return here
        files += here
    return files


def _matches(path: Path) -> bool:
    if path.is_file():
        return path.suffix.lower() == ".idl"
    return any(path.glob("*.idl")) or any(path.glob("*/*.idl"))


FORMAT = Format(
    name="eth",
    title="ETH (BIWI) pedestrians and other sequences with .idl files",
    tree="""bahnhof-annot.idl
left/image_00000000_0.png ..., or seq03-img-left/image_00000000_0.png ..., or beside the file""",
    licence="see the home page",
    home="https://data.vision.ee.ethz.ch/cvl/aess/dataset/",
    matches=_matches,
    read=lambda path, min_visibility: read_eth(path),
)
