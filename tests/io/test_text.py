"""Text files in the encodings that tools write."""

from __future__ import annotations

from pathlib import Path

import pytest

from clmot.errors import UserError
from clmot.io.text import head_of, read_text

CHINESE = "行人\n车辆\n自行车\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (CHINESE, "utf-8"),
        (CHINESE, "utf-8-sig"),
        (CHINESE, "utf-16"),
        (CHINESE, "utf-32"),
        (CHINESE, "gbk"),
        (CHINESE, "gb2312"),
        (CHINESE, "gb18030"),
        # characters that are in GBK only have a second byte below 0x80 at times
        ("person\n朱镕基\n行人", "gbk"),
        ("0 0.5\ncar", "utf-16-le"),
        ("0 0.5\ncar", "utf-16-be"),
        ("Fußgänger\nMüll\nCafé", "cp1252"),
        ("naïve", "latin-1"),
    ],
)
def test_text_is_read_in_whatever_encoding_it_is_in(text: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_bytes(text.encode(encoding))
    assert read_text(path) == text


@pytest.mark.parametrize("encoding", ["gbk", "shift_jis", "big5", "euc-kr", "cp1251", "cp1252"])
def test_two_names_never_become_one(encoding: str, tmp_path: Path) -> None:
    names = {
        "gbk": ["行人", "车辆"],
        "shift_jis": ["歩行者", "自転車"],
        "big5": ["行人", "車輛"],
        "euc-kr": ["보행자", "자동차"],
        "cp1251": ["пешеход", "машина"],
        "cp1252": ["Fußgänger", "Fahrräder"],
    }[encoding]
    path = tmp_path / "classes.txt"
    path.write_bytes("\n".join(names).encode(encoding))
    assert len(set(read_text(path).split("\n"))) == len(names)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for content in (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", b"\x80\x02}q\x00(X\x01", bytes(range(1, 256))):
        path.write_bytes(content)
        with pytest.raises(
            UserError, match=r"a\.txt: not a text file in UTF-8, UTF-16 or GB18030 .it is .+; expected names"
        ):
            read_text(path, "names")
    with pytest.raises(UserError, match=r"b\.txt: cannot read names: No such file"):
        read_text(tmp_path / "b.txt", "names")


def test_a_guess_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "classes.txt"
    path.write_bytes(CHINESE.encode("gbk"))
    read_text(path)
    assert "classes.txt: not UTF-8, read as gb18030" in caplog.text


def test_beginning(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le"):
        path.write_bytes(' \n{"shapes": []}'.encode(encoding))
        assert head_of(path).startswith('{"shapes"')
    assert head_of(tmp_path / "none") == ""
