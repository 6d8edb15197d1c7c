"""Synthetic street scenes: what is drawn is what the boxes say."""

import configparser
from dataclasses import fields, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from data_builders import file_contents

from clmot.errors import UserError
from clmot.synthetic import Actor, Frame, Scene, write_scenes
from clmot.synthetic.figure import Dress, Pose, outline
from clmot.synthetic.motion import Camera, Stop, walk

SMALL = {"still_frames": 5, "still_sequences": 2, "clips": 2, "clip_frames": 6, "size": (256, 160)}


def in_magenta(actor: Actor) -> Actor:
    """The same body in one glaring colour, so that its pixels can be told from any street."""
    glaring = {
        field.name: (255, 0, 255) for field in fields(Dress) if isinstance(getattr(actor.dress, field.name), tuple)
    }
    return replace(actor, dress=replace(actor.dress, **glaring))


def drawn(scene: Scene, frame: int) -> np.ndarray:
    """Pixels that people change, found by painting them magenta and comparing with the empty street."""
    cast = scene.actors
    scene._shadow = np.full_like(scene._shadow, 255)
    scene.actors = tuple(in_magenta(actor) for actor in cast)
    full = scene.render(frame).image
    scene.actors = ()
    empty = scene.render(frame).image
    scene.actors = cast
    return cv2.absdiff(full, empty).max(axis=2) > 50


def people(frame: Frame) -> np.ndarray:
    return frame.classes == 1


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    write_scenes(tmp_path / "a", **SMALL, seed=3)
    np.random.seed(1)
    np.random.random(7)
    cv2.setRNGSeed(5)
    before = np.random.get_state()[1].copy()
    write_scenes(tmp_path / "b", **SMALL, seed=3)
    assert (np.random.get_state()[1] == before).all()
    assert file_contents(tmp_path / "a") == file_contents(tmp_path / "b")

    write_scenes(tmp_path / "c", **SMALL, seed=4)
    first, other = file_contents(tmp_path / "a"), file_contents(tmp_path / "c")
    assert first.keys() == other.keys()
    assert all(first[name] != other[name] for name in first if not name.endswith("seqinfo.ini"))


def test_frames_and_clips_differ_and_do_not_depend_on_each_other(tmp_path: Path) -> None:
    write_scenes(tmp_path / "a", **SMALL)
    write_scenes(tmp_path / "b", **{**SMALL, "still_frames": 3, "still_sequences": 1})
    first, second = file_contents(tmp_path / "a"), file_contents(tmp_path / "b")
    assert {name: first[name] for name in first if name.startswith("clips")} == {
        name: second[name] for name in second if name.startswith("clips")
    }
    images = [data for name, data in first.items() if name.endswith(".jpg")]
    assert len(set(images)) == len(images)


def test_files_are_motchallenge(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    summary = write_scenes(tmp_path, **SMALL, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(i, 17) for i in range(1, 18)]
    assert summary.frames == 17
    lengths = {}
    boxes = 0
    for sequence in sorted([*summary.stills.iterdir(), *summary.clips.iterdir()]):
        info = configparser.ConfigParser()
        info.read(sequence / "seqinfo.ini")
        section = info["Sequence"]
        length = section.getint("seqLength")
        lengths[sequence.name] = length
        assert section["name"] == sequence.name
        assert (section.getint("imWidth"), section.getint("imHeight")) == SMALL["size"]
        images = sorted((sequence / "img1").iterdir())
        assert [image.name for image in images] == [f"{i:06d}.jpg" for i in range(1, length + 1)]
        assert cv2.imread(str(images[-1])).shape == (160, 256, 3)
        rows = np.loadtxt(sequence / "gt/gt.txt", delimiter=",", ndmin=2)
        assert rows.shape[1] == 9
        frame, identity, _, _, width, height, flag, kind, visibility = rows.T
        assert set(frame) <= set(range(1, length + 1))
        assert identity.min() >= 1
        assert len({*zip(frame, identity, strict=True)}) == len(rows)
        assert (width > 0).all()
        assert (height > 0).all()
        assert set(kind) <= {1, 8}
        assert ((visibility >= 0) & (visibility <= 1)).all()
        assert set(flag[kind == 8]) <= {0}
        assert not flag[visibility < 0.1].any()
        assert flag[(kind == 1) & (visibility > 0.5)].all()
        boxes += int(flag.sum())
    assert lengths == {"still-01": 2, "still-02": 3, "clip-01": 6, "clip-02": 6}
    assert boxes == summary.boxes


def test_rows_are_one_based(tmp_path: Path) -> None:
    write_scenes(tmp_path, still_frames=0, clips=1, clip_frames=3, seed=5)
    rows = np.loadtxt(tmp_path / "clips/clip-01/gt/gt.txt", delimiter=",")
    stream = np.random.SeedSequence(5).spawn(2)[1].spawn(1)[0]
    frame = Scene(np.random.default_rng(stream), frames=3).render(2)
    order = np.argsort(frame.identities)
    left, top, right, bottom = frame.boxes[order].T
    expected = np.stack([left + 1, top + 1, right - left, bottom - top], axis=1)
    np.testing.assert_allclose(rows[rows[:, 0] == 3, 2:6], expected, atol=0.006)


@pytest.mark.parametrize("seed", range(4))
def test_boxes_are_tight(seed: int) -> None:
    scene = Scene(np.random.default_rng(seed), frames=80, pan=bool(seed % 2))
    scene.props = ()
    checked = 0
    for actor in scene.actors:
        for frame in (10, 45, 78):
            scene.actors = (actor,)
            truth = scene.render(frame)
            if not len(truth.boxes):
                continue
            box = truth.boxes[0]
            if not (box[:2] > 2).all() or box[2] > 510 or box[3] > 286:
                continue
            rows, columns = drawn(scene, frame).nonzero()
            extent = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            np.testing.assert_allclose(box, extent, atol=1.25)
            assert truth.visibility[0] == 1
            checked += 1
    assert checked > 5


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_visibility_is_the_share_that_is_not_painted_over(seed: int) -> None:
    scene = Scene(np.random.default_rng(seed), frames=60)
    everyone, props = scene.actors, scene.props
    frame = 40
    truth = scene.render(frame)
    scene.props = ()
    alone = {}
    for actor in everyone:
        scene.actors = (actor,)
        alone[actor.identity] = drawn(scene, frame)
    ground = {
        actor.identity: actor.trajectory.ground[min(frame - actor.trajectory.start, len(actor.trajectory) - 1)]
        for actor in everyone
    }
    pan = int(scene._pan[frame])
    checked = 0
    for identity, box, visibility in zip(truth.identities, truth.boxes, truth.visibility, strict=True):
        if identity not in alone or box[0] < 0 or box[2] > 512 or box[1] < 0 or box[3] > 288:
            continue
        left = alone[identity].copy()
        for other in truth.identities:
            if other in alone and ground[other] > ground[identity]:
                left &= ~alone[other]
        for prop in props:
            if prop.ground > ground[identity]:
                for row, column in zip(*prop.mask.nonzero(), strict=True):
                    y, x = row + prop.top, column + prop.left - pan
                    if 0 <= y < 288 and 0 <= x < 512:
                        left[y, x] = False
        assert visibility == pytest.approx(left.sum() / alone[identity].sum(), abs=0.06)
        checked += 1
    assert checked >= 3


def test_visibility_counts_what_is_outside_the_image() -> None:
    shares = []
    for seed in range(4):
        scene = Scene(np.random.default_rng(seed), frames=120)
        scene.props = ()
        for actor in scene.actors:
            scene.actors = (actor,)
            for frame in range(0, 120, 3):
                truth = scene.render(frame)
                for (left, _, right, bottom), visibility in zip(truth.boxes, truth.visibility, strict=True):
                    if left < 0 < right and bottom < 288:
                        shares.append((right / (right - left), visibility))
    inside, visible = np.array(shares).T
    assert len(shares) > 15
    assert np.abs(inside - visible).max() < 0.35
    assert np.corrcoef(inside, visible)[0, 1] > 0.95


def test_an_actor_who_is_left_out_would_not_be_in_the_image() -> None:
    rng = np.random.default_rng(0)
    dress = Scene(rng, frames=2).actors[0].dress
    reach = 0.0
    for _ in range(300):
        dress = replace(dress, build=1.2, bag=str(rng.choice(["none", "backpack", "handbag"])), coat=True)
        body = outline(dress, Pose(rng.uniform(-4, 4), rng.uniform(0, 7), rng.uniform(0, 1)))
        reach = max(reach, float(np.abs(body.points[:, 0]).max()))
    assert reach < 0.5


@pytest.mark.parametrize("seed", range(4))
def test_a_clip_is_hard_but_watchable(seed: int) -> None:
    scene = Scene(np.random.default_rng(100 + seed), pan=bool(seed % 2))
    assert len(scene.events) >= 2
    seen: dict[int, list[int]] = {}
    centres: dict[int, dict[int, float]] = {}
    counts, visible = [], []
    for frame in range(0, 150, 2):
        truth = scene.render(frame)
        assert len(set(truth.identities.tolist())) == len(truth.identities)
        counts.append(people(truth).sum())
        visible += truth.visibility[people(truth)].tolist()
        for identity, box in zip(truth.identities.tolist(), truth.boxes, strict=True):
            seen.setdefault(identity, []).append(frame)
            centres.setdefault(identity, {})[frame] = float(box[0] + box[2]) / 2 + scene._pan[frame]
    assert 2 <= min(counts)
    assert 3 <= np.mean(counts) <= 12
    assert np.mean(np.array(visible) > 0.3) > 0.6
    if not seed % 2:
        for frames in seen.values():
            assert frames == list(range(frames[0], frames[-1] + 1, 2))
    for way in centres.values():
        steps = np.abs(np.diff(list(way.values())))
        assert np.median(steps) / 2 < 5


def test_events_happen_out_of_sight_and_reverse_the_walk() -> None:
    hidden, reversed_walks = [], []
    events = 0
    for seed in range(6):
        scene = Scene(np.random.default_rng(seed))
        by_identity = {actor.identity: actor.trajectory for actor in scene.actors}
        for event in scene.events:
            events += 1
            truth = scene.render(min(event.frame + 4, 149))
            for identity in event.identities:
                if event.kind != "meet":
                    hidden += truth.visibility[truth.identities == identity].tolist()
                if event.kind in ("turn", "swap"):
                    x = by_identity[identity].x
                    middle = event.frame - by_identity[identity].start
                    before, after = x[middle] - x[max(middle - 15, 0)], x[min(middle + 25, len(x) - 1)] - x[middle]
                    reversed_walks.append(before * after < 0)
    assert events >= 6 * 3
    assert np.mean(np.array(hidden) < 0.25) > 0.85
    assert len(reversed_walks) > 10
    assert np.mean(reversed_walks) > 0.9


def test_walk_meets_its_appointment_at_a_human_pace() -> None:
    camera = Camera(horizon=80, height=2.5)
    stops = [Stop(0, 200), Stop(150, 200, 20), Stop(20, 200)]
    way = walk(camera, stops, speed=0.7, frame_rate=25, body_height=1.75, phase=0, meet=(1, 90))
    pace = 0.7 * 1.75 * float(camera.scale(200.0)) / 25
    assert way.x[90 + 10 - way.start] == pytest.approx(150, abs=1)
    steps = np.abs(np.diff(way.x))
    assert np.median(steps[:30]) == pytest.approx(pace, rel=0.02)
    assert steps.max() < 1.05 * pace
    assert way.heading[5] == pytest.approx(0, abs=0.01)
    assert abs(way.heading[-5]) == pytest.approx(np.pi, abs=0.01)
    assert way.swing[90 + 10 - way.start] < 0.05
    part = way.cropped(0, 100)
    assert part.start == max(way.start, 0)
    assert part.x[-1] == way.x[99 - way.start]


@pytest.mark.parametrize(
    "wrong", [{"clips": -1}, {"size": (100, 60)}, {"frame_rate": 0}, {"still_sequences": 0}, {"clip_frames": 0}]
)
def test_impossible_requests(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises((ValueError, UserError), match=r"must|need"):
        write_scenes(tmp_path, **{**SMALL, **wrong})
    assert not list(tmp_path.iterdir())


def test_frame_out_of_range() -> None:
    with pytest.raises(ValueError, match=r"frame 5 is not in 0\.\.4"):
        Scene(np.random.default_rng(0), (160, 96), frames=5).render(5)
