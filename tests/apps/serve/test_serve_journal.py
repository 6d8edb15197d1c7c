"""Edits on the disk: nothing is lost, and nothing that is torn or of other results is taken for an edit."""

import json
import os
from pathlib import Path

import pytest
from command_line import fails

from clmot.apps.convert_results.readers import read_tracks
from clmot.apps.serve.edits import Delete, Merge, Rename, Split, Undo
from clmot.apps.serve.journal import Journal
from clmot.apps.serve.session import Session
from clmot.errors import UserError
from clmot.io.locks import alone
from clmot.io.mot_text import read_mot_text
from tests.apps.conftest import FRAMES, SWAPPED, Street


@pytest.fixture
def results(tmp_path: Path) -> Path:
    file = tmp_path / "a.txt"
    file.write_text(
        "".join(f"{frame},{track},{10 * track},5,9,9,0.9,-1,-1,-1\n" for frame in (1, 2) for track in (1, 2))
    )
    return file


def test_edits_are_read_back_in_order(results: Path) -> None:
    journal = Journal(results)
    assert journal.edits == []
    assert not journal.path.exists()  # looking leaves nothing
    for edit in (Split(track=1, frame=2), Undo(), Merge(into=2, track=1)):
        journal.append(edit)
    assert Journal(results).edits == [Split(track=1, frame=2), Undo(), Merge(into=2, track=1)]


@pytest.mark.parametrize("torn", range(1, 40))
def test_a_torn_last_line_is_dropped_and_overwritten(results: Path, torn: int) -> None:
    journal = Journal(results)
    journal.append(Split(track=1, frame=2))
    whole = journal.path.read_bytes()
    journal.append(Merge(into=2, track=1))
    line = journal.path.read_bytes()[len(whole) :]
    journal.path.write_bytes(whole + line[: torn % len(line)])
    again = Journal(results)
    assert again.edits == [Split(track=1, frame=2)]
    again.append(Undo())
    assert Journal(results).edits == [Split(track=1, frame=2), Undo()]
    assert journal.path.read_bytes() == whole + b'{"do":"undo"}\n'


def test_an_edit_that_cannot_be_written_is_not_there_and_the_next_one_is(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(results)
    journal.append(Undo())

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(UserError, match="No space left"):
            journal.append(Split(track=1, frame=2))
    assert Journal(results).edits == [Undo()]
    journal.append(Merge(into=2, track=1))
    assert Journal(results).edits == [Undo(), Merge(into=2, track=1)]


def test_a_session_changes_nothing_that_it_cannot_keep(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(results)
    before = session.state

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left"):
        session.do(Split(track=1, frame=2))
    assert session.state is before
    assert session.summary()["edits"] == []
    session.close()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"do":"undo"}\n', r"edits.jsonl:1: not edits of this version"),
        (b"\xff\n", r"edits.jsonl:1: not edits of this version"),
        (b'{"clmot edits": 1, "of": "b.txt", "sha256": "0"}\n', "edits of another b.txt"),
    ],
)
def test_a_journal_of_something_else_is_refused(results: Path, content: bytes, message: str) -> None:
    Journal(results).path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        Journal(results)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"do":"merge","into":1}', r"a.edits.jsonl:3: not an edit: .*`track`"),
        (b"\0\0\0", "a.edits.jsonl:3: not an edit"),
        (b'{"do":"split","track":7,"frame":2}', "a.edits.jsonl:3: there is no track 7"),
    ],
)
def test_a_bad_line_is_named(results: Path, line: bytes, message: str) -> None:
    journal = Journal(results)
    journal.append(Split(track=1, frame=2))
    journal.path.write_bytes(journal.path.read_bytes() + line + b"\n")
    with pytest.raises(UserError, match=message):
        Session(results)
    journal.path.unlink()
    Session(results).close()  # the lock was released


def test_results_that_changed_since_are_told(results: Path) -> None:
    Journal(results).append(Split(track=1, frame=2))
    results.write_text(results.read_text() + "3,1,5,5,9,9,0.9,-1,-1,-1\n")
    with pytest.raises(UserError, match=r"edits of another a\.txt, which was replaced"):
        Session(results)


def test_a_second_serve_on_a_folder_is_refused_in_one_line(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with alone(results.parent / ".serve"):
        line = fails(capsys, "serve", results)
    what = "another clmot serve is open on this folder; wait for that, or choose another place"
    assert line == f"clmot: {results.parent / '.serve'}: {what}"


def test_exported_tracks_are_the_corrected_ones_and_can_be_opened_again(street: Street) -> None:
    session = Session(street.results, str(street.video))
    session.do(Split(track=1, frame=SWAPPED))
    session.do(Split(track=2, frame=SWAPPED))
    session.do(Merge(into=1, track=4))
    session.do(Merge(into=2, track=3))
    file, lost = session.export("motchallenge")
    session.close()
    street.write(lambda who, _: who, "expected")
    read, expected = (read_mot_text(each) for each in (file, street.results / "expected.txt"))
    assert len(read) == FRAMES
    for one, two in zip(read, expected, strict=True):
        assert one.track_id.tolist() == two.track_id.tolist()
        assert one.detections.xyxy.tolist() == two.detections.xyxy.tolist()
    assert file == street.results / "corrected" / "street.txt"
    assert lost == ""
    assert json.loads((file.parent / "run.json").read_text())["street"]["source"] == str(street.results / "street.txt")


@pytest.mark.parametrize("to", ["cvat", "label-studio", "coco-vid", "kitti", "csv", "cvat-mot"])
def test_every_format_is_written_and_read_back(street: Street, to: str) -> None:
    from clmot.apps.convert_results.readers import read_tracks

    session = Session(street.results, str(street.video))
    session.do(Split(track=1, frame=SWAPPED))
    file, _ = session.export(to)
    session.close()
    assert len(read_tracks(file, None, (240, 120)).rows) == 2 * FRAMES


def test_names_given_in_the_page_and_what_others_said_go_along_in_every_export(results: Path) -> None:
    told = {"1": {"name": "old", "colour": "red"}, "2": "gone"}
    results.with_name("a.names.json").write_text(json.dumps(told))
    session = Session(results)
    session.do(Rename(track=1, name="Ada"))
    session.do(Rename(track=2, name=""))
    for to in ("cvat", "motchallenge"):
        file, _ = session.export(to)
        assert read_tracks(file, None, None).attributes == {1: {"name": "Ada", "colour": "red"}}
    session.do(Delete(track=1))
    file, _ = session.export("motchallenge")
    assert read_tracks(file, None, None).attributes == {}
    session.close()
