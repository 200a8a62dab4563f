"""Masks that somebody drew or painted, which a correction takes as they are on their frame."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, UInt8

from vos.prompts import MaskPrompt, Polygon, Prompt, collect


def exact_masks(
    prompts: Sequence[Prompt], frame_idx: int, objects: Collection[int], size_hw: tuple[int, int]
) -> dict[int, Bool[np.ndarray, "h w"]]:
    """Return what masks and polygons on this frame enclose, by object id."""
    drawn: Iterable[Prompt] = (one for one in prompts if isinstance(one, (MaskPrompt, Polygon)))
    here = [one for one in drawn if one.frame_idx == frame_idx and one.object_id in objects]
    collected = collect(here, size_hw, known=objects).get(frame_idx, {})
    return {i: one.mask for i, one in collected.items() if one.mask is not None}


def with_exact(
    labels: UInt8[np.ndarray, "h w"], masks: Mapping[int, Bool[np.ndarray, "h w"]]
) -> UInt8[np.ndarray, "h w"]:
    """Return the label map with these masks in the place of what a model made of them.

    They take pixels of other objects; where two of them overlap, the lower id has them.
    """
    if not masks:
        return labels
    drawn = list(masks)
    labels = np.where(np.isin(labels, drawn), 0, labels).astype(np.uint8)
    for object_id, mask in sorted(masks.items()):
        labels[mask & ~np.isin(labels, drawn)] = object_id
    return labels
