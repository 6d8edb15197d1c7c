"""Which videos there are, however they are named."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from clmot.apps.many.sources import in_shard, list_videos
from clmot.errors import UserError


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for name, size in (("a/rec.mp4", 50_000), ("b/rec.mp4", 70_000), ("c/other.avi", 10)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(np.random.default_rng(size).bytes(size))
    (tmp_path / "frames").mkdir()
    for number in (1, 2, 10):
        cv2.imwrite(str(tmp_path / "frames" / f"{number}.png"), np.full((4, 4, 3), number, np.uint8))
    return tmp_path


def named(archive: Path, *sources: object) -> list[str]:
    return [each.name for each in list_videos([str(each) for each in sources], {})]


def test_files_folders_and_patterns_have_names_of_their_own_and_the_largest_is_first(archive: Path) -> None:
    assert named(archive, archive / "*" / "rec.mp4", archive / "c", archive / "frames") == [
        "b-rec",
        "a-rec",
        "frames",
        "other",
    ]


def test_lists_name_sources_and_their_settings(archive: Path) -> None:
    (archive / "list.txt").write_text("# mine\n\na/rec.mp4\n" + f"{archive / 'frames'}\n")
    assert named(archive, archive / "list.txt") == ["rec", "frames"]
    (archive / "list.csv").write_text("source,name,fps,tracker.high_score\na/rec.mp4,first,12,0.3\nb,,,\n")
    second, first = list_videos([archive / "list.csv"], {})
    assert (first.name, first.settings) == ("first", ("fps=12", "tracker.high_score=0.3"))
    assert (second.name, second.settings) == ("rec", ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("source\na/rec.mp4\nnone.mp4\n", r"list\.csv: line 3: none\.mp4: no such file"),
        ("video,size\na/rec.mp4,3\n", r"list\.csv: line 1: column size: give source, name, fps or SECTION\.KEY"),
        ("a,b\n1,2\n", r"list\.csv: line 1: has no column source"),
        ("source,name\na/rec.mp4,../x\n", r"list\.csv: line 2: \.\./x: names no single result"),
        ("source\na/rec.mp4,x\n", r"list\.csv: line 2: give a source, and as many values"),
        ("source\na/rec.mp4\na/rec.mp4\n", r"rec\.mp4: is named twice"),
        ("source,name\na/rec.mp4,x\nb/rec.mp4,x\n", r"two sources are called x"),
    ],
)
def test_a_wrong_list_is_told_by_its_line(archive: Path, text: str, message: str) -> None:
    (archive / "list.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        list_videos([archive / "list.csv"], {})


@pytest.mark.parametrize("source", ["rtsp://camera/1", "0"])
def test_cameras_have_no_end(source: str) -> None:
    with pytest.raises(UserError, match="is a camera, which has no end"):
        list_videos([source], {})


def test_content_is_told_by_size_and_blocks_and_known_while_the_stamp_stays(archive: Path) -> None:
    (one,) = list_videos([archive / "a"], {})
    # known by its stamp: not read again
    known = {one.origin: type(one)("kept", one.origin, one.size, one.stamp, "f00d")}
    (again,) = list_videos([archive / "a"], known)
    assert (again.name, again.content) == ("kept", "f00d")
    path = Path(one.origin)
    content = bytearray(path.read_bytes())
    for place in (0, len(content) // 2, len(content) - 1):
        changed = bytearray(content)
        changed[place] ^= 1
        path.write_bytes(changed)
        (other,) = list_videos([archive / "a"], {})
        assert other.content != one.content
    path.write_bytes(content)
    copy = archive / "d"
    copy.mkdir()
    (copy / "copy.mp4").write_bytes(content)
    (same,) = list_videos([copy], {})
    assert same.content == one.content


def test_names_stay_when_more_videos_come(archive: Path) -> None:
    first = {each.origin: each for each in list_videos([archive / "a"], {})}
    later = {each.origin: each.name for each in list_videos([archive / "a", archive / "b"], first)}
    assert later == {str(archive / "a/rec.mp4"): "rec", str(archive / "b/rec.mp4"): "rec-1"}


def test_shards_share_the_videos_wherever_they_lie(archive: Path) -> None:
    videos = list_videos([archive / "a", archive / "b", archive / "c", archive / "frames"], {})
    parts = [in_shard(videos, f"{index}/3") for index in (1, 2, 3)]
    assert sorted(each.name for part in parts for each in part) == sorted(each.name for each in videos)
    for wrong in ("0/3", "4/3", "1", "a/b", "-1/2"):
        with pytest.raises(UserError, match=r"give I/N, with I from 1 to N"):
            in_shard(videos, wrong)


def test_addresses_are_listed_with_size_and_version_and_copied_for_a_while() -> None:
    fsspec = pytest.importorskip("fsspec")
    from clmot.apps.many.remote import fetched

    files = fsspec.filesystem("memory")
    for name in ("one", "two"):
        files.pipe(f"/bucket/{name}.mp4", name.encode())
    videos = list_videos(["memory://bucket/*.mp4"], {})
    assert [(each.name, each.size) for each in videos] == [("one", 3), ("two", 3)]
    with fetched(videos[0].origin) as path:
        assert Path(path).read_bytes() == b"one"
        assert Path(path).name == "one.mp4"
    assert not Path(path).exists()
    with pytest.raises(UserError, match=r"memory://bucket/none\.mp4: cannot be fetched: FileNotFoundError"):
        list_videos(["memory://bucket/none.mp4"], {})
