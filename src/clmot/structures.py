"""The values that flow between the parts of clmot.

Boxes are float32 ``xyxy`` pixels in continuous coordinates everywhere: a box that covers exactly the top left pixel
is ``(0, 0, 1, 1)``. Boxes may extend beyond the image. Images are RGB.

This module imports no torch, so that tracking and scoring work without it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from clmot import row_data
from clmot.boxes import as_numbers, finite
from clmot.row_data import RowData
from clmot.table import Schema, Table

if TYPE_CHECKING:
    from torch import Tensor

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Image = npt.NDArray[np.uint8]
"""uint8 [height, width, 3], RGB."""
Embed = Callable[[Image, Float32Array], Float32Array]
"""Image and boxes ([n, 4], xyxy pixels) to unit vectors [n, d], as `clmot.Model.embed`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Boxes(Table):
    """Annotated boxes.

    Attributes:
        boxes: float32 [n, 4], xyxy pixels, may extend beyond the image.
        classes: int64 [n], index into `Dataset.classes`.
        ignore: bool [n], True for ignored ("don't care") regions: whatever is found there counts for nothing.
        identities: int64 [n], -1 where unknown.
        scores: float32 [n], how much each box counts in training, in [0, 1]; all 1 where not given, as for ground
            truth. Only a reader of detections gives them as the detector does: `clmot.datasets.box_weights` makes
            weights of them.
    """

    COLUMNS: ClassVar[Schema] = {
        "boxes": (np.float32, 4),
        "classes": (np.int64,),
        "ignore": (np.bool_,),
        "identities": (np.int64,),
        "scores": (np.float32,),
    }

    boxes: Float32Array
    classes: Int64Array
    ignore: BoolArray
    identities: Int64Array
    scores: Float32Array = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if vars(self)["scores"] is None:
            object.__setattr__(self, "scores", np.ones(len(self.boxes), np.float32))
        super().__post_init__()


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample(Boxes):
    """One annotated image, as a reader yields it, with its boxes.

    Attributes:
        image: path of the image file.
        width: image width in pixels.
        height: image height in pixels.
        sequence: name of the sequence (or data set) the image belongs to. Two boxes from one sequence may show the
            same object; boxes from two sequences never do.
        frame: frame number in the sequence, 1-based.
    """

    image: Path
    width: int
    height: int
    sequence: str
    frame: int

    def without_identities(self) -> Sample:
        """The same sample as label-free training sees it: every identity unknown."""
        return replace(self, identities=np.full(len(self), -1, np.int64))


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Samples and what their class indices mean.

    Attributes:
        samples: the samples, ordered by sequence and frame.
        classes: class names; `Sample.classes` indexes them.
        skipped: how many annotation rows were left out, by reason (``"degenerate box"``, ...), for the log.
        weights: float64 [samples], how often training draws each sample relative to the others; None: all alike.
        notes: what else its reader has to say of it: which splits were read, ...

    Raises:
        ValueError: there is not one positive, finite weight a sample.
    """

    samples: Sequence[Sample]
    classes: tuple[str, ...]
    skipped: Counter[str] = field(default_factory=Counter)
    weights: Float64Array | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.weights is None:
            return
        if self.weights.shape != (len(self.samples),):
            raise ValueError(f"Dataset.weights must be [{len(self.samples)}], got {list(self.weights.shape)}")
        if not (np.isfinite(self.weights).all() and (self.weights > 0).all()):
            raise ValueError("Dataset.weights must be positive and finite")


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture(Boxes):
    """An image with boxes and where each of them came from: what views are made of.

    Attributes:
        image: uint8 [height, width, 3], RGB.
        object_index: int64 [n], row of the sample that each box came from; -1: not contrasted with anything.
        frame_index: int64 [n], which sample of the data set that is.
        sequence_index: int64 [n], the number of that sample's sequence.
        identities: int64 [n], unique in the data set, -1 where unknown (everywhere in label-free training).
    """

    COLUMNS: ClassVar[Schema] = {
        **Boxes.COLUMNS,
        "object_index": (np.int64,),
        "frame_index": (np.int64,),
        "sequence_index": (np.int64,),
    }

    image: Image
    object_index: Int64Array
    frame_index: Int64Array
    sequence_index: Int64Array

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        height, width = self.image.shape[:2]
        return width, height


@dataclass(frozen=True, kw_only=True, eq=False)
class View(Picture):
    """One augmented view of a frame at the network's input size; boxes are in its pixels, not clipped to it.

    Attributes:
        matrix: float64 [3, 3], takes frame pixels to view pixels (the same one for image and boxes).
    """

    matrix: npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class ViewPair:
    """Two independent views of one frame (or of two neighbouring frames with their boxes matched).

    Attributes:
        views: the two views. Boxes with equal `frame_index` and `object_index` are the same object.
    """

    views: tuple[View, View]


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch(Table):
    """Views of several frames with their boxes packed along one axis of length m (no padding, no maximum).

    Attributes:
        images: uint8 [v, 3, height, width], RGB; views 2i and 2i+1 are a pair.
        image_index: int64 [m], which view the box lies in.

    All others are the columns of `View` as tensors. Two boxes of one frame with equal `object_index` are the same
    object.
    """

    COLUMNS: ClassVar[Schema] = {**View.COLUMNS, "image_index": (np.int64,)}

    images: Tensor
    boxes: Tensor
    classes: Tensor
    ignore: Tensor
    image_index: Tensor
    object_index: Tensor
    frame_index: Tensor
    sequence_index: Tensor
    identities: Tensor
    scores: Tensor = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if vars(self)["scores"] is None:
            object.__setattr__(self, "scores", self.boxes.new_ones(len(self.boxes)))
        super().__post_init__()

    def to(self, device: Any, non_blocking: bool = False) -> Batch:
        """The batch on another device."""
        moved = {name: value.to(device, non_blocking=non_blocking) for name, value in vars(self).items()}
        return Batch(**moved)

    def pin_memory(self) -> Batch:
        """The batch in page-locked memory (called by the data loader)."""
        return Batch(**{name: value.pin_memory() for name, value in vars(self).items()})


class OutputMaps(NamedTuple):
    """What the network says about v images, on maps of height h and width w (input size / stride).

    Attributes:
        heatmap: [v, classes, h, w], logits of an object centre lying in the cell.
        size: [v, 4, h, w], distances from the centre to the box's left, top, right and bottom side, in cells.
        offset: [v, 2, h, w], where in its cell the centre lies (x, y), in cells.
        embedding: maps that the pooling takes embeddings from, [v, channels, h_l, w_l] for each level l.
    """

    heatmap: Tensor
    size: Tensor
    offset: Tensor
    embedding: tuple[Tensor, ...]


class TrainingOutput(NamedTuple):
    """What the network says about a training batch with m boxes.

    Attributes:
        maps: of the batch's images; None where no detector is trained.
        embeddings: [m, d], unit vectors of the boxes.
        logits: [m, identities] of the identity classifier, None where there is none.
        parts: where in an embedding the parts lie that are contrasted by themselves too.
    """

    maps: OutputMaps | None
    embeddings: Tensor
    logits: Tensor | None
    parts: tuple[slice, ...] = ()


class LossTerms(NamedTuple):
    """The loss to minimise and its named parts (scalars; the parts are detached, before weighting)."""

    total: Tensor
    parts: dict[str, Tensor]


@dataclass(frozen=True, kw_only=True, eq=False)
class Detections(Table):
    """Objects found in one image: the border between torch and NumPy.

    Attributes:
        xyxy: float32 [n, 4], pixels of the image.
        score: float32 [n], in [0, 1].
        class_id: int64 [n].
        embedding: float32 [n, d] of unit length, or None where the detector gives none.
        data: whatever else belongs to each object, by name, arrays [n, ...]: key points, corners of oriented boxes
            (`clmot.row_data`). It goes with the rows, through the tracker into results.

    Raises:
        ValueError: a shape is wrong, a number is not finite, or a box has no area or lies beyond all images.

    Examples:
        >>> boxes = np.array([[20, 40, 60, 120]], np.float32)
        >>> found = clmot.Detections(xyxy=boxes, score=np.array([0.9]), class_id=np.array([0]))
        >>> len(found[found.score > 0.5])
        1
    """

    COLUMNS: ClassVar[Schema] = dict.fromkeys(("xyxy", "score", "class_id", "embedding"), (None,))

    xyxy: Float32Array
    score: Float32Array
    class_id: Int64Array
    embedding: Float32Array | None = None
    data: RowData | None = None

    def __post_init__(self) -> None:
        xyxy, score = self._numbers("xyxy", np.float32), self._numbers("score", np.float32)
        class_id = self._numbers("class_id")
        if xyxy.size and xyxy.shape not in ((4,), (*xyxy.shape[:1], 4)):
            raise ValueError(f"Detections.xyxy must be [n, 4], got {list(xyxy.shape)}")
        if class_id.dtype != np.int64 and not (np.abs(class_id) <= 2**53).all():  # nor is NaN
            raise ValueError("Detections.class_id holds a class that is not a whole number")
        whole = class_id.astype(np.int64)
        if class_id.dtype.kind == "f" and not np.array_equal(whole, class_id):
            raise ValueError("Detections.class_id holds a class that is not a whole number")
        object.__setattr__(self, "xyxy", xyxy.reshape(-1, 4))
        object.__setattr__(self, "score", score)
        object.__setattr__(self, "class_id", whole)
        n = len(self.xyxy)
        for name in ("score", "class_id"):
            if getattr(self, name).shape != (n,):
                raise ValueError(f"Detections.{name} must be [{n}], got {list(getattr(self, name).shape)}")
        if not (finite(self.xyxy).all() and np.isfinite(self.score).all()):
            raise ValueError("Detections hold a box or score that is not finite, or a box beyond all images")
        if n and not (self.xyxy[:, 2:] > self.xyxy[:, :2]).all():
            row = int(np.argmin((self.xyxy[:, 2:] > self.xyxy[:, :2]).all(axis=1)))
            raise ValueError(f"Detections.xyxy row {row} has no area: {self.xyxy[row].tolist()}")
        if self.embedding is not None:
            object.__setattr__(self, "embedding", self._numbers("embedding", np.float32))
            if self.embedding.ndim != 2 or len(self.embedding) != n:
                raise ValueError(f"Detections.embedding must be [{n}, d], got {list(self.embedding.shape)}")
            if not np.isfinite(self.embedding).all():
                raise ValueError("Detections hold an embedding that is not finite")
        if self.data is not None:
            object.__setattr__(self, "data", row_data.checked(self.data, n))

    def take(self, index: Any) -> Detections:
        """Some of the rows: those of a mask [n], a slice or row numbers [k]."""
        rows = super().take(index)
        if self.data:
            vars(rows)["data"] = row_data.rows_of(self.data, index)
        return rows

    def __getitem__(self, index: Any) -> Detections:
        """The chosen rows: of a slice, a mask [n] or row numbers [k]; the row of a number, as `Detections` of one row.

        Raises:
            TypeError: it is something else.
            IndexError: there is no such row.
        """
        whole = isinstance(index, np.ndarray) and index.dtype == np.int64 and index.ndim == 1
        return self.take(index if whole or isinstance(index, slice) else self._rows(index))

    def __iter__(self) -> Iterator[Detections]:
        """Its rows, each as `Detections` of one row."""
        return (self[row : row + 1] for row in range(len(self)))

    def _numbers(self, name: str, kind: Any = None) -> npt.NDArray[Any]:
        try:
            return as_numbers(vars(self)[name], kind)
        except ValueError as error:
            raise ValueError(f"Detections.{name} is {error}") from error

    @staticmethod
    def _rows(index: Any) -> Any:
        """A mask or row numbers, of one axis."""
        rows = np.asarray(index)
        if rows.ndim == 0 and rows.dtype.kind in "iu":
            rows = rows[None]
        if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iub"):
            raise TypeError(f"Detections take a row number, a slice, a mask [n] or row numbers [k], not {index!r:.80}")
        return rows if rows.size else rows.astype(np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class TrackedFrame:
    """The tracker's answer for one frame.

    Attributes:
        frame: frame number, 1-based.
        detections: the objects seen in this frame that belong to a track.
        track_id: int64 [n], positive, constant along a track.
        rows: int64 [n], the row of each in what `Tracker.update` was given, for masks, key points and whatever else
            belongs to it there; -1 where it comes from elsewhere (a file, interpolation).

    Raises:
        ValueError: there is not one id, or not one row, a detection.

    Examples:
        >>> tracked = clmot.Tracker().update(np.array([[20, 40, 60, 120, 0.9]]))
        >>> tracked.track_id
        array([1])
    """

    frame: int
    detections: Detections
    track_id: Int64Array
    rows: Int64Array = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        n = len(self.detections.xyxy)
        if vars(self)["rows"] is None:
            object.__setattr__(self, "rows", np.full(n, -1))
        if not len(self.track_id) == len(self.rows) == n:
            raise ValueError(f"{n} detections, {len(self.track_id)} track ids, {len(self.rows)} rows")

    def __len__(self) -> int:
        return len(self.track_id)

    def as_array(self) -> Float64Array:
        """float64 [n, 7]: x1, y1, x2, y2, track id, score, class."""
        found = self.detections
        return np.column_stack([found.xyxy, self.track_id, found.score, found.class_id]).astype(np.float64)
