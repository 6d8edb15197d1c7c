import numpy as np
import pytest

from clmot.errors import UserError
from clmot.io.mot_text import check_unique, counts, read_mot_rows, read_mot_text
from clmot.io.mot_writer import TrackWriter, write_mot_text
from clmot.structures import Detections, TrackedFrame


def tracked(frame, boxes, ids, score=0.9, class_id=0):
    n = len(ids)
    detections = Detections(
        xyxy=np.asarray(boxes, np.float32), score=np.broadcast_to(score, n), class_id=np.broadcast_to(class_id, n)
    )
    return TrackedFrame(frame=frame, detections=detections, track_id=np.asarray(ids, np.int64))


def random_results(seed=0, frames=20):
    rng = np.random.default_rng(seed)
    for frame in range(1, frames + 1):
        n = int(rng.integers(0, 6))
        corner = rng.uniform(-50, 900, (n, 2))
        boxes = np.concatenate([corner, corner + rng.uniform(1, 300, (n, 2))], axis=1)
        yield tracked(frame, boxes, rng.permutation(50)[:n] + 1, rng.uniform(0, 1, n))


@pytest.fixture
def write(tmp_path):
    def write(*lines):
        path = tmp_path / "gt.txt"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


def test_results_come_back(tmp_path):
    frames = list(random_results())
    write_mot_text(tmp_path / "a.txt", frames)
    back = read_mot_text(tmp_path / "a.txt")
    expected = [frame for frame in frames if len(frame)]
    assert [frame.frame for frame in back] == [frame.frame for frame in expected]
    assert 0 < len(expected) < len(frames)
    for a, b in zip(back, expected, strict=True):
        np.testing.assert_array_equal(a.track_id, b.track_id)
        np.testing.assert_allclose(a.detections.xyxy, b.detections.xyxy, atol=2e-3)
        np.testing.assert_allclose(a.detections.score, b.detections.score, atol=1e-6)
        assert a.detections.xyxy.dtype == np.float32
    write_mot_text(tmp_path / "b.txt", back)
    again = read_mot_rows(tmp_path / "b.txt")
    np.testing.assert_allclose(again.boxes, read_mot_rows(tmp_path / "a.txt").boxes, atol=2e-3)


def test_the_first_pixel_is_1_1_in_the_file(tmp_path):
    path = tmp_path / "a.txt"
    write_mot_text(path, [tracked(3, [[0, 0, 10, 20]], [7], 0.625)])
    assert path.read_text() == "3,7,1.000,1.000,10.000,20.000,0.625000,-1,-1,-1\n"
    np.testing.assert_array_equal(read_mot_rows(path).boxes, [[0, 0, 10, 20]])


def test_classes_come_back(tmp_path):
    """Class ids count from 0, and from 1 in the file, as in ground truth."""
    path = tmp_path / "a.txt"
    frames = [
        tracked(1, [[0, 0, 10, 20], [5, 5, 9, 9]], [7, 3], [0.625, 0.5], [0, 2]),
        tracked(2, [[1, 0, 11, 20]], [7], class_id=0),
    ]
    write_mot_text(path, frames, with_classes=True)
    assert path.read_text().splitlines() == [
        "1,7,1.000,1.000,10.000,20.000,0.625000,1,1",
        "1,3,6.000,6.000,4.000,4.000,0.500000,3,1",
        "2,7,2.000,1.000,10.000,20.000,0.900000,1,1",
    ]
    assert [frame.detections.class_id.tolist() for frame in read_mot_text(path)] == [[0, 2], [0]]
    rows = read_mot_rows(path)
    assert (rows.class_id.tolist(), rows.visibility.tolist()) == ([1, 3, 1], [1, 1, 1])


def test_classes_are_left_out_of_single_class_files(tmp_path):
    path = tmp_path / "a.txt"
    write_mot_text(path, [tracked(1, [[0, 0, 10, 20]], [7], class_id=2)])
    assert path.read_text().endswith(",-1,-1,-1\n")
    assert read_mot_text(path)[0].detections.class_id.tolist() == [0]


def test_no_results_make_an_empty_file(tmp_path):
    path = tmp_path / "a.txt"
    write_mot_text(path, [tracked(1, np.empty((0, 4)), [])])
    assert path.read_text() == ""
    rows = read_mot_rows(path)
    assert len(rows) == rows.skipped == 0
    assert rows.boxes.shape == (0, 4)
    assert read_mot_text(path) == []
    check_unique(path, rows.frame, rows.identity, rows.line)


def test_the_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")
    with TrackWriter(path) as writer:
        for frame in random_results():
            writer.write(frame)
            assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    whole = path.read_text()
    assert len(whole.splitlines()) == sum(map(len, random_results()))

    def interrupted():
        yield tracked(1, [[0, 0, 10, 20]], [7])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_mot_text(path, interrupted())
    assert path.read_text() == whole
    assert len(read_mot_rows(tmp_path / "a.txt.partial")) == 1


def test_what_cannot_be_written_is_said(tmp_path):
    with pytest.raises(UserError, match=r"missing/a\.txt: cannot write results: No such file"):
        write_mot_text(tmp_path / "missing" / "a.txt", [])


def test_a_full_disk_leaves_the_file_before(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("before")
    (tmp_path / "a.txt.partial").symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"a\.txt: cannot write results: No space left"):
        write_mot_text(path, random_results())
    assert path.read_text() == "before"
    with pytest.raises(UserError, match="No space left"):
        write_mot_text(path, random_results(frames=2000))
    assert path.read_text() == "before"


def test_ground_truth_of_nine_columns(write):
    rows = read_mot_rows(write("1,4,11,21,10,20,0,7,0.25", "2,4,11,21,10,20,1,1,1"))
    np.testing.assert_array_equal(rows.frame, [1, 2])
    np.testing.assert_array_equal(rows.identity, [4, 4])
    np.testing.assert_array_equal(rows.boxes, [[10, 20, 20, 40]] * 2)
    np.testing.assert_array_equal(rows.confidence, [0, 1])
    np.testing.assert_array_equal(rows.class_id, [7, 1])
    np.testing.assert_array_equal(rows.visibility, [0.25, 1])
    assert (rows.frame.dtype, rows.boxes.dtype, rows.confidence.dtype) == (np.int64, np.float32, np.float64)


@pytest.mark.parametrize("rest", ["", ",1", ",-4.5,7.25,0"])
def test_other_widths_have_no_class(write, rest):
    rows = read_mot_rows(write("1,4,11,21,10,20,0.5" + rest))
    assert (rows.class_id.tolist(), rows.visibility.tolist(), rows.confidence.tolist()) == ([-1], [1], [0.5])
    if rest != ",1":
        assert read_mot_text(write("1,4,11,21,10,20,0.5" + rest))[0].detections.class_id.tolist() == [0]


@pytest.mark.parametrize(
    "line",
    [
        "1 4 11 21 10 20 0.5 -1 -1 -1",
        "1, 4, 11, 21, 10, 20, 0.5, -1, -1, -1",
        "1\t4\t11\t21\t10\t20\t5e-1\t-1\t-1\t-1",
        "1,4,11,21,10,20,0.5,-1,-1,-1,",
        "1.0,4.0,11.0,21.0,10.0,20.0,0.5,-1,-1,-1\r",
    ],
)
def test_ways_to_write_a_row(write, line):
    rows = read_mot_rows(write("\ufeff", line, "   "))
    np.testing.assert_array_equal(rows.boxes, [[10, 20, 20, 40]])
    assert (rows.frame.tolist(), rows.identity.tolist(), rows.line.tolist()) == ([1], [4], [2])


def test_order_of_rows_does_not_matter(tmp_path, write):
    write_mot_text(tmp_path / "a.txt", random_results())
    lines = (tmp_path / "a.txt").read_text().splitlines()
    expected = read_mot_text(tmp_path / "a.txt")
    for order in (np.random.default_rng(0).permutation(len(lines)), np.argsort([int(x.split(",")[1]) for x in lines])):
        path = write(*(lines[i] for i in order))
        np.testing.assert_array_equal(read_mot_rows(path).line, np.arange(1, len(lines) + 1))
        for a, b in zip(read_mot_text(path), expected, strict=True):
            assert a.frame == b.frame
            assert {(i, *x) for i, x in zip(a.track_id, a.detections.xyxy.tolist(), strict=True)} == {
                (i, *x) for i, x in zip(b.track_id, b.detections.xyxy.tolist(), strict=True)
            }


def test_rows_without_a_box_are_skipped_and_counted(write):
    good = "2,1,1,1,5,5,1,-1,-1,-1"
    bad = [
        "1,1,nan,1,5,5,1,-1,-1,-1",
        "1,2,1,1,0,5,1,-1,-1,-1",
        "1,3,1,1,5,-5,1,-1,-1,-1",
        "1,4,1,inf,5,5,1,-1,-1,-1",
        "1,5,1,1,5,5,nan,-1,-1,-1",
        "1,6,1,1,1e300,5,1,-1,-1,-1",
        "1,7,1e9,1,0.001,5,1,-1,-1,-1",  # no area in float32
    ]
    rows = read_mot_rows(write(*bad, good, *bad))
    assert rows.skipped == 2 * len(bad)
    assert (rows.frame.tolist(), rows.line.tolist()) == ([2], [len(bad) + 1])
    assert len(read_mot_text(write(*bad, good))) == 1


GOOD = "1,1,1,1,5,5,1,-1,-1,-1"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([GOOD, "1,2,3,4,5,6"], r"gt\.txt:2: 6 columns, expected 7 to 10: frame, id, left, top"),
        (["1,2,3,4,5,6,7,8,9,10,11"], r"gt\.txt:1: 11 columns, expected 7 to 10"),
        ([GOOD, "", "2,1,1,1,5,5,1,1,1"], r"gt\.txt:3: 9 columns, but line 1 has 10"),
        ([GOOD, "1,2,1,1,,5,1,-1,-1,-1"], r"gt\.txt:2: 9 columns, but line 1 has 10"),
        ([GOOD, GOOD.replace("5", "five", 1)], r"gt\.txt:2: width is 'five', expected a number"),
        (["frame,id,left,top,w,h,conf,x,y,z"], r"gt\.txt:1: frame is 'frame', expected a number"),
        (["1,1,1,1,5,5,1,-1,-1,person"], r"gt\.txt:1: column 10 is 'person', expected a number"),
        (["1,1,1,1,5_0,5,1,-1,-1,-1"], r"gt\.txt:1: width is '5_0', expected a number"),
        ([GOOD, "0" + GOOD[1:]], r"gt\.txt:2: frame is 0, expected a whole number >= 1"),
        (["", "", "1.5" + GOOD[1:]], r"gt\.txt:3: frame is 1\.5, expected a whole number >= 1"),
        (["nan" + GOOD[1:]], r"gt\.txt:1: frame is nan, expected a whole number"),
        (["1,1.5,1,1,5,5,1"], r"gt\.txt:1: id is 1\.5, expected a whole number"),
        (["1,1,1,1,5,5,1,2.5,1"], r"gt\.txt:1: class is 2\.5, expected a whole number"),
    ],
)
def test_faults_name_file_line_and_remedy(write, lines, message):
    with pytest.raises(UserError, match=message) as raised:
        read_mot_rows(write(*lines))
    assert "\n" not in str(raised.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match=r"none\.txt: cannot read MOTChallenge text: No such file"):
        read_mot_rows(tmp_path / "none.txt")
    with pytest.raises(UserError, match="Is a directory"):
        read_mot_rows(tmp_path)
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    with pytest.raises(UserError, match=r"picture\.png: not a text file"):
        read_mot_rows(picture)
    (tmp_path / "zeros.txt").write_bytes(b"\0" * 100)
    with pytest.raises(UserError, match=r"zeros\.txt: not a text file"):
        read_mot_rows(tmp_path / "zeros.txt")


def test_an_id_occurs_once_in_a_frame(write):
    row = "{},{},1,1,5,5,1,-1,-1,-1"
    path = write(row.format(2, 9), row.format(1, 3), row.format(1, 4), row.format(2, 9), row.format(1, 3))
    message = r"gt\.txt:4: id 9 is already in frame 2 \(line 1\); an id may occur once in a frame"
    with pytest.raises(UserError, match=message):
        read_mot_text(path)


def test_detections_have_no_ids(write):
    path = write(*["1,-1,1,1,5,5,93.6,-1,-1,-1"] * 3)
    rows = read_mot_rows(path)
    check_unique(path, rows.frame, rows.identity, rows.line)
    (frame,) = read_mot_text(path)
    assert frame.track_id.tolist() == [-1, -1, -1]
    assert len(frame.detections) == 3


def test_real_files(real_data):
    rows = read_mot_rows(real_data / "mot" / "MOT16-11" / "gt" / "gt.txt")
    assert (len(rows), rows.skipped) == (10076, 0)
    assert set(rows.class_id.tolist()) == {1, 8, 9}
    files = sorted((real_data / "text" / "MOT15_devkit_res").glob("*.txt"))
    assert len(files) == 11
    for path in files:
        rows = read_mot_rows(path)
        check_unique(path, rows.frame, rows.identity, rows.line)
        table = np.loadtxt(path, delimiter=",")
        expected = np.column_stack([table[:, 2:4] - 1, table[:, 2:4] - 1 + table[:, 4:6]])
        np.testing.assert_allclose(rows.boxes, expected, rtol=1e-6)


def test_a_flag_counts_as_in_trackeval_which_cuts_fractions_off() -> None:
    flags = np.array([1, 0, 0.9, -0.9, 2, -1, np.nan])
    assert counts(flags).tolist() == [True, False, False, False, True, True, False]
