import math

import pytest
import torch

from clmot.losses.targets import detection_targets, gaussian_radius


def random_boxes(n: int = 40, images: int = 3, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(n, 2, generator=generator) * torch.tensor([140.0, 110.0]) - 5
    size = 4 + 60 * torch.rand(n, 2, generator=generator)
    boxes = torch.cat([centre - size / 2, centre + size / 2], dim=1)
    seen = (boxes[:, 2:] > 1).all(1) & (boxes[:, 0] < 127) & (boxes[:, 1] < 95)
    boxes = boxes[seen]
    classes = torch.randint(0, 2, (len(boxes),), generator=generator)
    image_index = torch.randint(0, images, (len(boxes),), generator=generator)
    return boxes, classes, image_index


def loop_heatmap(boxes, classes, image_index, shape, stride):
    """One object after the other, cell by cell."""
    heatmap = torch.zeros(shape)
    for box, label, image in zip(boxes.tolist(), classes.tolist(), image_index.tolist(), strict=True):
        left, top = max(box[0] / stride, 0), max(box[1] / stride, 0)
        right, bottom = min(box[2] / stride, shape[3]), min(box[3] / stride, shape[2])
        x, y = min(int((left + right) / 2), shape[3] - 1), min(int((top + bottom) / 2), shape[2] - 1)
        extent = (math.ceil(right - left), math.ceil(bottom - top))
        radius = int(gaussian_radius(*(torch.tensor([float(side)]) for side in extent)))
        sigma = (2 * radius + 1) / 6
        for v in range(max(0, y - radius), min(shape[2], y + radius + 1)):
            for u in range(max(0, x - radius), min(shape[3], x + radius + 1)):
                value = math.exp(-((u - x) ** 2 + (v - y) ** 2) / (2 * sigma**2))
                heatmap[image, label, v, u] = max(heatmap[image, label, v, u].item(), value)
    return heatmap


def test_heatmap_equals_the_loop():
    boxes, classes, image_index = random_boxes()
    shape = (3, 2, 24, 32)
    ignore = torch.zeros(len(boxes), dtype=torch.bool)
    targets = detection_targets(boxes, classes, ignore, image_index, shape, 4)
    torch.testing.assert_close(targets.heatmap, loop_heatmap(boxes, classes, image_index, shape, 4))


def test_sides_and_offset_give_the_box_back_even_beyond_the_image():
    boxes, classes, image_index = random_boxes(seed=1)
    ignore = torch.zeros(len(boxes), dtype=torch.bool)
    targets = detection_targets(boxes, classes, ignore, image_index, (3, 2, 24, 32), 4)
    centre = torch.stack([targets.column, targets.row], dim=1) + targets.offset
    back = torch.cat([centre - targets.size[:, :2], centre + targets.size[:, 2:]], dim=1) * 4
    torch.testing.assert_close(back, boxes, atol=1e-4, rtol=0)
    assert (boxes < 0).any(), "the test should hold boxes beyond the image"
    assert (targets.offset >= 0).all()
    assert (targets.offset <= 1).all()


def test_ignored_boxes_mask_the_heatmap_but_never_an_object():
    boxes = torch.tensor([[0.0, 0, 60, 60], [20, 20, 40, 60]])
    ignore = torch.tensor([True, False])
    zero = torch.zeros(2, dtype=torch.int64)
    targets = detection_targets(boxes, zero, ignore, zero, (1, 1, 24, 32), 4)
    assert targets.ignored[0, :15, :15].any()
    assert not targets.ignored[0, 15:].any()
    assert not targets.ignored[0][targets.heatmap[0, 0] > 0].any()
    assert len(targets.size) == 1


def test_no_objects():
    empty = torch.zeros(0, dtype=torch.int64)
    targets = detection_targets(torch.zeros(0, 4), empty, empty.bool(), empty, (2, 1, 8, 8), 4)
    assert targets.heatmap.abs().sum() == 0
    assert targets.size.shape == (0, 4)


@pytest.mark.parametrize(("width", "height", "radius"), [(10.0, 30.0, 4.19), (20.0, 20.0, 5.47), (1.0, 1.0, 0.27)])
def test_radius_as_published(width, height, radius):
    """Figures worked out by hand from the published rule: (-56 + sqrt(3136 + 1008)) / 2 for 10 x 30."""
    actual = gaussian_radius(torch.tensor([width]), torch.tensor([height]))
    assert actual.item() == pytest.approx(radius, abs=0.02)
