"""Whose a pixel is that a recomputed object and one that is not recomputed both claim."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from jaxtyping import UInt8


def laid_over(
    old: UInt8[np.ndarray, "h w"],
    computed: UInt8[np.ndarray, "h w"],
    objects: Collection[int],
    new_objects: Collection[int],
) -> UInt8[np.ndarray, "h w"]:
    """The label map with the masks of `objects` replaced by those in `computed`.

    The logits of the others are not known any more. A corrected object takes every pixel of its
    mask, as somebody has said what is right there. One that is new to the result takes only what
    nobody has: the masks that are there were not objected to. What an object gives up becomes
    background.
    """
    kept = np.where(np.isin(old, list(objects)), 0, old)
    yields = np.isin(computed, list(new_objects)) & (kept > 0)
    return np.where((computed > 0) & ~yields, computed, kept).astype(np.uint8)
