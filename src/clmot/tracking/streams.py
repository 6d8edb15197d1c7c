"""Many videos at once: one tracker for each, by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy.typing as npt

from clmot.tracking import saved
from clmot.tracking.adapters import AnyDetections
from clmot.tracking.config import TrackerConfig
from clmot.tracking.tracker import Tracker
from clmot.types import Image, TrackedFrame


class Trackers:
    """A tracker for each stream, made when the stream is first heard of; each counts its ids from 1.

        trackers = Trackers(TrackerConfig(frame_rate=15))
        tracked = trackers.update({"door": found_at_door, "yard": found_in_yard})
        tracked["door"].track_id

    Args:
        config: constants of the association, the same for all streams.

    Attributes:
        config: as given.
    """

    def __init__(self, config: TrackerConfig | None = None) -> None:
        self.config = config or TrackerConfig()
        self._trackers: dict[str, Tracker] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The streams, in the order in which they came."""
        return tuple(self._trackers)

    def __len__(self) -> int:
        return len(self._trackers)

    def update(
        self,
        detections: Mapping[str, AnyDetections],
        images: Mapping[str, Image] | None = None,
        *,
        frames: Mapping[str, int] | None = None,
    ) -> dict[str, TrackedFrame]:
        """Give some streams their next frame; streams that are not named stand still.

        Args:
            detections: by stream, whatever `Tracker.update` takes.
            images: by stream, for those that have one.
            frames: by stream, frame numbers; by default one more than before.

        Returns:
            By stream, what `Tracker.update` would return.

        Raises:
            TypeError: as `Tracker.update`, with the stream's name; all streams are as they were before.
            ValueError: the same; or an image or frame number is of a stream that has no detections.
        """
        images, frames = images or {}, frames or {}
        stray = [name for name in (*images, *frames) if name not in detections]
        if stray:
            raise ValueError(f"stream '{stray[0]}' has an image or frame number, but no detections (give an empty one)")
        trackers = {name: self._trackers.get(name) or Tracker(self.config) for name in detections}
        checked = {}
        for name, found in detections.items():
            try:
                checked[name] = trackers[name].check(found, images.get(name), frames.get(name))
            except (TypeError, ValueError) as error:
                raise type(error)(f"stream '{name}': {error}") from error
        self._trackers |= trackers
        return {name: trackers[name].advance(each) for name, each in checked.items()}

    def drop(self, name: str) -> None:
        """Forget a stream; under its name another may start.

        Raises:
            KeyError: there is no such stream.
        """
        del self._trackers[name]

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Everything that the trackers know, as arrays by name."""
        return {f"{name}/{key}": value for name, each in self._trackers.items() for key, value in each.state().items()}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from a state that `state` returned, in place of all streams there are.

        Raises:
            ValueError: it comes from trackers that keep other things; all streams are as they were before.
        """
        parts: dict[str, dict[str, npt.NDArray[Any]]] = {}
        for path, value in state.items():
            name, _, key = path.rpartition("/")
            parts.setdefault(name, {})[key] = value
        trackers = {}
        for name, part in parts.items():
            trackers[name] = Tracker(self.config)
            trackers[name].restore(part)
        self._trackers = trackers

    def save(self, path: str | Path) -> None:
        """Write configuration and state of all streams to one file (safetensors), to go on later with `load`.

        Raises:
            UserError: it cannot be written.
        """
        saved.write_state(Path(path), self.config, self.state())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Trackers that go on, bit for bit, as those would that were saved.

        Raises:
            UserError: the file cannot be read, is cut short, or is something else.
        """
        config, state = saved.read_state(Path(path))
        trackers = cls(config)
        with saved.named(Path(path)):
            trackers.restore(state)
        return trackers
