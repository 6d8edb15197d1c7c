from pathlib import Path

import cv2
import numpy as np
import pytest

from clmot.apps.gallery.recognise import embedded, enrol_crops, enrol_tracks, recognise_tracks
from clmot.errors import UserError
from clmot.io.mot_text import read_mot_text
from clmot.io.sources import open_one
from clmot.reid.gallery import Gallery

COLOURS = {1: (220, 30, 30), 2: (30, 220, 30), 3: (30, 30, 220)}


def by_colour(image, boxes):
    """A network that sees what is special about the colour in a box."""
    means = [image[int(y1) : int(y2), int(x1) : int(x2)].mean(axis=(0, 1)) for x1, y1, x2, y2 in np.asarray(boxes)]
    vectors = np.array(means, np.float32) - 60
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def film(folder: Path, looks: dict[int, int], frames: int = 10) -> Path:
    """Rectangles with the colour that their track id looks like, side by side, and the results of tracking them."""
    folder.mkdir()
    rows = []
    for frame in range(1, frames + 1):
        image = np.full((80, 200, 3), 60, np.uint8)
        for place, (track, colour) in enumerate(looks.items()):
            left = 10 + 60 * place + frame
            image[20:60, left : left + 20] = COLOURS[colour]
            rows.append(f"{frame},{track},{left + 1},21,20,40,0.9,-1,-1,-1")
        cv2.imwrite(str(folder / f"{frame:04d}.png"), image[..., ::-1])
    results = folder.with_suffix(".txt")
    results.write_text("\n".join(rows) + "\n")
    return results


def test_identities_are_known_again_in_another_video(tmp_path):
    first, second = film(tmp_path / "first", {4: 1, 9: 2}), film(tmp_path / "second", {1: 2, 2: 3, 3: 1})
    gallery = Gallery()
    counts = enrol_tracks(
        gallery, {4: "Ada", 9: "Ben"}, open_one(tmp_path / "first"), first, by_colour, every=3, progress=False
    )
    assert counts == {"Ada": 4, "Ben": 4}  # frames 1, 4, 7 and 10
    named = recognise_tracks(gallery, open_one(tmp_path / "second"), second, by_colour, progress=False)
    assert {track: each.name for track, each in named.items()} == {1: "Ben", 2: None, 3: "Ada"}
    assert named[1].detections == 2  # frames 1 and 6


def test_two_tracks_of_one_identity(tmp_path):
    results = film(tmp_path / "it", {4: 1, 9: 1, 5: 2})
    gallery = Gallery(size=3)
    source = open_one(tmp_path / "it")
    assert enrol_tracks(gallery, {4: "Ada", 9: "Ada"}, source, results, by_colour, progress=False) == {"Ada": 4}
    assert len(gallery.embeddings("Ada")) == 3


def test_crops(tmp_path):
    gallery = Gallery()
    crops = [np.full((30 + i, 20, 3), 1, np.uint8) * np.array(COLOURS[1], np.uint8) for i in range(3)]
    assert enrol_crops(gallery, "Ada", crops, by_colour) == 3
    np.testing.assert_allclose(gallery.embeddings("Ada"), by_colour(crops[0], [[0, 0, 20, 30]]).repeat(3, 0), atol=1e-6)
    with pytest.raises(UserError, match="no images to enrol Ben"):
        enrol_crops(gallery, "Ben", [], by_colour)


def test_results_keep_their_boxes_and_get_embeddings(tmp_path):
    results = film(tmp_path / "it", {4: 1, 9: 2}, frames=3)
    frames = list(embedded(open_one(tmp_path / "it"), results, by_colour, progress=False))
    assert [tracked.frame for tracked in frames] == [1, 2, 3]
    for tracked, plain in zip(frames, read_mot_text(results), strict=True):
        assert np.array_equal(tracked.as_array(), plain.as_array())
        assert tracked.detections.embedding.shape == (2, 3)
    (only,) = {
        int(track)
        for tracked in embedded(open_one(tmp_path / "it"), results, by_colour, tracks=[9], progress=False)
        for track in tracked.track_id
    }
    assert only == 9


def test_a_track_that_does_not_occur_leaves_the_gallery_as_it_was(tmp_path):
    results = film(tmp_path / "it", {4: 1})
    gallery = Gallery()
    with pytest.raises(UserError, match="track 7 does not occur"):
        enrol_tracks(gallery, {4: "Ada", 7: "Ben"}, open_one(tmp_path / "it"), results, by_colour, progress=False)
    assert len(gallery) == 0


def test_a_gallery_of_another_model(tmp_path):
    results = film(tmp_path / "it", {4: 1})
    gallery = Gallery()
    gallery.enrol("Ada", np.eye(1, 5))
    with pytest.raises(UserError, match="of another model"):
        recognise_tracks(gallery, open_one(tmp_path / "it"), results, by_colour, progress=False)
