"""The examples as they stand, on the packages that they are for."""

import numpy as np
import pytest
import torch

RED, BLUE = (220, 20, 20), (20, 20, 220)


def check_ids(ids: dict[str, set[int]], same: bool) -> None:
    """Each has one id, and who comes has that of who went only if it is the same."""
    assert {who: len(each) for who, each in ids.items()} == {"before": 1, "after": 1, "stayed": 1}
    assert (ids["after"] == ids["before"]) == same
    assert not ids["stayed"] & (ids["before"] | ids["after"])


@pytest.mark.parametrize("same", [True, False], ids=["the same comes back", "another comes"])
@pytest.mark.parametrize(
    ("name", "packages"),
    [
        ("deep_sort_realtime_embeds", ["deep_sort_realtime"]),
        ("norfair_embedding", ["norfair"]),
        ("supervision_data", ["supervision"]),
        ("trackers_input", ["supervision", "trackers"]),
    ],
)
def test_embeddings_tell_who_came_back(name, packages, same, example, painter, scene, ids_of, tmp_path):
    example(name, *packages).main(str(scene(same)), out=tmp_path / "tracks.txt")
    check_ids(ids_of(tmp_path / "tracks.txt"), same)


def mean_colours(scale: float = 1 / 255, mean: float | np.ndarray = 0.0, deviation: float | np.ndarray = 1.0):
    """Unit vectors of what the colour file says of the red and the blue person."""
    colours = (np.array([RED, BLUE]) * scale - mean) / deviation
    return colours / np.linalg.norm(colours, axis=1, keepdims=True)


def test_boxmot_reads_the_file_at_its_boxes(example, painter, scene, ids_of, mean_colour_file, monkeypatch, tmp_path):
    monkeypatch.setenv("BOXMOT_REID_BACKEND", "opencv")  # never installs anything
    module = example("boxmot_reid_weights", "boxmot")
    made = []

    class Recorded(module.BotSort):
        def __init__(self, **options):
            super().__init__(**options)
            made.append(self)

    monkeypatch.setattr(module, "BotSort", Recorded)
    module.main(str(scene(True)), out=tmp_path / "tracks.txt", reid=mean_colour_file)
    ids = ids_of(tmp_path / "tracks.txt")
    assert len(ids["before"]) == len(ids["stayed"]) == 1
    assert min(ids["before"] | ids["stayed"]) == 1
    (stayed,) = [track for track in made[0].active_tracks if track.xywh[0] > 200]
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(stayed.curr_feat, mean_colours(1 / 255, mean, deviation)[1], atol=0.02)


def test_ultralytics_reads_the_file_at_its_boxes(example, scene, mean_colour_file, monkeypatch, tmp_path):
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("YOLO_AUTOINSTALL", "false")
    module = example("ultralytics_with_reid", "ultralytics", "lap")
    torch.manual_seed(0)
    yolo = module.YOLO("yolo11n.yaml")
    for level in yolo.model.model[-1].cv3:  # sure of a person everywhere
        torch.nn.init.constant_(level[-1].bias, -20.0)
        torch.nn.init.constant_(level[-1].bias[:1], 3.0)
    monkeypatch.setattr(module, "YOLO", lambda weights: yolo)
    module.main(str(scene(True, end=4)), out=tmp_path / "tracks.txt", reid=mean_colour_file, weights="random.pt")
    assert (tmp_path / "tracks.yaml").read_text().count("with_reid: true") == 1
    rows = np.loadtxt(tmp_path / "tracks.txt", delimiter=",", ndmin=2)
    assert len(rows) > 0
    assert set(rows[:, 0]) == {1, 2, 3}
    (tracker,) = yolo.predictor.trackers
    assert tracker.encoder.model.backend.session is not None
    features = np.stack([track.curr_feat for track in tracker.tracked_stracks])
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
    assert features.shape[1] == 3
    assert (features > 0).all()  # pixels from 0 to 1, no mean taken out
