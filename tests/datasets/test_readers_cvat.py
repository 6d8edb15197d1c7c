import math
from pathlib import Path

import numpy as np
import pytest
from data_builders import encoded, put

from clmot.datasets.readers import read_dataset
from clmot.datasets.readers.cvat import read_cvat
from clmot.errors import UserError

JPEG = encoded(50, 30)
SIZE = "<original_size><width>50</width><height>30</height></original_size>"


def write(root: Path, body: str, *images: str, meta: str = "") -> Path:
    """The tree of an export, the XML with its declaration, indents and labels."""
    (root / "images").mkdir(parents=True, exist_ok=True)
    labels = "<labels><label><name>car</name><attributes></attributes></label></labels>"
    (root / "annotations.xml").write_text(
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n'
        f"  <meta><task><id>7</id><name>street</name>{meta}{labels}</task></meta>\n{body}\n</annotations>\n"
    )
    put(root, dict.fromkeys(images, JPEG))
    return root


def shape(frame: int, *corners: float, outside: int = 0, tag: str = "box") -> str:
    names = ("xtl", "ytl", "xbr", "ybr")
    sides = " ".join(f'{name}="{value:.2f}"' for name, value in zip(names, corners, strict=True))
    return (
        f'<{tag} frame="{frame}" keyframe="1" outside="{outside}" occluded="1" {sides} z_order="0">'
        '<attribute name="colour">red</attribute></{tag}>'.replace("{tag}", tag)
    )


def test_images(tmp_path: Path) -> None:
    root = write(
        tmp_path / "export",
        """<image id="4" name="one.jpg" width="50" height="30">
    <box label="person" occluded="0" source="manual" xtl="-2.50" ytl="3.00" xbr="10.25" ybr="12.00" z_order="0">
      <attribute name="age">3</attribute>
    </box>
    <polygon label="car" occluded="1" points="10.00,5.00;20.50,6.00;15.00,9.00" z_order="0"></polygon>
    <mask label="car" occluded="0" rle="0, 4" left="3" top="4" width="5" height="6" z_order="0"></mask>
    <points label="car" occluded="0" points="10.00,5.00" z_order="0"></points>
    <tag label="rain" source="manual"></tag>
  </image>
  <image id="5" name="sub/two.jpg" width="50" height="30"></image>""",
        "images/one.jpg",
        "images/sub/two.jpg",
        meta="<mode>annotation</mode>",
    )
    for path in (root, root / "annotations.xml"):
        dataset = read_dataset([path])
        assert dataset.classes == ("person", "car")
        assert dataset.skipped == {"shape without a box (points)": 1}
        one, two = dataset.samples
        np.testing.assert_array_equal(one.boxes, [[-2.5, 3, 10.25, 12], [3, 4, 8, 10], [10, 5, 20.5, 9]])
        assert one.classes.tolist() == [0, 1, 1]
        assert not one.ignore.any()
        assert (one.sequence, one.frame, one.width, one.height) == ("export/one.jpg", 1, 50, 30)
        assert (two.sequence, len(two.boxes)) == ("export/sub/two.jpg", 0)
        assert two.image == root / "images/sub/two.jpg"


@pytest.mark.parametrize("degrees", [0, 30, 90, 200])
def test_turned_boxes(tmp_path: Path, degrees: float) -> None:
    body = (
        f'<image id="0" name="a.jpg" width="50" height="30"><box label="car" xtl="10" ytl="10" xbr="30" ybr="16" '
        f'rotation="{degrees}"/></image>'
    )
    (sample,) = read_dataset([write(tmp_path, body, "images/a.jpg")]).samples
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    corners = np.array([[-10, -3], [10, -3], [10, 3], [-10, 3]]) @ turn.T + [20, 13]
    np.testing.assert_allclose(sample.boxes[0], [*corners.min(axis=0), *corners.max(axis=0)], rtol=1e-5)


TRACKS = f"""  <track id="0" label="person" source="manual">
    {shape(2, 1, 2, 10, 20)}
    {shape(3, 2, 2, 11, 20)}
    {shape(4, 2, 2, 11, 20, outside=1)}
    {shape(6, 4, 2, 13, 20)}
  </track>
  <track id="1" label="car" source="manual">
    {shape(3, 20, 5, 40, 25)}
    {shape(4, 20, 5, 40, 25, outside=1)}
  </track>"""
FRAMES = [f"images/frame_{number:06d}.PNG" for number in range(9)]


def test_video(tmp_path: Path) -> None:
    root = write(tmp_path, TRACKS, *FRAMES, meta="<mode>interpolation</mode>" + SIZE)
    dataset = read_dataset([root], identities=True)
    assert dataset.classes == ("person", "car")
    assert not dataset.skipped
    found = [(s.frame, s.image.name, s.identities.tolist(), s.classes.tolist()) for s in dataset.samples]
    assert found == [
        (3, "frame_000002.PNG", [0], [0]),
        # what is in one frame only may be no track at all
        (4, "frame_000003.PNG", [0, -1], [0, 1]),
        (5, "frame_000004.PNG", [], []),  # outside
        (6, "frame_000005.PNG", [], []),
        (7, "frame_000006.PNG", [0], [0]),
    ]
    assert {sample.sequence for sample in dataset.samples} == {"street"}
    assert {(sample.width, sample.height) for sample in dataset.samples} == {(50, 30)}
    np.testing.assert_array_equal(dataset.samples[1].boxes, [[2, 2, 11, 20], [20, 5, 40, 25]])
    assert all((sample.identities == -1).all() for sample in read_dataset([root]).samples)


def test_video_with_every_second_frame_and_without_size(tmp_path: Path) -> None:
    """A frame filter: numbers are those of the video, in the file as in the images' names."""
    root = write(tmp_path, TRACKS, *FRAMES[::2])
    dataset = read_dataset([root])
    assert [(sample.frame, len(sample.boxes)) for sample in dataset.samples] == [(3, 1), (5, 0), (7, 1)]
    assert dataset.skipped == {"frame without image": 2}
    assert dataset.samples[0].width == 50


def test_video_of_named_images(tmp_path: Path) -> None:
    names = [f"images/shot{number}.jpg" for number in (1, 2, 9, 10, 11, 12, 13)]
    samples = read_dataset([write(tmp_path, TRACKS, *names)]).samples
    assert [sample.image.stem for sample in samples] == ["shot9", "shot10", "shot11", "shot12", "shot13"]


def test_images_of_a_video_are_one_sequence(tmp_path: Path) -> None:
    box = '<box label="car" xtl="1" ytl="1" xbr="9" ybr="9"/>'
    body = "".join(f'<image id="{i}" name="frame_{i:06d}" width="50" height="30">{box}</image>' for i in (3, 4))
    root = write(tmp_path, body, *FRAMES, meta="<mode>interpolation</mode>")
    assert [(s.sequence, s.frame, s.image.name) for s in read_dataset([root]).samples] == [
        ("street", 1, "frame_000003.PNG"),
        ("street", 2, "frame_000004.PNG"),
    ]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", r"annotations\.xml: neither images nor tracks"),
        ('<image id="0" name="none.jpg" width="5" height="5"/>', r"xml:5: image none\.jpg not found; looked in"),
        ('<image id="0" width="5" height="5"/>', r"xml:5: <image> has no name"),
        (
            '<image id="0" name="a.jpg" width="0" height="5"/>',
            r"xml:5: width of <image> is '0', expected a whole number",
        ),
        (
            '<image id="0" name="a.jpg" width="5" height="5">\n<box label="a" xtl="1" ytl="1" xbr="x"/></image>',
            r"xml:6: xbr of <box> is 'x', expected a number",
        ),
        (
            '<image id="0" name="a.jpg" width="5" height="5">\n<box xtl="1" ytl="1" xbr="9" ybr="9"/></image>',
            r"xml:6: <box> has no label",
        ),
        (
            '<image id="0" name="a.jpg" width="5" height="5"><polygon label="a" points="1,2;3"/></image>',
            r"xml:5: points are '1,2;3', expected x,y;x,y;\.\.\.",
        ),
        (f'<track id="x" label="a">{shape(0, 1, 1, 9, 9)}</track>', r"xml:5: id of <track> is 'x'"),
        (
            f'<track id="0" label="a">\n{shape(3, 1, 1, 9, 9)}\n{shape(3, 1, 1, 9, 9)}</track>',
            r"xml:7: track 0 is in frame 3 already",
        ),
        (f'<track id="0" label="a">{shape(70, 1, 1, 9, 9)}</track>', r"frames 70 to 70, but .* are frames 0 to 8"),
        (
            f'<track id="0" label="a" task_id="1">{shape(0, 1, 1, 9, 9)}</track><track id="1" label="a" task_id="2"/>',
            r"tracks of 2 tasks; export the tasks one by one",
        ),
        ('<track id="0" label="a">', r"annotations\.xml:6: not valid XML"),
    ],
)
def test_faulty_files(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_cvat(write(tmp_path, body, *FRAMES, "images/a.jpg"))


def test_no_images_of_a_video(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no images of the video's frames in .*extract them: ffmpeg .*frame_%06d\.PNG"):
        read_dataset([write(tmp_path, TRACKS)])


def test_several_files(tmp_path: Path) -> None:
    for name in ("a.xml", "b.xml"):
        (tmp_path / name).write_text("<annotations></annotations>")
    with pytest.raises(UserError, match=r"2 XML files \(a\.xml, b\.xml, \.\.\.\); name one of them"):
        read_dataset([tmp_path])


def test_a_file_longer_than_what_is_read_at_once(tmp_path: Path) -> None:
    body = "".join(
        f'<track id="{i}" label="a">{shape(0, 1, 1, 9, 9)}{shape(1, 1, 1, 9, 9)}</track>\n' for i in range(600)
    )
    samples = read_dataset([write(tmp_path, body, *FRAMES)], identities=True).samples
    assert (tmp_path / "annotations.xml").stat().st_size > 2 * (1 << 16)
    assert [sorted(sample.identities.tolist()) for sample in samples] == [list(range(600))] * 2


def test_images_of_two_subsets_may_have_one_name(tmp_path: Path) -> None:
    box = '<box label="car" xtl="1" ytl="1" xbr="9" ybr="9"/>'
    body = "".join(
        f'<image id="{i}" name="a.jpg" subset="{subset}" width="50" height="30">{box}</image>'
        for i, subset in enumerate(("Train", "Validation", "Test"))
    )
    root = write(tmp_path, body, "images/Train/a.jpg", "images/Validation/a.jpg")
    dataset = read_cvat(root)
    assert [sample.image.parent.name for sample in dataset.samples] == ["Train", "Validation"]
    assert len({sample.sequence for sample in dataset.samples}) == 2
    assert dataset.skipped == {"image that is not there": 1}
    assert dataset.notes == ("subsets Train, Validation",)


@pytest.mark.parametrize("folder", ["frames", "img1", "images", "."])
def test_frames_of_a_video_in_other_folders(tmp_path: Path, folder: str) -> None:
    root = write(tmp_path, TRACKS, *(name.replace("images", folder) for name in FRAMES))
    assert [sample.frame for sample in read_dataset([root]).samples] == [3, 4, 5, 6, 7]
