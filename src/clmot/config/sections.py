"""The other sections of a configuration than networks' and the tracker's: frozen values, validated when made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from clmot.devices import device_name
from clmot.errors import require

Objective = Literal["nt_xent", "triplet", "triplet_hard", "identity", "instance", "none"]


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What is read from disk and how it is loaded."""

    format: str = "auto"
    """The data's on-disk format, a name that `clmot data list` shows; auto finds out for each path."""
    min_visibility: float = 0.1
    """Boxes that the annotation calls less visible than this are ignored in training (where it says so at all)."""
    min_score: str = "auto"
    """Where a detector found the boxes: the least score of a box to train on. Scores within [0, 1] are then the weights
    of the boxes in all losses, and boxes between 0.1 and this are ignored; auto is 0.4 for them. For other scales a
    number must be given, and its boxes count in full."""
    identities: bool = False
    """Use identities where the annotation has them (supervised or mixed training). Off: nothing after the reader sees
    any."""
    tracklets: bool = False
    """Follow the boxes of a video from frame to frame, by overlap alone and as far as it leaves no doubt, and let
    neighbouring frames (`views.neighbour`) be matched by that. No identity is seen. Two tracklets that are never seen
    together are not contrasted, for they may show one object."""
    identity_share: float = 1.0
    """With `identities`, the share of them that is known: a random choice (of `train.seed`); the others count as
    unknown."""
    workers: int = 1
    """Processes that prepare views beside the training process; 0 prepares them in the training process."""

    def __post_init__(self) -> None:
        require(0 <= self.min_visibility <= 1, f"data.min_visibility must be in [0, 1], got {self.min_visibility}")
        require(self._has_min_score(), f"data.min_score must be a number or auto, got {self.min_score!r}")
        require(
            not (self.identities and self.tracklets),
            "data.identities and data.tracklets: identities in the data are either those of objects or of tracklets",
        )
        require(
            0 < self.identity_share <= 1,
            f"data.identity_share must be in (0, 1] (for none, data.identities=false), got {self.identity_share}",
        )
        require(self.workers >= 0, f"data.workers must be >= 0, got {self.workers}")

    @property
    def score_threshold(self) -> float | None:
        """`min_score` as a number, None for ``auto``."""
        return None if self.min_score == "auto" else float(self.min_score)

    def _has_min_score(self) -> bool:
        try:
            return self.score_threshold is None or math.isfinite(self.score_threshold)
        except ValueError:
            return False


@dataclass(frozen=True, kw_only=True)
class ViewsConfig:
    """How the two views of a frame are made: each draws everything below for itself.

    Difficulty lies in geometry; colour stays mostly as it is, because it is what tells people apart within a scene.
    """

    scale: tuple[float, float] = (0.7, 1.4)
    """Range of the zoom about a random point of the image (log-uniform); above 1 it crops."""
    aspect: float = 0.1
    """Largest relative stretch of width against height, either way."""
    shift: float = 0.1
    """Largest shift as a share of the input size, along each axis."""
    rotate: float = 4.0
    """Largest rotation in degrees, either way."""
    mirror: float = 0.5
    """Probability of a left-right mirror."""
    colour: float = 1.0
    """Strength of the changes of colour: at 1, brightness, contrast and saturation change by up to 15 %, the hue by up
    to 4 degrees. Unless it is 0, one view in five is blurred (Gaussian, sigma up to 1.5 pixels)."""
    hsv: float = 0.0
    """Largest relative change of saturation and of value in HSV (published: 0.5)."""
    neighbour: float = 0.0
    """Probability that the second view shows a neighbouring frame of the sequence, boxes matched by overlap."""
    neighbour_frames: int = 2
    """Largest distance to a neighbouring frame."""
    published: bool = False
    """As CL-MOT's code has it: the second view is mirrored exactly if the first is not; boxes are cut at the border,
    so that size, centre and pooling are of what is inside; and they are objects if a tenth of them is. Without it, the
    centre or 35 % must be inside; other boxes are ignored."""

    def __post_init__(self) -> None:
        low, high = self.scale
        require(0 < low <= high, f"views.scale must be two rising positive numbers, got {list(self.scale)}")
        for name in ("mirror", "neighbour"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"views.{name} must be in [0, 1], got {value}")
        for name in ("aspect", "shift", "hsv"):
            value = getattr(self, name)
            require(0 <= value < 1, f"views.{name} must be in [0, 1), got {value}")
        require(0 <= self.colour <= 4, f"views.colour must be in [0, 4], got {self.colour}")
        require(self.neighbour_frames >= 1, f"views.neighbour_frames must be >= 1, got {self.neighbour_frames}")
        require(0 <= self.rotate <= 180, f"views.rotate must be in [0, 180] degrees, got {self.rotate}")


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weights and constants of the training loss."""

    size_weight: float = 0.5
    """Weight of the L1 loss on the four side distances, in cells (FairMOT: 0.1)."""
    detection_views: Literal["both", "first"] = "both"
    """Views that the detection losses look at (CL-MOT: the first)."""
    objective: Objective = "nt_xent"
    """What teaches the embedding. By contrast of views: nt_xent, triplet (all), triplet_hard. By a classifier: identity
    (needs `data.identities`), instance (every box its own class). Or none."""
    temperature: float = 0.1
    """Temperature of nt_xent (published: 0.5)."""
    contrast: Literal["whole", "parts"] = "whole"
    """Contrast embeddings as a whole only, or in equal shares as a whole and in each of their parts alone (stripes of a
    level; other poolings have one part). A part has to tell objects apart by what little it sees, which is harder."""
    negatives: Literal["frame", "sequences"] = "sequences"
    """Negatives: other boxes of the same frame, or also those in frames of other sequences (never other frames of the
    same sequence: they may show the same object). With `frame`, the mean of nt_xent includes boxes that are alone in
    their frame, with a loss of zero (as published)."""
    task_weights: Literal["learned", "fixed"] = "learned"
    """Balance of detection and embedding: learned (FairMOT), or fixed at its start values (CL-MOT)."""

    def __post_init__(self) -> None:
        require(self.size_weight >= 0, f"loss.size_weight must be >= 0, got {self.size_weight}")
        require(self.temperature > 0, f"loss.temperature must be > 0, got {self.temperature}")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Optimiser, schedule and bookkeeping."""

    steps: int = 3000
    """How many steps of the optimiser."""
    epochs: int = 0
    """Passes over the data, instead of `steps`; 0: `steps` says how long."""
    learn: Literal["all", "embedding"] = "all"
    """What learns: the whole network, or its embedding alone on what is there: detections stay as they are, to the
    bit."""
    batch_size: int = 4
    """Frames a step over all processes; each gives two views."""
    optimizer: Literal["adamw", "adam"] = "adamw"
    """AdamW with a weight decay of 0.01 and gradients of a norm up to 10, or Adam without either (as published)."""
    learning_rate: float = 5e-3
    """The highest, at the end of the warm-up."""
    schedule: Literal["cosine", "step", "two-steps"] = "cosine"
    """Learning rate after warm-up: half a cosine to zero, a tenth from two thirds of the steps on (FairMOT), or that
    and a hundredth from nine tenths on (CL-MOT)."""
    warmup_steps: int = 50
    """Steps in which the learning rate rises from zero; fewer in short runs."""
    ema: float = 0.998
    """Decay of the moving average of the weights, which is what is saved for tracking (0: none)."""
    precision: Literal["32-true", "bf16-mixed"] = "bf16-mixed"
    """float32 throughout, or products and convolutions in bfloat16."""
    device: str = "auto"
    """`auto` (a GPU where there is one), `cpu`, `cuda` or `cuda:N`."""
    devices: int = 1
    """GPUs (or CPU processes) to train on; under torchrun its number of processes counts instead. Batch normalisation
    is over all GPUs."""
    seed: int = 0
    """Of weights, views and the order of frames: the same seed and number of processes give the same weights."""
    save_every: int = 200
    """Steps between checkpoints."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "devices", "save_every"):
            value = getattr(self, name)
            require(value >= 1, f"train.{name} must be >= 1, got {value}")
        require(self.learning_rate > 0, f"train.learning_rate must be > 0, got {self.learning_rate}")
        for name in ("epochs", "warmup_steps", "seed"):
            value = getattr(self, name)
            require(value >= 0, f"train.{name} must be >= 0, got {value}")
        object.__setattr__(self, "device", device_name(self.device, "train.device"))
        require(0 <= self.ema < 1, f"train.ema must be in [0, 1), got {self.ema}")


@dataclass(frozen=True, kw_only=True)
class RefineConfig:
    """What is done to the tracks of a whole video after its last frame: nothing, unless asked for."""

    join: float = 0.0
    """Largest cosine distance between the mean embeddings of two tracks, one after the other, that become one; 0 joins
    none. Between them are at most ten seconds, and three times the longer side of the box a second (a person walks at
    0.8)."""
    individuals: int = 0
    """How many individuals there are: all tracks are joined to exactly so many, never two that are seen at once; 0:
    nobody knows."""
    interpolate_seconds: float = 0.0
    """Gaps in tracks up to this length are closed by straight lines; 0 closes none."""
    smooth: bool = False
    """Smooth the boxes of each track over time (StrongSORT's Gaussian process)."""

    def __post_init__(self) -> None:
        require(0 <= self.join <= 2, f"refine.join must be in [0, 2], got {self.join}")
        require(self.individuals >= 0, f"refine.individuals must be >= 0, got {self.individuals}")
        gap = self.interpolate_seconds
        require(0 <= gap < math.inf, f"refine.interpolate_seconds must be >= 0, got {gap}")

    def __bool__(self) -> bool:
        """False where nothing is to be done."""
        return bool(self.join or self.individuals or self.interpolate_seconds or self.smooth)


@dataclass(frozen=True, kw_only=True)
class AdaptConfig:
    """Which parts of which tracks `clmot adapt` takes for granted, and what of the video is kept to judge by."""

    min_score: float = 0.4
    """Detections less sure than this make no tracklets."""
    min_seconds: float = 0.4
    """Tracklets that last for less are left out, and those of one box."""
    held_out: float = 0.2
    """Share of each video, its last part, that is not learned from."""

    def __post_init__(self) -> None:
        require(0 <= self.min_score <= 1, f"adapt.min_score must be in [0, 1], got {self.min_score}")
        require(0 <= self.min_seconds < math.inf, f"adapt.min_seconds must be >= 0, got {self.min_seconds}")
        require(0 < self.held_out < 1, f"adapt.held_out must be in (0, 1), got {self.held_out}")
