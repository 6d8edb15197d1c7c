"""Who walks through a street and what happens on the way.

The events are those that motion alone gets wrong: a walker turns round or waits behind a thing, two walkers meet behind
it and both leave on the side they came from, two stop beside each other in the open and part again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

import numpy as np
import numpy.typing as npt

from clmot.synthetic.figure import Dress
from clmot.synthetic.motion import Camera, Stop, Trajectory, walk
from clmot.synthetic.paint import Colour, shade
from clmot.synthetic.props import Prop

_CLOTHES: tuple[Colour, ...] = (
    (196, 36, 40), (32, 62, 150), (34, 120, 66), (232, 228, 220), (30, 30, 34), (222, 176, 36), (118, 46, 120),
    (232, 124, 32), (118, 166, 208), (134, 90, 56), (96, 100, 106), (226, 140, 160), (86, 22, 34), (20, 110, 120),
    (176, 190, 90), (198, 176, 146),
)  # fmt: skip
_LEGWEAR: tuple[Colour, ...] = (
    (38, 50, 88), (28, 28, 32), (120, 122, 126), (176, 156, 122), (84, 62, 46), (72, 96, 130), (214, 208, 196),
    (74, 84, 56),
)  # fmt: skip
_SKINS: tuple[Colour, ...] = ((236, 196, 168), (216, 164, 128), (176, 122, 88), (128, 84, 58), (92, 60, 44))
_HAIRS: tuple[Colour, ...] = (
    (28, 24, 22), (70, 46, 30), (134, 96, 54), (206, 172, 108), (150, 146, 144), (120, 52, 30),
)  # fmt: skip
_SHOES: tuple[Colour, ...] = ((24, 22, 22), (222, 220, 216), (96, 64, 40), (60, 62, 70))

EventKind = Literal["turn", "wait", "swap", "meet"]
_BEHIND: tuple[EventKind, ...] = ("turn", "wait", "swap", "swap")
_PATTERNS = ("plain", "stripes", "logo", "split", "vest")
_LOWERS = ("trousers", "shorts", "skirt")
_BAGS = ("none", "backpack", "handbag")


@dataclass(frozen=True, kw_only=True, eq=False)
class Actor:
    """A person of the scene."""

    identity: int
    dress: Dress
    trajectory: Trajectory


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that motion alone does not foresee.

    Attributes:
        kind: ``turn`` and ``wait`` behind a thing, ``swap``: two turn behind one thing, ``meet``: two turn or wait in
            the open.
        frame: when it happens (0-based).
        identities: who takes part.
    """

    kind: EventKind
    frame: int
    identities: tuple[int, ...]


class Wardrobe:
    """A few colours a scene, so that people resemble each other, and no two dressed alike."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._shirts = rng.permutation(len(_CLOTHES))[: int(rng.integers(4, 8))]
        self._legwear = rng.permutation(len(_LEGWEAR))[: int(rng.integers(2, 5))]
        self._worn: set[tuple[object, ...]] = set()

    def dress(self) -> Dress:
        """A dress not worn yet."""
        rng = self._rng
        for _ in range(50):
            dress = self._draw()
            key = (dress.shirt, dress.trousers, dress.pattern, dress.lower, dress.coat)
            if key not in self._worn:
                break
        self._worn.add(key)
        tint = rng.uniform(0.9, 1.1)
        return replace(dress, shirt=shade(dress.shirt, tint), trousers=shade(dress.trousers, rng.uniform(0.9, 1.1)))

    def twin(self, dress: Dress) -> Dress:
        """The same dress but for one garment."""
        for _ in range(50):
            other = self._draw()
            change = self._rng.integers(3)
            if change == 0 and other.shirt != dress.shirt:
                return replace(dress, shirt=other.shirt)
            if change == 1 and other.trousers != dress.trousers:
                return replace(dress, trousers=other.trousers)
            if change == 2 and other.bag != dress.bag:
                return replace(dress, bag=other.bag, bag_colour=other.bag_colour)
        return self.dress()

    def _draw(self) -> Dress:
        rng = self._rng

        def pick(options: Sequence[str], weights: Sequence[float]) -> str:
            return options[int(rng.choice(len(options), p=weights))]

        coat = bool(rng.random() < 0.18)
        return Dress(
            shirt=_CLOTHES[rng.choice(self._shirts)],
            print_colour=_CLOTHES[rng.choice(self._shirts)],
            trousers=_LEGWEAR[rng.choice(self._legwear)],
            skin=_SKINS[rng.integers(len(_SKINS))],
            hair=_HAIRS[rng.integers(len(_HAIRS))],
            shoes=_SHOES[rng.integers(len(_SHOES))],
            bag_colour=_CLOTHES[rng.integers(len(_CLOTHES))],
            height=float(rng.normal(1.72, 0.07)),
            build=float(rng.uniform(0.9, 1.2)),
            pattern=cast(
                Literal["plain", "stripes", "logo", "split", "vest"], pick(_PATTERNS, (0.45, 0.15, 0.15, 0.13, 0.12))
            ),
            lower=cast(Literal["trousers", "shorts", "skirt"], pick(_LOWERS, (0.7, 0.15, 0.15))),
            coat=coat,
            short_sleeves=bool(not coat and rng.random() < 0.5),
            long_hair=bool(rng.random() < 0.35),
            hat=bool(rng.random() < 0.15),
            bag=cast(Literal["none", "backpack", "handbag"], pick(_BAGS, (0.55, 0.25, 0.2))),
        )


class Casting:
    """Fills a street with actors."""

    def __init__(
        self,
        rng: np.random.Generator,
        camera: Camera,
        props: Sequence[Prop],
        *,
        pan: npt.NDArray[np.int64],
        size: tuple[int, int],
        wall: float,
        frame_rate: float,
    ) -> None:
        self._rng, self._camera, self._frame_rate = rng, camera, frame_rate
        self._pan, self._width, self._height, self._wall = pan, size[0], size[1], wall
        self._span = float(size[0] + pan.max())
        self._wardrobe = Wardrobe(rng)
        self._actors: list[Actor] = []
        self._events: list[Event] = []
        self._present = np.zeros(len(pan), int)
        for prop in props:
            if prop.hides:
                self._behind(prop)
        for _ in range(max(round(len(pan) / 150), 1)):
            self._meet()
        self._crowd()

    @property
    def actors(self) -> tuple[Actor, ...]:
        """Everyone who is on screen at some time, numbered from 1."""
        return tuple(self._actors)

    @property
    def events(self) -> tuple[Event, ...]:
        """What happened, by frame."""
        return tuple(sorted(self._events, key=lambda event: event.frame))

    def _behind(self, prop: Prop) -> None:
        """Events behind a thing, one after the other."""
        rng = self._rng
        frame = int(rng.uniform(20, 70))
        while frame < len(self._pan) - 12:
            if abs(prop.x - self._pan[frame] - self._width / 2) < 0.46 * self._width:
                kind = _BEHIND[rng.integers(len(_BEHIND))]
                side = 1.0 if rng.random() < 0.5 else -1.0
                first = self._wardrobe.dress()
                cast_list = [(side, first)]
                if kind == "swap":
                    near_twin = rng.random() < 0.25
                    cast_list.append((-side, self._wardrobe.twin(first) if near_twin else self._wardrobe.dress()))
                self._note(kind, frame, [self._hide(prop, kind, where, dress, frame) for where, dress in cast_list])
            frame += int(rng.uniform(60, 110))

    def _hide(self, prop: Prop, kind: EventKind, side: float, dress: Dress, frame: int) -> int | None:
        """Send someone from a side to behind the thing; they arrive there at that frame."""
        rng = self._rng
        ground = prop.ground - rng.uniform(5, 12)
        body = 0.2 * dress.height * float(self._camera.scale(ground))
        # just far enough in to be hidden, not always to the middle: a wide thing would hide them for too long
        depth = max(prop.half_width - body - rng.uniform(2, 6), 0.0)
        hidden = Stop(prop.x + side * depth, ground, int(rng.uniform(0, 8) if kind != "wait" else rng.uniform(10, 24)))
        entry = Stop(self._edge(side), ground + rng.uniform(-3, 3))
        leave = Stop(self._edge(-side if kind == "wait" else side), ground + rng.uniform(-8, 8))
        return self._add(dress, [entry, hidden, leave], (1, frame))

    def _meet(self) -> None:
        """Two people stop beside each other and part, by the way they came or past each other."""
        rng = self._rng
        frame = int(rng.uniform(0.15, 0.8) * len(self._pan))
        ground, x = self._lane(), self._pan[frame] + self._width * rng.uniform(0.2, 0.8)
        gap = 0.3 * float(self._camera.scale(ground))
        first = self._wardrobe.dress()
        second = self._wardrobe.twin(first) if rng.random() < 0.3 else self._wardrobe.dress()
        back = rng.random() < 0.6
        wait = int(rng.uniform(4, 22))
        identities = []
        for side, dress, shift in ((-1.0, first, 0.0), (1.0, second, rng.uniform(2, 5))):
            stops = [
                Stop(self._edge(side), ground + shift),
                Stop(x + side * gap, ground + shift, wait),
                Stop(self._edge(side if back else -side), ground + shift + rng.uniform(-6, 6)),
            ]
            identities.append(self._add(dress, stops, (1, frame)))
        self._note("meet", frame, identities)

    def _note(self, kind: EventKind, frame: int, identities: Sequence[int | None]) -> None:
        """Remember an event that everybody in it is seen around."""
        present = tuple(identity for identity in identities if identity is not None)
        if len(present) == len(identities):
            self._events.append(Event(kind=kind, frame=frame, identities=present))

    def _crowd(self) -> None:
        """Add passers-by where the street is emptiest until enough people are on screen."""
        rng = self._rng
        wanted = rng.uniform(3.5, 6.0)
        for _ in range(60):
            low = int(np.argmin(self._present + rng.uniform(0, 0.5, len(self._present))))
            if self._present.mean() >= wanted and self._present[low] >= 3:
                break
            choice = rng.random()
            side = 1.0 if rng.random() < 0.5 else -1.0
            ground = self._lane()
            x = self._pan[low] + self._width * rng.uniform(0.1, 0.9)
            middle = Stop(x, ground)
            if choice < 0.5:
                stops = [Stop(self._edge(side), ground), middle, Stop(self._edge(-side), self._lane(near=ground))]
                self._add(self._wardrobe.dress(), stops, (1, low))
            elif choice < 0.66:
                # two friends side by side
                speed, phase = rng.uniform(0.6, 0.85), rng.uniform(0, 6)
                offset = 0.55 * float(self._camera.scale(ground))
                for shift, row in ((0.0, 0.0), (offset, rng.uniform(-4, 4))):
                    stops = [Stop(self._edge(where) + shift, ground + row) for where in (side, -side)]
                    pace = speed * 1.72 * float(self._camera.scale(ground)) / self._frame_rate
                    arrival = (0, low - int(abs(x - self._edge(side)) / pace))
                    self._add(self._wardrobe.dress(), stops, arrival, speed=speed, phase=phase)
            elif choice < 0.82:
                # towards the camera or away from it
                far = Stop(x + rng.uniform(-60, 60), self._wall + 5)
                near = Stop(x + rng.uniform(-120, 120), self._height * 1.3)
                out = Stop(self._edge(side), self._wall + 5)
                stops = [out, far, middle, near] if rng.random() < 0.5 else [near, middle, far, out]
                self._add(self._wardrobe.dress(), stops, (stops.index(middle), low))
            else:
                # someone who stands about before or after walking on
                stops = [Stop(self._edge(side), ground), Stop(x, ground, int(rng.uniform(30, 110)))]
                stops.append(Stop(self._edge(side if rng.random() < 0.5 else -side), self._lane(near=ground)))
                self._add(self._wardrobe.dress(), stops, (1, low - int(rng.uniform(0, 30))))

    def _lane(self, near: float | None = None) -> float:
        low, high = self._wall + 8, self._height - 8.0
        if near is not None:
            return float(np.clip(near + self._rng.uniform(-25, 25), low, high))
        return float(low + (high - low) * self._rng.beta(1.2, 1.3))

    def _edge(self, side: float) -> float:
        """A column outside the panorama."""
        return -60.0 if side < 0 else self._span + 60.0

    def _add(
        self,
        dress: Dress,
        stops: list[Stop],
        meet: tuple[int, int],
        *,
        speed: float | None = None,
        phase: float | None = None,
    ) -> int | None:
        """Let someone walk; returns the identity, or None where nobody would see them."""
        rng = self._rng
        way = walk(
            self._camera,
            stops,
            speed=rng.uniform(0.55, 0.85) if speed is None else speed,
            frame_rate=self._frame_rate,
            body_height=dress.height,
            phase=rng.uniform(0, 2 * np.pi) if phase is None else phase,
            meet=meet,
        ).cropped(0, len(self._pan))
        frames = np.arange(way.start, way.start + len(way))
        column = way.x - self._pan[frames]
        seen = frames[(column > 0) & (column < self._width)]
        if len(seen) < min(4, len(self._pan)):
            return None
        self._present[seen] += 1
        identity = len(self._actors) + 1
        self._actors.append(Actor(identity=identity, dress=dress, trajectory=way))
        return identity
