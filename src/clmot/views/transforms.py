"""Augmentations of one image: pure functions of the array and a random generator.

Geometry is a 3x3 matrix that takes source pixels to output pixels in continuous coordinates (pixel i covers
``[i, i + 1)``), so that `warp_image` and `clmot.boxes.warp` move image and boxes by the same numbers. Colour is one
linear map of RGB.
"""

import math

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from clmot.config import ViewsConfig

PADDING = 128
"""Grey level of output pixels that no source pixel covers (FairMOT's 127.5, rounded)."""

MAX_BLUR_SIGMA = 1.5
"""Largest standard deviation of `blur`, in output pixels."""
BLURRED = 0.2
"""Share of the views that are blurred."""

COLOUR_CHANGE, HUE_TURN = 0.15, 4.0
"""Largest relative change of brightness, contrast and saturation, and turn of the hue in degrees, at `colour` 1."""

# FCC 1953: brightness Y and two colour differences that are zero for greys
_RGB_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
_YIQ_TO_RGB = np.linalg.inv(_RGB_TO_YIQ)


SIDE_UNIT = 32
"""Sides of a network's input are multiples of so many pixels: the stride of its coarsest map."""


MOST_SCALE = 0.7
"""Small pictures are shown at no more of their size where the training's input would not: objects as large as hardly
any in training are found less surely (``docs/inference.md``)."""


def input_size(width: int, height: int, trained: tuple[int, int]) -> tuple[int, int]:
    """The input of a picture: of its own shape, with at most as many pixels as training's, and the least padding.

    The picture is shown as large as the pixels allow, yet not above `MOST_SCALE`, or above what letterboxing into the
    training's input comes to where that is more. A picture that is such an input already, as a view is, stays as it is.

    No side is a single unit, where there are pixels for more: other runtimes take one cell for a fixed length.

    Args:
        width: of the picture in pixels.
        height: of the picture in pixels.
        trained: width and height of the training's input in pixels.

    Returns:
        Width and height in pixels.
    """
    cells = math.prod(trained) // SIDE_UNIT**2
    least = min(2, math.isqrt(cells))
    letterboxed = min(trained[0] * height, trained[1] * width)
    is_input = not (width % SIDE_UNIT or height % SIDE_UNIT) and width * height <= cells * SIDE_UNIT**2
    if is_input and letterboxed < width * height and min(width, height) >= SIDE_UNIT * least:
        return width, height
    columns = range(least, cells // least + 1)
    # the picture's scale, times both of its sides and in units
    most = max(min(column * height, cells // column * width) for column in columns)
    scale = min(most, max(letterboxed, MOST_SCALE * width * height) / SIDE_UNIT)
    return SIDE_UNIT * max(least, math.ceil(scale / height)), SIDE_UNIT * max(least, math.ceil(scale / width))


def input_of_longer_side(width: int, height: int, longer: int) -> tuple[int, int]:
    """The input whose longer side is given, with the least padding on the other (ultralytics' ``imgsz``).

    No side is a single unit, as with `input_size`.

    Args:
        width: of the picture in pixels.
        height: of the picture in pixels.
        longer: side of the input in pixels, a multiple of `SIDE_UNIT`.

    Returns:
        Width and height in pixels.
    """
    units = (-(-longer * side // (max(width, height) * SIDE_UNIT)) for side in (width, height))
    wide, high = (min(longer, SIDE_UNIT * max(2, count)) for count in units)
    return wide, high


def letterbox_matrix(width: int, height: int, out_size: tuple[int, int]) -> Float[np.ndarray, "3 3"]:
    """The largest upright copy of an image that fits into the output, centred, with its ratio kept.

    Args:
        width: source width in pixels.
        height: source height in pixels.
        out_size: output width and height in pixels.
    """
    out_width, out_height = out_size
    scale = min(out_width / width, out_height / height)
    left, top = (out_width - scale * width) / 2, (out_height - scale * height) / 2
    return np.array([[scale, 0, left], [0, scale, top], [0, 0, 1]])


def random_affine(
    config: ViewsConfig,
    size_in: tuple[int, int],
    size_out: tuple[int, int],
    rng: np.random.Generator,
    mirrored: bool | None = None,
) -> Float[np.ndarray, "3 3"]:
    """A random view of an image: letterbox, mirror, stretch, rotation, zoom, shift, in this order.

    Mirror, stretch and rotation turn about the centre of the output. The zoom fixes a random point of the image: above
    1 every crop of that size is equally likely, below 1 the image lies anywhere in the output.

    Args:
        config: ranges.
        size_in: source width and height in pixels.
        size_out: output width and height in pixels.
        rng: source of randomness; the number of draws does not depend on the ranges.
        mirrored: whether to mirror, whatever is drawn; by default as drawn.
    """
    size = np.array(size_out, np.float64)
    letterbox = letterbox_matrix(*size_in, size_out)
    drawn = rng.random() < config.mirror
    mirror = -1.0 if (drawn if mirrored is None else mirrored) else 1.0
    stretch = np.exp(rng.uniform(-0.5, 0.5) * np.log1p(config.aspect))
    angle = np.deg2rad(rng.uniform(-config.rotate, config.rotate))
    zoom = np.exp(rng.uniform(*np.log(config.scale)))
    point = letterbox[:2, 2] + rng.random(2) * letterbox[:2, :2].diagonal() * size_in
    shift = rng.uniform(-config.shift, config.shift, 2) * size

    # stretching before turning keeps the box's sides along the object's own axes (see `boxes.warp`)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.diag([mirror * stretch, 1 / stretch])
    zoomed = _about(np.eye(2) * zoom, point)
    zoomed[:2, 2] += shift
    return np.asarray(zoomed @ _about(linear, size / 2) @ letterbox)


def warp_image(
    image: UInt8[np.ndarray, "h_in w_in 3"],
    matrix: Float[np.ndarray, "3 3"],
    size: tuple[int, int],
    padding: int = PADDING,
) -> UInt8[np.ndarray, "h w 3"]:
    """The image under an affine map, on grey.

    Bilinear, on an image halved by averaging as often as the map shrinks by two, against aliasing.

    Args:
        image: source.
        matrix: source to output pixels, continuous coordinates.
        size: output width and height in pixels.
        padding: value of all channels where there is no image.
    """
    while True:
        extent = np.array(image.shape[1::-1])
        halve = (np.linalg.norm(matrix[:2, :2], axis=0) <= 0.5) & (extent > 1)
        if not halve.any():
            break
        half_width, half_height = np.where(halve, (extent + 1) // 2, extent).tolist()
        image = cv2.resize(image, (half_width, half_height), interpolation=cv2.INTER_AREA)
        matrix = matrix @ np.diag([*(extent / (half_width, half_height)), 1])
    # OpenCV counts from pixel centres: its (0, 0) is our (0.5, 0.5)
    matrix = _translation(-0.5, -0.5) @ matrix @ _translation(0.5, 0.5)
    return np.asarray(cv2.warpAffine(image, matrix[:2], size, flags=cv2.INTER_LINEAR, borderValue=(padding,) * 3))


def colour_matrix(brightness: float, contrast: float, saturation: float, hue: float) -> Float[np.ndarray, "3 4"]:
    """One linear map of RGB values: ``rgb' = matrix[:, :3] @ rgb + matrix[:, 3]``.

    Args:
        brightness: factor on all channels.
        contrast: factor on the distance from mid-grey (127.5).
        saturation: factor on the distance from the pixel's own grey.
        hue: turn of the colour about its own grey in degrees, at constant luma.
    """
    angle = np.deg2rad(hue)
    turn = saturation * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    chroma = np.eye(3)
    chroma[1:, 1:] = turn
    linear = brightness * contrast * _YIQ_TO_RGB @ chroma @ _RGB_TO_YIQ
    # saturation and hue leave greys alone, so the pivot of the contrast passes through them unchanged
    bias = np.full((3, 1), brightness * (1 - contrast) * 127.5)
    return np.concatenate([linear, bias], axis=1)


def jitter_colour(
    image: UInt8[np.ndarray, "h w 3"], config: ViewsConfig, rng: np.random.Generator
) -> UInt8[np.ndarray, "h w 3"]:
    """Random brightness, contrast, saturation and hue, each uniform in its range, saturating at 0 and 255."""
    limits = np.full(3, min(config.colour * COLOUR_CHANGE, 1))
    brightness, contrast, saturation = 1 + rng.uniform(-limits, limits)
    turn = config.colour * HUE_TURN
    hue = rng.uniform(-turn, turn)
    return np.asarray(cv2.transform(image, colour_matrix(brightness, contrast, saturation, hue)))


def jitter_hsv(
    image: UInt8[np.ndarray, "h w 3"], config: ViewsConfig, rng: np.random.Generator
) -> UInt8[np.ndarray, "h w 3"]:
    """Saturation and value of HSV each times a random factor, as FairMOT and CL-MOT publish it."""
    saturation, value = 1 + rng.uniform(-config.hsv, config.hsv, 2)
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
    return np.asarray(cv2.cvtColor(cv2.transform(hsv, np.diag([1, saturation, value])), cv2.COLOR_HSV2RGB_FULL))


def blur(
    image: UInt8[np.ndarray, "h w 3"], config: ViewsConfig, rng: np.random.Generator
) -> UInt8[np.ndarray, "h w 3"]:
    """In a share of `BLURRED`, unless `colour` is 0: Gaussian, with a random sigma up to `MAX_BLUR_SIGMA` pixels."""
    chosen, sigma = rng.random() < (BLURRED if config.colour else 0), rng.uniform(0, MAX_BLUR_SIGMA)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma)) if chosen and sigma > 0 else image


def _translation(x: float, y: float) -> Float[np.ndarray, "3 3"]:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def _about(linear: Float[np.ndarray, "2 2"], point: Float[np.ndarray, " 2"]) -> Float[np.ndarray, "3 3"]:
    """The linear map with a fixed point other than the origin."""
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = point - linear @ point
    return matrix
