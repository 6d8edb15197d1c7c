"""Embeddings that nobody trained here, to compare with."""

from __future__ import annotations

import cv2
import numpy as np

from clmot.types import Float32Array, Image

_BINS = (8, 4, 4)


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
