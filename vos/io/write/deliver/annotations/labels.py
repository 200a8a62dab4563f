"""What annotations call objects: a name is a class, and objects of one name are its instances."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from vos.io.write.deliver.format import Shot

_NOT_IN_TEXTS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


def label_objects(shot: Shot) -> dict[int, str]:
    """Return the label of each object by id.

    It is the object's name as it was given, but for characters that no XML or YAML holds.
    """
    cleaned = {one: _NOT_IN_TEXTS.sub("_", name).strip() for one, name in shot.objects.items()}
    return {one: label or f"obj{one}" for one, label in sorted(cleaned.items())}


def list_labels(shot: Shot) -> list[str]:
    """Return every label once, in the order of the objects' ids."""
    return list(dict.fromkeys(label_objects(shot).values()))


def paint_masks(size_hw: tuple[int, int], masks: Iterable[tuple[int, np.ndarray]]) -> np.ndarray:
    """Put masks that were read back together, uint8 H x W of their ids.

    masks: an id and a mask of the whole frame each.
    Raises ValueError where two overlap, or one is of another size.
    """
    labels = np.zeros(size_hw, np.uint8)
    for one, mask in masks:
        if mask.shape != size_hw:
            raise ValueError(f"a mask is {mask.shape[1]} x {mask.shape[0]}")
        inside = mask.astype(bool)
        if labels[inside].any():
            raise ValueError(f"the mask of {one} overlaps another")
        labels[inside] = one
    return labels
