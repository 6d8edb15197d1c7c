import cv2
import numpy as np
import pytest

from clmot.structures import Detections, Image, TrackedFrame
from clmot.visualize.draw import Trails, contact_sheet, draw_boxes, draw_tracks, fit, hide, track_colour


def tracked(frame: int, boxes: dict[int, tuple[float, float, float, float]]) -> TrackedFrame:
    n = len(boxes)
    return TrackedFrame(
        frame=frame,
        detections=Detections(xyxy=np.array(list(boxes.values())), score=np.ones(n), class_id=np.arange(n)),
        track_id=np.array(list(boxes), np.int64),
    )


def grey(width: int = 200, height: int = 150) -> Image:
    return np.full((height, width, 3), 40, np.uint8)


COLOUR_BLINDNESS = {  # of linear RGB, severity 1: Machado, Oliveira and Fernandes, 2009
    "none": np.eye(3).tolist(),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def changed(image: Image) -> np.ndarray:
    return (image != 40).any(axis=2)


class TestColours:
    def test_are_constant(self) -> None:
        # written down, because videos made on different days should agree
        assert [track_colour(track_id) for track_id in (1, 2, 3)] == [(0, 102, 204), (255, 68, 0), (0, 255, 204)]

    def test_ids_close_to_each_other_look_different(self) -> None:
        colours = np.array([track_colour(track_id) for track_id in range(1, 400)], float)
        for gap in range(1, 24):
            assert np.linalg.norm(colours[gap:] - colours[:-gap], axis=1).min() > 33, gap

    @pytest.mark.parametrize("sight", COLOUR_BLINDNESS)
    def test_ids_close_to_each_other_look_different_to_the_colour_blind(self, sight: str) -> None:
        rgb = np.array([track_colour(track_id) for track_id in range(1, 60)]) / 255
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        seen = np.clip(linear @ np.array(COLOUR_BLINDNESS[sight]).T, 0, 1)
        encoded = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
        lab = cv2.cvtColor(encoded.astype(np.float32)[None], cv2.COLOR_RGB2LAB)[0]
        for gap in range(1, 6):
            assert np.linalg.norm(lab[gap:] - lab[:-gap], axis=1).min() > 14, gap


class TestTrails:
    def test_are_the_foot_points_of_the_last_frames(self) -> None:
        trails = Trails(3)
        for frame in range(1, 6):
            trails.update(tracked(frame, {7: (frame, 0, frame + 10, 50 + frame)}))
        assert trails.points() == {7: [(8, 53), (9, 54), (10, 55)]}

    def test_are_bounded_in_points_and_in_tracks(self) -> None:
        trails = Trails(10)
        for frame in range(1, 500):
            trails.update(tracked(frame, {1: (0, 0, 5, 5), frame + 1: (0, 0, 9, 9)}))
        points = trails.points()
        assert len(points[1]) == 10
        assert sorted(points) == [1, *range(491, 501)]
        trails.update(tracked(900, {}))
        assert trails.points() == {}

    def test_belong_to_their_owner(self) -> None:
        first, second = Trails(), Trails()
        first.update(tracked(1, {1: (0, 0, 5, 5)}))
        assert second.points() == {}

    def test_length_is_checked(self) -> None:
        with pytest.raises(ValueError, match="trail length"):
            Trails(0)


class TestBoxes:
    def test_outline_covers_exactly_the_boxes_border(self) -> None:
        drawn = draw_boxes(grey(), np.array([[20, 30, 60, 110]], np.float32), colours=(255, 0, 0))
        expected = np.zeros((150, 200), bool)
        expected[30:110, 20:60] = True
        expected[31:109, 21:59] = False
        assert (changed(drawn) == expected).all()
        assert (drawn[expected] == (255, 0, 0)).all()

    def test_the_image_given_is_not_touched(self) -> None:
        image = grey()
        draw_boxes(image, np.array([[20, 30, 60, 110]], np.float32))
        draw_tracks(image, tracked(1, {1: (20, 30, 60, 110)}), Trails())
        assert not changed(image).any()

    def test_boxes_far_beyond_the_image(self) -> None:
        boxes = np.array([[-1e9, -50, 100, 60], [150, 100, 1e9, 1e12]], np.float32)
        drawn = draw_boxes(grey(), boxes, ["left", "right"], [(255, 0, 0), (0, 255, 0)])
        assert (drawn[40, 99] == (255, 0, 0)).all()
        assert not changed(drawn)[40, 0]
        assert (drawn[120, 150] == (0, 255, 0)).all()
        assert not changed(drawn)[149, 190]

    @pytest.mark.parametrize("box", [(0, 0, 30, 40), (185, 2, 199, 60), (90, 148, 95, 150), (-30, -40, 5, 5)])
    def test_labels_stay_inside(self, box: tuple[float, float, float, float]) -> None:
        image = grey()
        boxes = np.array([box], np.float32)
        with_label = draw_boxes(image, boxes, ["1234"], (255, 255, 0))
        label = (with_label != draw_boxes(image, boxes, colours=(255, 255, 0))).any(axis=2)
        rows, columns = np.nonzero(label)
        # background and ink: black on a bright colour
        assert (rows.max() - rows.min(), columns.max() - columns.min()) > (8, 20)
        assert (with_label.max(axis=2) < 40).any()

    def test_ink_is_readable_on_every_colour(self) -> None:
        for track_id in range(1, 60):
            colour = track_colour(track_id)
            drawn = draw_boxes(grey(), np.array([[20, 30, 150, 110]], np.float32), ["888"], colour)
            inside = drawn[15:28, 22:45].astype(float) @ (0.299, 0.587, 0.114)
            assert np.ptp(inside) > 90, track_id

    def test_lines_grow_with_the_image(self) -> None:
        box = np.array([[100, 100, 500, 800]], np.float32)
        thin, thick = (changed(draw_boxes(grey(1600, height), box)).sum() for height in (900, 1800))
        assert thick > 1.3 * thin

    def test_nothing_to_draw(self) -> None:
        assert not changed(draw_boxes(grey(), np.empty((0, 4), np.float32))).any()
        assert not changed(draw_tracks(grey(), tracked(1, {}), Trails())).any()


class TestTracks:
    def test_each_track_has_its_own_colour_whatever_the_order(self) -> None:
        boxes = {3: (10.0, 40.0, 40.0, 120.0), 8: (100.0, 40.0, 130.0, 120.0)}
        drawn = draw_tracks(grey(), tracked(1, boxes))
        assert tuple(drawn[80, 10]) == track_colour(3)
        assert tuple(drawn[80, 100]) == track_colour(8)
        assert (drawn == draw_tracks(grey(), tracked(1, dict(reversed(boxes.items()))))).all()

    def test_whoever_stands_lower_is_drawn_on_top(self) -> None:
        boxes = {1: (20.0, 40.0, 60.0, 140.0), 2: (20.0, 40.0, 60.0, 120.0)}
        drawn = draw_tracks(grey(), tracked(1, boxes))
        assert tuple(drawn[100, 20]) == track_colour(1)

    def test_trail_runs_through_the_foot_points_of_visible_tracks_only(self) -> None:
        trails = Trails(30)
        for frame in range(1, 11):
            boxes = {1: (10.0 * frame, 20.0, 10.0 * frame + 20, 60.0)}
            if frame < 10:
                boxes[2] = (10.0 * frame, 80.0, 10.0 * frame + 20, 140.0)
            trails.update(tracked(frame, boxes))
        drawn = draw_tracks(grey(), tracked(10, {1: (100.0, 20.0, 120.0, 60.0)}), trails)
        assert changed(drawn)[60, 25:95].all()
        assert not changed(drawn)[70:].any()

    def test_a_class_is_named_where_one_asks_for_it_even_if_it_is_the_only_one(self) -> None:
        frame = tracked(1, {5: (60.0, 60.0, 120.0, 120.0)})
        named = draw_tracks(grey(), frame, classes=("person",))
        assert changed(named).sum() > changed(draw_tracks(grey(), frame)).sum() + 100


class TestContactSheet:
    def test_places_images_row_by_row(self) -> None:
        images = [np.full((20, 30, 3), 10 * index, np.uint8) for index in range(1, 6)]
        sheet = contact_sheet(images, 3)
        assert sheet.shape == (4 + 2 * 24, 4 + 3 * 34, 3)
        for index in range(5):
            row, column = divmod(index, 3)
            cell = sheet[4 + 24 * row : 24 + 24 * row, 4 + 34 * column : 34 + 34 * column]
            assert (cell == 10 * (index + 1)).all()
        assert (sheet[28:, 72:] == 32).all()

    def test_scales_to_the_cell_and_labels(self) -> None:
        sheet = contact_sheet([grey(200, 100), grey(100, 100)], 2, cell_width=100, labels=["first", ""])
        assert sheet.shape == (58, 212, 3)
        assert changed(sheet[4:54, 4:104]).any()
        # a square image in a wide cell: centred between two bars
        assert (sheet[4:54, 133:183] == 40).all()
        assert (sheet[:, 108:132] == 32).all()

    def test_needs_images(self) -> None:
        with pytest.raises(ValueError, match="needs images"):
            contact_sheet([], 3)


@pytest.mark.parametrize(("width", "height"), [(30, 20), (60, 40), (30, 60), (7, 90), (1, 1)])
def test_fit_keeps_the_shape_and_the_size_asked_for(width: int, height: int) -> None:
    fitted = fit(np.full((20, 30, 3), 200, np.uint8), width, height)
    assert fitted.shape == (height, width, 3)
    rows, columns = np.nonzero(fitted[..., 0])
    scale = min(width / 30, height / 20)
    assert columns.max() - columns.min() + 1 == pytest.approx(30 * scale, abs=1)
    assert rows.max() - rows.min() + 1 == pytest.approx(20 * scale, abs=1)


class TestLabels:
    def test_a_label_is_beside_a_small_object_that_has_no_room_above(self) -> None:
        small = np.array([[90, 0, 100, 12]], np.float32)
        plain, drawn = draw_boxes(grey(), small, colours=(255, 0, 0)), draw_boxes(grey(), small, ["17"], (255, 0, 0))
        assert (drawn[:12, 90:100] == plain[:12, 90:100]).all()
        assert changed(drawn).sum() > changed(plain).sum() + 100

    def test_labels_of_a_crowd_do_not_cover_each_other(self) -> None:
        boxes = np.array([[40, 60, 60, 120], [48, 60, 68, 120], [56, 60, 76, 120]], np.float32)
        colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
        drawn = draw_boxes(grey(), boxes, ["1", "2", "3"], colours)
        shown = [(drawn == colour).all(axis=2).sum() for colour in colours]
        alone = [
            (draw_boxes(grey(), boxes[i : i + 1], ["8"], colours[i]) == colours[i]).all(axis=2).sum() for i in range(3)
        ]
        assert all(one > 0.55 * other for one, other in zip(shown, alone, strict=True))

    def test_confidence_is_told_on_request(self) -> None:
        frame = tracked(1, {5: (60.0, 60.0, 120.0, 120.0)})
        plain, told = draw_tracks(grey(), frame), draw_tracks(grey(), frame, with_score=True)
        assert changed(told).sum() > changed(plain).sum() + 100

    def test_long_names_are_shortened(self) -> None:
        frame = tracked(1, {5: (60.0, 60.0, 120.0, 120.0)})
        long = draw_tracks(grey(), frame, classes=("x" * 300, "b"))
        assert (long == draw_tracks(grey(), frame, classes=("x" * 200, "b"))).all()


def test_trails_fade() -> None:
    trails = Trails(30)
    for frame in range(1, 21):
        trails.update(tracked(frame, {1: (8.0 * frame, 20.0, 8.0 * frame + 20, 60.0)}))
    drawn = draw_tracks(grey(), tracked(20, {1: (160.0, 20.0, 180.0, 60.0)}), trails)
    strength = np.abs(drawn[60, 22:160].astype(int) - 40).sum(axis=1)
    assert 0 < strength[:10].min() < strength[60] < strength[-10:].max()


@pytest.mark.parametrize("part", ["head", "box"])
def test_hidden_boxes_hold_a_few_squares_and_all_else_is_as_it_was(part: str) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (150, 200, 3), np.uint8)
    hidden = hide(image, np.array([[50, 30, 80, 120], [-40, -40, -5, -5], [190, 140, 260, 300]], np.float32), part)
    end = 60 if part == "head" else 120
    inside = hidden[30:end, 50:80].reshape(-1, 3)
    assert len(np.unique(inside, axis=0)) <= 36
    assert (hidden[end + 1 : 135, 40:90] == image[end + 1 : 135, 40:90]).all()
    assert (hidden[:, :40] == image[:, :40]).all()
