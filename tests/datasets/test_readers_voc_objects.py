"""What the pattern reads of a Pascal VOC file is what the parser reads."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clmot.datasets.readers import voc, voc_objects
from clmot.datasets.readers.voc_objects import VocObjects, split_objects
from clmot.errors import UserError

DIFFICULT = "<difficult>{difficult}</difficult>"
BOX = "<bndbox>\n\t\t<xmin>{0}</xmin><ymin>{1}</ymin>\r\n<xmax>{2}</xmax><ymax>{3}</ymax></bndbox>"
LAYOUTS = {
    "devkit": f"<object>\n\t<name>{{name}}</name><pose>Left</pose>{DIFFICULT}{BOX}\n</object>",
    "box first": f"<object>{BOX}<name>{{name}}</name></object>",
    "another order of sides": "<object><name>{name}</name><bndbox><ymax>{3}</ymax><xmax>{2}</xmax><xmin>{0}</xmin>"
    "<ymin>{1}</ymin></bndbox></object>",
    "with parts": f"<object><name>{{name}}</name>{BOX}<part><name>head</name>{BOX}</part>{DIFFICULT}</object>",
    "with attributes": f"<object><name>{{name}}</name>{BOX}<attributes><attribute><name>a</name></attribute>"
    "<attribute><name>b</name></attribute></attributes></object>",
}
HEAD = (
    "<?xml version='1.0'?><!-- a -->\n<annotation>\n<filename>ü.jpg</filename>"
    "<size><width>5</width><height>4</height></size>\n"
)
Outcome = tuple[object, ...] | str


def document(layout: str, objects: list[tuple[str, list[object], str]], between: str = "\n") -> str:
    written = [LAYOUTS[layout].format(*sides, name=name, difficult=hard) for name, sides, hard in objects]
    return f"{HEAD}{between.join(written)}\n</annotation>\n"


def outcome(path: Path, split: Callable[[bytes], tuple[VocObjects, bytes] | None]) -> Outcome:
    """What the reader makes of a file, by a pattern or without."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(voc, "split_objects", split)
        try:
            name, size, objects = voc.read_twice(lambda lines: voc._read_file(path, Counter(), lines))
        except UserError as error:
            return str(error)
    return name, size, objects.names, repr(objects.corners.tolist()), objects.difficult.tolist()


OBJECTS = st.tuples(
    st.sampled_from(["person", " traffic light ", "a-1.b", "&lt;", "猫", ""]),
    st.lists(st.sampled_from([1, "2.5", "1e3", " 7 ", "nan", "-1"]), min_size=4, max_size=4),
    st.sampled_from(["0", "1", " TRUE ", "", "Unspecified"]),
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(list(LAYOUTS)), st.lists(OBJECTS, min_size=1, max_size=4), st.data())
def test_the_pattern_reads_what_the_parser_reads(tmp_path: Path, layout: str, objects, data: st.DataObject) -> None:
    """Whole, and with something put in or taken out anywhere."""
    text = document(layout, objects)
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(text) - 1))
        more = ["", "<", ">", "&", "/", "x", "<!--", "-->", "<name/>", "<object>", "</object>", "<object/>", "\x01"]
        text = text[:at] + data.draw(st.sampled_from(more)) + text[at + data.draw(st.integers(0, 12)) :]
    path = tmp_path / "a.xml"
    path.write_text(text, encoding="utf-8")
    assert outcome(path, split_objects) == outcome(path, lambda content: None)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_read_by_the_pattern(layout: str) -> None:
    objects = [("person", [1, 2, 3, "4.5"], "1"), (" dog ", [5, 6, 7, 8], "0")]
    found = split_objects(document(layout, objects, between="\r\n \t").encode())
    assert found is not None
    assert found[0].names == ["person", "dog"]
    np.testing.assert_array_equal(found[0].corners, [[1, 2, 3, 4.5], [5, 6, 7, 8]])
    assert found[0].difficult.tolist() == [DIFFICULT in LAYOUTS[layout], False]
    assert found[1] == document(layout, []).replace("\n\n</", f"\n{voc_objects.STAND_IN.decode()}\n</").encode()


ONE = document("devkit", [("cat", [1, 2, 3, 4], "0")] * 2)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (ONE.replace("<object>", "<!-- <object>", 1).replace("</object>\n</", "</object> -->\n</"), []),
        (ONE.replace("<object>", "<![CDATA[ <object>", 1).replace("</object>\n</", "</object>]]>\n</"), []),
        (ONE.replace("<object>", "<source><object>", 1).replace("</object>\n</", "</object></source>\n</"), []),
        (ONE.replace("</object>", "</object><!-- <object> -->", 1), ["cat"] * 2),
        (ONE.replace("</name>", "</name><bndbox/>", 1), "has no bndbox|xmin of <bndbox> is missing"),
        (ONE.replace("<bndbox>", "<bndbox><xmin>1</xmin></bndbox><bndbox>"), "ymin of <bndbox> is missing"),
        (ONE.replace("cat", "<b>cat</b>", 1), "<object> has no name"),
        (ONE.replace("</object>\n</", "</object><object/>\n</"), "<object> has no name"),
        (ONE.replace("Left", "\x02", 1), "not valid XML"),
        (ONE[: ONE.rfind("</annotation>")], "not valid XML"),
        (ONE.replace("utf-8", "utf-16"), ["cat"] * 2),
        (ONE.replace("utf-8", "utf-16") + "\n", ["cat"] * 2),
    ],
)
def test_what_only_looks_like_objects(tmp_path: Path, text: str, names: list[str] | str) -> None:
    path = tmp_path / "a.xml"
    path.write_text(text, encoding="utf-8")
    found = outcome(path, split_objects)
    assert found == outcome(path, lambda content: None)
    if isinstance(names, str):
        assert isinstance(found, str)
        assert any(each in found for each in names.split("|"))
    else:
        assert found[2] == names


def test_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    text = ONE.replace("version='1.0'", "version='1.0' encoding='latin-1'")
    path.write_bytes(text.encode("latin-1"))
    assert outcome(path, split_objects)[:3] == ("ü.jpg", (5, 4), ["cat"] * 2)
    path.write_bytes(text.replace("latin-1", "utf-16").encode("utf-16"))
    assert outcome(path, split_objects)[:3] == ("ü.jpg", (5, 4), ["cat"] * 2)
