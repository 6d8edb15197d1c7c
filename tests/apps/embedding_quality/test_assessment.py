import json

import numpy as np
import pytest
import torch
from data_builders import TINY_NETWORK

from clmot.apps.embedding_quality.assess import GAPS, HISTOGRAM, TRAINED, UNTRAINED, Assessment, assess
from clmot.apps.embedding_quality.report import assessment_tables, margins_picture
from clmot.config import load_config
from clmot.errors import UserError
from clmot.evaluation.probe import UNCHANGED
from clmot.evaluation.two_view import ViewComparison
from clmot.inference.network_model import NetworkModel
from clmot.models.network import Network
from clmot.synthetic import write_scenes

CONFIG = load_config(
    overrides=[
        *TINY_NETWORK,
        "model.image_size=[160, 96]",
        "model.embedding_dimension=16",
    ]
)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(
        folder, still_frames=0, still_sequences=0, clips=2, clip_frames=12, frame_rate=5, size=(320, 192), seed=3
    )
    return folder / "clips"


@pytest.fixture(scope="module")
def found(clips) -> Assessment:
    torch.manual_seed(0)
    model = NetworkModel(Network(CONFIG.model), CONFIG, "cpu", "float32")
    return assess(model, [clips], frames=6, every=2, progress=False)


def test_three_embeddings_by_views_and_by_identities(found):
    names = [TRAINED, UNTRAINED, HISTOGRAM]
    assert list(found.label_free) == list(found.pairs) == names
    assert list(found.identified) == list(GAPS)
    assert all(list(rows) == names for rows in found.identified.values())
    assert found.label_free[HISTOGRAM]["rank-1"] > 0.3
    # frames 1, 3, ... 11 at 5 frames/s: two seconds
    assert found.identified["same second"][HISTOGRAM]["queries"] > 0
    assert found.identified["after 1 s"][HISTOGRAM]["queries"] > 0
    assert found.identified["after 5 s"][HISTOGRAM]["queries"] == 0
    assert [len(table.rows) for table in assessment_tables(found)] == [3, 3, 3, 3, 3, 3]
    assert list(found.probes) == list(found.areas) == names
    assert found.areas[HISTOGRAM]["0.2-1 s"] > 0.6
    assert found.motion.steps > 10
    assert "overlap themselves by" in found.motion_line()
    assert found.probes[HISTOGRAM]["no colour"] < found.probes[HISTOGRAM][UNCHANGED]


def test_views_see_no_identities(found, clips, tmp_path):
    """Without identities the label-free part stays the same, and there is no other."""
    for sequence in clips.iterdir():
        copy = tmp_path / "clips" / sequence.name
        (copy / "gt").mkdir(parents=True)
        (copy / "img1").symlink_to(sequence / "img1")
        rows = [line.split(",") for line in (sequence / "gt" / "gt.txt").read_text().splitlines()]
        (copy / "gt" / "gt.txt").write_text("".join(",".join([row[0], "-1", *row[2:]]) + "\n" for row in rows))
    torch.manual_seed(0)
    model = NetworkModel(Network(CONFIG.model), CONFIG, "cpu", "float32")
    blind = assess(model, [tmp_path / "clips"], frames=6, every=2, progress=False)
    assert blind.identified == {}
    assert blind.areas == {}  # five frames a second, on which nobody can be followed
    for name, scores in found.label_free.items():
        assert blind.label_free[name] == pytest.approx(scores, nan_ok=True)
        assert blind.probes[name] == pytest.approx(found.probes[name], nan_ok=True)


def test_areas_come_from_tracklets_where_there_are_no_identities(tmp_path):
    write_scenes(tmp_path, still_frames=0, still_sequences=0, clips=1, clip_frames=12, frame_rate=25, size=(320, 192))
    truth = next((tmp_path / "clips").iterdir()) / "gt" / "gt.txt"
    rows = [line.split(",") for line in truth.read_text().splitlines()]
    truth.write_text("".join(",".join([row[0], "-1", *row[2:]]) + "\n" for row in rows))
    model = NetworkModel(Network(CONFIG.model), CONFIG, "cpu", "float32")
    blind = assess(model, [tmp_path / "clips"], frames=2, progress=False)
    assert blind.identified == {}
    assert blind.areas[HISTOGRAM]["< 0.2 s"] > 0.8
    assert not blind.motion.sparse
    assert "dense: motion tells who is who" in blind.motion_line()


def test_files(found, tmp_path):
    found.write_json(tmp_path / "scores.json")
    content = json.loads((tmp_path / "scores.json").read_text())
    assert content["identified"]["after 5 s"][TRAINED]["rank-1"] is None
    assert content["label_free"][TRAINED]["boxes"] == found.label_free[TRAINED]["boxes"]
    margins_picture(found, tmp_path / "margins.png")
    assert (tmp_path / "margins.png").stat().st_size > 5000
    with pytest.raises(UserError, match="cannot write"):
        found.write_json(tmp_path / "none" / "scores.json")
    with pytest.raises(UserError, match="cannot write"):
        margins_picture(found, tmp_path / "none" / "margins.png")


@pytest.mark.parametrize(
    ("rank_1", "collapsed", "says"),
    [
        (0.9, 0.0, "trained: "),
        (0.5, 0.0, "weak: "),
        (0.9, 1.0, "collapsed: "),
        (np.nan, 0.0, "nothing can be compared"),
    ],
)
def test_verdict(rank_1, collapsed, says):
    def scores(value: float, flag: float = 0.0) -> dict[str, float]:
        return {"rank-1": value, "collapsed": flag, "boxes": 9, "suggested threshold": 0.61}

    rows = {TRAINED: scores(rank_1, collapsed), UNTRAINED: scores(0.3), HISTOGRAM: scores(0.6)}
    nothing = np.empty(0, np.float32)
    pairs = ViewComparison(nothing, nothing, nothing.astype(bool), nothing.astype(np.float64))
    verdict = Assessment(label_free=rows, identified={}, pairs={TRAINED: pairs}).verdict()
    assert verdict.startswith(says)
    assert ("appearance_threshold=0.61" in verdict) == (says == "trained: ")


def test_tables_show_every_rate(found):
    """Shares of impostors that are less than one pair are dashes."""
    *_, after_1_second, _ = assessment_tables(found)
    columns = dict(zip(after_1_second.header, zip(*after_1_second.rows, strict=True), strict=True))
    assert list(columns)[-6:] == ["TPR@0.1", "TPR@0.01", "TPR@0.001", "TPR@0.0001", "TPR@1e-05", "TPR@1e-06"]
    assert "-" not in columns["TPR@0.1"]
    assert columns["TPR@1e-06"] == ("-",) * 3


def test_data_of_a_named_format(clips):
    torch.manual_seed(0)
    model = NetworkModel(Network(CONFIG.model), CONFIG, "cpu", "float32")
    with pytest.raises(UserError, match="expected a COCO file"):
        assess(model, [clips], format="coco", progress=False)
    with pytest.raises(UserError, match="mot chalenge"):
        assess(model, [clips], format="mot chalenge", progress=False)
