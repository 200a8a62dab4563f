"""The distance to the background against SciPy's."""

import numpy as np
from hypothesis import given, settings
from scipy import ndimage

from unit.eval.drawing import random_mask, seeds, sizes
from vos_eval.metrics.distance import squared_distance


@settings(max_examples=150, deadline=None)
@given(size_hw=sizes, seed=seeds)
def test_distance_is_exact(size_hw, seed):
    mask = random_mask(np.random.default_rng(seed), size_hw)
    expected = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    assert (squared_distance(mask) == np.round(expected**2)).all()
