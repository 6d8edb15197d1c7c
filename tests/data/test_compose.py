import dataclasses

import numpy as np
import pytest
import torch

from clmot import boxes as box_ops
from clmot.data.compose import (
    MAX_ENLARGED,
    MIN_PASTED_HEIGHT,
    Paste,
    Tile,
    copy_paste,
    draw_pastes,
    draw_tiles,
    mosaic,
)
from clmot.data.pixels import Region, region_matrix
from clmot.losses.pairs import BoxLabels, contrast_pairs

SIZE = (200, 100)
ATTRIBUTES = ("classes", "object_index", "frame_index", "sequence_index", "identities")


def labels_of(picture, twice=True):
    """As the loss sees the boxes of two views of a picture."""
    columns = [torch.from_numpy(getattr(picture, name)) for name in BoxLabels._fields]
    return BoxLabels(*(torch.cat([column, column]) if twice else column for column in columns))


class TestDrawTiles:
    @pytest.mark.parametrize("frames", [[SIZE] * 4, [(640, 480), (96, 300), (31, 17), (1920, 1080)]])
    def test_tiles_fill_the_mosaic_once_and_crops_have_their_shape(self, frames):
        corners = set()
        for seed in range(30):
            tiles = draw_tiles(frames, SIZE, np.random.default_rng(seed))
            filled = np.zeros((100, 200), int)
            for (crop, place), (width, height) in zip(tiles, frames, strict=True):
                filled[place.top : place.bottom, place.left : place.right] += 1
                assert crop == crop.clip((width, height))
                assert crop.width > 0
                assert crop.height > 0
                distortion = (crop.width / place.width) / (crop.height / place.height)
                assert abs(np.log(distortion)) < 1.2 / min(crop.width, crop.height)
                # never enlarged unless the frame is smaller than its place
                assert crop.width >= min(place.width, width, height * place.width / place.height) - 1
            assert (filled == 1).all()
            corners.add((tiles[0].place.left == 0, tiles[0].place.top == 0))
        assert len(corners) == 4


class TestMosaic:
    def four(self, make_picture, rows=((30, 30, 60, 90), (120, 10, 160, 80))):
        return [
            make_picture(rows, frame=3 + number, sequence=number // 2, identities=[2 * number, -1])
            for number in range(4)
        ]

    def test_each_box_keeps_what_it_is_and_moves_with_its_pixels(self, make_picture):
        for seed in range(10):
            pictures = self.four(make_picture)
            tiles = draw_tiles([SIZE] * 4, SIZE, np.random.default_rng(seed))
            after = mosaic(pictures, tiles, SIZE, 0.35)
            assert after.image.shape == (100, 200, 3)
            assert after.boxes.dtype == np.float32
            for picture, (crop, place) in zip(pictures, tiles, strict=True):
                rows = after.frame_index == picture.frame_index[0]
                source = after.object_index[rows]
                for name in ATTRIBUTES:
                    np.testing.assert_array_equal(getattr(after, name)[rows], getattr(picture, name)[source])
                moved = box_ops.warp(picture.boxes[source], region_matrix(crop, place))
                inner = np.array([place.left > 0, place.top > 0, place.right < 200, place.bottom < 100])
                kept = np.array(place, np.float32)
                expected = np.where(inner & (moved < kept) & [1, 1, 0, 0], kept, moved)
                expected = np.where(inner & (moved > kept) & [0, 0, 1, 1], kept, expected)
                np.testing.assert_allclose(after.boxes[rows], expected, atol=1e-3)

    def test_a_drawn_rectangle_lies_in_its_box(self, make_picture):
        image = np.zeros((100, 200, 3), np.uint8)
        image[30:90, 30:60] = 255
        picture = make_picture([[30, 30, 60, 90]], image=image)
        black = [make_picture([], image=np.zeros((100, 200, 3), np.uint8)) for _ in range(3)]
        seen = 0
        for seed in range(20):
            tiles = draw_tiles([SIZE] * 4, SIZE, np.random.default_rng(seed))
            after = mosaic([picture, *black], tiles, SIZE, 0.35)
            white = after.image[..., 0] > 127
            if not white.any():
                continue
            seen += 1
            y, x = np.nonzero(white)
            shown = box_ops.clip(after.boxes, *SIZE)[0]
            np.testing.assert_allclose([x.min(), y.min(), x.max() + 1, y.max() + 1], shown, atol=1.01)
        assert seen > 10

    def test_what_a_seam_cuts_off_decides_what_a_box_is(self, make_picture):
        rows = [[10, 10, 30, 40], [90, 10, 130, 40], [60, 10, 110, 40], [95, 10, 160, 40], [150, 50, 170, 90]]
        picture, empty = make_picture(rows), make_picture([])
        left, right = Region(0, 0, 100, 100), Region(100, 0, 200, 100)
        tiles = [Tile(left, left), Tile(right, right)]
        after = mosaic([picture, empty], tiles, SIZE, 0.35)
        # a quarter of the second shows, three quarters of the third, a thirteenth of the fourth, none of the last
        assert after.object_index.tolist() == [0, 1, 2, 3]
        assert after.ignore.tolist() == [False, True, False, True]
        np.testing.assert_allclose(after.boxes[1:, 2], 100)

    def test_at_the_border_of_the_mosaic_boxes_extend_beyond(self, make_picture):
        picture = make_picture([[-20, -5, 30, 60]])
        whole = Region(0, 0, *SIZE)
        after = mosaic([picture], [Tile(whole, whole)], SIZE, 0.35)
        np.testing.assert_array_equal(after.boxes, picture.boxes)
        np.testing.assert_array_equal(after.image, picture.image)

    def test_frames_of_one_sequence_stay_neither_positive_nor_negative(self, make_picture):
        pictures = [dataclasses.replace(p, identities=np.full(2, -1)) for p in self.four(make_picture)]
        tiles = draw_tiles([SIZE] * 4, SIZE, np.random.default_rng(1))
        after = mosaic(pictures, tiles, SIZE, 0.35)
        assert len(set(after.frame_index.tolist())) == 4
        labels = labels_of(after)
        positive, negative = contrast_pairs(labels, labels)
        n = 2 * len(after.boxes)
        for i in range(n):
            for j in range(n):
                one, other = ({name: getattr(after, name)[k % (n // 2)] for name in ATTRIBUTES} for k in (i, j))
                same_frame = one["frame_index"] == other["frame_index"]
                same = same_frame and one["object_index"] == other["object_index"]
                assert positive[i, j] == (same and i != j)
                apart = same_frame or one["sequence_index"] != other["sequence_index"]
                assert negative[i, j] == (apart and not same)

    def test_empty_frames(self, make_picture):
        tiles = draw_tiles([SIZE] * 4, SIZE, np.random.default_rng(1))
        assert mosaic([make_picture([])] * 4, tiles, SIZE, 0.35).boxes.shape == (0, 4)


class TestCopyPaste:
    def test_pixels_and_box_arrive_together_as_an_object_of_the_donor(self, make_picture):
        image = np.zeros((240, 320, 3), np.uint8)
        image[60:180, 100:140] = (250, 0, 0)
        donor = make_picture(
            [[5, 5, 20, 40], [100, 60, 140, 180]], image=image, frame=9, sequence=4, identities=[-1, 6]
        )
        picture = make_picture([[150, 5, 190, 80]], image=np.zeros((100, 200, 3), np.uint8), frame=2)
        after = copy_paste(picture, donor, [Paste(1, np.array([40.0, 20, 60, 80]))], 0.35)
        np.testing.assert_allclose(after.boxes, [[150, 5, 190, 80], [40, 20, 60, 80]], atol=0.5)
        assert after.boxes.dtype == np.float32
        for name, expected in zip(ATTRIBUTES, ([0, 1], [0, 1], [2, 9], [0, 4], [-1, 6]), strict=True):
            assert getattr(after, name).tolist() == expected
        assert not after.ignore.any()
        red = after.image[..., 0]
        y, x = np.nonzero(red > 125)
        assert (x.min(), x.max(), y.min(), y.max()) == pytest.approx((41, 58, 22, 77), abs=2)
        assert red[30:70, 46:54].min() > 240
        # soft: it fades out to nothing at its border, and sooner in the corners
        assert 0 < red[50, 40] < 150 < red[50, 41]
        assert red[22, 42] == 0
        np.testing.assert_array_equal(picture.image, 0)

    def test_who_is_covered_is_ignored(self, make_picture):
        picture = make_picture([[40, 20, 60, 80], [45, 20, 85, 80], [150, 5, 190, 80]])
        donor = make_picture([[100, 10, 140, 90]], frame=1)
        after = copy_paste(picture, donor, [Paste(0, np.array([38.0, 18, 62, 85]))], 0.35)
        assert after.ignore.tolist() == [True, False, False, False]
        # the later paste lies over the earlier one
        places = [Paste(0, np.array([100.0, 20, 124, 85])), Paste(0, np.array([100.0, 20, 126, 90]))]
        after = copy_paste(picture, donor, places, 0.35)
        assert after.ignore.tolist() == [False, False, False, True, False]

    def test_beyond_the_border_and_without_pastes(self, make_picture):
        picture, donor = make_picture([[150, 5, 190, 80]]), make_picture([[100, 10, 140, 90]], frame=1)
        for place in ([-20.0, -10, 12, 70], [190.0, 60, 230, 140], [300.0, 10, 340, 90]):
            after = copy_paste(picture, donor, [Paste(0, np.array(place))], 0.35)
            np.testing.assert_allclose(after.boxes[1], place, atol=0.5)
        np.testing.assert_array_equal(after.image, picture.image)
        nothing = copy_paste(picture, donor, [], 0.35)
        np.testing.assert_array_equal(nothing.image, picture.image)
        assert nothing.boxes.shape == (1, 4)

    def test_objects_of_one_sequence_are_not_contrasted_and_the_source_frame_finds_its_own(self, make_picture):
        donor = make_picture([[100, 10, 140, 90], [10, 10, 40, 90]], frame=1)
        picture = make_picture([[150, 5, 190, 80]], frame=0)
        after = copy_paste(picture, donor, [Paste(1, np.array([40.0, 20, 60, 80]))], 0.35)
        both = BoxLabels(
            *(torch.cat(columns) for columns in zip(labels_of(after, False), labels_of(donor, False), strict=True))
        )
        positive, negative = contrast_pairs(both, both)
        # rows: the picture's own, the pasted one, the donor's two
        assert positive.int().tolist() == [[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0]]
        assert negative.int().tolist() == [[0, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0]]


class TestDrawPastes:
    def test_only_whole_objects_that_stand_alone(self, make_picture):
        rows = [[10, 10, 40, 90], [60, 10, 90, 90], [75, 10, 105, 90], [-9, 10, 5, 90], [150, 10, 180, 90]]
        donor = make_picture(rows, ignore=[False] * 4 + [True], frame=1)
        picture = make_picture([[100, 10, 130, 90]])
        drawn = {paste.row for seed in range(20) for paste in draw_pastes(picture, donor, np.random.default_rng(seed))}
        assert drawn == {0}

    def test_stand_level_with_someone_and_about_as_high(self, make_picture):
        picture = make_picture([[10, 10, 40, 50], [150, 5, 190, 85]])
        donor = make_picture([[20, 20, 40, 80], [60, 20, 80, 80], [120, 20, 140, 80], [160, 20, 180, 80]], frame=1)
        counts = []
        for seed in range(60):
            pastes = draw_pastes(picture, donor, np.random.default_rng(seed))
            counts.append(len(pastes))
            assert len({row for row, _ in pastes}) == len(pastes)
            assert [box[3] for _, box in pastes] == sorted(box[3] for _, box in pastes)
            for _, (left, top, right, bottom) in pastes:
                beside = {50.0: 40, 85.0: 80}[bottom]
                assert 0.79 < (bottom - top) / beside < 1.26
                assert (right - left) / (bottom - top) == pytest.approx(1 / 3)
                assert 0 <= (left + right) / 2 <= 200
        assert set(counts) == {1, 2, 3}

    def test_not_over_those_who_stand_nearer(self, make_picture):
        wall = make_picture([[10, 60, 20, 80], [0, 0, 200, 100]])
        donor = make_picture([[20, 20, 40, 80]], frame=1)
        for seed in range(20):
            for _, box in draw_pastes(wall, donor, np.random.default_rng(seed)):
                assert box[3] == 100

    def test_nothing_is_enlarged_to_a_blur_or_too_small_to_see(self, make_picture):
        donor = make_picture([[20, 20, 30, 40]], frame=1)
        large = make_picture([[20, 1, 50, 99]])
        small = make_picture([[20, 1, 24, 1 + MIN_PASTED_HEIGHT / 2]])
        for seed in range(20):
            assert draw_pastes(small, donor, np.random.default_rng(seed)) == []
            assert draw_pastes(large, donor, np.random.default_rng(seed)) == []
        assert 98 * 0.8 > MAX_ENLARGED * 20

    def test_in_an_empty_picture_as_high_and_low_as_they_stood(self, make_picture):
        donor = make_picture([[20, 40, 60, 160]], size=(400, 200), frame=1)
        ((_, box),) = draw_pastes(make_picture([]), donor, np.random.default_rng(0))
        np.testing.assert_allclose(box[[1, 3]], [20, 80])
        assert draw_pastes(make_picture([]), make_picture([]), np.random.default_rng(0)) == []
