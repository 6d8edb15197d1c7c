from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from data_builders import assert_same_samples, encoded, put
from hypothesis import given, settings
from hypothesis import strategies as st

from clmot.datasets.readers import read_dataset
from clmot.datasets.readers.motchallenge import find_sequences, read_motchallenge
from clmot.errors import UserError
from clmot.evaluation.track_rows import read_mot_tracks
from clmot.structures import Dataset

Row = Sequence[float]


def mot15(frame: int, identity: int, left: float = 5, flag: float = 1) -> Row:
    return (frame, identity, left, 4, 10, 12, flag, -1, -1, -1)


def mot17(frame: int, identity: int, left: float = 5, flag: float = 1, kind: int = 1, visible: float = 1) -> Row:
    return (frame, identity, left, 4, 10, 12, flag, kind, visible)


def make_sequence(folder: Path, rows: Sequence[Row] | None, frames: int = 3) -> Path:
    put(folder, {f"img1/{frame:06}.jpg": encoded(32, 24) for frame in range(1, frames + 1)})
    if rows is not None:
        write_rows(folder, rows)
    return folder


def write_rows(folder: Path, rows: Sequence[Row]) -> None:
    (folder / "gt").mkdir(exist_ok=True)
    (folder / "gt" / "gt.txt").write_text("".join(",".join(f"{value:g}" for value in row) + "\n" for row in rows))


def assert_same(first: Dataset, second: Dataset) -> None:
    assert (first.classes, first.skipped) == (second.classes, second.skipped)
    assert_same_samples(first.samples, second.samples)


def test_mot15(tmp_path: Path) -> None:
    make_sequence(tmp_path / "seq", [mot15(1, 7, left=5), mot15(1, 3, left=-9), mot15(3, 7, flag=0)])
    dataset = read_dataset([tmp_path], identities=True)
    assert dataset.classes == ("person",)
    assert not dataset.skipped
    assert [sample.frame for sample in dataset.samples] == [1, 2, 3]
    first, second, third = dataset.samples
    assert (first.width, first.height, first.sequence) == (32, 24, "seq")
    assert first.image == tmp_path / "seq" / "img1" / "000001.jpg"
    # 1-based left and top to 0-based; beyond the image is kept
    np.testing.assert_array_equal(first.boxes, [[-10, 3, 0, 15], [4, 3, 14, 15]])
    assert first.boxes.dtype == np.float32
    assert first.identities.tolist() == [3, 7]
    assert first.classes.tolist() == [0, 0]
    assert first.ignore.tolist() == [False, False]
    assert second.boxes.shape == (0, 4)
    assert third.ignore.tolist() == [True]


@pytest.mark.parametrize("name", ["MOT17-02", "MOT20-01"])
def test_classes_of_mot17_and_mot20(tmp_path: Path, name: str) -> None:
    make_sequence(tmp_path / name, [mot17(1, kind, left=kind, kind=kind) for kind in range(1, 14)], frames=1)
    dataset = read_dataset([tmp_path], identities=True)
    (sample,) = dataset.samples
    ignored = dict(zip(sample.identities.tolist(), sample.ignore.tolist(), strict=True))
    distractors = {2, 7, 8, 12} | ({6} if name == "MOT20-01" else set())
    assert ignored == {1: False} | dict.fromkeys(distractors, True)
    assert dataset.skipped == {"class other than person (gt/labels.txt may name others)": 12 - len(distractors)}


def test_flag_and_visibility_of_mot17(tmp_path: Path) -> None:
    rows = [mot17(1, 1, 1), mot17(1, 2, 2, flag=0), mot17(1, 3, 3, visible=0.2), mot17(1, 4, 4, visible=0.05)]
    make_sequence(tmp_path / "seq", rows, frames=1)
    assert read_dataset([tmp_path]).samples[0].ignore.tolist() == [False, True, False, True]
    assert read_dataset([tmp_path], min_visibility=0.5).samples[0].ignore.tolist() == [False, True, True, True]
    assert read_dataset([tmp_path], min_visibility=0.2).samples[0].ignore.tolist() == [False, True, False, True]
    assert read_dataset([tmp_path], min_visibility=0.0).samples[0].ignore.tolist() == [False, True, False, False]


def test_nine_columns_with_unknown_class_and_visibility(tmp_path: Path) -> None:
    make_sequence(tmp_path / "seq", [mot17(1, -1, kind=-1, visible=-1)], frames=1)
    (sample,) = read_dataset([tmp_path], identities=True).samples
    assert sample.ignore.tolist() == [False]
    assert sample.identities.tolist() == [-1]


def test_only_annotated_frames_are_samples(tmp_path: Path) -> None:
    make_sequence(tmp_path / "seq", [mot15(2, 1), mot15(4, 1)], frames=6)
    assert [(sample.frame, len(sample.boxes)) for sample in read_dataset([tmp_path]).samples] == [
        (2, 1),
        (3, 0),
        (4, 1),
    ]


def test_faulty_boxes_are_skipped_and_counted(tmp_path: Path) -> None:
    faulty: list[Row] = [(1, 2, np.nan, 4, 10, 12, 1, -1, -1, -1), (1, 3, 5, 4, -10, 12, 1, -1, -1, -1)]
    make_sequence(tmp_path / "seq", [mot15(1, 1), *faulty, mot15(9, 1)])
    dataset = read_dataset([tmp_path])
    assert dataset.skipped == {"degenerate box": 2, "frame without image": 1}
    assert sum(len(sample.boxes) for sample in dataset.samples) == 1


@settings(deadline=None, max_examples=15)
@given(order=st.permutations(range(12)), ids=st.permutations(range(4)))
def test_order_of_rows_and_identities_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], ids: list[int]
) -> None:
    folder = make_sequence(tmp_path_factory.mktemp("mot") / "seq", None)
    # identity 1 stands exactly where identity 0 stands
    rows = [mot15(frame, i, left=3 * max(i, 1), flag=frame != 2 or i != 3) for frame in (1, 2, 3) for i in range(4)]
    write_rows(folder, rows)
    expected, expected_with_ids = read_dataset([folder]), read_dataset([folder], identities=True)
    write_rows(folder, [rows[i] for i in order])
    assert_same(read_dataset([folder]), expected)
    assert_same(read_dataset([folder], identities=True), expected_with_ids)
    write_rows(folder, [(row[0], ids[int(row[1])], *row[2:]) for row in rows])
    assert_same(read_dataset([folder]), expected)


def test_sequences_are_ordered_and_named_apart(tmp_path: Path) -> None:
    for name in ("x/b", "x/a", "y/b"):
        make_sequence(tmp_path / name, [mot15(1, 1), mot15(2, 1)], frames=2)
    x, y = tmp_path / "x", tmp_path / "y"
    names = [(sample.sequence, sample.frame) for sample in read_dataset([x, y]).samples]
    assert names == sorted([("a", 1), ("a", 2), (f"{x}/b", 1), (f"{x}/b", 2), (f"{y}/b", 1), (f"{y}/b", 2)])
    assert_same(read_dataset([x, y]), read_dataset([y, x]))


def test_one_copy_of_a_mot17_video_is_read(tmp_path: Path) -> None:
    for name in ("train/MOT17-02-SDP", "train/MOT17-02-DPM", "train/MOT17-04-SDP"):
        make_sequence(tmp_path / name, [mot17(1, 1)])
    make_sequence(tmp_path / "test" / "MOT17-01-DPM", None)
    dataset = read_dataset([tmp_path])
    assert {sample.sequence for sample in dataset.samples} == {"MOT17-02-DPM", "MOT17-04-SDP"}
    assert sum(dataset.skipped.values()) == 1


def test_missing_empty_and_foreign_folders(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none: no such file or folder; expected SEQUENCE/img1/.* or a COCO file"):
        read_dataset([tmp_path / "none"])
    with pytest.raises(UserError, match=r"no data set here \(it is empty\); expected SEQUENCE"):
        read_dataset([tmp_path])
    (tmp_path / "labels").mkdir()
    with pytest.raises(UserError, match=r"no data set here \(found labels/\)"):
        read_dataset([tmp_path])
    (tmp_path / "clip.mp4").touch()
    with pytest.raises(UserError, match=r"not a file of a known format"):
        read_dataset([tmp_path / "clip.mp4"])
    with pytest.raises(UserError, match="no data given"):
        read_dataset([])


def test_no_ground_truth(tmp_path: Path) -> None:
    make_sequence(tmp_path / "seq", None)
    assert len(find_sequences(tmp_path)) == 1
    with pytest.raises(UserError, match=r"seq: no gt/gt\.txt"):
        read_motchallenge(tmp_path)


def test_no_boxes(tmp_path: Path) -> None:
    folder = make_sequence(tmp_path / "seq", [mot17(1, 1, kind=3), mot17(2, 1, flag=0)])
    with pytest.raises(UserError, match=r"no boxes to train on in 2 images \(left out: class other .*: 1\)"):
        read_dataset([tmp_path])
    write_rows(folder, [])
    with pytest.raises(UserError, match="no boxes to train on"):
        read_dataset([tmp_path])


def test_no_frame_has_an_image(tmp_path: Path) -> None:
    make_sequence(tmp_path / "seq", [mot15(7, 1), mot15(9, 1)])
    with pytest.raises(UserError, match=r"gt\.txt: frames 7 to 9, but the images of .* are frames 1 to 3"):
        read_dataset([tmp_path])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,1,5,4,10,12,1\n1,2,5,4,ten,12,1\n", r"gt\.txt:2: width is 'ten'"),
        ("1,1,5,4,10,12,1\n1,1,6,4,10,12,1\n", r"gt\.txt:2: id 1 is already in frame 1"),
    ],
)
def test_bad_ground_truth_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    folder = make_sequence(tmp_path / "seq", [])
    (folder / "gt" / "gt.txt").write_text(text)
    with pytest.raises(UserError, match=message):
        read_dataset([tmp_path])


def test_real_sequences(real_data: Path) -> None:
    dataset = read_dataset([real_data / "mot"], identities=True)
    assert len(dataset.samples) == 900 + 795 + 71 + 179
    campus = [sample for sample in dataset.samples if sample.sequence == "TUD-Campus"]
    assert sum(len(sample.boxes) for sample in campus) == 359
    assert len({i for sample in campus for i in sample.identities.tolist()}) == 8


def test_classes_are_those_of_labels_txt(tmp_path: Path) -> None:
    """As CVAT and Datumaro write it; 2, 7, 8 and 12 are distractors in MOT17 only."""
    rows = [
        mot17(1, 1, kind=1),
        mot17(1, 2, left=9, kind=2),
        mot17(2, 2, kind=2, flag=0),
        mot17(3, 1, kind=1, visible=0),
    ]
    folder = make_sequence(tmp_path / "seq", rows)
    (folder / "gt/labels.txt").write_text("车\n人\nfish\n", encoding="gbk")
    dataset = read_dataset([tmp_path], identities=True)
    assert dataset.classes == ("车", "人")
    assert [sample.classes.tolist() for sample in dataset.samples] == [[0, 1], [1], [0]]
    assert [sample.ignore.tolist() for sample in dataset.samples] == [[False, False], [True], [True]]
    write_rows(folder, [mot17(1, 1, kind=4)])
    with pytest.raises(UserError, match=r"gt\.txt:1: class is 4, but labels\.txt names 1 to 3 \(车, 人, fish\)"):
        read_dataset([tmp_path])


def test_a_sequence_without_images_is_counted(tmp_path: Path) -> None:
    make_sequence(tmp_path / "a", [mot17(1, 1)])
    (tmp_path / "b").mkdir()
    write_rows(tmp_path / "b", [mot17(1, 1)])
    dataset = read_dataset([tmp_path])
    assert {sample.sequence for sample in dataset.samples} == {"a"}
    assert dataset.skipped == {"sequence that is not there": 1}
    with pytest.raises(UserError, match=r"b/gt/gt\.txt: sequence b not found"):
        read_dataset([tmp_path / "b"])


def test_a_fraction_of_a_flag_counts_in_training_as_in_scores(tmp_path: Path) -> None:
    rows = [mot17(1, i, left=5 + i, flag=flag) for i, flag in enumerate((1, 0.99, 0, 1.5, -1))]
    folder = make_sequence(tmp_path / "seq", rows)
    (sample,) = read_motchallenge(tmp_path).samples
    scored = read_mot_tracks(folder / "gt/gt.txt")
    by_identity = dict(zip(sample.identities.tolist(), (~sample.ignore).tolist(), strict=True))
    assert by_identity == dict(zip(scored.identity.tolist(), scored.counts.tolist(), strict=True))
    # TrackEval's own rule: a flag is made whole by cutting its fraction off
    assert by_identity == {0: True, 1: False, 2: False, 3: True, 4: True}


@pytest.mark.parametrize("name", ["images", "frames", "img"])
def test_images_in_a_folder_of_another_name(tmp_path: Path, name: str) -> None:
    folder = make_sequence(tmp_path / "seq", [mot17(1, 1), mot17(2, 1)])
    (folder / "img1").rename(folder / name)
    assert [sample.image.parent.name for sample in read_dataset([tmp_path]).samples] == [name] * 2
    # tools on Windows write the folder as they see it
    (folder / "seqinfo.ini").write_text(f"[Sequence]\nimDir=.\\{name}\n")
    assert len(read_dataset([tmp_path]).samples) == 2


def test_of_several_splits_all_are_read_and_said(tmp_path: Path) -> None:
    make_sequence(tmp_path / "train/a", [mot17(1, 1)])
    make_sequence(tmp_path / "val/b", [mot17(1, 1)])
    assert read_dataset([tmp_path]).notes == (f"{tmp_path}: motchallenge, splits train, val",)
    assert read_dataset([tmp_path / "val"]).notes == (f"{tmp_path / 'val'}: motchallenge",)


@pytest.mark.parametrize(("name", "digits", "comma"), [("dancetrack0001", 8, ","), ("v_-6Os86HzwCs_c001", 6, ", ")])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_dancetrack_and_sportsmot_are_laid_out_alike(
    tmp_path: Path, name: str, digits: int, comma: str, newline: str
) -> None:
    """Rows sorted by track, identities from 0, other frame names, a test split without labels."""
    rows = ["1,0,6,5,10,12,1,1,1", "2,0,7,5,10,12,1,1,1", "1,1,16,5,10,12,1,1,1", "3,1,15,5,10,12,1,1,1"]
    files = {f"img1/{frame:0{digits}}.jpg": encoded(32, 24) for frame in (1, 2, 3)}
    put(tmp_path / "train" / name, {**files, "gt/gt.txt": newline.join(rows).replace(",", comma)})
    put(tmp_path / "test/no_labels", dict(files))
    dataset = read_dataset([tmp_path], identities=True)
    assert (dataset.classes, +dataset.skipped) == (("person",), {})
    assert [(s.sequence, s.frame, s.identities.tolist()) for s in dataset.samples] == [
        (name, 1, [0, 1]),
        (name, 2, [0]),
        (name, 3, [1]),
    ]
    np.testing.assert_array_equal(dataset.samples[0].boxes, [[5, 4, 15, 16], [15, 4, 25, 16]])
    assert not any(sample.ignore.any() for sample in dataset.samples)
