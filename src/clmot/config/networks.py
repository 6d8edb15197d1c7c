"""The sections of a configuration about networks: ours, the detector of others, and what they report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from clmot.errors import require

LONGEST_SIDE = 8192
"""Of a network's input in pixels; one of 100,000 takes more memory than there is."""


def require_input_size(name: str, sides: Sequence[int], chosen: bool = False) -> None:
    """Refuse what is no input size of a network.

    Args:
        name: of the setting or option.
        sides: width and height in pixels.
        chosen: a longer side alone will do, or none.

    Raises:
        UserError: a side is no multiple of 32, or beyond `LONGEST_SIDE`.
    """
    kind = "one or two multiples of 32 (longer side, or width height)" if chosen else "multiples of 32 (width height)"
    known = len(sides) <= 2 and all(0 < side <= LONGEST_SIDE and side % 32 == 0 for side in sides)
    require(known, f"{name} must be {kind}, at most {LONGEST_SIDE}; got {list(sides)}")


LEVELS = ("colour", "stride4", "stride8", "stride16", "stride32", "neck")
"""Maps that the stripe pooling can pool from."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The one-shot network: encoder, neck, heads and embedding pooling."""

    encoder: str = "resnet18d-narrow"
    """Any timm model that supports `features_only`, or `resnet18d-narrow` (1 M parameters, quick on CPU), or
    `yolox_nano` (0.9 M, with weights from its ONNX file)."""
    encoder_options: dict[str, Any] = field(default_factory=dict)
    """Keyword arguments passed to timm for this encoder."""
    pretrained: str = "none"
    """Start of the encoder: `timm` (its pretrained weights, if they can be had), `none`, or a file of weights. A run
    folder starts the whole network, as far as it fits."""
    image_size: tuple[int, int] = (512, 288)
    """Input width and height in pixels of training, multiples of 32; images are letterboxed into it. In use it is the
    number of pixels that counts (`detect.size`)."""
    normalise: Literal["encoder", "none"] = "encoder"
    """Pixels: with the mean and deviation the encoder's weights expect, or only to [0, 1] (FairMOT, CL-MOT)."""
    classes: tuple[str, ...] = ("person",)
    """Class names, one heatmap each. Training sets it from the data."""
    neck: Literal["top-down", "yolox", "dla", "deconvolution", "deconvolution-last", "concat", "concat-mixed"] = (
        "top-down"
    )
    """From the encoder's maps to one of stride 4: a light top-down pyramid, YOLOX's neck with its own heads (of the
    encoder `yolox_nano`), DLA's iterative aggregation, ResNet-FPN by transposed convolution, the same of the last map
    alone (CenterNet's ResNet), or HRNet's up-sampling and concatenation (mixed into 64 channels: CL-MOT's)."""
    deformable: bool = False
    """Deformable (DCNv2) instead of plain convolutions in the necks `dla`, `deconvolution` and `deconvolution-last`."""
    width: int = 32
    """Channels of the neck `top-down` (the others have their own), and largest length of what is read of a stripe of a
    level (colour has its own)."""
    head_width: int = 0
    """Channels inside the heads, without batch normalisation (FairMOT: 256); 0: `width` channels, and with it."""
    size: Literal["sides", "extent"] = "sides"
    """What the size head says: distances to the four sides, or width and height (CL-MOT, first FairMOT)."""
    pooling: Literal["stripes", "center"] = "stripes"
    """Where the embedding is taken: horizontal stripes over the box, or (CL-MOT, FairMOT) the one cell that holds its
    centre, of the network's own detections the cell of the heatmap's peak."""
    stripes: int = 6
    """Number of stripes a box is cut into, top to bottom."""
    levels: tuple[str, ...] = ("stride4", "neck")
    """Maps that stripes are read from: colour (soft histograms of the image itself), stride4, stride8, stride16,
    stride32 (of the encoder), neck."""
    embedding_dimension: int = 256
    """Length of the embedding. With `stripes`, what is read is longer; a metric learned when training ends, from the
    annotated boxes, brings it to this length. Directions in which an object changes count less in it: over time where
    ten objects or more are known in several frames (`data.tracklets`, `data.identities`), else between two views."""
    identities: int = 0
    """Classes of the identity classifier that only training uses. Training sets it from the data."""

    def __post_init__(self) -> None:
        require_input_size("model.image_size", self.image_size)
        require(len(self.classes) > 0, "model.classes must name at least one class")
        require(self.width > 0, f"model.width must be > 0, got {self.width}")
        require(self.stripes > 0, f"model.stripes must be > 0, got {self.stripes}")
        require(
            self.embedding_dimension > 0,
            f"model.embedding_dimension must be > 0, got {self.embedding_dimension}",
        )
        require(self.head_width >= 0, f"model.head_width must be >= 0, got {self.head_width}")
        for level in self.levels:
            require(level in LEVELS, f"model.levels: '{level}' is not one of {', '.join(LEVELS)}")
        require(len(set(self.levels)) == len(self.levels) > 0, f"model.levels must name maps once, got {self.levels}")


@dataclass(frozen=True, kw_only=True)
class DetectConfig:
    """How output maps become detections."""

    score_threshold: float = 0.1
    """Peaks below this are not reported (the tracker's second stage uses low scores too)."""
    max_detections: int = 300
    """Most peaks kept in one image."""
    size: tuple[int, ...] = ()
    """Input in pixels, sides in multiples of 32. Empty: of each picture's own shape, with at most as many pixels as
    `model.image_size`. [LONGER]: of the picture's shape, with this longer side. [WIDTH, HEIGHT]: always this, with the
    picture letterboxed into it. Detectors of others have their own."""

    def __post_init__(self) -> None:
        require(
            0 <= self.score_threshold < 1,
            f"detect.score_threshold must be in [0, 1), got {self.score_threshold}",
        )
        require(self.max_detections >= 1, f"detect.max_detections must be >= 1, got {self.max_detections}")
        require_input_size("detect.size", self.size, chosen=True)


@dataclass(frozen=True, kw_only=True)
class DetectorConfig:
    """The detector of others that an embedding is attached to; none for the one-shot network."""

    name: str = ""
    """LIBRARY:NAME, such as `torchvision:fasterrcnn_resnet50_fpn` (`clmot attach --help`); empty: none."""
    weights: str = "default"
    """`default` (the library's published ones), `none` (random), or a file."""
    labels: tuple[str, ...] = ()
    """What the detector's labels mean, in their order; empty: as its library says."""
    classes: tuple[str, ...] = ()
    """Classes to find; empty: all that it knows."""
    options: dict[str, Any] = field(default_factory=dict)
    """Keyword arguments for the library that builds it."""
    head: Literal["auto", "features", "crops"] = "auto"
    """The embedding is read from the detector's own maps, or by an encoder (`model.encoder`) from crops of its boxes;
    auto: from its maps, where it shows any."""
    crop_size: tuple[int, int] = (64, 128)
    """Width and height of the crops in pixels, multiples of 32."""
    fingerprint: str = ""
    """Of the weights that the embedding was learned on. `clmot attach` sets it."""

    def __post_init__(self) -> None:
        require_input_size("detector.crop_size", self.crop_size)
