"""A street with people: built once from a random generator, rendered frame by frame."""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from clmot.synthetic.backdrop import make_backdrop
from clmot.synthetic.cast import Actor, Casting, Wardrobe
from clmot.synthetic.figure import Pose, outline
from clmot.synthetic.paint import FloatArray, UInt8Array, extent, fill, fixed_point
from clmot.synthetic.props import HIDING, Prop, paint_figure, paint_prop

PEDESTRIAN, DISTRACTOR = 1, 8
"""MOTChallenge class numbers."""

_NOISE = 6
"""Peak of the sensor noise, grey levels."""


class Frame(NamedTuple):
    """A rendered frame and its ground truth; n people and distractors.

    Attributes:
        image: uint8 [height, width, 3], RGB.
        boxes: float32 [n, 4], xyxy pixels of the whole body as drawn, hidden parts included, also beyond the image.
        identities: int64 [n], constant along the scene.
        classes: int64 [n], 1 pedestrian, 8 something that only looks like one.
        visibility: float32 [n], share of the silhouette that is in the image and not covered.
    """

    image: UInt8Array
    boxes: npt.NDArray[np.float32]
    identities: npt.NDArray[np.int64]
    classes: npt.NDArray[np.int64]
    visibility: npt.NDArray[np.float32]


class Silhouette(NamedTuple):
    """Where something was painted: `mask` is 1 on it, its upper left pixel at (`left`, `top`) of the image."""

    left: int
    top: int
    mask: UInt8Array


class Scene:
    """A street, the things on it and the people who walk through.

    Attributes:
        size: width and height in pixels.
        frames: number of frames.
        actors: the people, `identity` 1 to n.
        events: occlusions with a surprise, by frame.
        props: static things, from far to near; those with a `box` are distractors, numbered after the people.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        size: tuple[int, int] = (512, 288),
        *,
        frames: int = 150,
        frame_rate: float = 25,
        pan: bool = False,
    ) -> None:
        """Build a street.

        Args:
            rng: decides everything about the scene; nothing else is random.
            size: width and height in pixels.
            frames: how long the scene lasts.
            frame_rate: frames a second, for walking pace.
            pan: the camera turns slowly.
        """
        self.size, self.frames = size, frames
        width, height = size
        self._pan = _pan(rng, frames, frame_rate, width if pan else 0)
        self._backdrop = make_backdrop(rng, width + int(self._pan.max()), height)
        self.props = self._furnish(rng)
        casting = Casting(
            rng,
            self._backdrop.camera,
            self.props,
            pan=self._pan,
            size=size,
            wall=self._backdrop.wall,
            frame_rate=frame_rate,
        )
        self.actors, self.events = casting.actors, casting.events
        self._drift = _Drift(rng, frame_rate)
        self._noise = rng.integers(0, 2 * _NOISE, (height + 64, width + 64, 3), np.uint8)
        self._noise_seed = int(rng.integers(1 << 30))
        self._shadow = _shadow_stamp()

    def render(self, frame: int) -> Frame:
        """The frame with that number (0-based)."""
        if not 0 <= frame < self.frames:
            raise ValueError(f"frame {frame} is not in 0..{self.frames - 1}")
        width, height = self.size
        pan = int(self._pan[frame])
        image = self._backdrop.image[:, pan : pan + width].copy()
        labels = np.zeros((height, width), np.uint8)
        on_stage = [actor for actor in self.actors if self._near(actor, frame, pan)]
        queue: list[tuple[float, Actor | Prop]] = [
            *((prop.ground, prop) for prop in self.props),
            *((float(actor.trajectory.ground[frame - actor.trajectory.start]), actor) for actor in on_stage),
        ]
        queue.sort(key=lambda entry: entry[0])
        boxes, identities, classes, whole = [], [], [], []
        distractor = len(self.actors)
        for _, item in queue:
            if isinstance(item, Prop):
                label = 0
                silhouette = Silhouette(item.left - pan, item.top, item.mask)
                if item.box is not None:
                    distractor += 1
                    box = item.box - np.array([pan, 0, pan, 0])
                    if box[0] < width and box[2] > 0:
                        boxes.append(box)
                        identities.append(distractor)
                        classes.append(DISTRACTOR)
                        whole.append(cv2.countNonZero(item.mask))
                        label = len(boxes)
                self._cover(image, labels, silhouette, label, pan)
            else:
                box, silhouette = self._paint(image, item, frame, pan)
                if box[0] < width and box[2] > 0 and box[1] < height and box[3] > 0:
                    boxes.append(box)
                    identities.append(item.identity)
                    classes.append(PEDESTRIAN)
                    whole.append(max(cv2.countNonZero(silhouette.mask), 1))
                    _stamp(labels, silhouette, len(boxes))
        seen = cv2.calcHist([labels], [0], None, [256], [0, 256]).ravel()[1 : len(boxes) + 1]
        return Frame(
            image=self._develop(image, frame),
            boxes=np.array(boxes, np.float32).reshape(-1, 4),
            identities=np.array(identities, np.int64),
            classes=np.array(classes, np.int64),
            visibility=(seen / np.array(whole, float)).astype(np.float32),
        )

    def _furnish(self, rng: np.random.Generator) -> tuple[Prop, ...]:
        """Put things on the pavement, painted from far to near."""
        backdrop = self._backdrop
        height, width = backdrop.image.shape[:2]
        depth = height - backdrop.wall
        plan: list[tuple[float, float, str]] = []
        count = max(round(width / 512 * rng.integers(2, 4)), 1)
        for i in range(count):
            x = width * (i + rng.uniform(0.25, 0.75)) / count
            kind = str(rng.choice(HIDING, p=(0.34, 0.14, 0.06, 0.12, 0.34)))
            plan.append((backdrop.wall + depth * rng.uniform(0.22, 0.55), x, kind))
        for kind in ("lamp", "tree", "bin", "bin"):
            if rng.random() < 0.55:
                plan.append((backdrop.wall + depth * rng.uniform(0.12, 0.8), width * rng.uniform(0.05, 0.95), kind))
        props = []
        for kind in ("mannequin", "poster"):
            if rng.random() < 0.5:
                wardrobe = Wardrobe(rng)
                dress = wardrobe.dress()
                x = width * rng.uniform(0.1, 0.9)
                ground = backdrop.wall + (2.0 if kind == "mannequin" else -6.0)
                pose = Pose(rng.uniform(0.2, 2.9), rng.uniform(0, 6), rng.uniform(0, 0.4))
                metre = float(backdrop.camera.scale(backdrop.wall))
                props.append(paint_figure(backdrop.image, kind, dress, pose, x, ground, metre, 0.9))
        for ground, x, kind in sorted(plan):
            metre = float(backdrop.camera.scale(ground))
            props.append(paint_prop(backdrop.image, rng, kind, x, ground, metre, self._light_at(x, ground)))
        return tuple(props)

    def _light_at(self, x: float, ground: float) -> float:
        light = self._backdrop.light
        row, column = min(max(int(ground), 0), light.shape[0] - 1), min(max(int(x), 0), light.shape[1] - 1)
        return float(light[row, column])

    def _near(self, actor: Actor, frame: int, pan: int) -> bool:
        """Whether the actor may be in the image: nobody reaches half a body height to either side."""
        way, index = actor.trajectory, frame - actor.trajectory.start
        if not 0 <= index < len(way):
            return False
        reach = 0.5 * float(self._backdrop.camera.scale(float(way.ground[index]))) * actor.dress.height
        return -reach < float(way.x[index]) - pan < self.size[0] + reach

    def _paint(self, image: UInt8Array, actor: Actor, frame: int, pan: int) -> tuple[FloatArray, Silhouette]:
        way, index = actor.trajectory, frame - actor.trajectory.start
        x, ground = float(way.x[index]), float(way.ground[index])
        scale = float(self._backdrop.camera.scale(ground)) * actor.dress.height
        body = outline(actor.dress, Pose(float(way.heading[index]), float(way.phase[index]), float(way.swing[index])))
        points = np.array([x - pan, ground]) + scale * body.points
        box = extent(points)
        left, top = (int(value) for value in np.floor(box[:2]) - 1)
        right, bottom = (int(value) for value in np.ceil(box[2:]) + 1)
        mask = np.zeros((bottom - top, right - left), np.uint8)
        self._throw_shadow(image, x - pan, ground, scale)
        on_image = fixed_point(points)
        on_mask = on_image - fixed_point(np.array([left + 0.5, top + 0.5]))
        light = self._light_at(x, ground)
        colours = np.minimum(np.array(body.colours) * light, 255).tolist()
        begin = 0
        for end, colour, visible in zip(body.ends, colours, body.body, strict=True):
            fill(image, on_image[begin:end], colour)
            if visible:
                fill(mask, on_mask[begin:end], (1,), smooth=False)
            begin = end
        return box, Silhouette(left, top, mask)

    def _throw_shadow(self, image: UInt8Array, x: float, ground: float, scale: float) -> None:
        """A soft dark spot under the feet."""
        half_width, half_height = max(round(0.27 * scale), 3), max(round(0.055 * scale), 2)
        left, top = round(x + 0.06 * scale) - half_width, round(ground) - half_height
        shape = (2 * half_width, 2 * half_height)
        stamp = np.asarray(cv2.resize(self._shadow, shape, interpolation=cv2.INTER_AREA), np.uint8)
        target, source = _overlap(image, left, top, stamp)
        if target.size:
            cv2.multiply(target, cv2.merge([source] * 3), dst=target, scale=1 / 255)

    def _cover(self, image: UInt8Array, labels: UInt8Array, silhouette: Silhouette, label: int, pan: int) -> None:
        """Put a static thing back in front of the people painted so far."""
        original = self._backdrop.image[:, pan : pan + self.size[0]]
        target, mask = _overlap(image, silhouette.left, silhouette.top, silhouette.mask)
        source, _ = _overlap(original, silhouette.left, silhouette.top, silhouette.mask)
        if target.size:
            cv2.copyTo(source, mask, target)
            _stamp(labels, silhouette, label)

    def _develop(self, image: UInt8Array, frame: int) -> UInt8Array:
        """What the camera makes of it: exposure, slight softness, noise."""
        soft = cv2.GaussianBlur(image, (3, 3), 0.45)
        exposed = cv2.LUT(soft, self._drift.table(frame))
        offset = (self._noise_seed + 7919 * frame) * 2654435761 % (1 << 32)
        top, left = offset % 64, offset // 64 % 64
        height, width = image.shape[:2]
        return np.asarray(cv2.add(exposed, self._noise[top : top + height, left : left + width]), np.uint8)


class _Drift:
    """Brightness and colour temperature that change slowly."""

    def __init__(self, rng: np.random.Generator, frame_rate: float) -> None:
        self._level, self._depth = rng.uniform(0.85, 1.05), rng.uniform(0.03, 0.12)
        self._warmth, self._swing = rng.uniform(-0.05, 0.05), rng.uniform(0.01, 0.05)
        self._period = rng.uniform(5, 14) * frame_rate
        self._phase = rng.uniform(0, 2 * np.pi, 2)

    def table(self, frame: int) -> UInt8Array:
        """A look-up table [1, 256, 3] for that frame."""
        wave = np.sin(2 * np.pi * frame / self._period + self._phase)
        level = self._level * (1 + self._depth * wave[0])
        warmth = self._warmth + self._swing * wave[1]
        gains = level * np.array([1 + warmth, 1, 1 - warmth])
        table = np.arange(256)[:, None] * gains - _NOISE
        return np.asarray(np.clip(np.rint(table), 0, 255)[None], np.uint8)


def _pan(rng: np.random.Generator, frames: int, frame_rate: float, width: int) -> npt.NDArray[np.int64]:
    """Left edge of the image in the panorama at every frame, whole pixels from 0 on."""
    time = np.arange(frames) / frame_rate
    if rng.random() < 0.5:
        offset = rng.choice([-1.0, 1.0]) * 10 * time
        # there and back, so that a long scene needs no endless street
        offset = np.abs((offset + 60) % 120 - 60)
    else:
        offset = 32 * np.sin(2 * np.pi * time / rng.uniform(5, 9) + rng.uniform(0, 2 * np.pi))
    offset = offset * width / 512
    return np.asarray(np.rint(offset - offset.min()), np.int64)


def _shadow_stamp() -> UInt8Array:
    """Brightness under a person, uint8 [32, 64]: dark in the middle, 255 at the rim."""
    row, column = np.mgrid[-1:1:32j, -1:1:64j]
    distance = np.hypot(row, column)
    return np.asarray(np.rint(255 * (1 - 0.5 * np.clip(1.3 * (1 - distance), 0, 1))), np.uint8)


def _overlap(image: UInt8Array, left: int, top: int, patch: UInt8Array) -> tuple[UInt8Array, UInt8Array]:
    """Views of the parts of image and patch that meet when the patch lies at (left, top) of the image."""
    height, width = image.shape[:2]
    low_x, low_y = max(left, 0), max(top, 0)
    high_x = max(min(left + patch.shape[1], width), low_x)
    high_y = max(min(top + patch.shape[0], height), low_y)
    return image[low_y:high_y, low_x:high_x], patch[low_y - top : high_y - top, low_x - left : high_x - left]


def _stamp(labels: UInt8Array, silhouette: Silhouette, label: int) -> None:
    target, mask = _overlap(labels, silhouette.left, silhouette.top, silhouette.mask)
    np.copyto(target, label, where=mask.astype(bool))
