"""Edits of tracks: laws that hold for any of them, and what each one does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clmot.apps.serve.edits import (
    Delete,
    Edit,
    Merge,
    Place,
    Reclass,
    Redo,
    Rename,
    Reviewed,
    Split,
    Swap,
    Undo,
    read_edit,
)
from clmot.apps.serve.history import History
from clmot.apps.serve.state import Boxes, State
from clmot.errors import UserError


def boxes(frames: list[int], track: int) -> Boxes:
    frame = np.array(sorted(frames), np.int64)
    left = (10 * track + frame).astype(np.float32)
    return Boxes(
        frame=frame,
        xyxy=np.stack([left, left, left + 5, left + 9], axis=1),
        score=np.full(len(frame), 0.5, np.float32),
        class_id=np.zeros(len(frame), np.int64),
        origin=np.full(len(frame), track, np.int64),
        key=np.zeros(len(frame), np.bool_),
    )


def state(**tracks: list[int]) -> State:
    found = {int(name[1:]): boxes(frames, int(name[1:])) for name, frames in tracks.items()}
    return State(tracks=found, classes=("person",), next_id=max(found) + 1)


def cells(state: State) -> dict[tuple[int, int], tuple[float, ...]]:
    """Everything there is: by track and frame."""
    return {
        (track, frame): (*box, score, kind, origin, key)
        for track, each in state.tracks.items()
        for frame, box, score, kind, origin, key in zip(
            *(getattr(each, name).tolist() for name in ("frame", "xyxy", "score", "class_id", "origin", "key")),
            strict=True,
        )
    }


def same(one: State, two: State) -> bool:
    return (cells(one), one.names, one.classes, one.reviewed) == (cells(two), two.names, two.classes, two.reviewed)


FRAMES = st.integers(1, 12)
IDS = st.integers(1, 6)
NAMES = st.sampled_from(["", "Ada", "<script>alert(1)</script>", "שלום", "x" * 300])
EDITS = st.one_of(
    st.builds(Merge, into=IDS, track=IDS),
    st.builds(Split, track=IDS, frame=FRAMES),
    st.builds(Swap, track=IDS, other=IDS, frame=FRAMES),
    st.builds(Delete, track=IDS, first=st.none() | FRAMES, last=st.none() | FRAMES),
    st.builds(Rename, track=IDS, name=NAMES),
    st.builds(Reclass, track=IDS, name=st.sampled_from(["person", "car"])),
    st.builds(Place, track=st.integers(0, 6), frame=FRAMES, box=st.just((1.0, 2.0, 30.0, 40.0)), fill=st.booleans()),
    st.builds(Reviewed, event=st.just("jump:3:1")),
)
STATES = st.dictionaries(st.integers(1, 4), st.lists(FRAMES, min_size=1, unique=True), min_size=1).map(
    lambda found: state(**{f"t{track}": frames for track, frames in found.items()})
)


def done(history: History, edits: list[Edit]) -> list[Edit]:
    """The edits that can be made, made."""
    made = []
    for edit in edits:
        before = history.state
        try:
            history.do(edit)
        except UserError:
            assert history.state is before
        else:
            made.append(edit)
    return made


@settings(max_examples=150, deadline=None)
@given(STATES, st.lists(EDITS, max_size=12))
def test_undo_after_do_is_as_before_and_redo_as_after(start: State, edits: list[Edit]) -> None:
    history = History(start)
    states = [start]
    for edit in edits:
        if done(history, [edit]):
            states.append(history.state)
    for before in states[-2::-1]:
        history.do(Undo())
        assert same(history.state, before)
    with pytest.raises(UserError, match="nothing to undo"):
        history.do(Undo())
    for after in states[1:]:
        history.do(Redo())
        assert same(history.state, after)
    with pytest.raises(UserError, match="nothing to redo"):
        history.do(Redo())


@settings(max_examples=150, deadline=None)
@given(STATES, st.lists(EDITS, max_size=12))
def test_an_id_is_once_in_a_frame_and_new_ones_are_of_nobody(start: State, edits: list[Edit]) -> None:
    history, seen = History(start), set(start.tracks)
    for edit in edits:
        before = history.state
        if not done(history, [edit]):
            continue
        for each in history.state.tracks.values():
            assert len(each)
            assert (np.diff(each.frame) > 0).all()
        new = set(history.state.tracks) - set(before.tracks)
        assert not new & seen
        seen |= new
        assert history.state.next_id > max(seen)


@settings(max_examples=150, deadline=None)
@given(STATES, st.lists(EDITS, max_size=8), st.one_of(*(EDITS,)))
def test_merges_splits_and_swaps_keep_every_box(start: State, edits: list[Edit], last: Edit) -> None:
    history = History(start)
    done(history, edits)
    before = history.state
    if done(history, [last]) and isinstance(last, Merge | Split | Swap):
        by_box = [
            sorted((frame, *rest) for (_, frame), rest in cells(each).items()) for each in (before, history.state)
        ]
        assert by_box[0] == by_box[1]


@settings(max_examples=100, deadline=None)
@given(STATES, st.lists(EDITS | st.just(Undo()) | st.just(Redo()), max_size=12))
def test_edits_read_back_from_json_give_the_same_tracks(start: State, edits: list[Edit]) -> None:
    import msgspec

    history, again = History(start), History(start)
    for edit in done(history, edits):
        read = read_edit(msgspec.json.encode(edit))
        assert read == edit
        again.do(read)
    assert same(history.state, again.state)
    assert history.told == again.told


@pytest.mark.parametrize("tracks", [{}, {"t3": [2, 5]}, {"t1": [1], "t3": [2, 5], "t4": [1, 2, 3]}])
def test_tracks_are_the_same_as_rows_and_back_also_where_there_is_none(tracks: dict[str, list[int]]) -> None:
    found = {int(name[1:]): boxes(frames, int(name[1:])) for name, frames in tracks.items()}
    start = State(tracks=found, classes=("person",))
    assert cells(State.of_rows(start.rows(), ("person",), 1)) == cells(start)


def test_a_merge_leaves_boxes_where_both_are_there() -> None:
    after, told = Merge(into=1, track=2).apply(state(t1=[1, 2, 3], t2=[3, 4, 5]))
    assert after.tracks[1].frame.tolist() == [1, 2, 3, 4, 5]
    assert after.tracks[1].origin.tolist() == [1, 1, 1, 2, 2]
    assert after.tracks[2].frame.tolist() == [3]
    assert told == "Merged track 2 into 1; 1 box of it stay, as both are there."


def test_a_swap_exchanges_what_comes_from_a_frame_on() -> None:
    after, _ = Swap(track=1, other=2, frame=3).apply(state(t1=[1, 2, 3, 4], t2=[2, 3, 5]))
    assert after.tracks[1].frame.tolist() == [1, 2, 3, 5]
    assert after.tracks[1].origin.tolist() == [1, 1, 2, 2]
    assert after.tracks[2].frame.tolist() == [2, 3, 4]
    assert after.tracks[2].origin.tolist() == [2, 1, 1]


def test_boxes_between_two_key_frames_lie_on_a_straight_line() -> None:
    history = History(state(t1=list(range(1, 11))))
    history.do(Place(track=1, frame=2, box=(0, 0, 10, 10)))
    assert history.state.tracks[1].xyxy[2].tolist() == boxes([3], 1).xyxy[0].tolist()  # one key alone moves one box
    assert (
        history.do(Place(track=1, frame=6, box=(40, 80, 50, 100))) == "Track 1: box in frame 6, 3 between key frames."
    )
    moved = history.state.tracks[1]
    assert moved.xyxy[1:6].tolist() == [
        [0, 0, 10, 10],
        [10, 20, 20, 32.5],
        [20, 40, 30, 55],
        [30, 60, 40, 77.5],
        [40, 80, 50, 100],
    ]
    assert moved.xyxy[6].tolist() == boxes([7], 1).xyxy[0].tolist()
    assert moved.key.nonzero()[0].tolist() == [1, 5]
    # a key frame between the two bends the line
    history.do(Place(track=1, frame=4, box=(0, 0, 10, 10)))
    assert history.state.tracks[1].xyxy[1:6, 0].tolist() == [0, 0, 0, 20, 40]


def test_a_new_track_is_made_of_key_frames_and_filled_at_the_step_of_the_results() -> None:
    start = State(tracks={4: boxes([1, 3, 5, 7], 4)}, classes=("person",), step=2, next_id=5)
    history = History(start)
    history.do(Place(track=0, frame=1, box=(0, 0, 10, 10), name="car"))
    history.do(Place(track=5, frame=7, box=(6, 0, 16, 10)))
    made = history.state.tracks[5]
    assert made.frame.tolist() == [1, 3, 5, 7]
    assert made.xyxy[:, 0].tolist() == [0, 2, 4, 6]
    assert set(made.origin.tolist()) == {0}
    assert [history.state.classes[number] for number in made.class_id] == ["car"] * 4


def test_the_first_track_of_results_without_classes_is_an_object() -> None:
    history = History(State(tracks={4: boxes([1], 4)}, classes=(), step=1, next_id=5))
    history.do(Place(track=0, frame=1, box=(0, 0, 10, 10)))
    assert history.state.classes == ("object",)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (Merge(into=1, track=1), "with itself"),
        (Merge(into=1, track=9), "there is no track 9"),
        (Merge(into=1, track=3), "nothing to merge"),
        (Split(track=1, frame=1), "no box before frame 1"),
        (Split(track=1, frame=9), "no box from frame 9 on"),
        (Swap(track=1, other=2, frame=40), "neither 1 nor 2"),
        (Delete(track=1, first=7), "no box from frame 7 to 3"),
        (Rename(track=1, name="x" * 301), "1 to 300 characters"),
        (Rename(track=1, name="a\x1b[31m"), "no line breaks or control characters"),
        (Reclass(track=1, name=" "), "1 to 300 characters"),
        (Place(track=1, frame=1, box=(5, 5, 5, 9)), "has no area"),
        (Place(track=1, frame=1, box=(float("nan"), 5, 9, 9)), "has no area"),
        (Place(track=1, frame=0, box=(1, 5, 9, 9)), "lies nowhere"),
    ],
)
def test_what_cannot_be_done_is_one_line(edit: Edit, message: str) -> None:
    with pytest.raises(UserError, match=message):
        History(state(t1=[1, 2, 3], t2=[3, 4, 5], t3=[2])).do(edit)


@pytest.mark.parametrize("text", [b"", b"[]", b'{"do":"erase"}', b'{"do":"split","track":1}', b'{"do":"undo","x":1}'])
def test_what_is_no_edit_is_one_line(text: bytes) -> None:
    with pytest.raises(UserError, match="not an edit"):
        read_edit(text)
