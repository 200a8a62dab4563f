"""Random masks for comparing a metric with its definition."""

import numpy as np
from hypothesis import strategies as st
from scipy import ndimage

sizes = st.tuples(st.integers(1, 70), st.integers(1, 90))
seeds = st.integers(0, 2**32 - 1)


def random_mask(rng, size_hw):
    noise = ndimage.gaussian_filter(rng.normal(size=size_hw), rng.uniform(0, 4))
    return noise > np.quantile(noise, rng.choice([0, 0.1, 0.5, 0.9, 1]))
