import dataclasses

import cv2
import numpy as np
import pytest
from data_builders import sample_of

from clmot.cli import main
from clmot.config import ViewsConfig
from clmot.errors import UserError
from clmot.synthetic import write_scenes
from clmot.views.picture import picture_of
from clmot.views.temporal_pairs import as_neighbour
from clmot.views.view_pair import make_view_pair
from clmot.visualize.view_sheets import UNCHANGED, draw_pair, each_transform, transforms_sheet, views_sheet


def grey_picture(rows, frame=0, ignore=None):
    sample = sample_of(rows, ignore=[False] * len(rows) if ignore is None else ignore)
    return picture_of(np.full((100, 200, 3), 50, np.uint8), sample, frame, 0)


def pair_of(first, second=None):
    return make_view_pair(first, second or first, UNCHANGED, (200, 100), np.random.default_rng(0))


def colours_in(image, columns):
    """Saturated colours of some columns, none of which the grey image holds."""
    part = image[:, columns].reshape(-1, 3).astype(int)
    return {tuple(colour) for colour in part[np.ptp(part, axis=1) > 60]}


class TestViewsSheet:
    def pairs(self):
        picture = grey_picture([[20, 10, 60, 90], [100, 10, 140, 90]], ignore=[False, True])
        return [pair_of(picture) for _ in range(3)]

    def test_one_row_a_frame_with_matched_boxes_in_one_colour(self, tmp_path):
        views_sheet(self.pairs(), tmp_path / "views.png")
        sheet = cv2.imread(str(tmp_path / "views.png"))
        gap = 4
        assert sheet.shape == (3 * (100 + gap) + gap, 2 * (200 + gap) + gap, 3)
        left, right = sheet[gap : gap + 100, gap : gap + 200], sheet[gap : gap + 100, 2 * gap + 200 : 2 * gap + 400]
        np.testing.assert_array_equal(left, right)
        inner = left.astype(int)
        saturated = np.ptp(inner, axis=2) > 60
        assert saturated[:, 15:65].any()
        # the ignored one is grey, and dashed: some of its side is drawn and some is not
        assert not saturated[:, 95:145].any()
        side = inner[12:88, 100, 0]
        assert (side == 50).any()
        assert (side > 100).any()

    def test_an_unwritable_file_is_a_clear_error(self, tmp_path):
        with pytest.raises(UserError, match="cannot write the picture"):
            views_sheet(self.pairs(), tmp_path / "missing" / "views.png")


class TestDrawPair:
    def test_the_colours_of_a_single_frame_do_not_depend_on_its_number(self):
        one, other = (draw_pair(pair_of(grey_picture([[20, 10, 60, 90]], frame=frame)))[0] for frame in (0, 77))
        np.testing.assert_array_equal(one, other)

    def test_matched_boxes_of_a_neighbour_have_the_same_colour_and_unmatched_ones_none(self):
        first = grey_picture([[20, 10, 60, 90]], frame=0)
        second = grey_picture([[140, 10, 180, 90], [24, 10, 64, 90]], frame=1)
        pair = pair_of(first, as_neighbour(second, first, np.array([[0, 1]])))
        one, other = draw_pair(pair)
        assert colours_in(one, slice(0, 100)) & colours_in(other, slice(0, 100))
        assert not colours_in(other, slice(130, 200))
        assert (other[20:80, 140] != 50).all()


class TestEachTransform:
    def test_every_switch_of_the_configuration_has_a_row(self):
        rows = each_transform(ViewsConfig())
        switched = {
            field.name
            for config in list(rows.values())[1:]
            for field in dataclasses.fields(ViewsConfig)
            if getattr(config, field.name) != getattr(UNCHANGED, field.name)
        }
        not_transforms = {"neighbour_frames"}
        assert switched == {field.name for field in dataclasses.fields(ViewsConfig)} - not_transforms

    def test_the_configured_views_come_first(self):
        config = ViewsConfig(rotate=7, neighbour_frames=5)
        rows = each_transform(config)
        assert next(iter(rows.items())) == ("as configured", config)
        assert rows["neighbour"].neighbour_frames == 5
        assert rows["hsv"].rotate == 0

    def test_unchanged_views_show_the_frame_as_it_is(self):
        image = np.random.default_rng(0).integers(0, 256, (100, 200, 3), np.uint8)
        picture = dataclasses.replace(grey_picture([[20, 10, 60, 90]]), image=image)
        for view in pair_of(picture).views:
            np.testing.assert_array_equal(view.image, image)


def test_a_labelled_row_for_each_name(tmp_path):
    pair = pair_of(grey_picture([[20, 10, 60, 90]]))
    transforms_sheet({"one": [pair, pair], "another": [pair, pair]}, tmp_path / "sheet.png")
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    gap = 4
    assert sheet.shape == (2 * (100 + gap) + gap, 4 * (200 + gap) + gap, 3)
    corners = [sheet[gap + 104 * row :, gap + 204 * column :][:8, :15] for row in range(2) for column in range(4)]
    labelled = [bool((corner != 50).any()) for corner in corners]
    assert labelled == [True, False, False, False] * 2


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder, still_frames=2, still_sequences=1, clips=2, clip_frames=3, size=(192, 96), seed=2)
    return folder


class TestCommand:
    def show(self, *arguments):
        main(["data", "show", *map(str, arguments)])

    def test_views_writes_a_row_for_each_transform(self, scenes, tmp_path):
        out = tmp_path / "views.png"
        size = "model.image_size=[96, 64]"
        with pytest.raises(SystemExit) as stop:
            self.show(scenes / "clips", "--views", "--frames", 1, "--out", out, "--recipe", "demo", size)
        assert not stop.value.code
        rows = len(each_transform(ViewsConfig()))
        assert cv2.imread(str(out)).shape == (rows * 68 + 4, 2 * 100 + 4, 3)

    def test_plain_show_takes_a_recipe_and_a_file(self, scenes, tmp_path):
        mine = tmp_path / "mine.yaml"
        mine.write_text("model: {image_size: [64, 32]}\n")
        with pytest.raises(SystemExit):
            self.show(scenes / "clips", "--config", mine, "--out", tmp_path / "a.png", "--frames", 3)
        assert cv2.imread(str(tmp_path / "a.png")).shape == (3 * 36 + 4, 2 * 68 + 4, 3)
        with pytest.raises(SystemExit):
            self.show(scenes / "clips", "--recipe", "demo", "--out", tmp_path / "b.png")
        assert cv2.imread(str(tmp_path / "b.png")).shape == (6 * 228 + 4, 2 * 388 + 4, 3)

    def test_no_frames_is_a_clear_error(self, scenes, tmp_path, capsys):
        with pytest.raises(SystemExit) as stop:
            self.show(scenes / "clips", "--frames", 0, "--out", tmp_path / "v.png")
        assert stop.value.code == 2
        assert "--frames must be >= 1" in capsys.readouterr().err
