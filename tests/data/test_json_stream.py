"""JSON read value by value says what ``json.loads`` says."""

import gc
import json
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from clmot.data.readers import json_stream
from clmot.data.readers.json_stream import JsonStream, open_json
from clmot.errors import UserError

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner))
LAYOUTS = st.sampled_from([{}, {"indent": 1}, {"separators": (",", ":")}, {"ensure_ascii": False}])
relaxed = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


RECORDS = st.fixed_dictionaries(
    {"a": SCALARS}, optional={"b": st.lists(st.dictionaries(st.just("a"), SCALARS)), "},{": VALUES}
)


def walk(stream: JsonStream, depth: int):
    """The value that comes, its containers entered down to a depth, lists at the last one batch by batch."""
    if depth and stream.peek() == "{":
        return {key: walk(stream, depth - 1) for key in stream.keys()}
    if depth == 1 and stream.peek() == "[":
        return list(chain.from_iterable(stream.batches()))
    if depth and stream.peek() == "[":
        return [walk(stream, depth - 1) for _ in stream.items()]
    return stream.value()


def read(path: Path, text: str, depth: int = 2):
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with open_json(path) as stream:
        return walk(stream, depth)


@pytest.fixture(params=[(1, 10), (7, 40), (1 << 20, 40), (1 << 20, 1 << 16)])
def path(request, tmp_path, monkeypatch) -> Path:
    """A file that is read in pieces of so many characters, and decoded in batches of so many."""
    for name, size in zip(("_CHUNK", "_BATCH"), request.param, strict=True):
        monkeypatch.setattr(json_stream, name, size)
    return tmp_path / "a.json"


@relaxed
@given(VALUES, LAYOUTS, st.integers(0, 3))
@example([12.5, 1e300, -3, 2.5e-7], {"separators": (",", ":")}, 1)
@example([[], {}, [[]]], {}, 2)
def test_values_are_those_of_json(path, value, layout, depth) -> None:
    text = json.dumps(value, **layout)
    assert read(path, text, depth) == json.loads(text)


@settings(relaxed, max_examples=25)
@given(st.lists(RECORDS, min_size=1, max_size=12), VALUES, LAYOUTS, st.data())
def test_records_in_batches_are_those_of_json(path, records, behind, layout, data) -> None:
    """Whole, and with a character taken out, doubled or put in anywhere."""
    text = json.dumps({"records": records, "behind": behind}, **layout)
    assert read(path, text) == json.loads(text)
    at = data.draw(st.integers(0, len(text) - 1))
    text = text[:at] + data.draw(st.sampled_from(["", text[at] * 2, ",", "]", "}", "},{", '"'])) + text[at + 1 :]
    try:
        expected = json.loads(text)
    except json.JSONDecodeError as error:
        with pytest.raises(UserError, match=rf"a\.json:{error.lineno}: not valid JSON: "):
            read(path, text)
    else:
        assert read(path, text) == expected


@pytest.mark.parametrize("indent", [None, 2])
def test_batches_hold_many_records(tmp_path, indent) -> None:
    """So that a decoder is not started for each."""
    path = tmp_path / "a.json"
    records = [{"a": number, "b": [{"c": {}}, 1.5], "d": "},{"} for number in range(100)]
    path.write_text(json.dumps(records, indent=indent))
    with open_json(path) as stream:
        sizes = [len(batch) for batch in stream.batches()]
    assert sum(sizes) == 100
    assert len(sizes) <= 3


def test_a_border_between_records_may_lie_in_one(tmp_path) -> None:
    path = tmp_path / "a.json"
    records = [{"a": [{}, {}, {}]} for _ in range(50)] + [{"text": "}, {" * 9}]
    path.write_text(json.dumps([{}, *records, [], 1, *records]))
    with open_json(path) as stream:
        assert [*chain.from_iterable(stream.batches())] == [{}, *records, [], 1, *records]


def test_the_garbage_collector_is_left_as_it_was(path) -> None:
    path.write_text("[1")
    for enabled in (True, False):
        gc.enable() if enabled else gc.disable()
        with open_json(path):
            assert not gc.isenabled()
        assert gc.isenabled() == enabled
        with pytest.raises(UserError, match="not valid JSON"), open_json(path) as stream:
            stream.value()
        assert gc.isenabled() == enabled
        gc.enable()


@relaxed
@given(VALUES.filter(lambda value: isinstance(value, dict | list)), st.data())
def test_what_json_refuses_is_refused(path, value, data) -> None:
    """With a character taken out, doubled or put in anywhere."""
    text = json.dumps(value, indent=1)
    at = data.draw(st.integers(0, len(text) - 1))
    text = text[:at] + data.draw(st.sampled_from(["", text[at] * 2, ",", "]", "}", "\n:", '"', "1"])) + text[at + 1 :]
    try:
        expected = json.loads(text)
    except json.JSONDecodeError:
        with pytest.raises(UserError, match=r"a\.json:\d+: not valid JSON: "):
            read(path, text)
    else:
        assert read(path, text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{\n"a": [\n1 2]}', r"a\.json:3: not valid JSON: Expecting ',' delimiter"),
        ('{"a": 1,\n\n\n"b": [tru]}', r"a\.json:4: not valid JSON: Expecting value"),
        ('{"a": 1,\n b: 2}', r"a\.json:2: not valid JSON: Expecting property name"),
        ('{"a"\n1}', r"a\.json:2: not valid JSON: Expecting ':'"),
        ('{"a": [\n1,\n2,\n"x', r"a\.json:4: not valid JSON: Unterminated string"),
        ("[1]\n\n2", r"a\.json:3: not valid JSON: Extra data"),
        ("\n", r"a\.json:2: not valid JSON: Expecting value"),
        ("[" * 100_000, r"a\.json: not a JSON text file"),
    ],
)
def test_faults_are_named_by_line(path, text, message) -> None:
    with pytest.raises(UserError, match=message):
        read(path, text)


def test_byte_order_mark_line_ends_and_other_texts(path) -> None:
    path.write_bytes('\ufeff{"a":\r\n[1,\r\n"ü"]}\r\n'.encode())
    with open_json(path) as stream:
        assert walk(stream, 2) == {"a": [1, "ü"]}
    path.write_bytes(b"\xff\xfe{")
    with pytest.raises(UserError, match=r"a\.json: not a JSON text file"), open_json(path) as stream:
        stream.value()
    with pytest.raises(UserError, match=r"none\.json: cannot read annotations: No such"):
        open_json(path.with_name("none.json")).__enter__()
