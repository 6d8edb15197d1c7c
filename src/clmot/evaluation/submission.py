"""Archives for the evaluation servers of MOTChallenge and DanceTrack.

MOTChallenge takes a zip with ``<sequence>.txt`` in its root for each sequence of the benchmark, those of the training
set included, with 10 columns (https://motchallenge.net/instructions/). MOT17 has each video three times, once for each
public detector: 42 files; results with detections of one's own are the same in all three. DanceTrack's server takes
the sequences of its test set in a folder named ``tracker`` (https://github.com/DanceTrack/DanceTrack).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clmot.errors import UserError, did_you_mean, plural
from clmot.io.atomic import whole_file
from clmot.io.folders import describe_folder
from clmot.io.mot_sequences import PERSON
from clmot.io.mot_text import read_mot_table
from clmot.structures import BoolArray, Int64Array

_MOST_PROBLEMS = 30
"""More than these are counted, not listed."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""One time for all files, so that the same results make the same archive."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """What a benchmark's server expects.

    Attributes:
        test: number of frames of each sequence to test on, None where unknown here.
        train: the same of the training sequences that must be there too.
        copies: endings of the names of the copies that each sequence comes in.
        folder: the folder in the archive.
    """

    test: Mapping[str, int | None]
    train: Mapping[str, int | None] = field(default_factory=dict)
    copies: tuple[str, ...] = ("",)
    folder: str = ""


def _numbered(prefix: str, lengths: Mapping[int, int]) -> dict[str, int | None]:
    return {f"{prefix}-{number:02d}": length for number, length in lengths.items()}


_MOT16_TRAIN = {2: 600, 4: 1050, 5: 837, 9: 525, 10: 654, 11: 900, 13: 750}
_MOT16_TEST = {1: 450, 3: 1500, 6: 1194, 7: 500, 8: 625, 12: 900, 14: 750}
_DANCETRACK_TEST = (
    "3 9 11 13 17 21 22 28 31 36 38 40 42 46 48 50 54 56 59 60 64 67 70 71 76 78 84 85 88 89 91 92 93 95 100"
)

SERVERS = {
    "mot15": Server(
        train={
            "ADL-Rundle-6": 525,
            "ADL-Rundle-8": 654,
            "ETH-Bahnhof": 1000,
            "ETH-Pedcross2": 837,
            "ETH-Sunnyday": 354,
            "KITTI-13": 340,
            "KITTI-17": 145,
            "PETS09-S2L1": 795,
            "TUD-Campus": 71,
            "TUD-Stadtmitte": 179,
            "Venice-2": 600,
        },
        test={
            "ADL-Rundle-1": 500,
            "ADL-Rundle-3": 625,
            "AVG-TownCentre": 450,
            "ETH-Crossing": 219,
            "ETH-Jelmoli": 440,
            "ETH-Linthescher": 1194,
            "KITTI-16": 209,
            "KITTI-19": 1059,
            "PETS09-S2L2": 436,
            "TUD-Crossing": 201,
            "Venice-1": 450,
        },
    ),
    "mot16": Server(train=_numbered("MOT16", _MOT16_TRAIN), test=_numbered("MOT16", _MOT16_TEST)),
    "mot17": Server(
        train=_numbered("MOT17", _MOT16_TRAIN),
        test=_numbered("MOT17", _MOT16_TEST),
        copies=("-DPM", "-FRCNN", "-SDP"),
    ),
    "mot20": Server(
        train=_numbered("MOT20", {1: 429, 2: 2782, 3: 2405, 5: 3315}),
        test=_numbered("MOT20", {4: 2080, 6: 1008, 7: 585, 8: 806}),
    ),
    "dancetrack": Server(
        test={f"dancetrack{int(number):04d}": None for number in _DANCETRACK_TEST.split()}, folder="tracker/"
    ),
}
"""By benchmark."""


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What was written.

    Attributes:
        path: the archive.
        files: how many files are in it.
        copied: how many of them repeat the results of another copy of their sequence.
        other_classes: how many rows were left out because they are of no person.
    """

    path: Path
    files: int
    copied: int
    other_classes: int


def submit(results: str | Path, out: str | Path, *, benchmark: str, test_only: bool = False) -> Submission:
    """Write the archive that a benchmark's server takes, or say everything that is wrong with the results.

    Rows are written in order, with 10 columns. Where a sequence of MOT17 has results for one copy only, or under its
    name without a detector, they stand for the copies that have none.

    Args:
        results: folder with ``<sequence>.txt`` for each sequence, MOTChallenge text.
        out: the archive, a ``.zip``.
        benchmark: one of `SERVERS`.
        test_only: leave the training sequences out (MOTChallenge's server refuses that).

    Raises:
        UserError: the benchmark is unknown; the results have problems, which are all listed, a line each; the archive
            cannot be written.

    Examples:
        >>> clmot.submit("results", "upload.zip", benchmark="MOT17")  # doctest: +SKIP
    """
    if benchmark not in SERVERS:
        known = ", ".join(SERVERS)
        raise UserError(f"no server is known for '{benchmark}'{did_you_mean(benchmark, SERVERS)}; known: {known}")
    results, out = Path(results), Path(out)
    if out.suffix != ".zip":
        raise UserError(f"{out}: the archive's name must end in .zip")
    if not results.is_dir():
        raise UserError(f"{results}: no such folder; expected results of {benchmark}")
    server = SERVERS[benchmark]
    lengths = dict(server.test) if test_only else {**server.train, **server.test}
    problems: list[str] = []
    texts: dict[str, str] = {}
    copied = other_classes = 0
    for sequence, length in lengths.items():
        files = {copy: results / f"{sequence}{copy}.txt" for copy in server.copies}
        there = [file for file in (*files.values(), results / f"{sequence}.txt") if file.is_file()]
        if not there:
            some = f" (or {files[server.copies[0]].name}, or one of another detector)" if len(files) > 1 else ""
            problems.append(f"no results for {sequence}: expected {sequence}.txt{some}")
            continue
        read: dict[Path, str] = {}
        for copy, file in files.items():
            source = file if file.is_file() else there[-1 if there[-1].stem == sequence else 0]
            copied += source in read
            if source not in read:
                read[source], others, found = _checked(source, length)
                other_classes += others
                problems += found
            texts[f"{sequence}{copy}"] = read[source]
    if problems:
        more = f"\n  and {len(problems) - _MOST_PROBLEMS} more" if len(problems) > _MOST_PROBLEMS else ""
        raise UserError(
            f"{results}: not ready for {benchmark} ({len(problems)} problem{'s' * (len(problems) > 1)}; "
            f"{describe_folder(results)}):\n  " + "\n  ".join(problems[:_MOST_PROBLEMS]) + more
        )
    _write(out, {f"{server.folder}{name}.txt": text for name, text in texts.items()})
    return Submission(path=out, files=len(texts), copied=copied, other_classes=other_classes)


def _checked(file: Path, length: int | None) -> tuple[str, int, list[str]]:
    """The rows as the server wants them, how many are of no person, and what is wrong with the file."""
    try:
        table, line = read_mot_table(file)
    except UserError as error:
        return "", 0, [str(error)]
    persons = table[:, 7] <= PERSON if table.shape[1] == 9 else np.ones(len(table), np.bool_)
    table, line, others = table[persons], line[persons], int((~persons).sum())
    problems = [
        f"{file}:{line[rows][0]}: {what}" + (f" (and {rows.sum() - 1} more rows)" if rows.sum() > 1 else "")
        for rows, what in _faults(table, length)
        if rows.any()
    ]
    if not len(table):
        problems.append(f"{file}: no rows")
    return _text(table), others, problems


def _faults(table: npt.NDArray[np.float64], length: int | None) -> Iterator[tuple[BoolArray, str]]:
    """Which rows have each fault."""
    frame, identity = table[:, 0], table[:, 1]
    if length is not None:
        yield frame > length, f"a frame after the sequence's {plural(length, 'frame')}"
    yield identity < 1, "an id that is not positive"
    sound = np.isfinite(table[:, 2:7]).all(axis=1) & (table[:, 4:6] > 0).all(axis=1)
    yield np.asarray(~sound), "a box without area"
    repeated = np.zeros(len(table), np.bool_)
    order = np.lexsort((identity, frame))
    repeated[order[1:]] = (frame[order[1:]] == frame[order[:-1]]) & (identity[order[1:]] == identity[order[:-1]])
    yield repeated, "an id that is in this frame already"


def _text(table: npt.NDArray[np.float64]) -> str:
    """10 columns, by frame and id."""
    order: Int64Array = np.lexsort((table[:, 1], table[:, 0]))
    text = io.StringIO()
    for row in table[order, :7].tolist():
        text.write(f"{row[0]:.0f},{row[1]:.0f},{row[2]:.10g},{row[3]:.10g},{row[4]:.10g},{row[5]:.10g},{row[6]:.10g}")
        text.write(",-1,-1,-1\n")
    return text.getvalue()


def _write(out: Path, texts: Mapping[str, str]) -> None:
    with whole_file(out, "the archive") as partial, zipfile.ZipFile(partial, "w") as archive:
        for name, text in texts.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), text, zipfile.ZIP_DEFLATED)
