"""Tables never lose a name or a number, however narrow the screen is."""

import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType

import clmot
from clmot.apps import demo
from clmot.apps.adapt.judgement import Judgement
from clmot.apps.adapt.report import Adaptation, adaptation_table
from clmot.apps.check_data.findings import Report
from clmot.apps.check_data.formats import formats_page
from clmot.apps.check_data.report import terminal_report
from clmot.apps.check_data.summary import QUANTITIES, Summary
from clmot.apps.embedding_quality.report import assessment_tables
from clmot.apps.gallery.report import names_table
from clmot.datasets.readers import FORMATS
from clmot.evaluation.comparison import Comparison, Difference
from clmot.evaluation.detection import DetectionScores
from clmot.evaluation.embedding import FALSE_ACCEPT_RATES
from clmot.evaluation.probe import CHANGES
from clmot.evaluation.scores import Scores
from clmot.evaluation.tables import DETECTION_METRICS, TABLE_METRICS, comparison_table, detection_table, scores_table
from clmot.reid.track_names import NamedTrack
from clmot.visualize.table import TextTable, show

WIDTHS = (40, 60, 80, 100, 160)
LONG = "MOT17-11-SDP-as-it-was-tracked-before"

VALUES = dict.fromkeys(TABLE_METRICS, 87.65) | {"IDSW": 123456, "MT": 3, "ML": 0}
ENDS = dict.fromkeys(TABLE_METRICS, (-12.3, 45.6))
SCORES = Scores(
    combined=VALUES,
    sequences={LONG: VALUES, "b": VALUES},
    classes={"car": Scores(combined=VALUES, sequences={}), "van": Scores(combined=VALUES, sequences={})},
    intervals=ENDS,
)
COMPARISON = Comparison(
    scores={"before": SCORES, LONG: SCORES},
    differences={LONG: {name: Difference(value, ENDS.get(name)) for name, value in VALUES.items()}},
)
DETECTED = dict.fromkeys(DETECTION_METRICS, 12.3) | {"TP": 123456}
FOUND = DetectionScores(combined=DETECTED, classes={LONG: DETECTED, "b": DETECTED})
EMBEDDING = {
    name: dict.fromkeys((*CHANGES, "rank-1", "chance", "mAP", "alignment", "uniformity"), 0.123)
    | dict.fromkeys(("impostor cosine", "effective rank"), np.nan)
    | {f"TPR@FAR={rate:g}": 0.5 for rate in FALSE_ACCEPT_RATES}
    for name in ("this embedding", "an untrained one of the same network")
}
ASSESSED = SimpleNamespace(
    label_free=EMBEDDING, probes=EMBEDDING, identified={"after 1 s": EMBEDDING}, areas={LONG: {"1 s": 0.9}}
)
JUDGED = Judgement(hardest={"street": [0.5]}, by_gap=[0.5] * 5)
ADAPTED = Adaptation(model=Path("m"), start="s", kept=True, reason="", before=JUDGED, after=JUDGED, videos={}, steps=1)
SUMMARY = Summary(
    path=Path("/data/annotations") / LONG,
    format="coco",
    images=1200,
    sequences=3,
    sizes=(((1920, 1080), 7), ((640, 480), 1)),
    boxes=3,
    ignored=1,
    classes={f"kind of thing {number}": number for number in range(1, 8)},
    identities=0,
    left_out={},
    values={name: np.arange(1.0, 50.0) * 1000 for name in QUANTITIES},
)
CHECKED = Report(summaries=(SUMMARY, SUMMARY), findings=(), samples=())


def everything() -> dict[str, list[RenderableType]]:
    return {
        "evaluate": [scores_table(SCORES)],
        "evaluate, two of them": [comparison_table(COMPARISON)],
        "evaluate --detections": [
            detection_table(DetectionScores(combined=DETECTED, classes={LONG: DETECTED, "b": DETECTED}))
        ],
        "embed": list(assessment_tables(ASSESSED)),  # type: ignore[arg-type]
        "gallery recognise": [names_table({7: NamedTrack(name=LONG * 2, share=0.5, detections=123456, distance=0.1)})],
        "adapt": [adaptation_table(ADAPTED)],
        "demo": [demo.comparison_table({demo.TRAINED: SCORES, demo.MOTION: SCORES})],
        "data check": [part for part in terminal_report(CHECKED) if isinstance(part, TextTable)],
    }


def drawn(part: RenderableType, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(part)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined,no-any-return]


def columns(lines: list[str]) -> list[list[str]]:
    """What each block says in each column, header first, without blanks."""
    blocks: list[list[str]] = []
    for line in lines:
        if line.startswith("┏"):
            blocks.append([""] * (line.count("┳") + 1))
        if line[:1] in "┃│":
            cells = line.replace("┃", "│").split("│")[1:-1]
            blocks[-1] = [text + "".join(cell.split()) for text, cell in zip(blocks[-1], cells, strict=True)]
    return blocks


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", everything())
def test_no_table_loses_a_name_or_a_number(name: str, width: int) -> None:
    parts = everything()[name]
    assert parts
    for part in parts:
        assert isinstance(part, TextTable)
        lines = drawn(part, width)
        assert max(map(cell_len, lines)) <= width
        wanted = ["".join("".join(cells).split()) for cells in zip(part.header, *part.rows, strict=True)]
        blocks = columns(lines)
        assert {block[0] for block in blocks} == {wanted[0]}
        assert [column for block in blocks for column in block[1:]] == wanted[1:]
        if width == 160:
            assert len(blocks) == 1 or name.startswith("evaluate, two") or name in ("evaluate", "embed", "data check")


@pytest.mark.parametrize("width", WIDTHS)
def test_the_list_of_formats_fits_and_names_all(width: int) -> None:
    lines = drawn(formats_page(FORMATS), width)
    assert max(map(cell_len, lines)) <= width
    assert {each.name for each in FORMATS} <= {*lines} | {line.strip() for line in lines}


def test_a_number_stands_in_one_line_where_there_is_room_for_it() -> None:
    lines = drawn(comparison_table(COMPARISON), 60)
    assert sum(" .. " in line for line in lines) == sum("95 % interval" in line for line in lines) > 1


def test_all_tables_are_made_in_one_place() -> None:
    source = Path(clmot.__file__).parent
    makers = [file.name for file in source.rglob("*.py") if "from rich.table import Table" in file.read_text()]
    assert makers == ["table.py"]


def test_output_that_is_no_terminal_is_wide(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for columns_, blocks in ((None, 1), ("60", 3)):
        monkeypatch.delenv("COLUMNS", raising=False)
        if columns_:
            monkeypatch.setenv("COLUMNS", columns_)
        show(detection_table(replace(FOUND, classes={"a": DETECTED})))
        assert capsys.readouterr().out.count("┏") == blocks
