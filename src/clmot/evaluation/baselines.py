"""Embeddings that nobody trained here, to compare with."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from clmot.errors import UserError, reason_of
from clmot.structures import Embed, Float32Array, Image
from clmot.views.pixels import region_in

_BINS = (8, 4, 4)
_MEAN, _DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def histogram_embedding(image: Image, boxes: Float32Array, stripes: int = 6) -> Float32Array:
    """HSV histograms (8 x 4 x 4 bins) of horizontal stripes of each box: what colour alone can tell.

    Square roots of the shares, so that the cosine of two embeddings is the mean Bhattacharyya coefficient of their
    stripes. A stripe wholly outside the image counts nothing.

    Args:
        image: uint8 [height, width, 3], RGB.
        boxes: float [n, 4], xyxy pixels.
        stripes: stripes a box, top to bottom.

    Returns:
        float32 [n, stripes * 128], unit vectors.
    """
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    height, width = image.shape[:2]
    found = np.zeros((len(boxes), stripes, int(np.prod(_BINS))), np.float32)
    for row, (left, top, right, bottom) in enumerate(np.asarray(boxes, np.float64)):
        columns = slice(int(np.clip(round(left), 0, width)), int(np.clip(round(right), 0, width)))
        edges = np.linspace(top, bottom, stripes + 1).round().clip(0, height).astype(int)
        for stripe in range(stripes):
            part = hsv[edges[stripe] : edges[stripe + 1], columns]
            if part.size:
                histogram = cv2.calcHist([np.ascontiguousarray(part)], [0, 1, 2], None, _BINS, [0, 180, 0, 256, 0, 256])
                found[row, stripe] = np.sqrt(histogram.ravel() / histogram.sum())
    flat = found.reshape(len(boxes), -1)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12), np.float32)


def onnx_embedding(file: Path, size: tuple[int, int] = (128, 256)) -> Embed:
    """The embedding of a re-identification network that takes one crop of a box, such as OSNet (Zhou et al. 2019).

    The crop, what lies inside the image, is stretched to the network's input: RGB in [0, 1], ImageNet's mean and
    deviation taken out. OpenCV runs the network, box by box, since such files have a batch of one often enough.

    Args:
        file: ONNX file, input float32 [1, 3, height, width], output [1, d].
        size: width and height of its input in pixels.

    Returns:
        A function of image and boxes, as `histogram_embedding`; boxes outside the image get zeros.

    Raises:
        UserError: the file cannot be read as a network.
    """
    try:
        network = cv2.dnn.readNetFromONNX(str(file))
    except cv2.error as error:
        raise UserError(f"{file}: OpenCV cannot read this network: {reason_of(error)}") from error

    def embed(image: Image, boxes: Float32Array) -> Float32Array:
        rows: list[Float32Array] = []
        for box in np.asarray(boxes, np.float64):
            crop = region_in(box, (image.shape[1], image.shape[0])).of(image)
            # an empty crop still needs a row as long as the others
            pixels = cv2.resize(crop, size) if crop.size else np.zeros((size[1], size[0], 3), np.uint8)
            network.setInput((((pixels / 255.0) - _MEAN) / _DEVIATION).astype(np.float32).transpose(2, 0, 1)[None])
            try:
                row = np.asarray(network.forward(), np.float32).reshape(-1)
            except cv2.error as error:
                expected = f"one crop of {size[0]}x{size[1]} pixels"
                raise UserError(f"{file}: the network does not take {expected}: {reason_of(error)}") from error
            rows.append(row / max(float(np.linalg.norm(row)), 1e-12) * (crop.size > 0))
        return np.stack(rows) if rows else np.empty((0, 1), np.float32)

    return embed
