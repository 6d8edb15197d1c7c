"""Where annotations and the images that they name are found, the same for every reader.

Tools move files, rename folders and write the paths of other machines: an image is looked for by its whole path, then
by ever shorter ends of it, last by its file name alone. What is not there is counted: partial downloads are normal.
"""

from __future__ import annotations

import contextlib
import filecmp
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from clmot.errors import UserError
from clmot.io.folders import IMAGE_SUFFIXES, folders_in, images_below, images_in, natural_order

ANNOTATION_FOLDERS = ("annotations", "annotation", "labels", "label", "json", "jsons", "xml", "xmls", "ann")
IMAGE_FOLDERS = ("images", "Images", "JPEGImages", "img1", "frames")
SPLITS = {"train": ("train", "training"), "val": ("val", "valid", "validation"), "test": ("test", "testing")}
"""Splits by the names, in small letters, that tools give to their folders."""

_SPLIT_AT_END = re.compile(r"^(?:.*[-_. ])?([a-z]+)[0-9]*$")
UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")
"""What Label Studio puts before the names of uploaded files."""
_DRIVE = re.compile(r"[A-Za-z]:")


def annotation_files(folder: Path, suffix: str) -> list[Path]:
    """The files of a suffix in a folder, else in one of its `ANNOTATION_FOLDERS`, in natural order."""
    inner = [child for child in folders_in(folder) if child.name.lower() in ANNOTATION_FOLDERS]
    below = [each for child in inner for each in folders_in(child) if each.name.lower() in ANNOTATION_FOLDERS]
    for place in (folder, *inner, *below):
        files = [file for file in place.glob(f"*{suffix}") if not file.name.startswith(".")] if place.is_dir() else []
        if files:
            return sorted(files, key=natural_order)
    return []


def split_folders(path: Path) -> dict[str, Path]:
    """The folders of a data set's splits in a folder, by split, training first.

    A split's name may also end a longer one (``VisDrone2019-DET-train``, ``train2017``), where no other folder's does.
    """
    by_name = {child.name.lower(): child for child in folders_in(path)}
    found = {}
    for split, names in SPLITS.items():
        exact = [by_name[name] for name in names if name in by_name]
        ending = [child for name, child in by_name.items() if _SPLIT_AT_END.sub(r"\1", name) in names]
        if exact or len(ending) == 1:
            found[split] = (exact or ending)[0]
    return found


def not_read(others: Sequence[str]) -> str:
    """What a note says of the splits that are there too, if there are any."""
    return f" ({', '.join(others)} not read: name them)" * bool(others)


class ImageFinder:
    """Finds the images that an annotation file names.

    Args:
        file: the annotation file, or one of a folder of such files.
        places: more folders that a name may start from.

    Attributes:
        places: the folders that a name may start from.
    """

    def __init__(self, file: Path, places: Iterable[Path] = ()) -> None:
        parent = file.absolute().parent
        above = [parent, *parent.parents][:3]
        # the folder of the data set, where the file is in its folder of annotations
        self._root = next((each.parent for each in above[::-1] if each.name.lower() in ANNOTATION_FOLDERS), parent)
        split = file.stem.removeprefix("instances_")
        self.places, self._outside = (
            list(dict.fromkeys(root / name for root in roots for name in ("", *IMAGE_FOLDERS, split)))
            for roots in ((parent, self._root), (parent.parent,))
        )
        self.places += places
        self._parent_name = parent.name
        self._found_inside = False
        self._name_of: dict[Path, str] = {}
        self._names: dict[Path, dict[str, str]] = {}
        self._searched: dict[tuple[bool, tuple[str, ...]], list[tuple[Path, dict[str, str]]]] = {}
        self._conflicts: dict[tuple[tuple[str, ...], Path], bool] = {}
        self._below: dict[str, list[Path]] | None = None

    def __call__(self, name: str) -> Path | None:
        """The image of a name, None where it is not there.

        Args:
            name: a file name, a path of whatever system, or an address; the suffix may be missing.
        """
        if os.path.isabs(name) and os.path.isfile(name):
            return Path(name)
        parts = _parts(name)
        if not parts:
            return None
        image = self._at(self.places, parts) or self._anywhere_below(parts[-1])
        self._found_inside |= image is not None
        # what lies beside the folder is another data set's, if the folder has images of its own
        if image is None and not self._found_inside:
            image = self._at(self._outside, parts)
        if image is None or self._of_another_split(tuple(parts[:-1]), image.parent):
            return None
        # an image has one name: what has another one is not there, and this one was found by a part of its name
        return image if self._name_of.setdefault(image, name) == name else None

    def _of_another_split(self, folders: tuple[str, ...], folder: Path) -> bool:
        if not folders:
            return False
        key = (folders, folder)
        if key not in self._conflicts:
            mine, theirs = split_names(folders), split_names(Path(os.path.relpath(folder, self._root)).parts)
            self._conflicts[key] = bool(mine and theirs and not mine & theirs)
        return self._conflicts[key]

    def _at(self, places: Sequence[Path], parts: list[str]) -> Path | None:
        """The image in the first of the places that has it, in as many of its folders as possible."""
        name, folders = parts[-1], self._folders(places, tuple(parts[:-1]))
        for folder, names in folders:
            if name in names:
                return folder / names[name]
        plain = UPLOAD_PREFIX.sub("", name)
        # a number without a suffix stands for an image that is numbered so
        keys = (plain, _stem(name), _stem(plain), f"#{int(name)}" if name.isdecimal() and len(name) < 20 else "")
        for folder, names in folders:
            for key in keys:
                if key in names:
                    return folder / names[key]
        return None

    def _folders(self, places: Sequence[Path], inner: tuple[str, ...]) -> list[tuple[Path, dict[str, str]]]:
        """The folders that have images among some places, with all of a path's folders, with ever fewer, with none."""
        key = (places is self.places, inner)
        if key not in self._searched:
            tried = (place.joinpath(*inner[start:]) for start in range(len(inner) + 1) for place in places)
            self._searched[key] = [(folder, names) for folder in tried if (names := self._names_in(folder))]
        return self._searched[key]

    def _names_in(self, folder: Path) -> dict[str, str]:
        """The images of a folder by name, then by name in small letters without suffix, then by number."""
        if folder not in self._names:
            found = images_in(folder)[::-1]
            names = {f"#{int(image.stem)}": image.name for image in found if image.stem.isdecimal()}
            names |= {image.stem.lower(): image.name for image in found}
            self._names[folder] = names | {image.name: image.name for image in found}
        return self._names[folder]

    def _anywhere_below(self, name: str) -> Path | None:
        """The one image of a file name in the data set; of several, that in a folder named like the annotations'."""
        if self._below is None:
            self._below = {}
            for image in images_below(self._root):
                for key in {image.name, image.stem, str(int(image.stem)) if image.stem.isdecimal() else image.stem}:
                    self._below.setdefault(key, []).append(image)
        found = self._below.get(name, [])
        if len(found) > 1:
            near = [image for image in found if image.parent.name == self._parent_name]
            found = near if near else found
        # copies of one image are as good as one
        same = all(filecmp.cmp(found[0], image, shallow=False) for image in found[1:])
        return found[0] if found and same else None


def leads_out(name: str) -> bool:
    """Whether a relative name in a list leads beyond the folder that the data set's lies in.

    An absolute one says openly where it leads, and tools write such.
    """
    return os.path.normpath(name.replace("\\", "/")).replace("\\", "/").startswith("../..")


def split_names(words: Iterable[str]) -> set[str]:
    """The splits that some words name."""
    words = {word.lower() for word in words}
    return {split for split, names in SPLITS.items() if words & set(names)}


def _stem(name: str) -> str:
    """A file name in small letters, without the suffix of an image."""
    stem, suffix = os.path.splitext(name)
    return (stem if suffix.lower() in IMAGE_SUFFIXES else name).lower()


def _parts(name: str) -> list[str]:
    """The folders and the file name of a path or address, without what means nothing elsewhere."""
    path = name.replace("\\", "/")
    if "://" in path or path.startswith("/data/"):
        with contextlib.suppress(ValueError):  # what is no address is a name
            address = urlsplit(path)
            # Label Studio serves files in place as /data/local-files/?d=folder/a.jpg
            path = unquote(parse_qs(address.query).get("d", [address.path])[0])
    return [part for part in path.split("/") if part not in ("", ".", "..") and not _DRIVE.fullmatch(part)]


class Absent:
    """Annotated images, or sequences of them, that are not on disk."""

    def __init__(self, unit: str = "image") -> None:
        """Start with none; `unit` is what one is called."""
        self._unit = unit
        self._count = 0
        self._first = ""

    def __bool__(self) -> bool:
        return self._count > 0

    def add(self, name: object, file: Path, places: Iterable[Path] = ()) -> None:
        """Count one that a file names and that was looked for in some places."""
        if not self._count:
            found = [str(place) for place in places if place.is_dir()]
            self._first = f"{file}: {self._unit} {name} not found" + f"; looked in {', '.join(found)}" * bool(found)
        self._count += 1

    def settle(self, found: int, skipped: Counter[str]) -> None:
        """Count all of them as left out.

        Raises:
            UserError: they are all that there is.
        """
        if self._count and not found:
            raise UserError(self._first + f"; nor any of {self._count - 1} more" * (self._count > 1))
        skipped[f"{self._unit} that is not there"] += self._count
