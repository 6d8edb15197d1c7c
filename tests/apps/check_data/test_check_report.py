import io
from collections import Counter

import cv2
import numpy as np
import pytest
from data_builders import sample_of
from rich.console import Console

from clmot.apps.check_data.findings import Example, Finding, Report
from clmot.apps.check_data.report import example_picture, report_page, sparkline, terminal_report, verdict
from clmot.apps.check_data.summary import summarise
from clmot.structures import Dataset


@pytest.fixture
def report(tmp_path):
    path = tmp_path / "1.png"
    cv2.imwrite(str(path), np.zeros((60, 80, 3), np.uint8))
    boxes = np.array([[-20, 10, 10, 30], [20, 10, 40, 30]], np.float32)
    sample = sample_of(boxes, image=path, size=(80, 60), classes=[0, 1], identities=[1, 2])
    example = Example.of(sample, [0], "look <here>")
    finding = Finding(
        check="ids & jumps",
        severity="error",
        what="something <odd>",
        count=7,
        places=("gt.txt:3",),
        advice="do something",
        examples=(example, Example(image=tmp_path / "gone.png", boxes=boxes, title="gone", others=boxes[:0])),
        path=tmp_path,
    )
    dataset = Dataset(samples=[sample], classes=("person", "[red]car"), skipped=Counter())
    return Report(summaries=[summarise(tmp_path, "coco", dataset)], findings=[finding], samples=[example])


def test_terminal_report(report):
    console = Console(file=io.StringIO(), width=100)
    for each in terminal_report(report):
        console.print(each)
    text = console.file.getvalue()
    for words in ("error: ids & jumps", "something <odd>", "gt.txt:3", "...", "→ do something", "[red]car 1"):
        assert words in text
    assert verdict(report) == "1 error, 0 warnings, 0 notes"
    assert verdict(report) in text


def test_page(report):
    page = report_page(report)
    for words in (
        "ids &amp; jumps",
        "something &lt;odd&gt;",
        "gt.txt:3",
        "look &lt;here&gt;",
        "[red]car 1",
        "box height",
    ):
        assert words in page
    # the picture of the finding and that of an ordinary frame; the one whose file is gone is left out
    assert page.count("data:image/jpeg") == 2
    assert page.count("data:image/svg+xml") == 1


def test_page_of_nothing():
    assert "0 errors, 0 warnings, 0 notes" in report_page(Report(summaries=[], findings=[]))


def test_a_picture_has_a_margin_for_boxes_beyond_the_image(report):
    image = example_picture(report.samples[0])
    # 20 pixels to the left, nothing elsewhere
    assert image.shape == (60, 100, 3)
    assert image[40, 5].tolist() == [64, 64, 64]
    assert image[40, 50].tolist() == [0, 0, 0]
    # the box's left side stands at the edge of the margin, the other box 20 pixels right of where it was
    assert image[20, 0, 0] > 150
    assert image[20, 40].tolist() == [150, 150, 150]


def test_sparkline():
    assert sparkline(np.array([0, 1, 4, 8])) == " ▁▄█"
    assert sparkline(np.array([0, 0])) == "  "
    assert sparkline(np.array([1, 1000])) == "▁█", "few are not none"
