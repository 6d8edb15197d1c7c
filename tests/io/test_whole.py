from pathlib import Path

import pytest

from clmot.errors import UserError
from clmot.io.whole import whole_file, write_whole_text


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
