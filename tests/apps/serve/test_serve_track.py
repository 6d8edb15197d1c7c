"""Tracking that is started in the page, and corrected tracks that are learned from."""

import re
import time
from pathlib import Path
from typing import Any

import pytest
from command_line import call

from clmot.apps.serve.edits import Delete, Split
from clmot.apps.serve.job import Wanted
from clmot.apps.serve.session import Session
from clmot.apps.serve.workspace import Workspace
from clmot.datasets.readers import read_dataset
from clmot.errors import UserError
from clmot.io.mot_text import read_mot_text
from tests.apps.chromium import NEEDED
from tests.apps.conftest import FRAMES, SWAPPED, Street
from tests.apps.serve.serving import serving

pytestmark = pytest.mark.slow


def test_a_failure_is_told_in_the_words_of_clmot_track(tmp_path: Path, street_video: Path) -> None:
    (tmp_path / "street.mp4").write_bytes(street_video.read_bytes())
    workspace = Workspace(tmp_path)
    workspace.track(Wanted(source="street.mp4", classes="unicorn"))
    with pytest.raises(UserError, match="tracking is under way"):
        workspace.track(Wanted(source="street.mp4"))
    problem = ""
    end = time.monotonic() + 100
    while not problem and time.monotonic() < end:
        problem = workspace.status()["problem"]
        time.sleep(0.1)
    assert "unicorn" in problem
    assert workspace.view is None
    workspace.close()


@NEEDED
def test_a_video_is_dropped_tracked_watched_stopped_and_corrected(
    browser: Any, real_data: Path, tmp_path: Path
) -> None:
    import cv2

    from clmot.io.video_writer import VideoWriter

    images = sorted((real_data / "mot" / "TUD-Stadtmitte" / "img1").iterdir())[:60]
    video = tmp_path / "people.mp4"
    with VideoWriter(video, 25, (640, 480)) as writer:
        for image in images:
            writer.write(cv2.imread(str(image))[:, :, ::-1])
    root = tmp_path / "root"
    root.mkdir()
    with serving(folder=root) as server:
        page = browser.new_page()
        faults: list[str] = []
        page.on("console", lambda told: faults.append(told.text) if told.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(server.address)
        page.get_by_label("Video from this computer").set_input_files(video)
        page.get_by_role("status").filter(has_text="is here").wait_for(timeout=60_000)
        page.get_by_role("button", name="Start").click()
        # boxes appear while it goes on
        page.locator("#stop").wait_for(timeout=60_000)
        page.wait_for_selector('canvas[data-boxes]:not([data-boxes=""]):not([data-boxes="0"])', timeout=60_000)
        assert page.locator("#stop").is_visible()
        page.locator("#stop").click()
        page.locator("#card .empty").wait_for(timeout=60_000)
        page.locator("#timeline .lane").first.wait_for(timeout=60_000)
        page.wait_for_selector('canvas[data-frame="1"]:not([data-boxes=""])')
        page.keyboard.press("n")
        page.locator("#card h2 .chip").wait_for()
        page.keyboard.press("Delete")
        page.get_by_role("status").filter(has_text="Deleted track").first.wait_for()
        with page.expect_download():
            page.locator("#export").click()
        page.close()
    assert faults == []
    (results,) = (root / "runs").glob("serve-*/people.txt")
    found = read_mot_text(results)
    corrected = read_mot_text(results.parent / "corrected" / "people.txt")
    before, after = ({int(track) for each in read for track in each.track_id} for read in (found, corrected))
    assert len(before - after) == 1
    assert after < before
    assert re.search(r'"complete": false', (results.parent / "run.json").read_text())


def test_corrected_tracks_are_learned_from(street: Street, tmp_path: Path) -> None:
    session = Session(street.results, str(street.video))
    session.do(Split(track=1, frame=SWAPPED))
    session.do(Delete(track=2))
    file, _ = session.export("motchallenge")
    session.close()
    data = tmp_path / "data"
    data.mkdir()
    (data / "street.mp4").write_bytes(street.video.read_bytes())
    (data / "street.txt").write_text(file.read_text())
    options = ["--steps", "2", "--batch-size", "2", "--size", "128x64", "data.identities=true"]
    assert call("train", data / "street.mp4", "--out", tmp_path / "run", *options) == 0
    assert list((tmp_path / "run").glob("checkpoint-*"))
    samples = read_dataset([data / "street.mp4"], identities=True).samples
    assert [len(sample.boxes) for sample in samples] == [1] * FRAMES
    assert len({int(each) for sample in samples for each in sample.identities}) == 2
