"""The page of `clmot serve` in a real browser."""

from pathlib import Path
from typing import Any

import av
import cv2
import pytest

from clmot.io.mot_text import read_mot_text
from clmot.visualize.draw import track_colour
from tests.apps.chromium import NEEDED, SIZES, accessibility_faults
from tests.apps.serve.serving import HEIGHT, LENGTH, WIDTH, numbered, place, rows, serving

pytestmark = [NEEDED, pytest.mark.slow]

READ = """([left, top, width, height]) => {
  const canvas = document.getElementById("canvas");
  const scale = Math.min(canvas.width / 320, canvas.height / 180);
  const at = (x, y) => [...canvas.getContext("2d").getImageData(
    canvas.width / 2 + (x - 160) * scale, canvas.height / 2 + (y - 90) * scale, 1, 1).data].slice(0, 3);
  const bits = Array.from({ length: 8 }, (_, bit) => at(bit * 16 + 8, 8)[0] > 127 ? 1 << bit : 0);
  return { number: bits.reduce((sum, bit) => sum + bit, 0), frame: Number(canvas.dataset.frame),
    border: at(left, top + height * 0.6), away: at(left - 8, top + height * 0.6) };
}"""


def go(page: Any, frame: int, boxes: int = 2) -> None:
    page.locator("#frame").fill(str(frame))
    page.locator("#frame").press("Enter")
    page.locator("#frame").blur()
    page.wait_for_selector(f'canvas[data-frame="{frame}"][data-boxes="{boxes}"]')


def near(one: Any, two: Any) -> bool:
    return all(abs(a - b) < 60 for a, b in zip(one, two, strict=True))


def shows(page: Any, frame: int) -> None:
    """The picture is of that frame, and the boxes over it are of that frame too."""
    for track in (1, 2):
        seen = page.evaluate(READ, [*place(track, frame)])
        assert (seen["number"], seen["frame"]) == (frame, frame)
        assert near(seen["border"], track_colour(track))
        assert not near(seen["away"], track_colour(track))


def said(page: Any, text: str) -> None:
    page.get_by_role("status").filter(has_text=text).first.wait_for()


def avi_of(video: Path, out: Path) -> Path:
    """The same frames in a codec that no browser plays."""
    with av.open(str(out), "w") as container:
        stream = container.add_stream("mpeg4", rate=20)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = WIDTH, HEIGHT, "yuv420p", 4_000_000
        for frame in range(1, LENGTH + 1):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(frame), format="rgb24")))
        container.mux(stream.encode(None))
    return out


def images_of(out: Path) -> Path:
    out.mkdir()
    for frame in range(1, LENGTH + 1):
        cv2.imwrite(str(out / f"{frame:06d}.png"), numbered(frame))
    return out


@pytest.mark.parametrize("kind", ["mp4", "avi", "images"])
def test_every_frame_shows_its_own_picture_and_boxes(
    kind: str, video: Path, results: Path, opened: Any, tmp_path: Path
) -> None:
    sources = {"mp4": lambda: video, "avi": lambda: avi_of(video, tmp_path / "street.avi")}
    source = sources.get(kind, lambda: images_of(tmp_path / "street"))()
    with serving(results, "--video", source, folder=tmp_path) as server:
        page = opened(server.address)
        for frame in (1, 17, 9, 10, 11, 60, 2, 59, 30):
            go(page, frame)
            shows(page, frame)
        for frame in (31, 32, 33):
            page.keyboard.press("ArrowRight")
            page.wait_for_selector(f'canvas[data-frame="{frame}"][data-boxes="2"]')
            shows(page, frame)
        page.keyboard.press("ArrowLeft")
        page.wait_for_selector('canvas[data-frame="32"]')
        shows(page, 32)
        # scrubbing without waiting ends where it ended
        page.evaluate(
            """() => { const scrub = document.getElementById("scrub");
            for (const index of [3, 50, 20, 44, 12]) {
              scrub.value = index; scrub.dispatchEvent(new Event("input")); } }"""
        )
        page.wait_for_selector('canvas[data-frame="13"][data-boxes="2"]')
        shows(page, 13)
        # while it plays, picture and boxes never part
        page.locator("#play").click()
        seen = []
        while not seen or seen[-1] < LENGTH - 5:
            at = page.evaluate(READ, [0, 0, 1, 1])
            assert at["number"] == at["frame"]
            left, top, width, height = place(1, at["frame"])
            again = page.evaluate(READ, [left, top, width, height])
            if again["frame"] == at["frame"]:
                assert near(again["border"], track_colour(1))
            seen.append(at["frame"])
        assert seen == sorted(seen)
        assert len(set(seen)) > 5
        page.wait_for_selector(f'canvas[data-frame="{LENGTH}"]')
        page.locator("#play").filter(has_text="Play").wait_for()
    if kind == "avi":
        assert (results / ".serve" / "street.mp4").is_file()


def test_edits_survive_kill_and_reload_and_are_exported(
    video: Path, results: Path, opened: Any, tmp_path: Path
) -> None:
    swapped = "".join(rows(lambda track, frame: track if frame < 30 else 3 - track))
    (results / "street.txt").write_text(swapped)
    with serving(results, "--video", video, folder=tmp_path) as server:
        page = opened(server.address)
        go(page, 30)
        page.keyboard.press("n")
        page.locator("#card h2").filter(has_text="1").wait_for()
        page.keyboard.press("s")
        said(page, "Split track 1 at frame 30: from there on it is 3.")
        page.keyboard.press("p")
        page.locator("#card h2").filter(has_text="3").wait_for()
        page.keyboard.press("p")
        page.locator("#card h2").filter(has_text="2").wait_for()
        page.keyboard.press("s")
        said(page, "Split track 2 at frame 30: from there on it is 4.")
        page.keyboard.press("Delete")
        said(page, "Deleted track 2.")
        other = opened(server.address, boxes=1)  # a second page sees what the first one does
        assert other.locator("#edits li").count() == 3
        page.keyboard.press("u")
        said(page, "Undone: Deleted track 2.")
        other.locator("#edits li").nth(2).wait_for(state="detached")
        server.kill()
    with serving(results, "--video", video, folder=tmp_path) as server:
        page = opened(server.address)
        assert page.locator("#edits li").all_inner_texts() == [
            "Split track 2 at frame 30: from there on it is 4.",
            "Split track 1 at frame 30: from there on it is 3.",
        ]
        for into, other in ((1, 4), (2, 3)):
            go(page, 10)
            page.keyboard.press("Escape")
            for _ in range(into):
                page.keyboard.press("n")
            page.locator("#card h2").filter(has_text=str(into)).wait_for()
            page.keyboard.press("m")
            page.locator("#other").fill(str(other))
            page.locator("#other").press("Enter")
            said(page, f"Merged track {other} into {into}.")
        page.reload()
        page.wait_for_selector('canvas[data-frame="1"][data-boxes="2"]')
        assert page.locator("#edits li").count() == 4
        go(page, 45)
        shows(page, 45)
        with page.expect_download() as download:
            page.locator("#export").click()
        download.value.save_as(tmp_path / "street.txt")
    (tmp_path / "expected.txt").write_text("".join(rows()))
    for one, two in zip(*(read_mot_text(tmp_path / f"{name}.txt") for name in ("street", "expected")), strict=True):
        assert one.track_id.tolist() == two.track_id.tolist()
        assert one.detections.xyxy.tolist() == two.detections.xyxy.tolist()
    assert (tmp_path / "street.txt").read_text() == (results / "corrected" / "street.txt").read_text()
    assert (results / "street.txt").read_text() == "".join(
        rows(lambda track, frame: track if frame < 30 else 3 - track)
    )


def test_boxes_are_moved_drawn_and_filled_by_mouse_and_keyboard(
    video: Path, results: Path, opened: Any, tmp_path: Path
) -> None:
    with serving(results, "--video", video, folder=tmp_path) as server:
        page = opened(server.address)
        area = page.locator("#canvas").bounding_box()
        scale = min(area["width"] / WIDTH, area["height"] / HEIGHT)

        def at(x: float, y: float) -> tuple[float, float]:
            return area["x"] + area["width"] / 2 + (x - 160) * scale, area["y"] + area["height"] / 2 + (y - 90) * scale

        go(page, 20)
        left, top, width, height = place(1, 20)
        page.mouse.click(*at(left + width / 2, top + height / 2))
        page.locator("#card h2").filter(has_text="1").wait_for()
        page.keyboard.press("e")
        page.keyboard.press("Shift+ArrowDown")
        page.keyboard.press("Alt+ArrowRight")
        page.keyboard.press("Enter")
        said(page, "Track 1: box in frame 20.")
        go(page, 24)
        page.keyboard.press("e")
        area = page.locator("#canvas").bounding_box()
        left, top, width, height = place(1, 24)
        page.mouse.move(*at(left + 5, top + 30))
        page.mouse.down()
        page.mouse.move(*at(left + 5, top + 40))
        page.mouse.up()
        said(page, "Track 1: box in frame 24, 3 between key frames.")
        page.keyboard.press("b")
        area = page.locator("#canvas").bounding_box()
        page.mouse.move(*at(200, 130))
        page.mouse.down()
        page.mouse.move(*at(230, 170))
        page.mouse.up()
        said(page, "New track 3 in frame 24.")
        page.wait_for_selector('canvas[data-frame="24"][data-boxes="3"]')
        page.locator("#rename").fill("Ada")
        page.locator("#rename").press("Enter")
        said(page, "Track 3 is called Ada.")
        page.locator("#export").click()
        said(page, "Written to")
    read = {each.frame: each for each in read_mot_text(results / "corrected" / "street.txt")}
    for frame in range(20, 25):
        left, top, width, height = place(1, frame)
        box = read[frame].detections.xyxy[0].tolist()
        wider = 25 - frame - 4 if frame == 20 else (24 - frame) / 4
        expected = [left, top + 10, left + width + (1 if frame == 20 else wider), top + height + 10]
        assert box == pytest.approx(expected, abs=0.6), frame
    assert read[19].detections.xyxy[0].tolist() == pytest.approx([86, 40, 110, 100])
    assert read[24].track_id.tolist() == [1, 2, 3]
    assert read[24].detections.xyxy[2].tolist() == pytest.approx([200, 130, 230, 170], abs=1)


HOSTILE = "<img src=x onerror=alert(2)>\"'</script> \u202egpj.exe " + "x" * 200


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_is_accessible_and_shows_hostile_names_as_text(
    video: Path, results: Path, opened: Any, tmp_path: Path, size: str, scheme: str
) -> None:
    (results / "labels.txt").write_text(f"{HOSTILE}\nperson\x1b[31m\n")
    stem = "<b>street\x1b[31m&amp;" if size == "desk" else "a" * 200
    (results / "street.txt").rename(results / f"{stem}.txt")
    with serving(results, "--video", video, folder=tmp_path) as server:
        page = opened(server.address, size, scheme)
        assert page.locator("h1").inner_text() == stem.replace("\x1b", "\u241b")
        page.keyboard.press("n")
        page.locator("#rename").fill(HOSTILE)
        page.locator("#rename").press("Enter")
        said(page, "is called <img src=x")
        assert page.locator("#class option").first.text_content() == HOSTILE.replace("\u202e", "\ufffd")
        page.locator("#queue .list, #queue .empty").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert accessibility_faults(page) == []
        page.keyboard.press("Escape")
        page.locator("#help").click()
        assert accessibility_faults(page) == []
        page.keyboard.press("Escape")
        page.locator("#track").click()
        page.locator("#tracking h2").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert accessibility_faults(page) == []


def test_suspects_are_looked_at_one_after_the_other(video: Path, results: Path, opened: Any, tmp_path: Path) -> None:
    lines = rows(lambda track, frame: None if track == 2 and 20 <= frame < 28 else track if frame < 28 else track + 2)
    (results / "street.txt").write_text("".join(lines))
    with serving(results, "--video", video, folder=tmp_path) as server:
        page = opened(server.address)
        page.locator("#queue li").first.wait_for()
        count = page.locator("#queue li").count()
        page.keyboard.press("j")
        page.locator('#queue [aria-current="true"]').wait_for()
        page.locator("#card h2").wait_for()
        page.keyboard.press("v")
        page.locator("#queue .reviewed").wait_for()
        assert f"{count - 1} of {count} to look at" in page.locator("#queue").inner_text()
        assert accessibility_faults(page) == []
        page.reload()
        page.wait_for_selector('canvas[data-frame="1"]')
        page.locator("#queue .reviewed").wait_for()
        assert page.locator("#queue .reviewed").count() == 1


def test_keys_faster_than_edits_a_second_page_and_a_video_that_goes_are_no_failure(
    video: Path, results: Path, opened: Any, tmp_path: Path
) -> None:
    source = tmp_path / "street.mp4"
    source.write_bytes(video.read_bytes())
    with serving(results, "--video", source, folder=tmp_path) as server:
        page, other = opened(server.address), opened(server.address)
        page.locator("#queue .list, #queue .empty").first.wait_for()
        for left in (1, 0):
            page.keyboard.press("n")
            page.locator("#card h2 .chip").wait_for()
            page.keyboard.press("Delete")
            page.wait_for_selector(f'canvas[data-boxes="{left}"]')
        for _ in range(30):
            page.keyboard.press("u")
        said(page, "There is nothing to undo.")
        page.wait_for_selector('canvas[data-boxes="2"]')
        for _ in range(30):
            page.keyboard.press("y")
        said(page, "There is nothing to redo.")
        other.wait_for_selector('canvas[data-boxes="0"]')
        page.keyboard.press("u")
        page.wait_for_selector('canvas[data-boxes="1"]')
        source.unlink()
        page.keyboard.press("n")
        page.locator("#card h2 .chip").wait_for()
        page.locator("#notice").filter(has_text="street.mp4: is not there any more").wait_for()
