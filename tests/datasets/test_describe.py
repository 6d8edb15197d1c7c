"""What is said after reading."""

from __future__ import annotations

from collections import Counter

from data_builders import sample_of

from clmot.datasets.describe import summary_lines
from clmot.structures import Dataset, Sample


def sample(name: str, classes: list[int], ignore: list[bool], identities: list[int]) -> Sample:
    columns = {"classes": classes, "ignore": ignore, "identities": identities}
    rows = [[1, 1, 5, 5]] * len(classes)
    return sample_of(rows, image=f"{name}.jpg", size=(10, 10), sequence=name[0], frame=int(name[1:]), **columns)


def test_summary_of_a_data_set() -> None:
    samples = (
        sample("a1", [0, 1, 1], [False, False, True], [7, 8, 9]),
        sample("a2", [0, 0], [False, False], [7, -1]),
        # the same number is somebody else in another sequence
        sample("b1", [0], [False], [7]),
        sample("b2", [], [], []),
    )
    skipped = Counter({"degenerate box": 3, "image that is not there": 1200, "frame without image": 0})
    dataset = Dataset(samples=samples, classes=("car", "dog"), skipped=skipped, notes=("DATA: coco, split train",))
    assert summary_lines(dataset) == [
        "DATA: coco, split train",
        "4 images in 2 sequences; 5 boxes (car 4, dog 1); 1 ignored; 3 identities; "
        "left out: degenerate box 3, image that is not there 1,200",
    ]


def test_of_many_classes_the_first_are_named() -> None:
    dataset = Dataset(
        samples=(sample("a1", list(range(20)), [False] * 20, [-1] * 20),), classes=tuple(map(str, range(20)))
    )
    (line,) = summary_lines(dataset)
    assert line.startswith("1 image in 1 sequence; 20 boxes (0 1, 1 1, ")
    assert line.endswith("11 1, 8 classes more)")
