"""Which videos there are: files, folders, patterns, lists and addresses, named and told by their content.

Nothing is opened but to read three blocks of each file, and that once: what is known of a file is kept in the manifest
and holds while its size and time stamp stay.
"""

from __future__ import annotations

import csv
import glob
import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from clmot.apps.many.remote import is_remote, remote_files
from clmot.apps.many.video import Video, digest
from clmot.apps.track.result_folder import RESERVED
from clmot.errors import UserError, reason_of, require, told_of_disks
from clmot.io.folders import images_in
from clmot.io.mot_sequences import sequence_folders
from clmot.io.sources import distinct_names, matches_of, video_names
from clmot.io.text import read_text
from clmot.io.video_headers import is_address

_BLOCK, _PART, _AT_ONCE = 8192, 500, 16
"""Bytes of a block of a file; files of a part, and parts that are read at once."""
LISTS = (".txt", ".csv", ".tsv")
"""Kinds of files that name videos."""
_SOURCE_COLUMNS = ("source", "path", "video", "file")


class _Found(NamedTuple):
    """A single source; `name` is `given` by a list, or the file's; `stamp` is size and version as its server says."""

    origin: str
    name: str
    stamp: tuple[int, str] | None = None
    given: bool = False
    settings: tuple[str, ...] = ()


@told_of_disks()
def list_videos(sources: Sequence[str | Path], known: Mapping[str, Video]) -> list[Video]:
    """The videos behind some sources, the largest first.

    Args:
        sources: videos; folders of images or of videos, MOTChallenge sequences or folders of them; patterns; lists of
            such (text, one a line; or CSV with a column `source` and columns of settings); addresses (`is_remote`).
        known: what was known of them before, by origin; their names stay.

    Raises:
        UserError: one is missing, empty or a camera, a list cannot be read, or a source is there twice.
    """
    found: dict[str, _Found] = {}
    for each in _expanded([str(source) for source in sources]):
        if found.setdefault(each.origin, each) is not each:
            raise UserError(f"{each.origin}: is named twice")
    require(bool(found), "no source: name videos, folders, patterns, lists or addresses")
    names = {origin: known[origin].name for origin in found if origin in known}
    names |= {origin: each.name for origin, each in found.items() if each.given}
    fresh = [each for origin, each in found.items() if origin not in names]
    if fresh:
        taken = {*RESERVED, *names.values(), *(each.name for each in known.values())}
        distinct = distinct_names([(each.name, each.origin) for each in fresh], tuple(taken))
        names |= {each.origin: name for each, name in zip(fresh, distinct, strict=True)}
    twice = [name for name, count in Counter(names.values()).items() if count > 1]
    require(not twice, f"two sources are called {', '.join(twice[:1])}; give each a name of its own")
    origins = list(found)
    with ThreadPoolExecutor(_AT_ONCE) as pool:  # on a network share each file takes its time
        parts = pool.map(
            lambda some: [_known_or_read(found[each], names[each], known.get(each)) for each in some],
            [origins[start : start + _PART] for start in range(0, len(origins), _PART)],
        )
        videos = [each for part in parts for each in part]
    videos.sort(key=attrgetter("name"))
    return sorted(videos, key=attrgetter("size"), reverse=True)  # which keeps the order of equals


def _known_or_read(found: _Found, name: str, known: Video | None) -> Video:
    """A video, with the hash of its content unless that is known."""
    origin = found.origin
    try:
        size, stamp = found.stamp or _stamp(origin)
        if known and (known.size, known.stamp) == (size, stamp):
            if (known.name, known.settings) == (name, found.settings):
                return known
            content = known.content
        else:
            content = digest(origin, stamp) if found.stamp else _content(origin)
    except OSError as error:
        raise UserError(f"{origin}: cannot be read: {reason_of(error)}") from error
    return Video(name, origin, size, stamp, content, found.settings)


def _stamp(origin: str) -> tuple[int, str]:
    """Size and time stamp of a file, or of all images in a folder."""
    about = os.stat(origin)
    if not stat.S_ISDIR(about.st_mode):
        require(stat.S_ISREG(about.st_mode), f"{origin}: is no file; a camera or pipe is tracked by itself")
        return about.st_size, str(about.st_mtime_ns)
    each = [image.stat() for image in _images(Path(origin))]
    return sum(one.st_size for one in each), digest(*(f"{one.st_size} {one.st_mtime_ns}" for one in each))


def _images(folder: Path) -> list[Path]:
    return images_in(folder) or [image for child in sorted(folder.iterdir()) for image in images_in(child)]


def _content(origin: str) -> str:
    """Hash of a file's size and three blocks of it, or of a folder's image names and sizes and three images."""
    path = Path(origin)
    if not path.is_dir():
        return file_hash(path)
    images = _images(path)
    sizes = [image.stat().st_size for image in images]
    chosen = {0, len(images) // 2, len(images) - 1} & set(range(len(images)))
    said = [f"{image.name} {size}" for image, size in zip(images, sizes, strict=True)]
    return digest(*said, *(file_hash(images[index]) for index in sorted(chosen)))


def file_hash(path: Path) -> str:
    """Hash of a file's size and three blocks of it."""
    size = path.stat().st_size
    facts = hashlib.blake2b(str(size).encode(), digest_size=8)
    with path.open("rb", buffering=0) as file:
        for place in sorted({0, max(0, size // 2 - _BLOCK // 2), max(0, size - _BLOCK)}):
            facts.update(os.pread(file.fileno(), _BLOCK, place))
    return facts.hexdigest()


def _expanded(sources: Sequence[str]) -> Iterator[_Found]:
    for source in sources:
        path = Path(source)
        yield from _listed(path) if path.suffix.lower() in LISTS and path.is_file() else _behind(source)


def _behind(source: str) -> Iterator[_Found]:
    """The single sources behind one name."""
    path = Path(source)
    if is_remote(source):
        for address, size, version in remote_files(source):
            yield _Found(address, Path(address).stem, (size, version))
    elif is_address(source) or (source.isdecimal() and not path.exists()):
        raise UserError(f"{source}: is a camera, which has no end; track it by itself")
    elif path.is_dir():
        folders = sequence_folders(path)
        if images_in(path) and path not in folders:
            folders = [path]
        yield from (_Found(os.path.abspath(each), each.resolve().name) for each in folders)
        if not folders:
            place = os.path.join(os.path.abspath(path), "")
            yield from (_Found(place + name, name.rpartition(".")[0]) for name in video_names(path))
    elif path.is_file():
        yield _Found(os.path.abspath(path), path.stem)
    elif glob.has_magic(source):
        for match in matches_of(source):
            yield from _behind(str(match))
    else:
        raise UserError(f"{source}: no such file or folder; expected a video, images or MOTChallenge sequences")


def _listed(path: Path) -> Iterator[_Found]:
    """The sources in a list; relative ones lie beside it, or where the command runs."""
    text = read_text(path)
    if path.suffix.lower() == ".txt":
        rows: list[dict[str, Any]] = [{"source": line.strip()} for line in text.splitlines()]
        lines = [number for number, row in enumerate(rows, 1) if row["source"] and row["source"][0] != "#"]
        rows = [rows[number - 1] for number in lines]
    else:
        reader = csv.DictReader(text.splitlines(), delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
        rows = list(reader)
        lines = list(range(2, len(rows) + 2))
        columns = reader.fieldnames or ()
        if not set(_SOURCE_COLUMNS) & set(columns):
            raise UserError(f"{path}: line 1: has no column source; it has {', '.join(columns) or 'none'}")
        wrong = [name for name in columns if name not in (*_SOURCE_COLUMNS, "name", "fps") and "." not in name]
        require(not wrong, f"{path}: line 1: column {', '.join(wrong)}: give source, name, fps or SECTION.KEY")
    for number, row in zip(lines, rows, strict=True):
        source = next((value for name in _SOURCE_COLUMNS if (value := row.get(name))), "").strip()
        settings = [
            f"{name}={value}" for name, value in row.items() if name and value and ("." in name or name == "fps")
        ]
        try:
            require(bool(source) and None not in row, "give a source, and as many values as there are columns")
            beside = path.parent / source
            found = list(_behind(source if is_remote(source) or not beside.exists() else str(beside)))
            name = (row.get("name") or "").strip()
            require(not name or (len(found) == 1 and name == Path(name).name), f"{name}: names no single result")
        except UserError as error:
            raise UserError(f"{path}: line {number}: {error}") from error
        for each in found:
            yield each._replace(name=name or each.name, given=bool(name), settings=tuple(settings))


def in_shard(videos: Sequence[Video], shard: str) -> list[Video]:
    """The videos of ``i/n``, with i from 1 to n, told by content: wherever they lie, and whatever else there is.

    Raises:
        UserError: it is no such text.
    """
    number, _, count = shard.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise UserError(f"--shard {shard}: give I/N, with I from 1 to N, such as 3/8")
    return [each for each in videos if int(each.content, 16) % int(count) == int(number) - 1]
