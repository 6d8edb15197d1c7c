import errno
import os
import stat
from pathlib import Path

import numpy as np
import pytest
import torch

from clmot.config import Config
from clmot.errors import UserError
from clmot.io.atomic import check_new, whole_file, whole_folder, write_whole_text
from clmot.io.named_arrays import write_arrays
from clmot.training.checkpoint import save_checkpoint


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    with whole_file(path, "the text") as partial:
        partial.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_an_exception_all_is_as_it_was(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")

    def write_half() -> None:
        with whole_file(path, "the text") as partial:
            partial.write_text("half")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for path in (tmp_path / "none" / "a.txt", file / "a.txt", tmp_path):
        with pytest.raises(UserError, match=rf"{path}: cannot write the text: \w+"):
            write_whole_text(path, "text", "the text")
    assert sorted(tmp_path.iterdir()) == [file]
    assert not list(tmp_path.parent.glob("*.partial"))


def test_bytes_are_on_the_disk_before_a_file_has_its_name_and_the_name_is_before_all_goes_on(tmp_path, monkeypatch):
    done = []
    flush, replace = os.fsync, Path.replace

    def fsync(number: int) -> None:
        done.append(("flush", os.readlink(f"/proc/self/fd/{number}")))
        flush(number)

    def named(self: Path, target: Path) -> Path:
        done.append(("name", str(target)))
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", named)
    write_whole_text(tmp_path / "a.txt", "text", "the text")
    assert done == [("flush", f"{tmp_path}/a.txt.partial"), ("name", f"{tmp_path}/a.txt"), ("flush", str(tmp_path))]


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_whatever_is_written_may_be_read_by_those_whom_the_umask_allows(tmp_path, umask):
    before = os.umask(umask)
    try:
        checkpoint = save_checkpoint(tmp_path / "run", 1, Config(), {"a": torch.zeros(1)}, {"step": 1})
        write_arrays(tmp_path / "arrays", "gallery", {"a": np.zeros(1)}, {})
        write_whole_text(tmp_path / "text", "text", "the text")
    finally:
        os.umask(before)
    files = [checkpoint / "model.safetensors", checkpoint / "state.pt", tmp_path / "arrays", tmp_path / "text"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o666 & ~umask}
    assert stat.S_IMODE(checkpoint.stat().st_mode) == 0o777 & ~umask


def test_a_folder_that_holds_something_gives_way_only_where_that_is_wanted(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    with whole_folder(folder, "the data set") as partial:
        (partial / "a").write_text("1")
    with pytest.raises(UserError, match="set: is not empty; choose another folder"), whole_folder(folder, "it"):
        pass
    with pytest.raises(ZeroDivisionError), whole_folder(folder, "it", replace=True):
        raise ZeroDivisionError
    assert (folder / "a").read_text() == "1"
    with whole_folder(folder, "it", replace=True) as partial:
        (partial / "b").write_text("2")
    assert [path.name for path in folder.iterdir()] == ["b"]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_full_disk_is_one_line_and_leaves_the_folder_as_it_was(tmp_path):
    def write_half() -> None:
        with whole_folder(tmp_path / "new", "the scenes") as partial:
            (partial / "half").write_text("")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(UserError, match=r"new: cannot write the scenes: No space left on device"):
        write_half()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("left", ["plan.json.partial", "scenes.partial.lock"])
def test_a_folder_in_which_a_killed_run_had_just_begun_is_new(tmp_path: Path, left: str) -> None:
    (tmp_path / left).write_text("{")
    check_new(tmp_path)
    (tmp_path / "plan.json").write_text("{}")
    with pytest.raises(UserError, match="is not empty"):
        check_new(tmp_path)
