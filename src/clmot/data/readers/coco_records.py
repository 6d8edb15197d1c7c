"""The records of COCO files: read from the file, and checked one by one with faults named by place and field."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Sequence
from itertools import chain
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple

from clmot.data.readers.json_stream import open_json
from clmot.errors import UserError

EXPECTED = "a COCO file with images, annotations and categories"
"""What a COCO file is, for error messages."""

Record = dict[str, Any]
"""A JSON object."""

_ID = (int, str)
_LARGEST = 2**63


class CheckedAnnotation(NamedTuple):
    """What an annotation says, its box in pixels; numbers need not be finite."""

    ltwh: list[float]
    image: int | str
    category: int | str
    identity: int
    score: float


class AnnotationColumns:
    """Annotations in columns, in their order: a million as objects would take a gigabyte.

    Attributes:
        where: what messages name before an annotation's number, such as ``train.json: annotations``.
        image_ids: the images that have annotations, each with its number in `image`.
        category_ids: the categories that have annotations, each with its number in `category`.
        ltwh: four float64 an annotation; need not be finite.
        image: int64.
        category: int64.
        ignore: 1 where `iscrowd` or `ignore` is set, 0 elsewhere.
        identity: int64, -1 where unknown.
        score: float64; 1 where not given.
    """

    def __init__(self, where: str) -> None:
        """Start without annotations."""
        self.where = where
        self.image_ids: dict[int | str, int] = {}
        self.category_ids: dict[int | str, int] = {}
        self.ltwh = array("d")
        self.image = array("q")
        self.category = array("q")
        self.ignore = array("b")
        self.identity = array("q")
        self.score = array("d")

    def extend(self, annotations: Sequence[Any]) -> None:
        """Add annotations, faster in large batches: what is as usual in all of them is checked by columns.

        Raises:
            UserError: one is no object, or as `check_annotation`, named by its number.
        """
        if not self._extend_usual(annotations):
            for annotation in annotations:
                self._append(annotation)

    def _extend_usual(self, annotations: Sequence[Any]) -> bool:
        """Add annotations without looking at each; False, and nothing is added, where one of them may be at fault."""
        if {*map(type, annotations)} != {dict}:
            return False
        try:
            boxes = [each["bbox"] for each in annotations]
            images = [each["image_id"] for each in annotations]
            categories = [each["category_id"] for each in annotations]
        except KeyError:
            return False
        if not ({*map(type, boxes)} == {list} and {*map(len, boxes)} == {4}):
            return False
        sides = list(chain.from_iterable(boxes))
        scores = [each.get("score", 1.0) for each in annotations]
        identities = [each.get("track_id") for each in annotations]
        if {*map(type, identities)} == {NoneType}:
            identities = [each.get("instance_id", -1) for each in annotations]
        usual = (
            {*map(type, sides), *map(type, scores)} <= {float, int}
            and {*map(type, images), *map(type, categories)} <= {int, str}
            and {*map(type, identities)} == {int}
            and min(identities) >= -1
        )
        if not usual:
            return False
        try:
            ltwh, score, identity = array("d", sides), array("d", scores), array("q", identities)
        except OverflowError:
            return False
        self.ltwh += ltwh
        self.score += score
        self.identity += identity
        self.image += array("q", [self.image_ids.setdefault(each, len(self.image_ids)) for each in images])
        self.category += array("q", [self.category_ids.setdefault(each, len(self.category_ids)) for each in categories])
        self.ignore += array("b", [bool(each.get("iscrowd") or each.get("ignore")) for each in annotations])
        return True

    def _append(self, annotation: Any) -> None:
        where = f"{self.where}[{len(self.score)}]"
        if not isinstance(annotation, dict):
            raise UserError(f"{where} is {annotation!r:.60}, expected an object")
        ltwh, image, category, identity, score = check_annotation(annotation, where)
        self.ltwh.extend(ltwh)
        self.image.append(self.image_ids.setdefault(image, len(self.image_ids)))
        self.category.append(self.category_ids.setdefault(category, len(self.category_ids)))
        self.ignore.append(bool(annotation.get("iscrowd") or annotation.get("ignore")))
        self.identity.append(identity)
        self.score.append(score)


def load(path: Path, take: Callable[[list[Any]], object] | None = None) -> Record:
    """The object that a COCO file holds.

    Args:
        path: the file.
        take: gets the annotations, batch by batch as they are read, and the object an empty list of them; None keeps
            them.

    Raises:
        UserError: it cannot be read, is not JSON, or holds something else; or what `take` raises.
    """
    content: Record = {}
    with open_json(path) as stream:
        if stream.peek() != "{":
            raise UserError(f"{path}: holds a {type(stream.value()).__name__}, expected {EXPECTED}")
        for key in stream.keys():
            if stream.peek() != "[":
                content[key] = stream.value()
            elif key == "annotations" and take:
                for batch in stream.batches():
                    take(batch)
                content[key] = []
            else:
                content[key] = list(chain.from_iterable(stream.batches()))
    return content


def check_annotation(annotation: Record, where: str) -> CheckedAnnotation:
    """The values of one annotation, of the right types.

    Args:
        annotation: the record.
        where: its file and place there, such as ``train.json: annotations[12]``, for messages.

    Raises:
        UserError: a value is missing or of the wrong type.
    """
    return CheckedAnnotation(
        _bbox(annotation, where),
        get(annotation, "image_id", _ID, where),
        get(annotation, "category_id", _ID, where),
        _identity(annotation, where),
        _number(annotation.get("score", 1.0), f"{where}.score"),
    )


def check_category(category: int | str, categories: Collection[int | str], where: str) -> None:
    """Check that an annotation's category is one of those that there are; `where` as of `check_annotation`.

    Raises:
        UserError: it is not.
    """
    if category not in categories:
        raise UserError(f"{where}.category_id is {category!r}, which is not in categories")


def check_image(image: Record, where: str) -> int | str:
    """The id of an image record whose values are of the right types; `where` as of `check_annotation`.

    Raises:
        UserError: a value is missing, of the wrong type, or no size.
    """
    key: int | str = get(image, "id", _ID, where)
    get(image, "file_name", (str,), where)
    for side in ("width", "height"):
        if get(image, side, (int,), where) < 1:
            raise UserError(f"{where}.{side} is {image[side]}, expected a number >= 1")
    return key


def records(content: Record, key: str, path: Path, *, optional: bool = False) -> list[Record]:
    """A list of objects at the top of the file.

    Raises:
        UserError: it is missing, unless `optional`, or holds something else.
    """
    if key not in content:
        if optional:
            return []
        raise UserError(f"{path}: '{key}' is missing; expected {EXPECTED}")
    found = content[key]
    if not isinstance(found, list):
        raise UserError(f"{path}: '{key}' is a {type(found).__name__}, expected a list")
    for i, record in enumerate(found):
        if not isinstance(record, dict):
            raise UserError(f"{path}: {key}[{i}] is {record!r}, expected an object")
    return found


def get(record: Record, key: str, kinds: tuple[type, ...], where: str) -> Any:
    """A required value of one of some types (`int` and `str`); `where` as of `check_annotation`.

    Raises:
        UserError: it is missing or of another type.
    """
    value = record.get(key, record)
    # true and false are no numbers here, although bool is a kind of int
    if type(value) in kinds:
        return value
    if value is record:
        raise UserError(f"{where}.{key} is missing")
    expected = " or ".join({"int": "a whole number", "str": "a text"}[kind.__name__] for kind in kinds)
    raise UserError(f"{where}.{key} is {value!r}, expected {expected}")


def _bbox(annotation: Record, where: str) -> list[float]:
    """Left, top, width, height; numbers that are not finite pass."""
    bbox = annotation.get("bbox")
    if type(bbox) is list and len(bbox) == 4:
        left, top, width, height = bbox
        if type(left) is type(top) is type(width) is type(height) is float:
            return bbox
        try:
            return [_number(value, "") for value in bbox]
        except UserError:
            pass
    found = "missing" if "bbox" not in annotation else repr(bbox)
    raise UserError(f"{where}.bbox is {found}, expected [left, top, width, height]")


def _identity(annotation: Record, where: str) -> int:
    for key in ("track_id", "instance_id"):
        if annotation.get(key) is not None:
            identity: int = get(annotation, key, (int,), where)
            if identity >= _LARGEST:
                raise UserError(f"{where}.{key} is {identity}, expected a number < {_LARGEST}")
            return max(identity, -1)
    return -1


def _number(value: object, where: str) -> float:
    """A number; null, which JSON writers put where one is not finite, becomes NaN."""
    if type(value) is float:
        return value
    if value is None:
        return float("nan")
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            return float("inf") if value > 0 else float("-inf")
    raise UserError(f"{where} is {str(value)[:60]}, expected a number")
