"""Lines and zones that are drawn in the page, and what is counted there."""

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import call, fails

from clmot.apps.count.count import LEFT, RIGHT
from clmot.apps.serve.edits import Outline, Split, Undo
from clmot.apps.serve.session import Session
from clmot.errors import UserError
from tests.apps.chromium import NEEDED, accessibility_faults
from tests.apps.serve.serving import HEIGHT, WIDTH, serving

LINE, ZONE = ((160.0, 10.0), (160.0, 170.0)), ((20.0, 95.0), (120.0, 95.0), (120.0, 170.0), (20.0, 170.0))


def counted(results: Path, out: Path) -> Any:
    """What `clmot count` tells without being told of lines and zones."""
    assert call("count", results, "--out", out) == 0
    return json.loads((out / "street.counts.json").read_text())


def test_clmot_count_takes_what_was_drawn_and_counts_the_same(results: Path, tmp_path: Path) -> None:
    session = Session(results)
    session.do(Outline(name="door", points=LINE))
    session.do(Outline(name="gate", points=ZONE))
    told = session.counts()
    assert {name: told[name] for name in ("lines", "zones")} == counted(results, tmp_path / "out")
    # track 1 walks to the right of the screen, which is on the left of who looks down; both cross once
    (right,), (left,) = told["events"]["door"]
    assert [told["lines"]["door"][way]["all"] for way in (RIGHT, LEFT)] == [1, 1]
    assert left == next(frame for frame in range(1, 61) if 10 + 4 * frame + 12 - 160 >= 3)
    assert right == next(frame for frame in range(1, 61) if 160 - (280 - 4 * frame + 12) >= 3)
    begun, ended = told["events"]["gate"]
    assert (len(begun), len(ended)) == (2, 2)
    # the page's numbers follow edits of tracks: a track that is cut inside the zone visits it twice
    session.do(Split(track=2, frame=52))
    assert session.counts()["zones"]["gate"]["visits"]["all"] == 3
    session.do(Undo())
    assert session.counts() == told
    session.close()


def test_what_is_drawn_is_kept_undone_and_follows_the_file(results: Path) -> None:
    plan = results / "street.plan.json"
    plan.write_text('{"zones": {"yard": [[0, 0], [90, 0], [90, 90]]}}')  # by hand
    session = Session(results)
    session.do(Outline(name="door", points=LINE))
    session.do(Outline(name="way in", points=LINE, before="door"))
    assert session.summary()["edits"][-1] == "The line door is called way in."
    assert list(json.loads(plan.read_text())["lines"]) == ["way in"]
    session.do(Undo())
    session.close()
    before = plan.read_text()
    assert list(json.loads(before)["lines"]) == ["door"]
    # a kill after the plan was written, before the journal was: nothing is lost
    plan.write_text(before.replace("door", "gate"))
    session = Session(results)
    assert [name for name, _ in session.summary()["shapes"]] == ["yard", "gate"]
    for name in ("yard", "gate"):
        session.do(Outline(name=name))
    assert not plan.exists()
    session.close()
    session = Session(results)
    assert session.summary()["shapes"] == []
    session.close()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (Outline(name="a", points=((1, 2), (1, 2))), "its two points are the same"),
        (Outline(name="a", points=((0, 0), (1, 1), (2, 2))), "has no inside"),
        (Outline(name="a", points=((0, 0),)), "expected two points"),
        (Outline(name="a", points=((0, 0), (1e9, 1))), "expected two points"),
        (Outline(name="a"), "there is no line or zone called a"),
        (Outline(name="door", points=ZONE, before="gate"), "called door already"),
        (Outline(name=" ", points=LINE), "1 to 300 characters"),
    ],
)
def test_what_is_no_line_or_zone_changes_nothing(results: Path, edit: Outline, message: str) -> None:
    session = Session(results)
    session.do(Outline(name="door", points=LINE))
    session.do(Outline(name="gate", points=ZONE))
    before, plan = session.summary(), (results / "street.plan.json").read_text()
    with pytest.raises(UserError, match=message):
        session.do(edit)
    assert session.summary() == before
    assert (results / "street.plan.json").read_text() == plan
    session.close()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "street.plan.json:1: not valid JSON"),
        ("[]", "expected {"),
        ('{"lines": {"a": [[1, 2]]}}', "lines.a: has 1 points"),
        ('{"lines": {"a": [[1, 2], [3, "x"]]}}', "$.lines"),
        ('{"line": {}}', "line"),
        ('{"zones": {"a": [[1, 1], [2, 2], [3, 3]]}}', "zones.a: its corners lie on one line"),
        ("{}", "has no line and no zone"),
        ('{"lines": {"a": [[1, 2], [3, 4]]}, "zones": {"a": [[0, 0], [9, 0], [9, 9]]}}', "called ['a']"),
    ],
)
def test_a_plan_that_is_none_is_told_in_one_line(
    results: Path, capsys: pytest.CaptureFixture[str], content: str, message: str
) -> None:
    (results / "street.plan.json").write_text(content)
    assert message in fails(capsys, "count", results)
    with pytest.raises(UserError, match=r"street\.plan\.json"):
        Session(results)


@NEEDED
@pytest.mark.slow
@pytest.mark.parametrize("size", ["desk", "phone"])
def test_lines_and_zones_are_drawn_by_keys_and_fingers_and_survive_a_kill(
    opened: Any, video: Path, results: Path, tmp_path: Path, size: str
) -> None:
    with serving(results, "--video", video, folder=tmp_path) as server:
        page = opened(server.address, size)
        page.keyboard.press("l")
        page.keyboard.press("Shift+ArrowUp")
        page.keyboard.press("Enter")
        page.keyboard.press("Backspace")  # not there
        for key in [*["Shift+ArrowUp"] * 7, "Enter", *["Shift+ArrowDown"] * 16, "Enter"]:
            page.keyboard.press(key)
        page.get_by_role("status").filter(has_text="Drew a line: line 1.").first.wait_for()
        page.get_by_role("button", name="New zone").click()
        page.locator("#mode").get_by_text("New zone").wait_for()
        area = page.locator("#canvas").bounding_box()
        scale = min(area["width"] / WIDTH, area["height"] / HEIGHT)
        for x, y in (*ZONE, ZONE[0]):
            page.mouse.click(area["x"] + x * scale, area["y"] + y * scale)
        page.get_by_role("status").filter(has_text="Drew a zone: zone 1.").first.wait_for()
        page.get_by_label("Name of the line").fill("<b>door</b>")
        page.get_by_label("Name of the line").press("Enter")
        page.get_by_role("status").filter(has_text="is called <b>door</b>.").first.wait_for()
        server.kill()
    with serving(results, "--video", video, folder=tmp_path) as server:
        page = opened(server.address, size)
        told = page.locator("#counts li p")
        told.filter(has_text="to the right 0 of 1; to the left 0 of 1").wait_for()
        page.locator("#frame").fill("50")
        page.locator("#frame").press("Enter")
        page.wait_for_selector('canvas[data-frame="50"]')
        told.filter(has_text="to the right 1 of 1; to the left 1 of 1").wait_for()
        told.filter(has_text="1 inside, at most 1; 2 of 2 visits").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert accessibility_faults(page) == []
        page.get_by_label("Delete the zone zone 1").click()
        page.get_by_role("status").filter(has_text="Deleted a zone").first.wait_for()
        assert told.count() == 1
        # a name that cannot be is not shown as if it were one
        page.get_by_label("Name of the line").fill("  ")
        page.get_by_label("Name of the line").press("Enter")
        page.get_by_role("status").filter(has_text="1 to 300 characters").first.wait_for()
        page.wait_for_function("document.querySelector('#counts input').value === '<b>door</b>'")
        page.get_by_label("Name of the line").fill("not meant")
        page.get_by_label("Name of the line").press("Escape")
        for key in ("z", "l"):
            page.keyboard.press(key)
            assert "null" not in page.locator("#mode").inner_text()
            page.keyboard.press("Escape")
    totals = counted(results, tmp_path / "out")
    assert totals["zones"] == {}
    assert [totals["lines"]["<b>door</b>"][way]["all"] for way in (RIGHT, LEFT)] == [1, 1]
    (line,) = json.loads((results / "street.plan.json").read_text())["lines"].values()
    assert line == [[160, 10], [160, 170]]
