"""The report in a real browser: Chromium, driven by playwright."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clmot.apps.report.make import make_report
from clmot.structures import Detections
from clmot.tracking.decisions import write_decisions
from clmot.tracking.tracker import Tracker
from tests.apps.chromium import NEEDED, SIZES, accessibility_faults
from tests.apps.conftest import FRAMES, SWAPPED, Street, place
from tests.apps.report.test_make import HOSTILE

pytestmark = NEEDED


@pytest.fixture
def opened(browser: Any) -> Iterator[Any]:
    """Opens a file at a size; in the end nothing may have failed, and nothing may have been fetched."""
    said: list[str] = []
    contexts = []

    def opens(path: Path, size: str = "desk", scheme: str = "light") -> Any:
        width, height = SIZES[size]
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: said.append(request.url) if request.url.startswith("http") else None)
        page.goto(path.as_uri())
        return page

    yield opens
    for context in contexts:
        context.close()
    assert said == []


def explained(street: Street) -> None:
    """Results of our tracker with its reasons, as `clmot track --explain` leaves them."""
    tracker, lines = Tracker(), []
    for frame in range(1, FRAMES + 1):
        boxes = [place(who, frame) for who in (1, 2)]
        found = Detections(xyxy=[(x, y, x + w, y + h) for x, y, w, h in boxes], score=[0.9, 0.8], class_id=[0, 0])
        tracked = tracker.update(found, explain=True)
        for track, (x1, y1, x2, y2) in zip(tracked.track_id.tolist(), tracked.detections.xyxy.tolist(), strict=True):
            track = track if frame < SWAPPED else 3 - track
            lines.append(f"{frame},{track},{x1 + 1},{y1 + 1},{x2 - x1},{y2 - y1},0.9,-1,-1,-1")
    (street.results / "street.txt").write_text("\n".join(lines))
    write_decisions([tracker.explained()], street.results / "street.explain.npz")
    record = {
        "street": {
            "files": ["street.explain.npz"],
            "model": HOSTILE,
            "classes": [HOSTILE],
            "settings": {"tracker": {"association": "fused", "motion_only_iou_threshold": 0.8}},
        }
    }
    (street.results / "run.json").write_text(json.dumps(record))


@pytest.fixture
def report(street: Street) -> Path:
    explained(street)
    out = street.folder / "report.html"
    make_report(street.results, street.video, out, ground_truth=street.truth, progress=False)
    return out


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_opens_from_disk_without_overflow_error_or_serious_accessibility_fault(
    report: Path, opened: Any, size: str, scheme: str
) -> None:
    page = opened(report, size, scheme)
    assert page.locator("h1").inner_text() == "street"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for picture in page.locator("img").all():
        assert picture.evaluate("each => each.complete && each.naturalWidth > 0")
    page.locator("summary").click()
    assert accessibility_faults(page) == []


def test_events_open_by_click_and_key_and_show_frames_crops_and_reason(report: Path, opened: Any) -> None:
    page = opened(report)
    assert page.locator(".list button").count() == 2
    title = page.locator(".event h2")
    assert f"frame {SWAPPED}" in title.inner_text()
    first = page.locator(".event p").first.inner_text()
    page.locator(".list button").nth(1).click()
    assert page.locator(".event p").first.inner_text() != first
    page.keyboard.press("k")
    assert page.locator(".event p").first.inner_text() == first
    assert page.locator(".shot img").count() == 2
    assert page.locator(".crops img").count() == 8
    assert "got its box in the" in page.locator(".event").inner_text()
    assert page.locator(".terms tr").count() >= 3
    # a track has one colour in list, timeline and frame
    swatch = page.locator(".lane .swatch").first.evaluate("each => getComputedStyle(each).backgroundColor")
    assert page.locator(".list .swatch").first.evaluate("each => getComputedStyle(each).backgroundColor") == swatch
    strokes = page.locator(".shot rect").evaluate_all("all => all.map(each => getComputedStyle(each).stroke)")
    assert swatch in strokes


def test_the_timeline_filters_events_and_tracks(report: Path, opened: Any) -> None:
    page = opened(report)
    lanes = page.locator(".lane")
    assert lanes.count() == 2
    page.get_by_label("Track id").fill("2")
    assert lanes.count() == 1
    page.get_by_label("Track id").fill("99")
    assert "No track is like that." in page.locator(".timeline").inner_text()
    page.get_by_label("Track id").fill("")
    lanes.first.click()
    assert lanes.first.get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="Show the events of all tracks").click()
    assert lanes.first.get_attribute("aria-pressed") == "false"
    assert page.locator(".list button").count() == 2


def test_hostile_names_stand_there_as_text(report: Path, opened: Any) -> None:
    page = opened(report, "phone")
    page.locator("summary").click()
    assert HOSTILE.replace("\x1b", "\u241b").replace("\u202e", "\ufffd") in page.locator("dl").text_content()
    assert page.locator("dl img, dl script").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_report_without_events_says_so(street: Street, opened: Any) -> None:
    street.write(lambda who, _: who)
    make_report(street.results, street.video, street.folder / "a.html", progress=False)
    page = opened(street.folder / "a.html")
    assert "No event." in page.locator(".list").inner_text()
    assert not page.locator(".event").is_visible()
