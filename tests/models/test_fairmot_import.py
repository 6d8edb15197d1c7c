"""Imported weights against the originals' networks written out in functions, key by key."""

from functools import partial

import pytest
import torch
from legacy_reference import HEADS_128, HEADS_512, HEADS_CENTERNET, State, dla_34, hrnet, resdcn, resfpndcn
from torch.nn import functional as F

from clmot.cli import main
from clmot.config.tracker import TrackerConfig
from clmot.errors import UserError
from clmot.inference.model import load_model
from clmot.inference.network_model import NetworkModel
from clmot.models.decode import decode
from clmot.models.fairmot_import import COCO_CLASSES, LegacyModel, read_legacy
from clmot.models.levels import STRIDE
from clmot.models.network import Network
from clmot.structures import OutputMaps
from clmot.synthetic import write_scenes
from clmot.training.checkpoint import save_checkpoint

IMAGE = torch.randint(0, 256, (1, 3, 64, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


@torch.inference_mode()
def original(forward, heads) -> tuple[State, dict[str, torch.Tensor]]:
    """An original's random weights, and its maps of `IMAGE` as FairMOT feeds it: RGB in [0, 1]."""
    state = State(seed=1)
    return state, forward(state, IMAGE / 255, heads)


def saved(tensors, path, prefix="") -> object:
    """The file that FairMOT writes."""
    renamed = {f"{prefix}{key}": value for key, value in tensors.items()}
    torch.save({"epoch": 30, "state_dict": renamed, "optimizer": {"state": {}, "param_groups": [{"lr": 1e-4}]}}, path)
    return path


@pytest.fixture(scope="module")
def fairmot() -> tuple[State, dict[str, torch.Tensor]]:
    return original(dla_34, HEADS_128)


@pytest.fixture(scope="module")
def light(fairmot) -> dict[str, torch.Tensor]:
    """Keys and shapes of that checkpoint, zeros for values: next to nothing in a file."""
    return {key: torch.zeros(()).expand(value.shape) for key, value in fairmot[0].items()}


@pytest.fixture(scope="module")
def imported(fairmot, tmp_path_factory) -> LegacyModel:
    return read_legacy(saved(fairmot[0], tmp_path_factory.mktemp("weights") / "fairmot_dla34.pth"))


def assert_same_maps(network: Network, expected: dict[str, torch.Tensor]) -> None:
    with torch.inference_mode():
        maps = network.maps(IMAGE)
    size = expected["wh"] if expected["wh"].shape[1] == 4 else (expected["wh"] / 2).repeat(1, 2, 1, 1)
    for name, ours, theirs in (
        ("hm", maps.heatmap, expected["hm"]),
        ("score", maps.heatmap.sigmoid(), expected["hm"].sigmoid()),
        ("wh", maps.size, size),
        ("reg", maps.offset, expected["reg"]),
        ("id", maps.embedding[0], expected["id"]),
    ):
        assert theirs.std() > 0.02, f"{name} of the reference says nothing"
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=0, msg=lambda text, name=name: f"{name}: {text}")


def test_fairmots_dla_34_gives_the_same_maps(fairmot, imported, caplog):
    assert_same_maps(imported.network, fairmot[1])
    assert imported.config.recipe == "dla34"
    assert imported.config.model.size == "sides"
    assert imported.config.model.embedding_dimension == 128
    assert imported.config.model.classes == ("person",)
    unread = ("base.fc.", "base.level3.project.", "base.level4.project.")
    read = [key for key in fairmot[0] if not key.startswith(unread) and not key.endswith("num_batches_tracked")]
    assert imported.summary == f"dla_34: {len(read)} tensors, person, four sides, embedding 128"


@pytest.mark.parametrize(
    ("forward", "heads", "recipe"),
    [
        (dla_34, HEADS_512, "dla34"),
        (partial(resdcn, depth=18), HEADS_128, "resnet18-dcn"),
        (partial(resdcn, depth=34), HEADS_512, "resnet34-dcn"),
        (partial(resdcn, depth=50), HEADS_512, "resnet50-dcn"),
        (partial(resfpndcn, depth=18), HEADS_128, "resnet18-dcn"),
        (partial(resfpndcn, depth=34), HEADS_512, "resnet34-dcn"),
        (partial(resfpndcn, depth=50), HEADS_512, "resnet50-dcn"),
        (partial(hrnet, width=18), HEADS_128, "hrnet18"),
        (partial(hrnet, width=18, mixed=True), HEADS_512, "hrnet18"),
        (partial(hrnet, width=32), HEADS_128, "hrnet32"),
    ],
    ids="dla resdcn18 resdcn34 resdcn50 resfpndcn18 resfpndcn34 resfpndcn50 hrnet18 clmot-hrnet18 hrnet32".split(),
)
def test_every_network_gives_the_same_maps(tmp_path, caplog, forward, heads, recipe):
    state, expected = original(forward, heads)
    model = read_legacy(saved(state, tmp_path / "model_30.pth", prefix="module."))
    assert_same_maps(model.network, expected)
    assert model.config.recipe == recipe
    assert model.config.model.embedding_dimension == heads["id"]
    assert model.config.model.size == ("extent" if heads["wh"] == 2 else "sides")
    # the defaults of CL-MOT's code, which is FairMOT's of that time, and those of FairMOT's last one
    score, distance, area, most = (0.6, 0.7, 200, 128) if heads["wh"] == 2 else (0.4, 0.4, 100, 500)
    assert model.config.tracker == TrackerConfig.named(
        "fairmot",
        high_score=score,
        low_score=score,
        new_track_score=score,
        appearance_threshold=distance,
        max_aspect=1.6,
        min_area=area,
    )
    assert model.config.detect.max_detections == most
    assert NetworkModel(model.network, model.config, "cpu").precision == "float32"
    assert not caplog.records


def test_boxes_are_fairmots(imported):
    """(x + reg - left, y + reg - top, x + reg + right, y + reg + bottom), times the stride."""
    torch.manual_seed(0)
    # of some size at least: what has none is no object
    size, offset = 0.2 + torch.rand(1, 4, 12, 20) * 3, torch.rand(1, 2, 12, 20)
    heatmap = torch.full((1, 1, 12, 20), -9.0)
    places, expected = [(3, 4), (9, 15), (6, 10)], []
    for rank, (y, x) in enumerate(places):
        heatmap[0, 0, y, x] = 3.0 - rank
        (left, top, right, bottom), (dx, dy) = size[0, :, y, x].tolist(), offset[0, :, y, x].tolist()
        expected.append([4 * (x + dx - left), 4 * (y + dy - top), 4 * (x + dx + right), 4 * (y + dy + bottom)])
    threshold, most = imported.config.tracker.high_score, imported.config.detect.max_detections
    peaks = decode(OutputMaps(heatmap, size, offset, ()), STRIDE, threshold, most)
    torch.testing.assert_close(peaks.boxes, torch.tensor(expected), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("forward", "heads"),
    [(partial(hrnet, width=18), HEADS_128), (partial(resdcn, depth=18), HEADS_512)],
    ids=["four sides", "width and height"],
)
def test_embeddings_are_the_originals(tmp_path, forward, heads):
    """Of each detection the numbers in the cell of its peak, which is seldom the cell of the box's centre."""
    state, expected = original(forward, heads)
    # offsets that leave the cell, as those of trained networks do now and then, and boxes that are none turned to some
    state["reg.2.weight"], state["wh.2.bias"] = 4 * state["reg.2.weight"], state["wh.2.bias"] + 9
    with torch.inference_mode():
        expected = forward(state, IMAGE / 255, heads)
    config = ["detect.score_threshold=0", "detect.max_detections=40", "model.image_size=[96, 64]"]
    legacy = read_legacy(saved(state, tmp_path / "a.pth"), overrides=config)
    model = NetworkModel(legacy.network, legacy.config, "cpu")
    found = model.detect(IMAGE[0].permute(1, 2, 0).numpy())
    score, (height, width) = expected["hm"][0, 0].sigmoid(), expected["hm"].shape[2:]
    wanted, elsewhere = {}, 0
    for y in range(height):
        for x in range(width):
            around = score[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
            if score[y, x] == around.max():
                wanted[score[y, x].item()] = x, y, F.normalize(expected["id"][0, :, y, x], dim=0)
    assert len(found) > 10
    for box, value, embedding in zip(found.xyxy, found.score, found.embedding, strict=True):
        nearest = min(wanted, key=lambda other: abs(other - value))
        assert nearest == pytest.approx(value, abs=3e-5)  # in use, normalisation is part of the convolution
        x, y, vector = wanted[nearest]
        torch.testing.assert_close(torch.from_numpy(embedding), vector, atol=1e-3, rtol=0)
        elsewhere += [int((box[0] + box[2]) // 8), int((box[1] + box[3]) // 8)] != [x, y]
    assert elsewhere > 0, "says nothing: every peak's cell holds the centre of its box"


def test_filters_of_results_are_for_persons(light, tmp_path):
    file = saved(light, tmp_path / "w.pth")
    assert read_legacy(file).config.tracker.max_aspect == 1.6
    tracker = read_legacy(file, classes=("car",)).config.tracker
    assert (tracker.max_aspect, tracker.min_area) == (0, 0)


def test_a_checkpoint_of_them_is_a_model(imported, tmp_path):
    save_checkpoint(tmp_path, 0, imported.config, imported.network.state_dict(), {"step": 0})
    model = load_model(tmp_path)
    assert model.precision == "float32"
    assert model.config == imported.config
    with torch.inference_mode():
        torch.testing.assert_close(model.network.maps(IMAGE).heatmap, imported.network.maps(IMAGE).heatmap)


def test_centernet_is_a_detector_whose_embedding_is_to_be_trained(tmp_path, caplog):
    state, _ = original(dla_34, HEADS_CENTERNET)
    file = saved(state, tmp_path / "ctdet_coco_dla_2x.pth")
    model = read_legacy(file)
    assert model.config.model.classes == COCO_CLASSES
    assert "80 classes, width and height, embedding 128 from random weights" in model.summary
    assert not caplog.records
    # it saw BGR with mean and deviation; away from the borders the first layer answers as before
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.408, 0.447, 0.470), (0.289, 0.274, 0.278)))
    with torch.inference_mode():
        before = state.norm(
            "base.base_layer.1",
            state.convolution("base.base_layer.0", ((IMAGE / 255).flip(1) - mean) / std, 16, 7),
        )
        after = model.network.encoder.body.base_layer[:2](IMAGE / 255)
    torch.testing.assert_close(after[..., 3:-3, 3:-3], before[..., 3:-3, 3:-3], atol=1e-4, rtol=0)
    ours = model.network.state_dict()
    assert torch.equal(ours["neck.last.node.1.0.weight"], state["ida_up.node_2.conv.weight"])

    person = read_legacy(file, classes=("car", "person"))
    assert person.config.model.classes == ("car", "person")
    assert torch.equal(person.network.heatmap.out.weight, state["hm.2.weight"][[2, 0]])
    del state["base.base_layer.1.running_mean"]
    with pytest.raises(UserError, match=r"'base.base_layer.1.running_mean' \[16\] is missing"):
        read_legacy(saved(state, tmp_path / "part.pth"))
    with pytest.raises(UserError, match=r"80 classes, 'persn' is not one of COCO's"):
        read_legacy(file, classes=("persn",))


def test_classes_are_named(light, tmp_path):
    state = dict(light)
    assert read_legacy(saved(state, tmp_path / "a.pth"), classes=("face",)).config.model.classes == ("face",)
    with pytest.raises(UserError, match=r"a\.pth: has 1 classes, 2 are named"):
        read_legacy(tmp_path / "a.pth", classes=("face", "person"))
    state |= {"hm.2.weight": torch.rand(5, 256, 1, 1), "hm.2.bias": torch.rand(5)}
    with pytest.raises(UserError, match=r"has 5 classes; name them in their order with --classes"):
        read_legacy(saved(state, tmp_path / "b.pth"))
    named = read_legacy(tmp_path / "b.pth", classes=tuple("abcde"))
    assert torch.equal(named.network.heatmap.out.bias, state["hm.2.bias"])


def test_unknown_keys_are_listed(light, tmp_path, caplog):
    state = {**light, "hps.0.weight": torch.zeros(1), "s_det": torch.zeros(1)}
    read_legacy(saved(state, tmp_path / "w.pth"))
    assert "w.pth: 2 tensors are no part of dla_34: hps.0.weight, s_det" in caplog.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"ida_up.node_2.conv.weight": None},
            r"not all of dla_34: 'ida_up.node_2.conv.weight' \[64, 64, 3, 3\]",
        ),
        ({"dla_up.ida_1.proj_2.conv.conv_offset_mask.bias": None}, r"'dla_up.ida_1.proj_2.conv.conv_offset_mask.bias'"),
        ({"base.level2.root.bn.bias": torch.zeros(7)}, r"'base.level2.root.bn.bias' is \[7\], dla_34 has \[64\]"),
        ({"base.base_layer.1.weight": torch.zeros(3, 3)}, r"'base.base_layer.1.weight' is \[3, 3\], dla_34 has \[16\]"),
        ({"wh.2.weight": None}, "'wh.2.weight' is missing"),
        ({"wh.2.weight": torch.zeros(6, 256, 1, 1)}, r"6 values a cell, not 2 \(width, height\) or 4 \(sides\)"),
        ({"hm.0.weight": None}, "'hm.0.weight' is missing"),
        ({"hm.2.bias": torch.zeros(3)}, r"'hm.2.bias' is \[3\], dla_34 has \[1\]"),
        (
            {"base.base_layer.0.weight": None},
            "not weights of FairMOT, CL-MOT or CenterNet: .* found 'b",
        ),
    ],
)
def test_what_does_not_fit_is_named(light, tmp_path, changes, message):
    state = {key: value for key, value in {**light, **changes}.items() if value is not None}
    with pytest.raises(UserError, match=rf"w\.pth: .*{message}"):
        read_legacy(saved(state, tmp_path / "w.pth"))


def test_recipe_and_settings(light, tmp_path):
    file = saved(light, tmp_path / "w.pth")
    model = read_legacy(file, overrides=["model.image_size=[864, 480]", "tracker.high_score=0.6"])
    assert model.config.model.image_size == (864, 480)
    assert model.config.tracker.high_score == 0.6
    with pytest.raises(UserError, match=r"is dla_34, which recipe 'street' is not; leave --recipe out"):
        read_legacy(file, recipe="street")


class Evil:
    def __reduce__(self):
        return (print, ("code from a weights file ran",))


def test_files_cannot_run_code(tmp_path, capsys):
    torch.save({"state_dict": {"base.base_layer.0.weight": Evil()}}, tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"w\.pth: refused"):
        read_legacy(tmp_path / "w.pth")
    assert "ran" not in capsys.readouterr().out


def run_cli(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return int(stop.value.code or 0)


def test_import_track_and_train_on(tmp_path, capsys):
    """The command line from a file to tracks, and to a run that starts from its weights."""
    state, _ = original(partial(resfpndcn, depth=18), HEADS_128)
    file, run = saved(state, tmp_path / "model_last.pth"), tmp_path / "imported"
    write_scenes(tmp_path / "scenes", still_frames=4, still_sequences=2, clips=1, clip_frames=2, size=(192, 96), seed=2)
    assert run_cli("import-weights", file, "--out", run, "model.image_size=[128, 96]") == 0
    assert "tensors, person, four sides, embedding 128" in capsys.readouterr().out
    assert run_cli("track", tmp_path / "scenes/clips", "--model", run, "--out", tmp_path / "results") == 0
    assert "2 frames" in capsys.readouterr().out
    assert run_cli("import-weights", file, "--out", run) == 2
    assert run_cli("train", tmp_path / "scenes/stills", "--out", run, "--resume") == 2
    assert "already holds checkpoint-000000; choose another --out" in (errors := capsys.readouterr().err)
    assert "train from them with --start and another --out" in errors

    tuned, options = tmp_path / "tuned", ["--steps", "1", "train.batch_size=2", "data.workers=0", "train.ema=0"]
    assert run_cli("train", tmp_path / "scenes/stills", "--out", tuned, "--start", run, *options) == 0
    before, after = load_model(run), load_model(tuned)
    assert after.config.model.encoder == "resnet18"
    assert after.config.model.image_size == (128, 96)
    # one warm-up step moves a weight by less than it takes to make it another one
    difference = after.network.neck.smooth[2][0].weight - before.network.neck.smooth[2][0].weight
    assert 0 < difference.abs().max() < 0.01
