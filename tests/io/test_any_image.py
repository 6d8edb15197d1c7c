"""One picture in every form that people have it in."""

import numpy as np
import pytest
import torch
from PIL import Image

from clmot.errors import UserError
from clmot.io.any_image import as_image, as_images

PICTURE = np.random.default_rng(0).integers(0, 255, (12, 20, 3), np.uint8)
GREY = PICTURE[:, :, 0]


def test_an_rgb_array_is_given_back_as_it_is():
    assert as_image(PICTURE) is PICTURE


@pytest.mark.parametrize("form", ["tensor", "rgba", "pil", "pil rgba", "path", "string", "view"])
def test_forms_of_one_picture(form, tmp_path):
    alpha = np.dstack([PICTURE, np.full((12, 20), 9, np.uint8)])
    Image.fromarray(PICTURE).save(tmp_path / "picture.png")
    given = {
        "tensor": torch.from_numpy(PICTURE).requires_grad_(False),
        "rgba": alpha,
        "pil": Image.fromarray(PICTURE),
        "pil rgba": Image.fromarray(alpha),
        "path": tmp_path / "picture.png",
        "string": str(tmp_path / "picture.png"),
        "view": np.ascontiguousarray(PICTURE[:, :, ::-1])[:, :, ::-1],
    }[form]
    image = as_image(given)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, PICTURE)
    [batched] = as_images([given])
    np.testing.assert_array_equal(batched, PICTURE)
    torch.from_numpy(batched)  # which takes no negative strides


@pytest.mark.parametrize("given", [GREY, GREY[..., None], Image.fromarray(GREY)], ids=["h w", "h w 1", "PIL"])
def test_grey_is_the_same_in_three_channels(given):
    np.testing.assert_array_equal(as_image(given), np.repeat(GREY[..., None], 3, axis=2))


def test_palettes_and_orientation_of_pil_images(tmp_path):
    palette = Image.fromarray(np.full((4, 6, 3), (250, 20, 30), np.uint8)).convert("P")
    assert np.abs(as_image(palette).astype(int) - (250, 20, 30)).max() < 60  # colours, not numbers of a palette
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    Image.fromarray(PICTURE).save(tmp_path / "side.png", exif=exif)
    with Image.open(tmp_path / "side.png") as turned:
        np.testing.assert_array_equal(as_image(turned), np.rot90(PICTURE, -1))
    np.testing.assert_array_equal(as_image(tmp_path / "side.png"), np.rot90(PICTURE, -1))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (None, TypeError, "image is None; give an array"),
        ([PICTURE, PICTURE], TypeError, "image is a list of 2"),
        (3, TypeError, "image is int"),
        (PICTURE.transpose(2, 0, 1), ValueError, r"got uint8 \[3, 12, 20\] \(channels come last: image.transpose"),
        (PICTURE[None], ValueError, r"got uint8 \[1, 12, 20, 3\]"),
        (PICTURE / 255, ValueError, r"got float64 \[12, 20, 3\]: scale it to 0..255"),
        (PICTURE.astype(np.uint16), ValueError, "got uint16"),
        (PICTURE > 3, ValueError, "got bool"),
        (PICTURE[:0], ValueError, r"image has no pixels: \[0, 12|20, 3\]"),
        (PICTURE[:, :0], ValueError, r"no pixels: \[12, 0, 3\]"),
        (Image.new("I;16", (4, 4)), ValueError, "mode I;16"),
        (Image.new("F", (4, 4)), ValueError, "mode F"),
        ("none.png", UserError, "none.png: cannot read"),
    ],
)
def test_what_is_no_image_is_named(given, error, message):
    with pytest.raises(error, match=message):
        as_image(given)


@pytest.mark.parametrize(
    "given", [PICTURE, GREY, "a.png", Image.fromarray(PICTURE), None, 3], ids=lambda v: type(v).__name__
)
def test_one_image_is_no_list(given):
    with pytest.raises(TypeError, match="images are a list, got"):
        as_images(given)


def test_an_array_of_images_is_a_list_and_a_bad_one_has_its_number():
    assert len(as_images(np.stack([PICTURE] * 3))) == 3
    with pytest.raises(TypeError, match="image 1 is None"):
        as_images([PICTURE, None])
