import copy
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from clmot.datasets.readers import read_dataset
from clmot.datasets.readers.panda import read_panda
from clmot.errors import UserError

WIDTH, HEIGHT = 40, 20


def rect(left: float, top: float, right: float, bottom: float) -> dict[str, Any]:
    return {"tl": {"x": left, "y": top}, "br": {"x": right, "y": bottom}}


def person(left: float, visible: float = 1) -> dict[str, Any]:
    """A person of a fifth of the image's width, of which an upper part is visible."""
    rects = {
        "head": rect(left, 0.1, left + 0.1, 0.2),
        "visible body": rect(left, 0.1, left + 0.2, 0.1 + 0.8 * visible),
        "full body": rect(left, 0.1, left + 0.2, 0.9),
    }
    return {"category": "person", "pose": "walking", "riding type": "null", "age": "adult", "rects": rects}


NAME = "01_University_Canteen/IMG_01_0{}.jpg"
PHOTOS: dict[str, Any] = {
    NAME.format(2): {
        "image id": 2,
        "image size": {"height": HEIGHT, "width": WIDTH},
        "objects list": [
            person(-0.1),
            person(0.2, visible=0.05),
            {"category": "crowd", "rect": rect(0.5, 0.5, 1, 1)},
            {"category": "fake person", "rect": rect(0.4, 0.5, 0.6, 1)},
        ],
    },
    NAME.format(1): {"image id": 1, "image size": {"height": HEIGHT, "width": WIDTH}, "objects list": []},
}
INFO = {
    "name": "02_OCT_Habour",
    "frameRate": 2,
    "seqLength": 2,
    "imWidth": WIDTH,
    "imHeight": HEIGHT,
    "imExt": ".jpg",
    "imUrls": ["SEQ_02_001.jpg", "SEQ_02_002.jpg"],
}


def seen(frame: int, left: float, occlusion: str = "normal") -> dict[str, Any]:
    return {"frame id": frame, "rect": rect(left, 0.1, left + 0.2, 0.9), "occlusion": occlusion}


TRACKS: list[dict[str, Any]] = [
    {"track id": 3, "frames": [seen(1, 0.1), seen(2, 0.2, "serious hide")]},
    {"track id": 4, "frames": [seen(2, 0.5, "disappear")]},
]


def write_image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((HEIGHT, WIDTH, 3), np.uint8))


def make_photos(root: Path, content: Any = PHOTOS) -> Path:
    for name in PHOTOS:
        write_image(root / "image_train" / name)
    path = root / "image_annos" / "person_bbox_train.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def make_video(root: Path, tracks: Any = TRACKS, info: Any = INFO) -> Path:
    for name in INFO["imUrls"]:  # type: ignore[attr-defined]
        write_image(root / "video_train" / "02_OCT_Habour" / name)
    folder = root / "video_annos" / "02_OCT_Habour"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tracks.json").write_text(json.dumps(tracks))
    (folder / "seqinfo.json").write_text(json.dumps(info))
    return folder


def test_photos(tmp_path: Path) -> None:
    path = make_photos(tmp_path)
    for place in (tmp_path, path.parent, path):
        dataset = read_dataset([place])
        assert dataset.classes == ("person",)
        first, second = dataset.samples
        assert [(s.sequence, s.frame) for s in dataset.samples] == [
            ("01_University_Canteen", 1),
            ("01_University_Canteen", 2),
        ]
        assert len(first.boxes) == 0
        assert (first.width, first.height) == (WIDTH, HEIGHT)
        np.testing.assert_allclose(second.boxes[0], [-4, 2, 4, 18], rtol=1e-6)
        # hidden, fake, crowd
        assert second.ignore.tolist() == [False, True, True, True]


def test_archive_in_parts(tmp_path: Path) -> None:
    make_photos(tmp_path)
    (tmp_path / "part2" / "01_University_Canteen").mkdir(parents=True)
    name = NAME.format(2)
    (tmp_path / "image_train" / name).rename(tmp_path / "part2" / name)
    assert [sample.image.parent.parent.name for sample in read_dataset([tmp_path]).samples] == ["image_train", "part2"]


def test_photos_named_by_paths_of_windows(tmp_path: Path) -> None:
    make_photos(tmp_path, {name.replace("/", "\\"): content for name, content in PHOTOS.items()})
    assert [(s.sequence, s.frame) for s in read_panda(tmp_path).samples] == [
        ("01_University_Canteen", 1),
        ("01_University_Canteen", 2),
    ]


def test_video(tmp_path: Path) -> None:
    folder = make_video(tmp_path)
    for place in (tmp_path, folder.parent, folder, folder / "tracks.json"):
        first, second = read_dataset([place], identities=True).samples
        assert [(s.sequence, s.frame, s.image.name) for s in (first, second)] == [
            ("02_OCT_Habour", 1, "SEQ_02_001.jpg"),
            ("02_OCT_Habour", 2, "SEQ_02_002.jpg"),
        ]
        np.testing.assert_allclose(first.boxes, [[4, 2, 12, 18]], rtol=1e-6)
        assert (first.identities.tolist(), second.identities.tolist()) == ([3], [3, 4])
        assert second.ignore.tolist() == [False, True]


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ((NAME.format(2), "image size", "width"), 0, r"IMG_01_02\.jpg\.image size\.width: expected int >= 1"),
        ((NAME.format(2), "objects list"), None, r"IMG_01_02\.jpg\.objects list: expected array, got null"),
        ((NAME.format(2), "objects list", 0, "category"), None, r"objects list\[0\]\.category: expected str, got null"),
        (
            (NAME.format(2), "objects list", 0, "rects", "full body"),
            7,
            r"\[0\]\.rects\.full body: expected object, got int",
        ),
        (
            (NAME.format(2), "objects list", 2, "rect", "tl"),
            {"x": 1},
            r"\[2\]\.rect\.tl: object missing required field y",
        ),
    ],
)
def test_faults_of_photos_are_named(tmp_path: Path, place: tuple[Any, ...], value: Any, message: str) -> None:
    content = copy.deepcopy(PHOTOS)
    target: Any = content
    for step in place[:-1]:
        target = target[step]
    target[place[-1]] = value
    with pytest.raises(UserError, match=r"person_bbox_train\.json: .*" + message):
        read_panda(make_photos(tmp_path, content))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frame id": 3}, r"\$\[0\]\.frames\[1\]\.frame id is 3, expected 1 to 2"),
        ({"frame id": "1"}, r"\$\[0\]\.frames\[1\]\.frame id: expected int, got str"),
        ({"occlusion": "half"}, r"\$\[0\]\.frames\[1\]\.occlusion is 'half', expected one of normal, hide"),
        ({"rect": None}, r"\$\[0\]\.frames\[1\]\.rect: expected object, got null"),
    ],
)
def test_faults_of_tracks_are_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    tracks = copy.deepcopy(TRACKS)
    tracks[0]["frames"][1] |= change
    with pytest.raises(UserError, match=r"tracks\.json: " + message):
        read_panda(make_video(tmp_path, tracks))


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no person_bbox_train\.json and no <scene>/tracks\.json"):
        read_panda(tmp_path)
    folder = make_video(tmp_path)
    (folder / "tracks.json").write_text("[")
    with pytest.raises(UserError, match=r"tracks\.json:1: not valid JSON"):
        read_panda(tmp_path)
    make_video(tmp_path, info=INFO | {"imUrls": []})
    with pytest.raises(UserError, match=r"seqinfo\.json: \$\.imUrls: expected array of length >= 1"):
        read_panda(tmp_path)
    make_video(tmp_path)
    (tmp_path / "video_train" / "02_OCT_Habour" / "SEQ_02_002.jpg").unlink()
    dataset = read_panda(tmp_path)
    assert [sample.frame for sample in dataset.samples] == [1]
    assert dataset.skipped == {"image that is not there": 1}
    (tmp_path / "video_train" / "02_OCT_Habour" / "SEQ_02_001.jpg").unlink()
    with pytest.raises(UserError, match=r"image 02_OCT_Habour/SEQ_02_001\.jpg not found; .*; nor any of 1 more"):
        read_panda(tmp_path)
