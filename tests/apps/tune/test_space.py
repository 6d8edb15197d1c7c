import numpy as np
import pytest

from clmot.apps.tune.space import Near, choose
from clmot.config.tracker import PRESETS, TrackerConfig


class Dice:
    """Chooses at random, and remembers what it was asked for."""

    def __init__(self, seed, given=None):
        self.rng, self.given, self.asked = np.random.default_rng(seed), given or {}, {}

    def suggest_float(self, name, low, high, *, step):
        steps = round((high - low) / step)
        assert low + steps * step == pytest.approx(high)  # every end can be had
        return self._note(name, low + step * int(self.rng.integers(steps + 1)))

    def suggest_int(self, name, low, high):
        return self._note(name, int(self.rng.integers(low, high + 1)))

    def suggest_categorical(self, name, choices):
        return self._note(name, choices[int(self.rng.integers(len(choices)))])

    def _note(self, name, value):
        assert name not in self.asked
        self.asked[name] = self.given.get(name, value)
        return self.asked[name]


def test_every_point_is_a_configuration():
    for seed in range(200):
        config = choose(Dice(seed), TrackerConfig(frame_rate=7))
        assert config.low_score <= config.high_score <= config.new_track_score
        assert config.frame_rate == 7


@pytest.mark.parametrize(
    ("association", "asked", "not_asked"),
    [
        ("fused", "appearance_threshold", "motion_only_iou_threshold"),
        ("gated", "motion_only_iou_threshold", "appearance_threshold"),
        ("overlap", "motion_only_iou_threshold", "lost_overlap_weight"),
    ],
)
def test_constants_are_asked_for_only_where_they_matter(association, asked, not_asked):
    dice = Dice(0, {"association": association, "direction_weight": 0.0})
    assert choose(dice, TrackerConfig()).association == association
    assert asked in dice.asked
    assert not_asked not in dice.asked


@pytest.mark.parametrize("base", [TrackerConfig(appearance=False), TrackerConfig()])
def test_without_embeddings_only_overlap_is_left(base):
    dice = Dice(1)
    config = choose(dice, base, embeddings=base.appearance is False)
    assert config.association == "overlap"
    assert not {"association", "mean_subtraction"} & set(dice.asked)


def test_what_is_held_is_not_asked_for():
    base = TrackerConfig(association="gated", high_score=0.42, lost_seconds=9, fuse_score=True, confirm_frames=3)
    held = frozenset({"association", "high_score", "low_score", "lost_seconds", "fuse_score", "confirm_frames"})
    dice = Dice(2)
    config = choose(dice, base, held)
    assert not held & set(dice.asked)
    assert all(getattr(config, name) == getattr(base, name) for name in held)
    assert config.new_track_score >= 0.42


@pytest.mark.parametrize("name", PRESETS)
def test_a_search_can_start_next_to_a_preset(name):
    near = Near(PRESETS[name])
    config = choose(near, TrackerConfig())
    assert config.association == PRESETS[name].association
    for field, value in near.chosen.items():
        wanted = getattr(PRESETS[name], field)
        assert abs(value - wanted) <= 0.13 if isinstance(wanted, float) else value == wanted
