import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clmot import boxes as box
from clmot.io.image import read_image
from clmot.io.mot_text import read_mot_rows
from clmot.tracking.camera_matrix import enlarged
from clmot.tracking.camera_motion import CameraMotion

WIDTH, HEIGHT = 960, 540
IDENTITY = np.eye(2, 3)


def texture(seed: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """An RGB picture with detail at every scale, as photographs have."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3), np.float32)
    for cells in (6, 16, 40, 100, 250):
        noise = rng.normal(size=(cells * height // width + 2, cells, 3)).astype(np.float32)
        picture += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC) * cells**-0.4
    low, high = np.percentile(picture, [1, 99])
    return np.clip((picture - low) / (high - low) * 255, 0, 255).astype(np.uint8)


def similarity(zoom: float, degrees: float, x: float, y: float) -> np.ndarray:
    """About the middle of the frame."""
    c, s = zoom * np.cos(np.deg2rad(degrees)), zoom * np.sin(np.deg2rad(degrees))
    linear = np.array([[c, -s], [s, c]])
    middle = np.array([WIDTH / 2, HEIGHT / 2])
    return np.hstack([linear, (middle - linear @ middle + (x, y))[:, None]])


def moved(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The image under a map of continuous coordinates; OpenCV's warp counts from the middle of the first pixel."""
    linear, half = matrix[:, :2], np.full(2, 0.5)
    index = np.hstack([linear, (matrix[:, 2] + linear @ half - half)[:, None]])
    height, width = image.shape[:2]
    return cv2.warpAffine(image, index, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def paste(image: np.ndarray, patch: np.ndarray, left: int, top: int) -> np.ndarray:
    image = image.copy()
    image[top : top + patch.shape[0], left : left + patch.shape[1]] = patch
    return image


def error(estimate: np.ndarray, truth: np.ndarray) -> float:
    """Largest distance in pixels between where the two take points all over the frame."""
    x, y = np.meshgrid(np.linspace(0, WIDTH, 9), np.linspace(0, HEIGHT, 9))
    points = np.stack([x.ravel(), y.ravel(), np.ones(81)])
    return float(np.linalg.norm((estimate - truth) @ points, axis=0).max())


@pytest.mark.parametrize("method", ["sparse-flow", "ecc"])
@pytest.mark.parametrize(
    "truth",
    [
        similarity(1, 0, 0, 0),
        similarity(1, 0, 12.3, -5.7),
        similarity(1.03, 0, 0, 0),
        similarity(1, 1.5, 4, 4),
        similarity(0.98, -1, -7.5, 3.25),
    ],
    ids=["still", "pan", "zoom", "turn", "all"],
)
def test_a_known_motion_is_found_to_a_fraction_of_a_pixel(method, truth):
    image = texture(0)
    camera = CameraMotion(method)
    np.testing.assert_array_equal(camera.estimate(image), IDENTITY)
    assert error(camera.estimate(moved(image, truth)), truth) < 0.25


@pytest.mark.parametrize("pan", [60, 120])
def test_a_large_pan_is_found(pan):
    truth = similarity(1, 0, pan, -pan / 2)
    camera = CameraMotion()
    camera.estimate(texture(1))
    assert error(camera.estimate(moved(texture(1), truth)), truth) < 0.25


@pytest.mark.parametrize("method", ["sparse-flow", "ecc"])
def test_a_camera_on_a_wall_stands_exactly_still(method):
    """Under noise, light that changes, and somebody who walks through the picture."""
    rng, camera = np.random.default_rng(0), CameraMotion(method)
    wall, person = texture(0), texture(1, 120, 240)
    for k in range(35):
        light = rng.normal(0, 4, wall.shape[:2])[..., None] + 5 * np.sin(k / 5)
        frame = np.clip(paste(wall, person, 24 * k, 200) * (1 + 0.05 * np.sin(k / 5)) + light, 0, 255).astype(np.uint8)
        boxes = np.array([[24 * k, 200.0, 24 * k + 120, 440]], np.float32)
        np.testing.assert_array_equal(camera.estimate(frame, boxes), IDENTITY)


@pytest.mark.parametrize("method", ["sparse-flow", "ecc"])
def test_slow_motion_adds_up(method):
    """A pan of a tenth of a pixel a frame, far below what two frames can tell."""
    camera, total, steps, image = CameraMotion(method), np.eye(3), 0, texture(2)
    for k in range(41):
        matrix = camera.estimate(moved(image, similarity(1, 0, 0.1 * k, -0.05 * k)))
        total = np.vstack([matrix, [0, 0, 1]]) @ total
        steps += not np.array_equal(matrix, IDENTITY)
    assert 2 <= steps <= 20
    assert error(total[:2], similarity(1, 0, 4, -2)) < 0.9


def test_corners_are_spread_over_the_picture():
    """Half of the frame is rich in strong corners, the other has faint ones only."""
    grey = cv2.cvtColor(texture(3), cv2.COLOR_RGB2GRAY)
    faint = np.full_like(grey, 128)
    faint[:, : WIDTH // 2] = grey[:, : WIDTH // 2]
    faint[:, WIDTH // 2 :] += (grey[:, WIDTH // 2 :] // 4).astype(np.uint8)
    camera = CameraMotion()
    camera.estimate(cv2.cvtColor(faint, cv2.COLOR_GRAY2RGB))
    corners = camera.state()["corners"]
    apart = np.linalg.norm(corners[:, None] - corners, axis=2) + np.diag(np.full(len(corners), np.inf))
    assert apart.min() > 18
    assert np.mean(corners[:, 0] * 2 > WIDTH / 2) > 0.3


@pytest.mark.parametrize(("method", "to", "tolerance"), [("sparse-flow", 80, 0.5), ("ecc", 40, 4)])  # ECC blurs edges
def test_what_moves_by_itself_is_left_out(method, to, tolerance):
    """A bus that fills two thirds of the frame and moves against a camera that pans."""
    truth = similarity(1, 0, 6, 2)
    background, bus = texture(4), texture(5, 760, 460)
    first = paste(background, bus, 120, 40)
    second = paste(moved(background, truth), bus, to, 40)
    boxes = [np.array([[left, 40.0, left + 760, 500]], np.float32) for left in (120, to)]

    def estimate(with_boxes: bool) -> np.ndarray:
        camera = CameraMotion(method)
        camera.estimate(first, boxes[0] if with_boxes else None)
        return camera.estimate(second, boxes[1] if with_boxes else None)

    assert error(estimate(True), truth) < tolerance
    assert error(estimate(False), truth) > 5


def test_shrunk_pixels_are_counted_from_their_middle():
    """Pixel i of a frame shrunk by 3 covers 3 i to 3 i + 3."""
    matrix = np.array([[1.1, -0.2, 4], [0.3, 0.9, -2]])
    pixels = np.random.default_rng(0).uniform(0, 200, (5, 2))
    to = pixels @ matrix[:, :2].T + matrix[:, 2]
    larger = enlarged(matrix, 3)
    whole = (3 * pixels + 1.5) @ larger[:, :2].T + larger[:, 2]
    np.testing.assert_allclose(whole, 3 * to + 1.5, atol=1e-9)


@pytest.mark.parametrize("method", ["sparse-flow", "ecc"])
@pytest.mark.parametrize("name", ["black", "black after", "cut", "turned by 90 degrees", "masked"])
def test_frames_with_too_little_in_common_mean_a_still_camera(method, name):
    image = texture(4)
    pairs = {
        "black": (np.zeros_like(image), np.zeros_like(image)),
        "black after": (image, np.zeros_like(image)),
        "cut": (image, texture(5)),
        "turned by 90 degrees": (image[:, :HEIGHT], np.rot90(image[:, :HEIGHT]).copy()),
        "masked": (image, moved(image, similarity(1, 0, 5, 5))),
    }
    boxes = np.array([[-10.0, -10, 1e7, 1e7]], np.float32) if name == "masked" else None
    camera = CameraMotion(method)
    first, second = pairs[name]
    camera.estimate(first, boxes)
    np.testing.assert_array_equal(camera.estimate(second, boxes), IDENTITY)


@pytest.mark.parametrize("method", ["sparse-flow", "ecc"])
def test_another_frame_size_starts_anew(method):
    truth = similarity(1, 0, 3, 1)
    image, small = texture(6), texture(7, 320, 240)
    camera = CameraMotion(method)
    camera.estimate(image)
    np.testing.assert_array_equal(camera.estimate(small), IDENTITY)
    shifted = moved(small, truth)
    np.testing.assert_allclose(camera.estimate(shifted), truth, atol=0.1)
    # twice the size, the same shrunk one: still another size
    np.testing.assert_array_equal(camera.estimate(cv2.resize(shifted, None, fx=2, fy=2)), IDENTITY)


@pytest.mark.parametrize("shape", [(1, 1), (3, 700), (15, 15), (17, 31), (2000, 2)])
@pytest.mark.parametrize("method", ["sparse-flow", "ecc"])
def test_tiny_and_thin_frames(method, shape):
    camera = CameraMotion(method)
    rng = np.random.default_rng(0)
    for _ in range(3):
        matrix = camera.estimate(rng.integers(0, 256, (*shape, 3), np.uint8), np.array([[-5.0, -5, 1, 1]], np.float32))
        assert matrix.shape == (2, 3)
        assert np.isfinite(matrix).all()


@pytest.mark.parametrize("method", ["sparse-flow", "ecc", "file"])
def test_a_restored_state_continues_bit_by_bit_and_reset_forgets(method):
    frames = [moved(texture(8), similarity(1 + 0.002 * k, 0.1 * k, 2.0 * k, k)) for k in range(6)]
    matrices = {k: similarity(1, k, k, 0) for k in range(9)}
    camera, other = (CameraMotion(method, matrices) for _ in range(2))
    for frame in frames[:3]:
        camera.estimate(frame)
    state = camera.state()
    expected = [camera.estimate(frame) for frame in frames[3:]]
    assert not np.allclose(expected[0], IDENTITY)
    other.restore(state)
    np.testing.assert_array_equal([other.estimate(frame) for frame in frames[3:]], expected)
    camera.reset()
    np.testing.assert_array_equal(camera.estimate(frames[0]), IDENTITY)


def test_given_matrices_are_multiplied_over_skipped_frames():
    matrices = {2: similarity(1.1, 3, 5, 0), 3: similarity(1, -8, 0, 9), 5: similarity(1, 0, 1, 2)}
    camera = CameraMotion("file", matrices)
    np.testing.assert_array_equal(camera.estimate(None), IDENTITY)
    np.testing.assert_array_equal(camera.estimate(None), matrices[2])
    np.testing.assert_array_equal(camera.estimate(None), matrices[3])
    np.testing.assert_array_equal(camera.estimate(None), IDENTITY)  # no matrix for frame 4

    camera.reset()
    camera.estimate(None, frame=1)
    whole = [np.vstack([matrices[k], [0, 0, 1]]) for k in (2, 3, 5)]
    np.testing.assert_allclose(camera.estimate(None, frame=5), (whole[2] @ whole[1] @ whole[0])[:2], atol=1e-12)


def test_none_stands_still():
    camera = CameraMotion("none")
    for _ in range(2):
        np.testing.assert_array_equal(camera.estimate(None), IDENTITY)


def test_wrong_use():
    with pytest.raises(ValueError, match="'orb', expected one of sparse-flow, ecc, file, none"):
        CameraMotion("orb")
    with pytest.raises(ValueError, match="needs matrices"):
        CameraMotion("file")
    with pytest.raises(ValueError, match="needs the image"):
        CameraMotion("ecc").estimate(None)


@settings(deadline=None, max_examples=15)
@example(zoom=1.0008, degrees=0, x=0, y=0, seed=0)
@given(
    zoom=st.floats(0.95, 1.05),
    degrees=st.floats(-2, 2),
    x=st.floats(-15, 15),
    y=st.floats(-15, 15),
    seed=st.integers(0, 20),
)
def test_any_moderate_motion_is_found(zoom, degrees, x, y, seed):
    truth = similarity(zoom, degrees, x, y)
    camera = CameraMotion()
    camera.estimate(texture(seed))
    estimate = camera.estimate(moved(texture(seed), truth))
    # what moves no corner by a quarter of a pixel of the frame at half its size is left until it adds up
    standing = np.array_equal(estimate, IDENTITY) and error(IDENTITY, truth) < 0.55
    assert standing or error(estimate, truth) < 0.3


def same_object_overlap(folder, frames, method):
    """IoU of each object's box with its own box one frame before, taken along by the camera's motion."""
    rows = read_mot_rows(folder / "gt" / "gt.txt")
    counted = (rows.confidence != 0) & ((rows.class_id == 1) | (rows.class_id == -1))
    camera = CameraMotion(method)
    overlaps = []
    before = None
    for frame in frames:
        image = read_image(folder / "img1" / f"{frame:06d}.jpg")
        here = counted & (rows.frame == frame)
        matrix = camera.estimate(image, rows.boxes[here])
        if before:
            _, i, j = np.intersect1d(before[1], rows.identity[here], return_indices=True)
            taken = box.warp(before[0][i], np.vstack([matrix, [0, 0, 1]]))
            overlaps.append(np.diag(box.iou(taken, rows.boxes[here][j])))
        before = rows.boxes[here], rows.identity[here]
    return np.concatenate(overlaps)


def test_on_a_real_moving_camera_boxes_overlap_better(real_data):
    folder, frames = real_data / "mot" / "MOT16-11", range(340, 400)
    still = same_object_overlap(folder, frames, "none")
    flow = same_object_overlap(folder, frames, "sparse-flow")
    assert flow.mean() > still.mean() + 0.02
    assert np.mean(flow > still) > 0.6


def test_on_a_real_still_camera_nothing_is_lost(real_data):
    folder, frames = real_data / "mot" / "TUD-Stadtmitte", range(1, 60)
    still = same_object_overlap(folder, frames, "none")
    flow = same_object_overlap(folder, frames, "sparse-flow")
    assert flow.mean() > still.mean() - 0.002
