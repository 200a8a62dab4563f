"""Whose a pixel is that a recomputed object and one that is not recomputed both claim."""

from __future__ import annotations

from collections.abc import Callable, Collection

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


def hand_on(
    old: UInt8[np.ndarray, "h w"],
    new: UInt8[np.ndarray, "h w"],
    others: Collection[int],
    matte: Callable[[int], UInt8[np.ndarray, "h w"]],
) -> UInt8[np.ndarray, "h w"]:
    """Return the new label map, with pixels that were given up handed to others that claim them.

    In a soft result the own masks of objects that are not recomputed are known: where a pixel was
    somebody's and is nobody's now, the one of `others` with the highest matte there has it, if that
    is 128 or more; the lowest id on a tie.

    matte: returns the matte of one of `others`.
    """
    free = (old > 0) & (new == 0)
    if not free.any():
        return new
    new = new.copy()
    best = np.full(old.shape, 127, np.uint8)
    for object_id in sorted(others):
        claimed = matte(object_id)
        takes = free & (claimed > best)
        new[takes], best[takes] = object_id, claimed[takes]
    return new
