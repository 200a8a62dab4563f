"""Whose pixels are whose after a correction."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vos_cli.fix.overlap import laid_over

LABELS = arrays(np.uint8, (3, 4), elements=st.integers(0, 5))


@given(LABELS, LABELS, st.sets(st.integers(1, 5)), st.sets(st.integers(1, 5)))
def test_every_pixel(old, logits_win, objects, added):
    new_objects = objects & added
    old = np.where(np.isin(old, list(new_objects)), 0, old)  # they were not there
    computed = np.where(np.isin(logits_win, list(objects)), logits_win, 0)
    result = laid_over(old, computed, objects, new_objects)
    assert result.dtype == np.uint8
    for was, asked, now in zip(old.flat, computed.flat, result.flat, strict=True):
        is_others = was > 0 and was not in objects
        if asked in objects - new_objects:
            assert now == asked, "a corrected object takes its pixels"
        elif is_others:
            assert now == was, "others lose nothing else"
        elif asked in new_objects:
            assert now == asked, "a new one takes what is free, or given up"
        else:
            assert now == 0
