"""One results file that is open: its tracks as they are after all edits, and everything the page asks of them."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from clmot.apps.convert_results.attributes import NAME, Attributes, read_attributes
from clmot.apps.convert_results.convert import frame_size, recorded_source, write_tracks
from clmot.apps.convert_results.sequence import TrackedSequence
from clmot.apps.convert_results.writers import WRITERS, Target
from clmot.apps.report.events import Event
from clmot.apps.report.page import track_entry
from clmot.apps.report.pictures import crop_of
from clmot.apps.report.results import load_results, tracked_with
from clmot.apps.report.why import why
from clmot.apps.serve.boxes_wire import packed
from clmot.apps.serve.counting import PlanFile, counted
from clmot.apps.serve.edits import AnyEdit
from clmot.apps.serve.history import History
from clmot.apps.serve.journal import Journal
from clmot.apps.serve.media import MediaMaker, Stills
from clmot.apps.serve.state import Boxes, State
from clmot.apps.serve.suspects import SuspectFinder
from clmot.errors import UserError, did_you_mean, readable, require
from clmot.io.atomic import make_folder
from clmot.io.image import encoded_image
from clmot.io.locks import alone
from clmot.io.sources import open_one
from clmot.visualize.draw import track_colour

CORRECTED, HIDDEN = "corrected", ".serve"
"""Folders beside results: of corrected ones, and of videos that were made for the browser."""
COLOURS = ["#{:02x}{:02x}{:02x}".format(*track_colour(track)) for track in range(1, 25)]
FORMATS = {"motchallenge": ".txt", **{name: form.suffixes[0] for name, form in WRITERS.items()}, "cvat-mot": ".zip"}
"""What tracks can be exported to, and how such a file ends."""
_MOST_TRACKS = 1000
_MOST_CROPS = 6
_CROP_QUALITY = 82


class Session:
    """Results, their video and their edits. Its methods may be called by several threads.

    Args:
        path: MOTChallenge text, or a folder with it.
        video: what was tracked; by default what the results' record names, if it is there still.

    Raises:
        UserError: they cannot be read, or somebody else edits them.
    """

    def __init__(self, path: Path, video: str | None = None) -> None:
        self.source = open_one(video) if video is not None else recorded_source(path)
        # two passes over a video at once need two
        again = None if self.source is None else open_one(video if video is not None else self.source.origin)
        if self.source is not None and self.source.live:
            raise UserError(f"{self.source.origin}: is a camera; name the recording")
        self.results = load_results(path, self.source)
        self.file = self.results.file
        with contextlib.ExitStack() as stack:
            held = "another clmot serve is open on this folder"
            stack.enter_context(alone(self.file.parent / ".serve", held=held))
            self._attributes = read_attributes(self.file)
            names = {track: told[NAME] for track, told in self._attributes.items() if NAME in told}
            self._first = State.of_rows(self.results.rows, self.results.all_classes, self.results.step, names)
            self._journal = Journal(self.file)
            self._history = self._journal.replayed(History(self._first))
            self._lock = threading.Lock()
            self._plan = PlanFile(self.file)
            for edit in self._plan.edits(self.state.shapes):
                self.do(edit)
            self._plan.write(self.state.shapes)
            self._stack = stack.pop_all()
        self._counts: tuple[State, dict[str, Any]] | None = None
        self.size = None if self.source is None else frame_size(self.source)
        self._entries: dict[int, tuple[Boxes, tuple[str, ...], dict[str, Any]]] = {}
        self.media = MediaMaker(self.source, self.file.parent / HIDDEN, self.results.frames, self.results.frame_rate)
        self.stills = None if self.source is None else Stills(self.source, lambda: self.media.made)
        self.suspects = SuspectFinder(self.results, again)

    def close(self) -> None:
        """Let others edit these results."""
        self.media.close()
        self.suspects.close()
        self._stack.close()

    @property
    def state(self) -> State:
        """The tracks as they are now."""
        return self._history.state

    @property
    def revision(self) -> int:
        """How many edits were made, undoing included: whether a page shows the tracks as they are now."""
        return len(self._journal.edits)

    def do(self, edit: AnyEdit) -> str:
        """Make an edit and keep it; says what was done.

        Raises:
            UserError: it cannot be made, or not be kept; nothing is changed then.
        """
        with self._lock:
            after = self._history.copy()
            told = after.do(edit)
            redrawn = after.state.shapes is not self.state.shapes
            if redrawn:  # first, as the journal follows it where a kill comes between them
                self._plan.write(after.state.shapes)
            try:
                self._journal.append(edit)
            except UserError:
                if redrawn:
                    self._plan.write(self.state.shapes)
                raise
            self._history = after
            return told

    def counts(self) -> dict[str, Any]:
        """As `counted`, of the tracks as they are now."""
        state, kept = self.state, self._counts
        if kept is None or kept[0].tracks is not state.tracks or kept[0].shapes is not state.shapes:
            kept = self._counts = (state, counted(state, replace(self.results, classes=state.classes)))
        return kept[1]

    def summary(self) -> dict[str, Any]:
        """What the page shows of it all, but the boxes."""
        with self._lock:
            state, results = self.state, replace(self.results, classes=self.state.classes)
            shown = sorted(state.tracks, key=lambda track: -len(state.tracks[track]))[:_MOST_TRACKS]
            tracks = [self._entry(track, state, results) for track in shown]
            tracks.sort(key=lambda each: (each["first"], each["id"]))
            frames = self.results.frames
            return {
                "name": self.results.name,
                "live": False,
                "size": self.size or [int(side) for side in self.results.rows.xyxy[:, 2:].max(axis=0)],
                "file": readable(str(self.file)),
                "facts": [[name, readable(value)] for name, value in tracked_with(self.results)],
                "first": int(frames[0]),
                "last": int(frames[-1]),
                "step": self.results.step,
                "rate": self.results.frame_rate,
                "boxes": sum(map(len, state.tracks.values())),
                "classes": list(state.classes),
                "tracks": tracks,
                "more_tracks": len(state.tracks) - len(shown),
                "colours": COLOURS,
                "edits": self._history.told,
                "undone": self._history.undone[:1],
                "shapes": [[name, points.tolist()] for name, points in state.shapes.items()],
                "plan": readable(self._plan.path.name),
                "formats": list(FORMATS),
                "revision": self.revision,
                "journal": readable(self._journal.path.name),
            }

    def _entry(self, track: int, state: State, results: Any) -> dict[str, Any]:
        boxes = state.tracks[track]
        kept = self._entries.get(track)
        if kept is None or kept[0] is not boxes or kept[1] != state.classes:
            entry = track_entry(track, boxes.frame, boxes.score, boxes.class_id, results)
            kept = self._entries[track] = (boxes, state.classes, entry)
        return {**kept[2], "name": state.names.get(track, "")}

    def window(self, first: int, last: int) -> bytes:
        """The boxes from one frame to another, as `packed`."""
        return packed(self.state.between(first, last))

    def track(self, track: int, frame: int) -> dict[str, Any] | None:
        """What is told of a track when it is clicked in a frame; None where an edit has just taken it away."""
        state = self.state
        if track not in state.tracks:
            return None
        boxes = state.boxes(track)
        places = np.unique(np.linspace(0, len(boxes) - 1, _MOST_CROPS).round().astype(np.int64))
        row = boxes.at(frame)
        origin = 0 if row is None else int(boxes.origin[row])
        event = Event(kind="match", frame=frame, before=frame - 1, tracks=(origin,), severity=0, text="")
        reason = why(event, self.results) if origin else None
        origins = np.unique(boxes.origin).tolist()
        return {
            "id": track,
            "name": state.names.get(track, ""),
            "class": state.classes[int(np.bincount(boxes.class_id).argmax())],
            "first": int(boxes.frame[0]),
            "last": int(boxes.frame[-1]),
            "boxes": len(boxes),
            "score": None if row is None else round(float(boxes.score[row]), 3),
            "keys": boxes.frame[boxes.key].tolist()[:100],
            "origins": [each for each in origins if each] if origins != [track] else [],
            "crops": boxes.frame[places].tolist() if self.stills else [],
            "why": reason and {**reason, "text": _of_now(reason["text"], origin, track)},
            "explained": self.results.decisions is not None,
        }

    def crop(self, track: int, frame: int) -> bytes | None:
        """A track in a frame, as JPEG; None where it is not there."""
        boxes = self.state.tracks.get(track)
        row = None if boxes is None else boxes.at(frame)
        image = None if row is None or self.stills is None else self.stills.at(frame)
        if boxes is None or image is None or row is None:
            return None
        crop = crop_of(image, boxes.xyxy[row].tolist())
        return None if crop is None else encoded_image(crop, ".jpg", _CROP_QUALITY)

    def events(self) -> list[dict[str, Any]]:
        """The suspects, each with the tracks that it is about now, and whether it was looked at."""
        state = self.state
        changed = {track: boxes for track, boxes in state.tracks.items() if boxes is not self._first.tracks.get(track)}
        return [
            {
                **entry,
                "now": [self._now(track, entry["frame"], state, changed) for track in entry["tracks"]],
                "reviewed": entry["key"] in state.reviewed,
            }
            for entry in self.suspects.found
        ]

    def _now(self, track: int, frame: int, state: State, changed: dict[int, Boxes]) -> int | None:
        """What a track of before all edits is called now, at a frame or where it was last seen before it."""
        if state.tracks.get(track) is self._first.tracks[track]:
            return track
        frames = self._first.tracks[track].frame
        near = int(frames[max(int(frames.searchsorted(frame, side="right")) - 1, 0)])
        for each, boxes in changed.items():
            row = boxes.at(near)
            if row is not None and boxes.origin[row] == track:
                return each
        return None

    def export(self, to: str) -> tuple[Path, str]:
        """Write the corrected tracks beside the results; returns the file, and what has no place in it.

        Raises:
            UserError: no such format, no track is left, or the file cannot be written.
        """
        require(to in FORMATS, f"cannot write '{to}'{did_you_mean(to, FORMATS)}; known: {', '.join(FORMATS)}")
        state, out = self.state, self.file.parent / CORRECTED / f"{self.file.stem}{FORMATS[to]}"
        require(bool(state.tracks), "there is no track left to export")
        rate = self.results.frame_rate
        length = max(int(state.lives[2].max()), (self.source and self.source.length) or 0)
        sequence = TrackedSequence(
            name=self.results.name,
            rows=state.rows(),
            classes=state.classes,
            length=length,
            size=self.size,
            frame_rate=rate,
            attributes=self._told(state),
        )
        make_folder(out.parent)
        target = Target(out=out, origin=self.file, source=self.source, frame_rate=rate, overwrite=True)
        lost = write_tracks(sequence, "motchallenge" if to == "cvat-mot" else to, target)
        return out, lost

    def _told(self, state: State) -> Attributes:
        """What is said of the tracks now: names, and what else was said of those that are there still."""
        ids = sorted(state.tracks)
        told = {track: {**self._attributes.get(track, {}), NAME: state.names.get(track, "")} for track in ids}
        named = {track: {name: text for name, text in each.items() if text} for track, each in told.items()}
        return {track: each for track, each in named.items() if each}


def _of_now(text: str, origin: int, track: int) -> str:
    return text if origin == track else f"When it was track {origin}: {text}"
