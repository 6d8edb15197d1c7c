"""Many videos at once: one tracker for each, by name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt

from clmot.config.tracker import TrackerConfig
from clmot.errors import UserError, reason_of
from clmot.io.any_image import AnyImage
from clmot.structures import TrackedFrame
from clmot.tracking import serialization as saved
from clmot.tracking.adapters import AnyDetections
from clmot.tracking.tracker import Checked, Tracker, configuration

Name = str | int
"""Of a stream; 1 and "1" are two, 1 and NumPy's 1 are one."""

_Name = TypeVar("_Name", bound=Name)


class Trackers:
    """A tracker for each stream, made when the stream is first heard of; each counts its ids from 1.

        trackers = Trackers(TrackerConfig(frame_rate=15))
        tracked = trackers.update({"door": found_at_door, "yard": found_in_yard})
        tracked["door"].track_id

    Args:
        config: constants of the association, the same for all streams.

    Attributes:
        config: as given.

    Examples:
        >>> trackers = clmot.Trackers(clmot.TrackerConfig())
        >>> tracked = trackers.update({"gate": np.array([[20, 40, 60, 120, 0.9]])})
    """

    def __init__(self, config: TrackerConfig | None = None) -> None:
        self.config = configuration(config)
        self._trackers: dict[Any, Tracker] = {}

    @property
    def names(self) -> tuple[Name, ...]:
        """The streams, in the order in which they came."""
        return tuple(self._trackers)

    def __len__(self) -> int:
        return len(self._trackers)

    def __iter__(self) -> Iterator[Name]:
        """The streams' names."""
        return iter(self._trackers)

    def __getitem__(self, name: Name) -> Tracker:
        """The tracker of a stream, as for its `Tracker.lost`.

        Raises:
            KeyError: there is no such stream.
        """
        return self._trackers[name]

    def update(
        self,
        detections: Mapping[_Name, AnyDetections],
        images: Mapping[_Name, AnyImage] | None = None,
        *,
        frames: Mapping[_Name, int] | None = None,
        times: Mapping[_Name, float] | None = None,
        explain: bool = False,
    ) -> dict[_Name, TrackedFrame]:
        """Give some streams their next frame; streams that are not named stand still.

        Args:
            detections: by stream, whatever `Tracker.update` takes.
            images: by stream, for those that have one.
            frames: by stream, frame numbers; by default one more than before.
            times: by stream, seconds; by default what the frame numbers say.
            explain: as `Tracker.update`; ``trackers[name].explained()`` tells.

        Returns:
            By stream, what `Tracker.update` would return.

        Raises:
            TypeError: as `Tracker.update`, with the stream's name; a name is no string or whole number; something is
                not by stream. All streams are as they were before.
            ValueError: the same; or an image, frame number or time is of a stream that has no detections.
        """
        images, frames = {} if images is None else images, {} if frames is None else frames
        times = {} if times is None else times
        for each in (detections, images, frames, times):
            if not isinstance(each, Mapping):
                raise TypeError(f"streams come by name, as {{'door': detections}}, not as {type(each).__name__}")
        for name in detections:
            if isinstance(name, bool) or not isinstance(name, (str, int, np.integer)):
                raise TypeError(f"a stream is named by a string or a whole number, not by {name!r}")
        stray = [name for name in (*images, *frames, *times) if name not in detections]
        if stray:
            raise ValueError(
                f"stream '{stray[0]}' has an image, frame number or time, but no detections (give an empty one)"
            )
        trackers = {name: self._trackers.get(name) or Tracker(self.config) for name in detections}
        checked: dict[_Name, Checked] = {}
        for name, found in detections.items():
            try:
                checked[name] = trackers[name].check(found, images.get(name), frames.get(name), times.get(name))
            except (TypeError, ValueError, UserError) as error:
                raise type(error)(f"stream '{name}': {error}") from error
        self._trackers |= {_plain(name): tracker for name, tracker in trackers.items()}
        return {name: trackers[name].advance(each, explain) for name, each in checked.items()}

    def drop(self, name: Name) -> None:
        """Forget a stream; under its name another may start.

        Raises:
            KeyError: there is no such stream.
        """
        del self._trackers[name]

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Everything that the trackers know, as arrays by name; the streams' own names are JSON in bytes."""
        names = np.frombuffer(json.dumps(self.names).encode(), np.uint8)
        streams = enumerate(self._trackers.values())
        return {f"{i}/{key}": value for i, each in streams for key, value in each.state().items()} | {"names": names}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from a state that `state` returned, in place of all streams there are.

        Raises:
            ValueError: it comes from trackers that keep other things; all streams are as they were before.
        """
        try:
            names = json.loads(np.asarray(state["names"], np.uint8).tobytes())
            parts: dict[Name, dict[str, npt.NDArray[Any]]] = {name: {} for name in names}
            for path, value in state.items():
                number, _, key = path.partition("/")
                if path != "names":
                    parts[names[int(number)]][key] = value
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise ValueError(f"this is not the state of several trackers: {reason_of(error)}") from error
        self._trackers = {name: Tracker.from_state(self.config, part) for name, part in parts.items()}

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


def _plain(name: Any) -> Name:
    return name if isinstance(name, str) else int(name)
