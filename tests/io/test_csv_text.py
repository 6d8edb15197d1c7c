import csv
import io

import pytest

from clmot.io.csv_text import csv_text, plain_text


@pytest.mark.parametrize("name", ["=1+1", "+a", "-a", "@SUM(A1)", '=HYPERLINK("http://x","y")'])
def test_a_name_that_begins_like_a_formula_is_none_in_a_spreadsheet_and_comes_back(name: str) -> None:
    ((cell,),) = csv.reader(io.StringIO(csv_text([[name]]), newline=""))
    assert cell == f"'{name}"
    assert plain_text(cell) == name


@pytest.mark.parametrize("value", ["person", "'quoted", "a=b", "", -1.5, 3])
def test_other_cells_stay_as_they_are(value: object) -> None:
    ((cell,),) = csv.reader(io.StringIO(csv_text([[value]])))
    assert cell == plain_text(cell) == str(value)


def test_a_line_end_in_a_name_ends_no_row() -> None:
    assert csv_text([["a\r=1\n", 2]]) == "a␍=1␊,2\n"
