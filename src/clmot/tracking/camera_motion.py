"""Camera motion: where the still part of the previous frame is found in this one.

A tracker predicts where objects go in a picture that stands still. With a moving camera the whole picture moves as
well; the affine map estimated here takes the tracks along (`clmot.tracking.kalman.warp`) before they are compared with
detections.

Sparse flow follows corners of the background by pyramidal Lucas-Kanade and fits a similarity to them by RANSAC, as in
Aharon et al., "BoT-SORT: robust associations multi-pedestrian tracking", 2022. ECC aligns whole frames: Evangelidis
and Psarakis, "Parametric image alignment using enhanced correlation coefficient maximization", 2008.
"""

from collections.abc import Mapping
from typing import Any, Literal, get_args

import cv2
import numpy as np
import numpy.typing as npt
from jaxtyping import Float, UInt8

from clmot.tracking.camera_matrix import Affine, enlarged, largest_step, plausible

Method = Literal["sparse-flow", "ecc", "file", "none"]
"""sparse-flow: corners and Lucas-Kanade. ecc: whole frames; where there are few corners. file: given matrices."""

_LONG_SIDE = {"sparse-flow": 480, "ecc": 240}
"""Frames are shrunk by a whole factor until their longer side is at most this."""
_SHORTEST_SIDE = 16
_CORNERS = 200
_CORNER_SPREAD = 1 / 14
"""Least distance between corners, as a share of the shorter side: bunched up on one thing, they would tell of its depth
only, where people walk at many."""
_LEAST_CORNER_DISTANCE = 3
_FEWEST_INLIERS = 10
_LEAST_INLIER_SHARE = 0.2
_RANSAC_PIXELS = 0.5
_RANSAC_ROUNDS = 500
_FLOW_WINDOW = (13, 13)
_FLOW_CRITERIA = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 10, 0.03)
_SURROUNDINGS = (63, 63)
_ECC_CRITERIA = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-3)
_ECC_BLUR = 5
_LEAST_CORRELATION = 0.7
_STILL_PIXELS = 0.25
"""A camera is taken to stand still while no corner of the shrunk frame moves further: less is noise of the estimate."""
_STILL_FRAMES = 30
"""How many frames running are compared with the same one, while the camera stands still."""

Grey = UInt8[np.ndarray, "h w"]


class CameraMotion:
    """Estimates, frame by frame, how the camera of one video moves.

    Args:
        method: how; see `Method`.
        matrices: for ``file``: frame number to the float [2, 3] matrix from the frame before it to that frame
            (`clmot.io.camera_motion_text.read_camera_motion`). Frames without one are taken to stand still.

    Raises:
        ValueError: an unknown method, or ``file`` without matrices.
    """

    def __init__(
        self, method: str = "sparse-flow", matrices: Mapping[int, npt.NDArray[np.float64]] | None = None
    ) -> None:
        if method not in get_args(Method):
            raise ValueError(f"camera motion method is {method!r}, expected one of {', '.join(get_args(Method))}")
        if method == "file" and matrices is None:
            raise ValueError("camera motion method 'file' needs matrices")
        self.method = method
        self._matrices = dict(matrices or {})
        self.reset()

    @property
    def needs_images(self) -> bool:
        """Whether `estimate` must be given the frames."""
        return self.method in _LONG_SIDE

    def reset(self) -> None:
        """Forget everything: the next frame is the first of a video."""
        self._frame = 0
        self._still = 0
        self._factor = 1
        self._grey = np.empty((0, 0), np.uint8)
        self._background = self._grey
        self._corners = np.empty((0, 2), np.float32)

    def estimate(
        self,
        image: UInt8[np.ndarray, "h w 3"] | None,
        boxes: Float[np.ndarray, "n 4"] | None = None,
        frame: int | None = None,
    ) -> Affine:
        """The map from the last frame's pixels to this frame's.

        Args:
            image: this frame, RGB; None will do for ``file`` and ``none``.
            boxes: xyxy pixels of what moves by itself in this frame, which is left out of the estimate.
            frame: its number; by default one more than before.

        Returns:
            float64 [2, 3]. Identity for the first frame, for a frame of another size than the last one, where the two
            have too little in common, as in the dark or after a cut, and while nothing but noise moves: boxes of a
            camera on a wall stay exactly where they are.

        Raises:
            ValueError: the method needs an image and got none.
        """
        before = self._frame
        self._frame = before + 1 if frame is None else frame
        if self.method == "none":
            return _identity()
        if self.method == "file":
            return self._given(before)
        if image is None:
            raise ValueError(f"camera motion method {self.method!r} needs the image of every frame")
        factor, grey = _shrunk(image, _LONG_SIDE[self.method])
        background = _background(grey.shape, boxes, factor)
        matrix = self._since_reference(factor, grey, background)
        if matrix is not None and largest_step(matrix, grey.shape) < _STILL_PIXELS:
            if self._still < _STILL_FRAMES:
                self._still += 1
                return _identity()
            matrix = None
        self._still, self._factor, self._grey, self._background = 0, factor, grey, background
        if self.method == "sparse-flow":
            self._corners = _find_corners(grey, background)
        return _identity() if matrix is None else enlarged(matrix, factor)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """All that the next estimate depends on, as arrays; `restore` takes it back."""
        return {
            "method": np.array(get_args(Method).index(self.method)),
            "numbers": np.array(list(self._matrices), np.int64),
            "matrices": np.array(list(self._matrices.values()), np.float64).reshape(-1, 2, 3),
            "frame": np.array(self._frame),
            "still": np.array(self._still),
            "factor": np.array(self._factor),
            "grey": self._grey.copy(),
            "background": self._background.copy(),
            "corners": self._corners.copy(),
        }

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from where `state` was taken, to the same estimates bit by bit.

        Raises:
            ValueError: an array is missing or too many, or has another shape; nothing has changed.
        """
        shapes = {name: list(np.shape(value)) for name, value in state.items()}
        n, sides, k = (shapes.get(name, [0])[:axes] for name, axes in (("numbers", 1), ("grey", 2), ("corners", 1)))
        expected: dict[str, list[int]] = {"method": [], "numbers": n, "matrices": [*n, 2, 3], "frame": [], "still": []}
        expected |= {"factor": [], "grey": sides, "background": sides, "corners": [*k, 2]}
        if shapes != expected or len(sides) != 2 or not 0 <= int(state["method"]) < len(get_args(Method)):
            raise ValueError(f"camera: {shapes}, expected {expected}")
        self.method = get_args(Method)[int(state["method"])]
        self._matrices = dict(zip(state["numbers"].tolist(), np.array(state["matrices"], np.float64), strict=True))
        self._frame = int(state["frame"])
        self._still = int(state["still"])
        self._factor = int(state["factor"])
        self._grey = np.array(state["grey"], np.uint8)
        self._background = np.array(state["background"], np.uint8)
        self._corners = np.array(state["corners"], np.float32)

    def _since_reference(self, factor: int, grey: Grey, background: Grey) -> Affine | None:
        """The map from the reference's pixels to those of a shrunk frame, None where there is none to be believed.

        The reference is the last frame; while the camera stands still, the first of these frames, so that slow motion
        adds up until it shows.
        """
        if (grey.shape, factor) != (self._grey.shape, self._factor) or min(grey.shape) < _SHORTEST_SIDE:
            return None
        if self.method == "ecc":
            matrix = _ecc(self._grey, grey, background & self._background)
        else:
            matrix = _sparse_flow(_evened(self._grey), _evened(grey), self._corners)
            if matrix is None:  # a far step shows in coarse shades only
                matrix = _sparse_flow(self._grey, grey, self._corners)
        return matrix if matrix is not None and plausible(matrix, grey.shape) else None

    def _given(self, before: int) -> Affine:
        """The product of the matrices since the frame before."""
        total = np.eye(3)
        for frame in range(before + 1, self._frame + 1) if before else ():
            step = self._matrices.get(frame)
            if step is not None:
                total = np.vstack([step, [0.0, 0.0, 1.0]]) @ total
        return total[:2]


def _identity() -> Affine:
    return np.eye(2, 3)


def _shrunk(image: UInt8[np.ndarray, "h w 3"], long_side: int) -> tuple[int, UInt8[np.ndarray, "i j"]]:
    """The grey image, shrunk by a whole factor: exact in scale, and several times faster than by a broken one."""
    height, width = image.shape[:2]
    factor = max(1, -(-max(height, width) // long_side))
    rows, columns = height // factor, width // factor
    if not rows or not columns:
        return factor, np.empty((0, 0), np.uint8)
    whole = image[: rows * factor, : columns * factor]
    small = cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA) if factor > 1 else whole
    return factor, np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)


def _background(shape: tuple[int, ...], boxes: Float[np.ndarray, "n 4"] | None, factor: int) -> Grey:
    """255 outside the boxes, 0 inside them."""
    mask = np.full(shape, 255, np.uint8)
    if boxes is not None and len(boxes):
        height, width = shape
        low = np.floor(boxes[:, :2] / factor).clip(0, (width, height)).astype(int)
        high = np.ceil(boxes[:, 2:] / factor).clip(0, (width, height)).astype(int)
        for left, top, right, bottom in np.concatenate([low, high], axis=1).tolist():
            mask[top:bottom, left:right] = 0
    return mask


def _evened(grey: Grey) -> Grey:
    """The image less the mean of its surroundings: Lucas-Kanade takes light that changes for motion."""
    return np.asarray(cv2.addWeighted(grey, 1, cv2.blur(grey, _SURROUNDINGS), -1, 128), np.uint8)


def _find_corners(grey: Grey, background: Grey) -> Float[np.ndarray, "k 2"]:
    """Corners of the background, found at half size: Lucas-Kanade does not need them any more exactly."""
    rows, columns = grey.shape[0] // 2, grey.shape[1] // 2
    if min(rows, columns) < _SHORTEST_SIDE // 2:
        return np.empty((0, 2), np.float32)
    half = cv2.resize(grey[: 2 * rows, : 2 * columns], (columns, rows), interpolation=cv2.INTER_AREA)
    mask = np.ascontiguousarray(background[: 2 * rows : 2, : 2 * columns : 2])
    apart = max(_LEAST_CORNER_DISTANCE, _CORNER_SPREAD * min(rows, columns))
    found: Any = cv2.goodFeaturesToTrack(half, _CORNERS, qualityLevel=0.01, minDistance=apart, mask=mask)
    if found is None:
        return np.empty((0, 2), np.float32)
    return np.asarray(found.reshape(-1, 2) * 2 + 0.5, np.float32)


def _sparse_flow(previous: Grey, grey: Grey, corners: Float[np.ndarray, "k 2"]) -> Affine | None:
    """Similarity from the previous grey image to this one, None where too few corners agree on one."""
    if len(corners) < _FEWEST_INLIERS:
        return None
    moved: Any
    found: Any
    moved, found, _ = cv2.calcOpticalFlowPyrLK(
        previous,
        grey,
        corners,
        np.empty_like(corners),
        winSize=_FLOW_WINDOW,
        maxLevel=3,
        criteria=_FLOW_CRITERIA,
    )
    followed = found.ravel() == 1
    if np.count_nonzero(followed) < _FEWEST_INLIERS:
        return None
    matrix: Any
    inliers: Any
    matrix, inliers = cv2.estimateAffinePartial2D(
        corners[followed],
        moved[followed],
        method=cv2.RANSAC,
        ransacReprojThreshold=_RANSAC_PIXELS,
        maxIters=_RANSAC_ROUNDS,
    )
    if matrix is None:
        return None
    agreeing = np.count_nonzero(inliers)
    if agreeing < max(_FEWEST_INLIERS, _LEAST_INLIER_SHARE * len(corners)):
        return None
    return np.asarray(matrix, np.float64)


def _ecc(previous: Grey, grey: Grey, background: Grey) -> Affine | None:
    """Affine map from the previous grey image to this one, None where none makes them alike.

    Args:
        previous: the previous frame.
        grey: this frame.
        background: 255 where neither frame shows what moves by itself; the search warps one mask only.
    """
    try:
        correlation, matrix = cv2.findTransformECC(
            previous, grey, np.eye(2, 3, dtype=np.float32), cv2.MOTION_AFFINE, _ECC_CRITERIA, background, _ECC_BLUR
        )
    except cv2.error:
        return None
    return np.asarray(matrix, np.float64) if correlation >= _LEAST_CORRELATION else None
