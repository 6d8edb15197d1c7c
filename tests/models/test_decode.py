import torch

from clmot.losses.targets import detection_targets
from clmot.models.decode import decode
from clmot.structures import OutputMaps


def maps_that_say(boxes, classes, image_index, shape):
    """Output maps of a network that has learned its targets by heart."""
    ignore = torch.zeros(len(boxes), dtype=torch.bool)
    targets = detection_targets(boxes, classes, ignore, image_index, shape, 4)
    size, offset = torch.zeros(shape[0], 4, *shape[2:]), torch.zeros(shape[0], 2, *shape[2:])
    size[targets.image_index, :, targets.row, targets.column] = targets.size
    offset[targets.image_index, :, targets.row, targets.column] = targets.offset
    return OutputMaps(torch.logit(targets.heatmap, eps=1e-4), size, offset, ())


def test_decoding_the_targets_gives_the_boxes_back():
    boxes = torch.tensor([[10.0, 8, 40, 90], [60.5, 20.25, 81, 79.5], [-12, 30, 14, 88], [100, 50, 140, 110]])
    classes, image_index = torch.tensor([0, 1, 0, 0]), torch.tensor([0, 0, 1, 1])
    peaks = decode(maps_that_say(boxes, classes, image_index, (2, 2, 24, 32)), 4, 0.5, 100)
    assert len(peaks.boxes) == 4
    for box, label, image in zip(boxes, classes, image_index, strict=True):
        match = ((peaks.boxes - box).abs().max(dim=1).values < 1e-3).nonzero().flatten()
        assert len(match) == 1
        assert peaks.class_id[match] == label
        assert peaks.image_index[match] == image


def test_threshold_top_k_and_best_first():
    heatmap = torch.full((1, 1, 8, 8), -10.0)
    for i, logit in enumerate((1.0, 3.0, 2.0, -1.0)):
        heatmap[0, 0, 1 + 2 * (i // 2) * 2, 1 + 4 * (i % 2)] = logit
    maps = OutputMaps(heatmap, torch.ones(1, 4, 8, 8), torch.zeros(1, 2, 8, 8), ())
    kept = decode(maps, 4, 0.5, 100).score
    torch.testing.assert_close(kept, torch.tensor([3.0, 2.0, 1.0]).sigmoid())
    torch.testing.assert_close(decode(maps, 4, 0.0, 2).score, torch.tensor([3.0, 2.0]).sigmoid())


def test_neighbours_of_a_peak_are_no_peaks_and_flat_boxes_no_objects():
    heatmap = torch.full((1, 1, 8, 8), -10.0)
    heatmap[0, 0, 3:5, 3] = torch.tensor([2.0, 1.9])
    size = torch.ones(1, 4, 8, 8)
    assert len(decode(OutputMaps(heatmap, size, torch.zeros(1, 2, 8, 8), ()), 4, 0.1, 9).score) == 1
    assert len(decode(OutputMaps(heatmap, -size, torch.zeros(1, 2, 8, 8), ()), 4, 0.1, 9).score) == 0
