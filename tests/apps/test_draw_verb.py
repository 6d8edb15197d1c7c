"""Results drawn on their video."""

from pathlib import Path

import numpy as np
import pytest
from command_line import call, fails

from clmot.apps.draw import Drawing, draw
from clmot.io.video import decode_video, probe_video
from clmot.visualize.draw import track_colour
from tests.apps.conftest import COLOURS, FRAMES, HEIGHT, WIDTH, Street, place


def frames_of(path: Path) -> dict[int, np.ndarray]:
    return {number: image.astype(int) for number, image in decode_video(str(path))}


def test_boxes_are_in_the_tracks_colours_and_the_video_keeps_rate_and_length(street: Street, tmp_path: Path) -> None:
    street.write(lambda who, _: who)
    assert call("draw", street.results, "--video", street.video, "--out", tmp_path / "a.mp4") == 0
    assert probe_video(str(tmp_path / "a.mp4"))[:2] == (10, FRAMES)
    image = frames_of(tmp_path / "a.mp4")[10]
    left, top, _, height = place(1, 10)
    side = image[top + 10 : top + height - 10, left - 1 : left + 2]  # 4:2:0 spreads a line of one pixel
    plain = frames_of(street.video)[10][top + 10 : top + height - 10, left - 1 : left + 2]
    towards = np.array(track_colour(1)) - plain.mean(axis=(0, 1))
    assert ((side - plain).mean(axis=(0, 1)) @ towards) > 0


@pytest.mark.parametrize("part", ["head", "box"])
def test_nobody_is_recognised_in_what_is_hidden_and_who_is_named_stays_sharp(
    street: Street, tmp_path: Path, part: str
) -> None:
    street.write(lambda who, frame: None if who == 1 and 18 <= frame < 22 else who)
    drawing = Drawing(trail_seconds=0, blur=part, sharp=["2"])  # type: ignore[arg-type]
    assert draw([street.results], street.video, tmp_path / "a.mp4", drawing, progress=False) == FRAMES
    hidden, plain = frames_of(tmp_path / "a.mp4"), frames_of(street.video)
    for frame in (5, 19, 35):  # in frame 19 it is not seen, and hidden all the same
        left, top, width, height = place(1, frame)
        corner = (slice(top + 4, top + height // 4), slice(left - 2, left + 1))
        assert np.abs(hidden[frame][corner] - plain[frame][corner]).mean() > 8  # the wall beside it is mixed in
    left, top, width, height = place(2, 5)
    middle = (slice(top + 8, top + height - 8), slice(left + 6, left + width - 6))
    assert np.abs(hidden[5][middle] - np.array(COLOURS[2])).mean() < 12


def test_two_results_stand_side_by_side_with_their_names(street: Street, tmp_path: Path) -> None:
    first = street.write(lambda who, _: who, "before")
    second = street.write(lambda who, _: 10 + who, "after")
    draw([first, second], street.video, tmp_path / "a.mp4", Drawing(trail_seconds=0), progress=False)
    image = frames_of(tmp_path / "a.mp4")[5]
    assert image.shape == (HEIGHT, 2 * WIDTH, 3)
    left, right = image[:12, :40], image[:12, WIDTH : WIDTH + 40]
    assert (left.min(axis=2) < 40).mean() > 0.4  # the black ground of a name
    assert np.abs(left - right).max() > 100  # another name


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--sharp", "2"], "--sharp goes with --blur"),
        (["--blur", "head", "--sharp", "77"], "--sharp 77: street.txt has no track and no class of that name"),
        (["--trail", "-1"], "--trail must be >= 0"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_video(
    street: Street, tmp_path: Path, capsys: pytest.CaptureFixture[str], given: list[str], message: str
) -> None:
    out = tmp_path / "a.mp4"
    assert message in fails(capsys, "draw", street.results, "--video", street.video, "--out", out, *given)
    assert not out.exists()


def test_the_source_is_not_replaced(street: Street, capsys: pytest.CaptureFixture[str]) -> None:
    before = street.video.read_bytes()
    told = fails(capsys, "draw", street.results, "--video", street.video, "--out", street.video)
    assert "would replace it" in told
    assert street.video.read_bytes() == before
