"""Changed regions, their boxes, and crops that come back where they were cut out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from vos.refine.samref.regions import changed_box, crop, largest_component, paste


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(bool, st.tuples(st.just(2), st.integers(1, 12), st.integers(1, 12))))
def test_the_largest_component_is_scipys(regions):
    found = largest_component(torch.from_numpy(regions)).numpy()
    for region, component in zip(regions, found, strict=True):
        labelled, count = ndimage.label(region, structure=np.ones((3, 3)))
        sizes = ndimage.sum_labels(region, labelled, range(1, count + 1))
        if count == 0:
            assert not component.any()
            continue
        label = labelled[component].min(initial=count)
        assert np.array_equal(component, labelled == label)
        assert sizes[label - 1] == sizes.max()


def test_a_spiral_is_one_component():
    spiral = torch.zeros(33, 33, dtype=torch.bool)
    y, x, (dy, dx) = 0, 0, (0, 1)
    for length in range(32, 0, -2):
        for _ in range(4):
            for _ in range(length):
                spiral[y, x] = True
                if not (0 <= y + dy < 33 and 0 <= x + dx < 33):
                    break
                y, x = y + dy, x + dx
            dy, dx = dx, -dy
        y, x = y + 1, x + 1
    labelled, _ = ndimage.label(spiral.numpy(), structure=np.ones((3, 3)))
    biggest = np.bincount(labelled.ravel())[1:].argmax() + 1
    assert np.array_equal(largest_component(spiral[None])[0].numpy(), labelled == biggest)


def rectangle(x1: int, y1: int, x2: int, y2: int, side: int = 16) -> torch.Tensor:
    mask = torch.zeros(1, side, side, dtype=torch.bool)
    mask[:, y1:y2, x1:x2] = True
    return mask


def box_of(mask, before=None, **options):
    options = {"grow": 1.0, "min_side": 0.0, **options}
    return changed_box(mask, before, 64, **options)[0].tolist()


def test_the_box_is_around_the_largest_change_else_the_mask_else_the_image():
    mask = rectangle(2, 3, 8, 10)
    assert box_of(mask) == [8, 12, 32, 40]
    change = rectangle(4, 4, 6, 9) | rectangle(12, 12, 13, 13)
    assert box_of(mask, mask ^ change) == [16, 16, 24, 36]
    assert box_of(mask, mask) == [8, 12, 32, 40]
    assert box_of(mask & False) == [0, 0, 64, 64]


def test_the_box_grows_about_its_middle_and_stays_in_the_image():
    assert box_of(rectangle(6, 6, 10, 8), grow=2.0) == [16, 20, 48, 36]
    assert box_of(rectangle(0, 0, 4, 4), grow=2.0) == [0, 0, 32, 32]
    assert box_of(rectangle(15, 0, 16, 16), grow=1.5, min_side=1 / 8) == [56, 0, 64, 64]


@pytest.mark.parametrize("boxes", [[[0.0, 0, 32, 32]], [[8.0, 4, 24, 20]]])
def test_what_was_cropped_can_be_pasted_back(boxes):
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    image = (x + 2 * y)[None, None]  # linear, so that resampling is exact away from the borders
    corners = torch.tensor(boxes)
    pasted, inside = paste(crop(image, corners, 32, 16), corners, 32)
    x1, y1, x2, y2 = map(int, boxes[0])
    assert inside.sum() == (x2 - x1) * (y2 - y1)
    assert inside[0, 0, y1:y2, x1:x2].all()
    inner = (0, 0, slice(y1 + 2, y2 - 2), slice(x1 + 2, x2 - 2))
    assert torch.allclose(pasted[inner], image[inner], atol=1e-4)


def test_each_row_has_its_own_box_and_may_share_one_image():
    image = torch.randn(1, 3, 32, 32)
    boxes = torch.tensor([[0.0, 0, 16, 16], [16, 16, 32, 32]])
    cut = crop(image, boxes, 32, 16)
    assert torch.allclose(cut[0], image[0, :, :16, :16], atol=1e-6)
    assert torch.allclose(cut[1], image[0, :, 16:, 16:], atol=1e-6)
    assert torch.allclose(crop(image.expand(2, -1, -1, -1), boxes, 32, 16), cut)


def test_gradient_comes_back_through_crop_and_paste():
    image = torch.randn(1, 1, 32, 32, requires_grad=True)
    boxes = torch.tensor([[8.0, 4, 24, 20]])
    pasted, inside = paste(crop(image, boxes, 32, 16), boxes, 32)
    pasted[inside].sum().backward()
    assert image.grad is not None
    assert image.grad[0, 0, 10, 16] != 0
    assert image.grad[0, 0, 30, 30] == 0
