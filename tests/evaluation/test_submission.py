import zipfile
from pathlib import Path

import numpy as np
import pytest

from clmot.errors import UserError
from clmot.evaluation.submission import SERVERS, submit
from clmot.io.mot_text import read_mot_text

ROW = "{},{},10.5,20.25,30,60,0.9,-1,-1,-1\n"
TRAIN, TEST = (2, 4, 5, 9, 10, 11, 13), (1, 3, 6, 7, 8, 12, 14)


def write_all(folder: Path, names: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / f"{name}.txt").write_text(ROW.format(2, 1) + ROW.format(1, 2) + ROW.format(1, 1))
    return folder


def contents(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_mot17_takes_42_files_in_the_root(tmp_path: Path) -> None:
    results = write_all(tmp_path / "results", [f"MOT17-{n:02d}-FRCNN" for n in TRAIN + TEST])
    written = submit(results, tmp_path / "mot17.zip", benchmark="mot17")
    assert (written.files, written.copied, written.other_classes) == (42, 28, 0)
    files = contents(written.path)
    detectors = ("DPM", "FRCNN", "SDP")
    assert set(files) == {f"MOT17-{n:02d}-{each}.txt" for n in TRAIN + TEST for each in detectors}
    assert set(files.values()) == {ROW.format(1, 1) + ROW.format(1, 2) + ROW.format(2, 1)}
    assert submit(results, tmp_path / "test.zip", benchmark="mot17", test_only=True).files == 21
    assert not list(tmp_path.glob("*.partial"))
    before = (tmp_path / "mot17.zip").read_bytes()
    submit(results, tmp_path / "mot17.zip", benchmark="mot17")
    assert (tmp_path / "mot17.zip").read_bytes() == before


def test_results_of_each_detector_stay_apart(tmp_path: Path) -> None:
    results = write_all(tmp_path / "results", [f"MOT17-{n:02d}" for n in TRAIN + TEST])
    (results / "MOT17-01-SDP.txt").write_text(ROW.format(7, 7))
    files = contents(submit(results, tmp_path / "a.zip", benchmark="mot17").path)
    assert files["MOT17-01-SDP.txt"] == ROW.format(7, 7)
    assert files["MOT17-01-DPM.txt"] == files["MOT17-01-FRCNN.txt"] == files["MOT17-02-SDP.txt"]


@pytest.mark.parametrize(("benchmark_name", "count"), [("mot15", 22), ("mot16", 14), ("mot20", 8), ("dancetrack", 35)])
def test_every_sequence_is_needed(tmp_path: Path, benchmark_name: str, count: int) -> None:
    server = SERVERS[benchmark_name]
    names = [*server.train, *server.test]
    assert len(names) == len(set(names)) == count
    results = write_all(tmp_path / "results", names)
    files = contents(submit(results, tmp_path / "a.zip", benchmark=benchmark_name).path)
    assert sorted(files) == sorted(f"{server.folder}{name}.txt" for name in names)
    (results / f"{names[-1]}.txt").unlink()
    with pytest.raises(UserError, match=rf"1 problem; .*\n  no results for {names[-1]}: expected {names[-1]}.txt"):
        submit(results, tmp_path / "a.zip", benchmark=benchmark_name)


@pytest.mark.parametrize(
    ("benchmark_name", "train", "test"),
    [("mot15", 5500, 5783), ("mot16", 5316, 5919), ("mot17", 5316, 5919), ("mot20", 8931, 4479)],
)
def test_lengths_add_up(benchmark_name: str, train: int, test: int) -> None:
    """The numbers of frames that the benchmarks' papers give for their halves."""
    server = SERVERS[benchmark_name]
    assert sum(length or 0 for length in server.train.values()) == train
    assert sum(length or 0 for length in server.test.values()) == test


def test_all_problems_at_once(tmp_path: Path) -> None:
    results = write_all(tmp_path / "results", [f"MOT20-{n:02d}" for n in (1, 2, 3, 4, 5, 6, 7)])
    (results / "MOT20-01.txt").write_text(ROW.format(429, 1) + ROW.format(430, 1) + ROW.format(431, 1))
    (results / "MOT20-02.txt").write_text(ROW.format(5, 3) + ROW.format(1, 0) + ROW.format(5, 3))
    (results / "MOT20-03.txt").write_text("1,1,5,5,10\n")
    (results / "MOT20-05.txt").write_text("1,1,5,5,0,10,1\n2,1,5,5,nan,10,1\n")
    (results / "MOT20-06.txt").write_text("")
    with pytest.raises(UserError) as caught:
        submit(results, tmp_path / "a.zip", benchmark="mot20")
    first, *problems = str(caught.value).split("\n  ")
    assert first.startswith(f"{results}: not ready for mot20 (7 problems; found MOT20-01.txt")
    assert [problem.replace(f"{results}/", "") for problem in problems] == [
        "MOT20-01.txt:2: a frame after the sequence's 429 frames (and 1 more rows)",
        "MOT20-02.txt:2: an id that is not positive",
        "MOT20-02.txt:3: an id that is in this frame already",
        "MOT20-03.txt:1: 5 columns, expected 7 to 10: frame, id, left, top, width, height, confidence, ...",
        "MOT20-05.txt:1: a box without area (and 1 more rows)",
        "MOT20-06.txt: no rows",
        "no results for MOT20-08: expected MOT20-08.txt",
    ]
    assert not (tmp_path / "a.zip").exists()


def test_persons_only_and_numbers_unchanged(tmp_path: Path) -> None:
    server = SERVERS["mot16"]
    results = write_all(tmp_path / "results", [*server.train, *server.test])
    (results / "MOT16-01.txt").write_text("1,1,10.125,-3.5,30.0625,1234.5678,0.25,1,1\n1,2,5,5,9,9,0.5,3,1\n")
    written = submit(results, tmp_path / "a.zip", benchmark="mot16")
    assert written.other_classes == 1
    text = contents(written.path)["MOT16-01.txt"]
    assert text == "1,1,10.125,-3.5,30.0625,1234.5678,0.25,-1,-1,-1\n"
    (tmp_path / "back.txt").write_text(text)
    [frame] = read_mot_text(tmp_path / "back.txt")
    np.testing.assert_allclose(frame.detections.xyxy, [[9.125, -4.5, 39.1875, 1230.0678]], rtol=1e-6)


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no server is known for 'mot71' \(did you mean 'mot17'\?\); known: mot15"):
        submit(tmp_path, tmp_path / "a.zip", benchmark="mot71")
    with pytest.raises(UserError, match=r"a\.tar: the archive's name must end in \.zip"):
        submit(tmp_path, tmp_path / "a.tar", benchmark="mot17")
    with pytest.raises(UserError, match=r"none: no such folder"):
        submit(tmp_path / "none", tmp_path / "a.zip", benchmark="mot17")
    results = write_all(tmp_path / "results", [*SERVERS["mot16"].train, *SERVERS["mot16"].test])
    with pytest.raises(UserError, match=r"a\.zip: cannot write the archive"):
        submit(results, tmp_path / "none" / "a.zip", benchmark="mot16")
