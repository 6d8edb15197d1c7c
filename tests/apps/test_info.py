"""`clmot info` knows whatever clmot writes, and what others give it."""

import json
from pathlib import Path

import numpy as np
import pytest

from clmot.apps.info import info
from clmot.apps.track.pipeline import track
from clmot.apps.track.write_detections import write_detections
from clmot.errors import UserError
from clmot.reid.gallery import Gallery
from tests.apps.track.conftest import make_sequence
from tests.apps.track.test_row_data import Pose


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with everything that detecting and tracking ten frames write."""
    folder = tmp_path_factory.mktemp("made")
    frames = make_sequence(folder / "seq", range(1, 11))
    options = {"state": folder / "s.state", "explain": True, "text_format": "csv", "progress": False}
    track(frames, Pose(), folder / "out", vote_classes=True, **options)
    track(frames, Pose(), folder / "table", text_format="json", progress=False)
    write_detections(frames, Pose(), folder / "det", embeddings=True, progress=False)
    gallery = Gallery()
    gallery.enrol("ann", np.eye(4)[:2])
    gallery.save(folder / "gallery")
    (folder / "tracker.yaml").write_text("tracker: {high_score: 0.4}\n")
    return folder


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("out", ["out: results", "seq: of ", "frames 10", "seq.csv"]),
        ("out/run.json", ["results", "frames 10"]),
        ("out/seq.txt", ["tracks", "seq: 1 track, 9 boxes, frames 1 to 10"]),
        ("out/seq.csv", ["seq: 1 track, 9 boxes", "classes: thing; with keypoints, corners"]),
        ("table/seq.json", ["seq: 1 track, 9 boxes", "with keypoints, corners"]),
        ("out/seq.explain.npz", ["decisions of clmot track --explain", "clmot report"]),
        ("s.state", ["tracker state", "10 frames at 7 frames/s: 1 track so far", "--vote-classes"]),
        ("det", ["results", "seq.safetensors"]),
        ("det/seq.json", ["results", "boxes 9"]),
        ("det/seq.safetensors", ["detections file", "10 frames, 9 boxes", "keypoints", "classes: thing"]),
        ("gallery", ["gallery file", "ann: 2 embeddings"]),
        ("tracker.yaml", ["tracker: high_score=0.4"]),
        ("seq", ["to track; no data to train on", "no gt/gt.txt", "seq: 160x96, 7 frames/s, 10 frames"]),
    ],
)
def test_what_clmot_writes(made: Path, name: str, lines: list[str]) -> None:
    text = "\n".join(info(made / name)).replace("corners, keypoints", "keypoints, corners")
    for line in lines:
        assert line in text


@pytest.mark.parametrize("name", ["out/seq.explain.npz", "s.state", "det/seq.safetensors", "gallery"])
def test_what_is_cut_short_is_one_line(made: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / Path(name).name
    for content in (b"", (made / name).read_bytes()[:18]):
        file.write_bytes(content)
        with pytest.raises(UserError) as raised:
            info(file)
        assert str(file) in str(raised.value)
        assert "\n" not in str(raised.value)


def test_a_plain_network_and_a_record_of_others(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    ports = [helper.make_tensor_value_info(name, kind, [1, 3, 8, 8]) for name in ("in", "out")]
    graph = helper.make_graph([helper.make_node("Identity", ["in"], ["out"])], "g", ports[:1], ports[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(tmp_path / "net.onnx"))
    assert "in: in [1, 3, 8, 8]" in info(tmp_path / "net.onnx")
    (tmp_path / "run.json").write_text(json.dumps({"street": 5}))
    assert info(tmp_path)[1].startswith("street: of None")
