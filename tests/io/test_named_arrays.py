import numpy as np
import pytest

from clmot.errors import UserError
from clmot.io.named_arrays import read_arrays, write_arrays

ARRAYS = {
    "scalar": np.array(3),
    "empty": np.empty((0, 128), np.float32),
    "mask": np.array([True, False]),
    "turned": np.arange(6.0).reshape(2, 3).T,
    "image": np.arange(12, dtype=np.uint8).reshape(2, 2, 3),
}


def test_arrays_and_notes_come_back_as_they_were(tmp_path):
    path = tmp_path / "it.safetensors"
    notes = {"names": ["Ada", "Bén"], "third": 1 / 3, "none": None}
    write_arrays(path, "thing", ARRAYS, notes)
    arrays, told = read_arrays(path, "thing")
    assert told == notes
    assert arrays.keys() == ARRAYS.keys()
    for name, value in ARRAYS.items():
        assert arrays[name].dtype == value.dtype
        assert arrays[name].shape == value.shape
        assert np.array_equal(arrays[name], value)
    assert [file.name for file in tmp_path.iterdir()] == ["it.safetensors"]


def test_no_arrays_at_all(tmp_path):
    write_arrays(tmp_path / "none", "thing", {}, {})
    assert read_arrays(tmp_path / "none", "thing") == ({}, {})


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "text", "other kind", "folder"])
def test_what_is_no_such_file_is_one_line(tmp_path, damage):
    path = tmp_path / "it.safetensors"
    write_arrays(path, "other thing" if damage == "other kind" else "thing", ARRAYS, {})
    whole = path.read_bytes()
    if damage in ("missing", "folder"):
        path.unlink()
    if damage == "folder":
        path.mkdir()
    if damage in ("empty", "cut", "text"):
        path.write_bytes({"empty": b"", "cut": whole[:-9], "text": b"1,2,3\n" * 40}[damage])
    with pytest.raises(UserError, match=r"it\.safetensors") as caught:
        read_arrays(path, "thing")
    assert "\n" not in str(caught.value)


def test_what_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "there").mkdir()
    with pytest.raises(UserError, match="cannot write the thing"):
        write_arrays(tmp_path / "there", "thing", ARRAYS, {})
    with pytest.raises(UserError, match="cannot write the thing"):
        write_arrays(tmp_path / "nowhere" / "x", "thing", ARRAYS, {})
    assert [file.name for file in tmp_path.iterdir()] == ["there"]
