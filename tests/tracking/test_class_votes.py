"""Tracks whose detector confuses classes."""

import numpy as np
import pytest

from clmot.errors import UserError
from clmot.structures import Detections
from clmot.tracking.class_votes import ClassVotes
from clmot.tracking.continued import ContinuedTracker
from clmot.tracking.tracker import Tracker

SEEN = [0, 0, 1, 0, 1, 1, 1, 0, 1, 1]
"""What the detector holds a car for that drives to the right: car, car, truck, ..."""
SCORES = [0.9, 0.8, 0.7, 0.9, 0.6, 0.9, 0.9, 0.7, 0.9, 0.9]


def frames(both: bool = False):
    """A vehicle that changes its class; `both`: it is found as car and as truck at once, one of them less sure."""
    for number, (class_id, score) in enumerate(zip(SEEN, SCORES, strict=True)):
        box = [10.0 + 4 * number, 20, 60 + 4 * number, 50]
        xyxy, scores, classes = [box], [score], [class_id]
        if both:
            xyxy, scores, classes = [[side + 1 for side in box], box], [0.55, score], [1 - class_id, class_id]
        yield Detections(xyxy=np.array(xyxy), score=np.array(scores), class_id=np.array(classes))


def test_without_votes_a_track_ends_where_its_class_changes():
    tracker = Tracker()
    ids = {int(each) for found in frames() for each in tracker.update(found).track_id}
    assert len(ids) > 1


@pytest.mark.parametrize("both", [False, True])
def test_one_track_with_the_class_of_the_highest_sum_of_scores(both):
    tracker, votes, sums = Tracker(), ClassVotes(2), np.zeros(2)
    ids = set()
    for found, class_id, score in zip(frames(both), SEEN, SCORES, strict=True):
        tracked = votes.count(tracker.update(votes.hide(found)))
        assert len(tracked) == 1
        ids.add(int(tracked.track_id[0]))
        sums[class_id] += score
        assert tracked.detections.class_id.tolist() == [int(np.argmax(sums))]
    assert len(ids) == 1


def test_one_sure_box_outvotes_three_unsure_ones():
    tracker, votes = Tracker(), ClassVotes(2)
    for class_id, score in ((1, 0.95), (0, 0.3), (0, 0.3), (0, 0.3)):
        found = Detections(xyxy=np.array([[10, 20, 60, 50]]), score=np.array([score]), class_id=np.array([class_id]))
        tracked = votes.count(tracker.update(votes.hide(found)))
        assert tracked.detections.class_id.tolist() == [1]


def test_neighbours_of_different_classes_both_stay():
    xyxy = np.array([[0, 0, 40, 40], [15, 0, 55, 40], [100, 0, 140, 40]])
    found = Detections(xyxy=xyxy, score=np.array([0.5, 0.9, 0.7]), class_id=np.array([0, 1, 1]))
    votes = ClassVotes(2)
    assert votes.hide(found).xyxy.tolist() == xyxy.tolist()
    assert votes.hide(found).class_id.tolist() == [0, 0, 0]
    assert len(votes.hide(found[:0])) == 0


def continued(found, first, state=None, votes=True):
    """Id and class of the vehicle in each frame, numbered from `first`."""
    with ContinuedTracker(Tracker(), file=state, votes=ClassVotes(2) if votes else None) as tracker:
        shown = [tracker.update(each, None, number) for number, each in enumerate(found, first)]
    return [(each.track_id.tolist(), each.detections.class_id.tolist()) for each in shown]


@pytest.mark.parametrize("cut", [1, 3, 6, 9])
def test_a_resumed_run_shows_the_classes_of_an_uninterrupted_one(tmp_path, cut):
    found, state = list(frames()), tmp_path / "s"
    assert continued(found[:cut], 1, state) + continued(found[cut:], 1, state) == continued(found, 1)


@pytest.mark.parametrize("before", [True, False])
def test_a_state_goes_on_as_it_was_begun_with_votes_or_without(tmp_path, before):
    found, state = list(frames()), tmp_path / "s"
    continued(found[:3], 1, state, votes=before)
    content = state.read_bytes()
    with pytest.raises(UserError, match=f"s: cannot go on .* with{'' if before else 'out'} --vote-classes"):
        continued(found[3:], 1, state, votes=not before)
    assert state.read_bytes() == content
    if before:
        with pytest.raises(UserError, match="votes on 2 classes, and the model has 3"):
            ContinuedTracker(Tracker(), file=state, votes=ClassVotes(3))
