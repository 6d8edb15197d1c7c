"""Key points and corners of oriented boxes go with their boxes, from the detector into every result."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clmot.apps.convert_results.convert import convert_results
from clmot.apps.convert_results.readers import read_tracks
from clmot.apps.track.cached_sequence import CachedSequence
from clmot.apps.track.pipeline import track
from clmot.apps.track.slices import sliced
from clmot.apps.track.write_detections import write_detections
from clmot.config import RefineConfig
from clmot.detectors.output_parser import OutputParser
from clmot.detectors.python_function import FunctionDetector
from clmot.errors import UserError
from clmot.structures import Detections
from tests.apps.track.conftest import RedThings, make_sequence, object_box


def with_points(found: Detections) -> Detections:
    """The head and the foot of each, and its corners, a pixel further right than its box's."""
    left, top, right, bottom = found.xyxy.T
    middle, one = (left + right) / 2, np.ones(len(found))
    points = np.stack([np.stack([middle, top, one / 2], 1), np.stack([middle, bottom, one], 1)], 1)
    corners = np.stack([np.stack(each, 1) for each in ((left, top), (right, top), (right, bottom), (left, bottom))], 1)
    return replace(found, data={"keypoints": points, "corners": corners + np.array([1, 0])})


class Pose(RedThings):
    """Finds key points as well; at frame 5 nothing."""

    def detect(self, images):
        found = [with_points(each) for each in super().detect(images)]
        return [each[:0] if sum(self.batches) == 5 else each for each in found]


def expected(frame: int) -> tuple[list[list[float]], list[list[float]]]:
    left, top, right, bottom = object_box(frame)
    middle = (left + right) / 2
    corners = [[left + 1, top], [right + 1, top], [right + 1, bottom], [left + 1, bottom]]
    return [[middle, top, 0.5], [middle, bottom, 1.0]], corners


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    return make_sequence(tmp_path / "seq", range(1, 11))


@pytest.mark.parametrize("vote", [False, True])
@pytest.mark.parametrize("refine", [RefineConfig(), RefineConfig(interpolate_seconds=2.0)], ids=["", "refined"])
@pytest.mark.parametrize("form", ["csv", "json"])
def test_in_tables_of_tracks_as_found(frames: Path, tmp_path: Path, form, refine, vote) -> None:
    track(frames, Pose(), tmp_path / "out", text_format=form, refine=refine, vote_classes=vote, progress=False)
    table = read_tracks(tmp_path / "out" / f"seq.{form}", None, None)
    shown = {each.frame: each.detections.data for each in table.frames}
    assert set(shown) == set(range(1, 11)) - (set() if refine else {5})
    for frame, data in shown.items():
        if frame == 5:  # between two boxes, where nobody has seen points
            assert np.isnan(data["keypoints"]).all()
            continue
        points, corners = expected(frame)
        assert data["keypoints"][0].tolist() == points
        assert data["corners"][0].tolist() == corners
    # and in the other forms that have a place for them
    convert_results(tmp_path / "out" / f"seq.{form}", tmp_path / "v.json", "coco-vid", video=frames)
    coco = json.loads((tmp_path / "v.json").read_text())["annotations"][0]
    points, corners = expected(1)
    assert coco["keypoints"] == [number for point in points for number in point]
    assert coco["num_keypoints"] == 2
    assert coco["segmentation"] == [[number for corner in corners for number in corner]]
    other = {"csv": "json", "json": "csv"}[form]
    convert_results(tmp_path / "out" / f"seq.{form}", tmp_path / f"b.{other}", other, video=frames)
    again = read_tracks(tmp_path / f"b.{other}", None, None)
    for name in ("keypoints", "corners"):
        assert np.array_equal(table.data[name], again.data[name], equal_nan=True)


def test_a_format_without_a_place_for_them_says_so(frames: Path, tmp_path: Path, caplog) -> None:
    track(frames, Pose(), tmp_path / "out", text_format="csv", progress=False)
    convert_results(tmp_path / "out" / "seq.csv", tmp_path / "a.xml", "cvat", video=frames)
    assert "keypoints: 9, corners: 9" in caplog.text


def test_detections_keep_them_for_tracking(frames: Path, tmp_path: Path) -> None:
    write_detections(frames, Pose(), tmp_path / "det", embeddings=True, save_images=True, progress=False)
    coco = json.loads((tmp_path / "det" / "seq.json").read_text())["annotations"]
    assert coco[0]["keypoints"] == [number for point in expected(1)[0] for number in point]
    stored, _ = CachedSequence.load(tmp_path / "det" / "seq.safetensors")
    assert stored.detections[0].data["corners"][0].tolist() == expected(1)[1]
    for boxes in (None, tmp_path / "det"):
        track(frames, Pose(), tmp_path / f"o{boxes is None}", boxes=boxes, text_format="json", progress=False)
    seen, stored_again = (json.loads((tmp_path / name / "seq.json").read_text()) for name in ("oTrue", "oFalse"))
    assert seen == stored_again


def test_of_slices_they_are_in_the_image() -> None:
    image = np.zeros((64, 200, 3), np.uint8)
    image[10:20, 150:160] = (230, 40, 40)
    (found,) = sliced(lambda batch: [with_points(RedThings()._find(each)) for _, each in batch], 64)([(1, image)])
    assert found.xyxy.tolist() == [[150, 10, 160, 20]]
    assert found.data["keypoints"].tolist() == [[[155, 10, 0.5], [155, 20, 1]]]
    assert found.data["corners"][0, :, 0].tolist() == [151, 161, 161, 151]


def test_boxes_that_are_left_out_take_theirs_along() -> None:
    parse = OutputParser("mine", {0: "a", 1: "b"}, ["b"], 0.5)
    boxes = np.array([[0, 0, 9, 9], [0, 0, 0, 9], [0, 0, 8, 9], [0, 0, 7, 9]])
    found = parse(boxes, [0.9, 0.9, 0.9, 0.4], [0, 1, 1, 1], {"keypoints": np.arange(8).reshape(4, 1, 2)})
    assert found.xyxy.tolist() == [[0, 0, 8, 9]]
    assert found.data["keypoints"].tolist() == [[[4, 5]]]
    with pytest.raises(UserError, match=r"detector mine: gave keypoints must be \[4, \.\.\.\], got \[2\]"):
        parse(boxes, [0.9] * 4, [1] * 4, {"keypoints": [1, 2]})


def test_of_a_function_of_the_user_s() -> None:
    given = {"boxes": [[0, 0, 9, 9]], "scores": [0.9], "labels": [0]}
    (found,) = FunctionDetector(lambda image: {**given, "keypoints": [[[1, 2]]]}).detect([np.zeros((9, 9, 3))])
    assert found.data["keypoints"].tolist() == [[[1, 2]]]
    assert FunctionDetector(lambda image: given).detect([np.zeros((9, 9, 3))])[0].data in (None, {})


def test_a_table_at_fault_is_named_by_its_row(tmp_path: Path) -> None:
    row = '{"frame": 1, "track": 1, "class": "a", "left": 0, "top": 0, "right": 5, "bottom": %s, "keypoints": %s}'
    for text, message in (
        (
            "[" + row % ("5", "[[1]]") + "," + row.replace('"frame": 1', '"frame": 2') % ("5", "[[1, 2]]") + "]",
            "one shape",
        ),
        ("[" + row % ('"x"', "1") + "]", r"t\.json: \[0\]: expected numbers"),
        ('[{"frame": 1}]', r"t\.json: \[0\]: no column track"),
        ("[]", "there is no track in it"),
    ):
        (tmp_path / "t.json").write_text(text)
        with pytest.raises(UserError, match=message):
            read_tracks(tmp_path / "t.json", None, None)
