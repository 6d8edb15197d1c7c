"""Tables of numbers: what is read, and that every fault is named by its line."""

from pathlib import Path

import numpy as np
import pytest

from clmot.errors import UserError
from clmot.io.number_table import read_numbers


def test_commas_blanks_words_and_empty_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbf1, 2.5 red\r\n\r\n2\tnan blue")
    table = read_numbers(path, ("n", "x", "colour"), words={"colour": {"red": 4, "blue": -1}})
    np.testing.assert_array_equal(table.values, [[1, 2.5, 4], [2, np.nan, -1]])
    assert (table.line.tolist(), table.whole("n").tolist()) == ([1, 3], [1, 2])
    path.write_text("")
    assert read_numbers(path, ("n", "x")).values.shape == (0, 2)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not a text file"):
        read_numbers(tmp_path / "a.txt", ("n",))
    with pytest.raises(UserError, match="cannot read annotations: No such file"):
        read_numbers(tmp_path / "b.txt", ("n",))


@pytest.mark.parametrize(
    ("text", "bounds", "message"),
    [
        ("1\n\n1.5", (), r"a\.txt:3: n is 1\.5, expected a whole number$"),
        ("nan", (), r"a\.txt:1: n is nan, expected a whole number$"),
        ("1e17", (), r"a\.txt:1: n is 1e\+17, expected a whole number$"),
        ("0", (1,), r"a\.txt:1: n is 0, expected a whole number >= 1$"),
        ("3\n4", (-1, 3), r"a\.txt:2: n is 4, expected -1 to 3$"),
    ],
)
def test_whole_numbers_within_bounds(tmp_path: Path, text: str, bounds: tuple[int, ...], message: str) -> None:
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(UserError, match=message):
        read_numbers(tmp_path / "a.txt", ("n",)).whole("n", *bounds)
