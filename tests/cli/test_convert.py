"""``clmot data convert`` as a user meets it."""

from pathlib import Path

import numpy as np
import pytest
from command_line import call, fails
from data_builders import assert_same_samples

from clmot.datasets.readers import read_dataset
from clmot.synthetic import write_scenes


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder, still_frames=0, still_sequences=0, clips=1, clip_frames=4, size=(256, 160), seed=3)
    return folder / "clips"


@pytest.mark.parametrize("name", ["coco", "motchallenge"])
def test_convert_keeps_identities(clips, tmp_path, capsys, name) -> None:
    assert call("data", "convert", clips, "--to", name, "--out", tmp_path / "out") == 0
    assert f"{tmp_path / 'out'}: 4 images" in capsys.readouterr().out.replace("\n", "")
    before = read_dataset([clips], identities=True, min_visibility=0).samples
    after = read_dataset([tmp_path / "out"], identities=True, min_visibility=0).samples
    assert_same_samples(before, after, files=False)
    assert any((sample.identities > 0).any() for sample in after)


def test_convert_says_in_one_line_what_is_lost(clips, tmp_path, caplog) -> None:
    assert call("data", "convert", clips, "--to", "yolo", "--out", tmp_path / "out", "--images", "copy") == 0
    lost = [record.getMessage() for record in caplog.records if "has no place for" in record.getMessage()]
    assert len(lost) == 1
    assert lost[0].startswith("yolo has no place for: sequences (each image is one by itself): 1, ")
    assert ", identities: " in lost[0]


def test_hidden_boxes_become_boxes_to_ignore_on_request(clips, tmp_path) -> None:
    for visibility in (0, 1):
        out = tmp_path / str(visibility)
        assert call("data", "convert", clips, "--to", "coco", "--out", out, f"data.min_visibility={visibility}") == 0
    ignored = [
        sum(int(sample.ignore.sum()) for sample in read_dataset([tmp_path / name]).samples) for name in ("0", "1")
    ]
    assert ignored[0] < ignored[1]


def test_convert_keeps_scores(clips, tmp_path) -> None:
    sequence = next(clips.iterdir())
    (sequence / "det").mkdir(exist_ok=True)
    detections = sequence / "det/det.txt"
    detections.write_text("1,-1,5,5,20,40,0.9\n1,-1,50,5,20,40,0.35\n2,-1,5,5,20,40,0.625\n")
    try:
        for least, objects in ((None, 2), (0.3, 3)):
            out = tmp_path / f"coco-{least}"
            asked = [] if least is None else ["--min-score", least]
            assert call("data", "convert", detections, "--to", "coco", "--out", out, *asked) == 0
            after = read_dataset([out], min_score=least)
            before = read_dataset([detections], min_score=least)
            for a, b in zip(before.samples, after.samples, strict=True):
                np.testing.assert_array_equal(a.scores, b.scores)
                np.testing.assert_array_equal(a.ignore, b.ignore)
            assert sum(int((~sample.ignore).sum()) for sample in after.samples) == objects
    finally:
        detections.unlink()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["convert", "{clips}", "--to", "yol", "--out", "{tmp}/new"], "cannot write 'yol' (did you mean 'yolo'?)"),
        (["convert", "{clips}", "--to", "yolo", "--out", "{tmp}"], "is not empty; choose another folder"),
        (["convert", "{tmp}/none", "--to", "yolo", "--out", "{tmp}/new"], "no such file or folder"),
        (["convert", "--to", "yolo", "--out", "{tmp}/new"], "name at least one data folder"),
        (["convert", "{clips}", "--to", "yolo", "--out", "{tmp}/new", "--images", "move"], "--images"),
    ],
)
def test_mistakes_of_convert(clips, tmp_path, capsys, arguments, message) -> None:
    (tmp_path / "something").touch()
    assert message in fails(capsys, "data", *(word.format(clips=clips, tmp=tmp_path) for word in arguments))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["something"]
