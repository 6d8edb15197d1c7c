"""What detections hold beside boxes, on images: key points and the sides of oriented boxes."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from clmot.row_data import CORNERS, KEYPOINTS
from clmot.structures import Detections, Image
from clmot.visualize.draw import Colour

_SURE = 0.3
"""Key points with lower scores are not drawn."""
_LARGEST = 16000
"""OpenCV wraps coordinates beyond 16 bits."""


def draw_data(canvas: Image, found: Detections, colours: Sequence[Colour]) -> None:
    """Draw onto an image, each object in its colour; nothing where detections have boxes alone."""
    data, radius = found.data or {}, max(1, round(min(canvas.shape[:2]) / 200))
    for corners, colour in zip(data.get(CORNERS, ()), colours, strict=False):
        if np.isfinite(corners).all():
            points = np.rint(corners.clip(-_LARGEST, _LARGEST)).astype(np.int32)
            cv2.polylines(canvas, [points], True, colour, radius, cv2.LINE_AA)
    for points, colour in zip(data.get(KEYPOINTS, ()), colours, strict=False):
        sure = np.isfinite(points).all(axis=1) & (points[:, 2] >= _SURE if points.shape[1] > 2 else True)
        for x, y in np.rint(points[sure, :2].clip(-_LARGEST, _LARGEST)).astype(int).tolist():
            cv2.circle(canvas, (x, y), radius, colour, cv2.FILLED, cv2.LINE_AA)
