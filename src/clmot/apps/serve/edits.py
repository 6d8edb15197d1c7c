"""What a person can change about tracks, as pure functions: tracks and an edit in, other tracks out.

The same edits, made to the same tracks, give the same tracks: that is what a journal of them is read back by.
"""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import msgspec
import numpy as np

from clmot import boxes as box
from clmot.apps.count.geometry import checked_shape
from clmot.apps.serve.state import Boxes, State
from clmot.errors import UserError, plural, readable, require


class Edit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", omit_defaults=True):
    """One change; `apply` makes it."""

    def apply(self, state: State) -> tuple[State, str]:
        """The tracks after it, and what was done, in a sentence.

        Raises:
            UserError: it cannot be made to these tracks.
        """
        raise NotImplementedError


_LONGEST_NAME = 300
_MOST_SHAPES = 50
_FARTHEST = 1e6
"""Pixels, and frames beyond the last one, that nobody means."""


class Merge(Edit, frozen=True, tag="merge"):
    """One track's boxes go to another, but in frames in which that has one already: there they stay."""

    into: int
    track: int

    def apply(self, state: State) -> tuple[State, str]:
        """As `Edit.apply`."""
        mine, other = state.boxes(self.into), state.boxes(self.track)
        require(self.into != self.track, f"track {self.track} cannot be merged with itself")
        taken = np.isin(other.frame, mine.frame)
        require(not taken.all(), f"track {self.into} has a box in each frame of track {self.track}: nothing to merge")
        merged = state.changed({self.into: mine.with_others(other.take(~taken)), self.track: other.take(taken)})
        if self.into not in merged.names and self.track in state.names and not taken.any():
            merged = replace(merged, names={**merged.names, self.into: state.names[self.track]})
        kept = f"; {plural(int(taken.sum()), 'box', 'boxes')} of it stay, as both are there" if taken.any() else ""
        return merged, f"Merged track {self.track} into {self.into}{kept}."


class Split(Edit, frozen=True, tag="split"):
    """From a frame on, a track is another one, with a new id."""

    track: int
    frame: int

    def apply(self, state: State) -> tuple[State, str]:
        """As `Edit.apply`."""
        boxes = state.boxes(self.track)
        at = int(boxes.frame.searchsorted(self.frame))
        require(at > 0, f"track {self.track} has no box before frame {self.frame}: nothing to split")
        require(at < len(boxes), f"track {self.track} has no box from frame {self.frame} on: nothing to split")
        new = state.next_id
        parts = {self.track: boxes.take(slice(None, at)), new: boxes.take(slice(at, None))}
        return state.changed(parts), f"Split track {self.track} at frame {self.frame}: from there on it is {new}."


class Swap(Edit, frozen=True, tag="swap"):
    """From a frame on, two tracks change places."""

    track: int
    other: int
    frame: int

    def apply(self, state: State) -> tuple[State, str]:
        """As `Edit.apply`."""
        pair = (self.track, self.other)
        require(self.track != self.other, f"track {self.track} cannot change places with itself")
        boxes = [state.boxes(track) for track in pair]
        at = [int(each.frame.searchsorted(self.frame)) for each in boxes]
        after = [each.take(slice(row, None)) for each, row in zip(boxes, at, strict=True)]
        require(any(map(len, after)), f"neither {self.track} nor {self.other} has a box from frame {self.frame} on")
        swapped = {
            track: Boxes.join([each.take(slice(None, row)), other])
            for track, each, row, other in zip(pair, boxes, at, after[::-1], strict=True)
        }
        return state.changed(swapped), f"Tracks {self.track} and {self.other} change places from frame {self.frame} on."


class Delete(Edit, frozen=True, tag="delete"):
    """The boxes of a track go, or those from one frame to another."""

    track: int
    first: int | None = None
    last: int | None = None

    def apply(self, state: State) -> tuple[State, str]:
        """As `Edit.apply`."""
        boxes = state.boxes(self.track)
        low = boxes.frame[0] if self.first is None else self.first
        high = boxes.frame[-1] if self.last is None else self.last
        gone = (boxes.frame >= low) & (boxes.frame <= high)
        require(bool(gone.any()), f"track {self.track} has no box from frame {low} to {high}")
        what = f"track {self.track}"
        if not gone.all():
            what = f"{plural(int(gone.sum()), 'box', 'boxes')} of {what}"
        return state.changed({self.track: boxes.take(~gone)}), f"Deleted {what}."


class Rename(Edit, frozen=True, tag="rename"):
    """A track is called something; by nothing again where that is empty."""

    track: int
    name: str

    def apply(self, state: State) -> tuple[State, str]:
        """As `Edit.apply`."""
        state.boxes(self.track)
        name = checked_name(self.name, "name") if self.name else ""
        names = {track: each for track, each in state.names.items() if track != self.track}
        named = replace(state, names={**names, self.track: name} if name else names)
        return named, f"Track {self.track} is called {name}." if name else f"Track {self.track} has no name."


class Reclass(Edit, frozen=True, tag="class"):
    """All boxes of a track are of one class, which may be a new one."""

    track: int
    name: str

    def apply(self, state: State) -> tuple[State, str]:
        """As `Edit.apply`."""
        boxes = state.boxes(self.track)
        state, number = state.class_number(checked_name(self.name, "class"))
        of_class = replace(boxes, class_id=np.full(len(boxes), number, np.int64))
        return state.changed({self.track: of_class}), f"Track {self.track} is of class {self.name}."


class Place(Edit, frozen=True, tag="box"):
    """A box is put somewhere: a key frame of the track, or the first of a new one (0).

    Between it and the nearest key frames on both sides, boxes lie on the straight line, unless `fill` is false.
    """

    track: int
    frame: int
    box: tuple[float, float, float, float]
    name: str = ""
    fill: bool = True

    def apply(self, state: State) -> tuple[State, str]:
        """As `Edit.apply`."""
        xyxy = np.array([self.box], np.float64).astype(np.float32)
        require(bool(box.well_formed(xyxy).all()), "the box has no area")
        require(bool((np.abs(xyxy) <= _FARTHEST).all()) and 1 <= self.frame <= _FARTHEST, "the box lies nowhere")
        track = self.track or state.next_id
        before = state.boxes(track) if self.track else Boxes.join([])
        if self.track:
            near = min(int(before.frame.searchsorted(self.frame)), len(before) - 1)
            number = int(before.class_id[near])
        else:
            usual = state.classes[0] if state.classes else "object"
            state, number = state.class_number(checked_name(self.name, "class") if self.name else usual)
        row = before.at(self.frame)
        placed = Boxes(
            frame=np.array([self.frame], np.int64),
            xyxy=xyxy,
            score=np.ones(1, np.float32),
            class_id=np.array([number], np.int64),
            origin=np.array([0 if row is None else before.origin[row]], np.int64),
            key=np.ones(1, np.bool_),
        )
        now = before.with_others(placed)
        keys = before.frame[before.key] if self.fill else before.frame[:0]
        filled = 0
        for other in (*keys[keys < self.frame][-1:].tolist(), *keys[keys > self.frame][:1].tolist()):
            between = _line(now, min(self.frame, other), max(self.frame, other), state.step)
            filled += len(between)
            now = now.with_others(between)
        what = f"Track {track}: box in frame {self.frame}" if self.track else f"New track {track} in frame {self.frame}"
        return state.changed({track: now}), what + (f", {filled} between key frames." if filled else ".")


def _line(boxes: Boxes, first: int, last: int, step: int) -> Boxes:
    """What lies between two boxes of a track, on a straight line from one to the other."""
    there = boxes.between(first + 1, last - 1)
    frames = np.union1d(np.arange(first + step, last, step, dtype=np.int64), there.frame)
    ends = [boxes.at(first), boxes.at(last)]
    low, high = (boxes.xyxy[row].astype(np.float64) for row in ends)
    share = ((frames - first) / (last - first))[:, None]
    origin = np.zeros(len(frames), np.int64)
    origin[frames.searchsorted(there.frame)] = there.origin
    return Boxes(
        frame=frames,
        xyxy=(low + share * (high - low)).astype(np.float32),
        score=np.ones(len(frames), np.float32),
        class_id=np.full(len(frames), boxes.class_id[ends[0]], np.int64),
        origin=origin,
        key=np.zeros(len(frames), np.bool_),
    )


class Reviewed(Edit, frozen=True, tag="reviewed"):
    """An event was looked at."""

    event: str

    def apply(self, state: State) -> tuple[State, str]:
        """As `Edit.apply`."""
        return replace(state, reviewed=state.reviewed | {checked_name(self.event, "event")}), "Looked at an event."


class Outline(Edit, frozen=True, tag="shape"):
    """A line or zone in which is counted is drawn, gets another name (`before` is the one it had), or goes."""

    name: str
    points: tuple[tuple[float, float], ...] = ()
    before: str = ""

    def apply(self, state: State) -> tuple[State, str]:
        """As `Edit.apply`."""
        name, taken = checked_name(self.name, "name"), self.before or self.name
        kind = "line" if len(self.points or state.shapes.get(taken, ())) == 2 else "zone"
        if not self.points:
            require(taken in state.shapes, f"there is no line or zone called {taken}")
            left = {each: points for each, points in state.shapes.items() if each != taken}
            return replace(state, shapes=left), f"Deleted a {kind}: {taken}."
        require(name == taken or name not in state.shapes, f"there is a line or zone called {name} already")
        shape = checked_shape(name, np.array(self.points, np.float64), f"the {kind}")
        named = {name if each == taken else each: points for each, points in state.shapes.items()}
        require(len(named) < _MOST_SHAPES or name in named, f"there are {len(named)} lines and zones already")
        told = f"The {kind} {self.before} is called {name}." if self.before else f"Drew a {kind}: {name}."
        return replace(state, shapes={**named, name: shape.points}), told


class Undo(Edit, frozen=True, tag="undo"):
    """The last change goes."""


class Redo(Edit, frozen=True, tag="redo"):
    """What was undone last comes back."""


def checked_name(name: str, what: str) -> str:
    """A name that a line of text can hold.

    Raises:
        UserError: it cannot.
    """
    require(bool(name.strip()) and len(name) <= _LONGEST_NAME, f"a {what} has 1 to {_LONGEST_NAME} characters")
    kinds = {unicodedata.category(character) for character in name}
    require(kinds.isdisjoint({"Cc", "Zl", "Zp"}), f"a {what} has no line breaks or control characters")
    return readable(name.strip())


AnyEdit = Merge | Split | Swap | Delete | Rename | Reclass | Place | Reviewed | Outline | Undo | Redo
_decoder = msgspec.json.Decoder(AnyEdit)


def read_edit(text: bytes) -> AnyEdit:
    """An edit from JSON.

    Raises:
        UserError: it is none.
    """
    try:
        return _decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UserError(f"not an edit: {error}") from error
