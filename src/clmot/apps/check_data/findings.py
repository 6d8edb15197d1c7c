"""What a check of a data set says: findings, and the report that holds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from clmot.apps.check_data.kinds import KINDS, SEVERITIES, Kind, Severity
from clmot.apps.check_data.summary import Summary
from clmot.errors import plural
from clmot.io.atomic import write_whole_json
from clmot.structures import Float32Array, Sample

MOST_PLACES = 5
MOST_EXAMPLES = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Example:
    """A picture that shows a finding.

    Attributes:
        image: the image file.
        boxes: float32 [n, 4], the boxes in question, xyxy pixels.
        title: what to see.
        others: float32 [m, 4], the other boxes of the image.
    """

    image: Path
    boxes: Float32Array
    title: str
    others: Float32Array

    @staticmethod
    def of(sample: Sample, rows: Sequence[int], title: str) -> Example:
        """Some rows of a sample among all of them."""
        others = [i for i in range(len(sample.boxes)) if i not in set(rows)]
        return Example(image=sample.image, boxes=sample.boxes[list(rows)], title=title, others=sample.boxes[others])


@dataclass(frozen=True, kw_only=True, eq=False)
class Finding:
    """Something about the data that its owner should know.

    Attributes:
        check: which check found it, in a few words; the same words wherever the same is found.
        severity: how bad it is.
        what: one sentence.
        count: how many rows, boxes, images, ... there are of it.
        places: the first few: ``file:line``, an image, a sequence.
        advice: what to do.
        examples: the worst few, to look at.
        path: the one of the checked paths that it is about; None: about several.
    """

    check: str
    severity: Severity
    what: str
    count: int
    places: tuple[str, ...] = ()
    advice: str = ""
    examples: tuple[Example, ...] = ()
    path: Path | None = None

    def at(self, path: Path) -> Finding:
        """The finding about a path."""
        return replace(self, path=path)

    def as_dict(self) -> dict[str, Any]:
        """Plain values; pictures are left out."""
        plain = {name: value for name, value in vars(self).items() if name != "examples"}
        return plain | {"places": list(self.places), "path": self.path and str(self.path)}


def found(
    check: str,
    count: int,
    places: Iterable[object] = (),
    examples: Iterable[Example] = (),
    *,
    kind: Kind | None = None,
    **values: Any,
) -> Iterator[Finding]:
    """The finding of a check, if there is anything to find.

    Args:
        check: its name.
        count: how many of what the check counts.
        places: where they are; the first few are kept.
        examples: pictures of the worst; the first few are kept.
        kind: what it says, by default that of the name in `KINDS`.
        **values: what its sign has in braces.
    """
    kind = kind or KINDS[check]
    if count:
        counted = plural(count, *kind.unit.split("/")) if kind.unit else ""
        yield Finding(
            check=check,
            severity=kind.severity,
            what=f"{counted} {kind.sign.format(count=count, **values)}".lstrip(),
            count=count,
            places=tuple(map(str, islice(places, MOST_PLACES))),
            advice=kind.advice.format(count=count, **values),
            examples=tuple(islice(examples, MOST_EXAMPLES)),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """The outcome of a check.

    Attributes:
        summaries: what each of the checked paths holds, as far as it could be read.
        findings: errors first, then warnings, then information.
        samples: some images with their boxes, evenly spread, to look at.
    """

    summaries: Sequence[Summary]
    findings: Sequence[Finding]
    samples: Sequence[Example] = field(default=())

    def count(self, severity: Severity) -> int:
        """How many findings there are of a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as written to JSON."""
        return {
            "counts": {severity: self.count(severity) for severity in SEVERITIES},
            "data": [summary.as_dict() for summary in self.summaries],
            "findings": [finding.as_dict() for finding in self.findings],
        }

    def write_json(self, path: Path) -> None:
        """Write `as_dict` to a file, which appears under its name only when it is whole.

        Raises:
            UserError: the file cannot be written.
        """
        write_whole_json(path, self.as_dict(), "the report")
