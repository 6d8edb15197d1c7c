"""Files of our own with something in them that was never written: one line, found by benchmarks/reliability.py."""

import json
from pathlib import Path

import av
import numpy as np
import pytest

from clmot import Tracker, UserError
from clmot.apps.many.claims import Attempt, Claims
from clmot.config import load_config
from clmot.inference.export_metadata import Metadata
from clmot.io.kinds import kind_of
from clmot.io.mot_text import read_mot_text
from clmot.io.named_arrays import write_arrays
from clmot.io.sources import open_one
from clmot.reid.gallery import Gallery
from clmot.tracking.serialization import write_state


def test_a_gallery_of_endless_size(tmp_path: Path) -> None:
    notes = {"names": [], "size": float("inf"), "keep": "recent"}
    write_arrays(tmp_path / "g", "gallery", {"0": np.zeros((1, 2), np.float32)}, notes)
    with pytest.raises(UserError, match="this gallery is damaged"):
        Gallery.load(tmp_path / "g")


def test_a_tracker_state_whose_numbers_are_lists(tmp_path: Path) -> None:
    tracker = Tracker()
    tracker.update(np.array([[1, 2, 20, 30, 0.9]]))
    state = tracker.state()
    write_state(tmp_path / "s", tracker.config, state | {"clock": state["clock"].reshape(4, 1)})
    with pytest.raises(UserError, match="not the state of a tracker"):
        Tracker.load(tmp_path / "s")


def test_what_a_file_system_leaves_among_claims_is_none(tmp_path: Path) -> None:
    claims = Claims(tmp_path)
    assert claims.win(Attempt("a.b", "key", 3))
    for name in (".DS_Store", ".nfs000000000001", "a.b.key.partial", "x"):
        (tmp_path / name).touch()
    assert claims.newest() == {("a.b", "key"): 3}


@pytest.mark.parametrize("header", [{"__metadata__": None}, {"__metadata__": {"format": 3}}, {"__metadata__": []}])
def test_a_header_of_another_form_is_named_as_damage(tmp_path: Path, header: object) -> None:
    text = json.dumps(header).encode()
    (tmp_path / "a").write_bytes(len(text).to_bytes(8, "little") + text)
    assert kind_of(tmp_path / "a") == "a damaged file"
    with pytest.raises(UserError):
        Gallery.load(tmp_path / "a")


def test_an_export_that_lost_its_configuration_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="lack the configuration; export it again"):
        Metadata.from_strings({"format": "clmot", "outputs": "maps"}, tmp_path / "a.onnx")


def test_a_confidence_beyond_float32_is_a_row_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1,1,1,1,5,5,1e300,-1,-1,-1\n1,2,1,1,5,5,0.5,-1,-1,-1\n")
    assert [frame.track_id.tolist() for frame in read_mot_text(tmp_path / "a.txt")] == [[2]]


@pytest.mark.parametrize("key", ["tracker.lost_seconds", "train.steps"])
def test_a_setting_beyond_all_numbers(key: str) -> None:
    with pytest.raises(UserError, match=key):
        load_config(overrides=[f"{key}={10**400}", "train.steps=x"])


def test_a_title_that_is_no_text_costs_no_frame(tmp_path: Path) -> None:
    file = tmp_path / "a.mkv"
    with av.open(str(file), "w") as target:
        target.metadata["title"] = "TITLETITLE"
        stream = target.add_stream("mpeg4", 10, width=64, height=48)
        for value in (0, 90, 180):
            target.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), value, np.uint8))))
        target.mux(stream.encode(None))
    file.write_bytes(file.read_bytes().replace(b"TITLETITLE", b"TITLE\xff\xfe\xffLE"))
    assert [number for number, _ in open_one(file)] == [1, 2, 3]
