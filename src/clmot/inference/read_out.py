"""Objects and their embeddings read off output maps, as arrays on a processor and without torch.

It says what `clmot.models.decode` and `clmot.models.embedding_pool` say, for the few places that a frame is read at.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from clmot.config import ModelConfig
from clmot.models.levels import COLOUR_BINS, COLUMNS, STRIDE, Level, pool_levels
from clmot.products import product
from clmot.structures import Float32Array, Int64Array

Array = npt.NDArray[Any]


class ArrayMaps(NamedTuple):
    """Output maps with channels last; arrays need not be contiguous.

    Values may also be bfloat16, as uint16: the upper halves of float32.

    Attributes:
        heatmap: float32 [v, h, w, classes], logits.
        size: float32 [v, h, w, 4], distances to the sides in cells.
        offset: float32 [v, h, w, 2], in cells.
        embedding: float32 [v, h_l, w_l, c_l] for each level; for that of colours the images, uint8
            [v, height, width, 3], are as good.
    """

    heatmap: Array
    size: Array
    offset: Array
    embedding: tuple[Array, ...]


class Found(NamedTuple):
    """Objects of some images, packed, best first within an image.

    Attributes:
        boxes: float32 [m, 4], xyxy input pixels.
        score: float32 [m], in [0, 1].
        class_id: int64 [m].
        image_index: int64 [m].
        embedding: float32 [m, d], unit vectors.
    """

    boxes: Float32Array
    score: Float32Array
    class_id: Int64Array
    image_index: Int64Array
    embedding: Float32Array


class Pool(Protocol):
    """Embeddings from maps."""

    def __call__(self, maps: Sequence[Array], boxes: Array, image_index: Int64Array) -> Float32Array:
        """One map [v, h_l, w_l, c_l] a level, boxes [m, 4] in input pixels and their images, to unit vectors [m, d]."""


def find_objects(maps: ArrayMaps, pool: Pool, score_threshold: float, max_detections: int) -> Found:
    """What `clmot.models.decode.decode` and `embed_peaks` find.

    Args:
        maps: the network's output.
        pool: reads the embeddings.
        score_threshold: peaks below are left out.
        max_detections: most peaks kept in an image, over all classes.
    """
    least = math.log(score_threshold / (1 - score_threshold)) if score_threshold > 0 else -math.inf
    rows = [_peaks(_float32(logits), least, max_detections) for logits in maps.heatmap]
    image = np.repeat(np.arange(len(rows)), [len(each) for each in rows])
    row, column, class_id = np.concatenate(rows).T
    sides = _float32(maps.size[image, row, column]).clip(min=0)
    corner = np.stack([column, row], axis=1)
    centre = corner + _float32(maps.offset[image, row, column])
    boxes = np.concatenate([centre - sides[:, :2], centre + sides[:, 2:]], axis=1) * STRIDE
    with np.errstate(over="ignore"):
        score = 1 / (1 + np.exp(-_float32(maps.heatmap[image, row, column, class_id])))
    # a peak without extent is no object, whatever its score
    kept = ((boxes[:, 2:] - boxes[:, :2]) >= 1).all(axis=1) & (score > score_threshold)
    boxes, score, class_id, image, corner = (each[kept] for each in (boxes, score, class_id, image, corner))
    boxes = boxes.astype(np.float32)
    places = STRIDE * np.concatenate([corner, corner + 1], axis=1) if isinstance(pool, CenterPool) else boxes
    return Found(boxes, score, class_id, image, pool(maps.embedding, places, image))


def _peaks(logits: Array, least: float, most: int) -> Int64Array:
    """Row, column and class [n, 3] of the 3x3 maxima of logits [h, w, classes], best first."""
    logits = np.ascontiguousarray(logits)
    neighbours = cv2.dilate(logits, np.ones((3, 3), np.uint8)).reshape(logits.shape)
    places = np.flatnonzero((logits == neighbours) & (logits > least))
    values = logits.ravel()[places]
    order = np.argsort(-values, kind="stable")[:most]
    values, peaks = values[order], np.stack(np.unravel_index(places[order], logits.shape), axis=1)
    # in eight bits of bfloat16 neighbours may be equal, which are one peak
    if (values[1:] == values[:-1]).any():
        apart = np.abs(peaks[:, None] - peaks)
        same = (values[:, None] == values) & (apart[..., :2] <= 1).all(axis=2) & (apart[..., 2] == 0)
        peaks = peaks[~np.tril(same, -1).any(axis=1)]
    return peaks


def make_pool(config: ModelConfig, weights: Mapping[str, Array]) -> Pool:
    """The configured pooling.

    Args:
        config: of the model.
        weights: the state of `clmot.models.network.make_embedding_pool`'s module.

    Raises:
        ValueError: weights are missing, or do not fit.
    """
    return StripePool(config, weights) if config.pooling == "stripes" else CenterPool()


class CenterPool:
    """As `clmot.models.embedding_pool.CenterPointPool`."""

    def __call__(self, maps: Sequence[Array], boxes: Array, image_index: Int64Array) -> Float32Array:
        """See `Pool`."""
        (values,) = maps
        height, width = values.shape[1:3]
        column, row = ((boxes[:, :2] + boxes[:, 2:]) / (2 * STRIDE)).astype(np.int64).T
        return _unit_length(_float32(values[image_index, row.clip(0, height - 1), column.clip(0, width - 1)]))


class StripePool:
    """As `clmot.models.whitening.WhitenedPool` of a `clmot.models.embedding_pool.StripePool`.

    RoIAlign is linear in the map and along each axis by itself: what a box takes of a map is a product of its window
    with one matrix for the rows and one vector for the columns. Colours become shares of bins in the window alone.

    Args:
        config: of the model.
        weights: centre, matrix and the levels' projections.

    Raises:
        ValueError: weights are missing, or do not fit.
    """

    def __init__(self, config: ModelConfig, weights: Mapping[str, Array]) -> None:
        self._stripes = config.stripes
        self._levels = pool_levels(config, {})
        names = {index: f"plain.projection.{index}" for index, each in enumerate(self._levels) if not each.histogram}
        wanted = {"centre", "matrix", *names.values()}
        if missing := wanted - weights.keys():
            raise ValueError(f"'{min(missing)}' is missing")
        self._centre, self._matrix = weights["centre"], weights["matrix"]
        self._projection = {index: weights[name] for index, name in names.items()}
        length = sum(each.channels for each in self._levels if each.histogram)
        for name, projection in self._projection.items():
            stripes, channels, kept = projection.shape
            if stripes != config.stripes or kept != min(channels, config.width):
                raise ValueError(f"'{names[name]}' is {list(projection.shape)}")
            length += kept
        if len(self._matrix) != config.stripes * length:
            raise ValueError(f"'matrix' is {list(self._matrix.shape)}")

    def __call__(self, maps: Sequence[Array], boxes: Array, image_index: Int64Array) -> Float32Array:
        """See `Pool`."""
        if not len(boxes):
            return np.zeros((0, self._matrix.shape[1]), np.float32)
        windows: dict[tuple[int, ...], _Windows] = {}
        parts = []
        for index, (values, level) in enumerate(zip(maps, self._levels, strict=True)):
            height, width = (side // (level.stride if values.dtype == np.uint8 else 1) for side in values.shape[1:3])
            size = (height, width, level.stride)
            if size not in windows:
                windows[size] = _Windows(boxes / level.stride, self._stripes, height, width)
            colours = level.histogram and values.shape[-1] == 3
            parts.append(self._part(index, level, windows[size].pooled(values, image_index, colours)))
        plain = _unit_length(np.concatenate(parts, axis=1))
        return _unit_length(product(plain - self._centre, self._matrix))

    def _part(self, index: int, level: Level, pooled: Float32Array) -> Float32Array:
        """What is read of a level's stripes [s, m, c], each of unit length times the level's share, side by side."""
        values = np.sqrt(pooled) if level.histogram else pooled @ self._projection[index]
        part = _unit_length(values) * np.float32(level.share**0.5)
        return part.transpose(1, 0, 2).reshape(part.shape[1], -1)


class _Windows:
    """The window of a map that each box takes from, and by what weights.

    Args:
        boxes: [m, 4], xyxy in cells.
        stripes: stripes a box.
        height, width: of the map.
    """

    def __init__(self, boxes: Array, stripes: int, height: int, width: int) -> None:
        self._rows, self._tops, self._bottoms = _axis_weights(boxes[:, 1], boxes[:, 3], stripes, height)
        columns, self._lefts, self._rights = _axis_weights(boxes[:, 0], boxes[:, 2], len(COLUMNS), width)
        self._columns = np.array(COLUMNS, np.float32) @ columns

    def pooled(self, values: Array, image_index: Int64Array, colours: bool) -> Float32Array:
        """Weighted means of the stripes, [s, m, c]: of a map [v, h, w, c], or of the shares of colours."""
        stripes = []
        codes: dict[int, _ColourCode] = {}
        if colours:
            # of the part of an image that any box takes from
            for image in np.unique(image_index).tolist():
                mine = image_index == image
                top, left = self._tops[mine].min(), self._lefts[mine].min()
                bottom, right = self._bottoms[mine].max(), self._rights[mine].max()
                codes[image] = _ColourCode(values[image], top, left, bottom, right)
        places = (image_index, self._tops, self._bottoms, self._lefts, self._rights)
        for row, (image, top, bottom, left, right) in enumerate(zip(*(each.tolist() for each in places), strict=True)):
            columns = self._columns[row, left:right]
            if colours:
                across = codes[image].across(columns, top, bottom, left, right)
            else:
                across = columns @ np.ascontiguousarray(_float32(values[image, top:bottom, left:right]))
            stripes.append(self._rows[row, :, top:bottom] @ across)
        return np.stack(stripes, axis=1)


class _ColourCode:
    """As `clmot.models.color_histogram.colour_code`, for windows of one image.

    Args:
        colours: RGB: of cells, float32 [h, w, 3] in [0, 1], or of pixels, uint8 [height, width, 3].
        top, left, bottom, right: the part that windows lie in.
    """

    def __init__(self, colours: Array, top: int, left: int, bottom: int, right: int) -> None:
        self._top, self._left = top, left
        unit = STRIDE if colours.dtype == np.uint8 else 1
        part: Array = _float32(colours[unit * top : unit * bottom, unit * left : unit * right]).astype(np.float32)
        if unit > 1:  # a cell's colour is its pixels' mean
            part = cv2.resize(part, (right - left, bottom - top), interpolation=cv2.INTER_AREA) / 255
        hue, saturation, value = np.moveaxis(cv2.cvtColor(part, cv2.COLOR_RGB2HSV), 2, 0)[..., None]
        hues, saturations, values = COLOUR_BINS
        distance = np.abs(hue * np.float32(hues / 360) - np.arange(hues, dtype=np.float32))
        around = np.maximum(1 - np.minimum(distance, hues - distance), 0)
        tints = around[..., None] * _shares(saturation, saturations)[..., None, :]
        self._tints = tints.reshape(*tints.shape[:2], -1)
        self._values = _shares(value, values)

    def across(self, columns: Array, top: int, bottom: int, left: int, right: int) -> Array:
        """Weighted sums [h, bins] over the columns of a window of the image."""
        place = slice(top - self._top, bottom - self._top), slice(left - self._left, right - self._left)
        sums: Array = self._tints[place].transpose(0, 2, 1) @ (self._values[place] * columns[:, None])
        return sums.reshape(bottom - top, -1)


def _shares(values: Array, bins: int) -> Array:
    """As of `clmot.models.color_histogram`: values [h, w, 1] to [h, w, bins]."""
    centre = np.arange(bins, dtype=np.float32)
    shares: Array = np.maximum(1 - np.abs((values * bins - np.float32(0.5)).clip(0, bins - 1) - centre), 0)
    return shares


def _axis_weights(low: Array, high: Array, bins: int, cells: int) -> tuple[Float32Array, Int64Array, Int64Array]:
    """What RoIAlign (aligned, two samples a bin) takes of each cell along one axis.

    Args:
        low: [m], where the boxes begin, in cells.
        high: [m], where they end.
        bins: of a box.
        cells: of the map.

    Returns:
        Weights [m, bins, cells]; first cell and the one after the last of each box's window, [m].
    """
    step = (high - low) / (2 * bins)
    place = (low - 0.5)[:, None] + step[:, None] * (np.arange(2 * bins) + 0.5)
    weight = ((place >= -1) & (place <= cells)) / 2
    place = place.clip(0, cells - 1)
    first = place.astype(np.int64)
    share = place - first
    # one cell more, where the share of what lies beyond the last one is 0
    bin_of = np.arange(len(low))[:, None] * bins + np.arange(2 * bins) // 2
    index = (bin_of * (cells + 1) + first).ravel()
    length = len(low) * bins * (cells + 1)
    flat = np.bincount(index, (weight * (1 - share)).ravel(), length)
    flat[1:] += np.bincount(index, (weight * share).ravel(), length)[:-1]
    weights = flat.reshape(len(low), bins, cells + 1)[..., :cells].astype(np.float32)
    return weights, first.min(axis=1), np.minimum(first.max(axis=1) + 2, cells)


def _float32(values: Array) -> Array:
    """Values of maps, which may be of bfloat16."""
    return (values.astype(np.uint32) << 16).view(np.float32) if values.dtype == np.uint16 else values


def _unit_length(values: Array) -> Array:
    length = np.sqrt(np.einsum("...d,...d->...", values, values))
    unit: Array = values / np.maximum(length, np.float32(1e-12))[..., None]
    return unit
