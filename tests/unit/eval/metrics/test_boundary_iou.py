"""Boundary IoU against its definition: repeated erosion."""

import math

import numpy as np
from hypothesis import given, settings
from scipy import ndimage

from unit.eval.drawing import random_mask, seeds, sizes
from vos_eval.metrics.boundary_iou import band_width_px, boundary_band, boundary_iou


def slow_band(mask):
    """Pad with zeros, erode d times with a 3 x 3 square, take what was lost."""
    d = max(1, round(0.02 * math.sqrt(mask.shape[0] ** 2 + mask.shape[1] ** 2)))
    eroded = np.pad(mask, 1)
    for _ in range(d):
        eroded = ndimage.binary_erosion(eroded, np.ones((3, 3)), border_value=0)
    return mask & ~eroded[1:-1, 1:-1]


@settings(max_examples=150, deadline=None)
@given(size_hw=sizes, seed=seeds)
def test_boundary_iou_equals_repeated_erosion(size_hw, seed):
    rng = np.random.default_rng(seed)
    gt, pred = random_mask(rng, size_hw), random_mask(rng, size_hw)
    assert (boundary_band(gt) == slow_band(gt)).all()
    a, b = slow_band(gt), slow_band(pred)
    union = (a | b).sum()
    assert boundary_iou(gt, pred) == ((a & b).sum() / union if union else 1)


def test_band_width():
    assert band_width_px((3, 4)) == 1
    assert band_width_px((480, 854)) == 20
    assert band_width_px((3000, 4000)) == 100
    large = np.zeros((600, 800), bool)
    large[100:500, 50:790] = True
    assert boundary_band(large).sum() == 400 * 740 - 360 * 700
