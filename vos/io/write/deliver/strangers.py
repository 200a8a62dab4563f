"""Labels in masks that are no object of the result: somebody painted them."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np


class Strangers:
    """Notes which labels of frames are none of the objects.

    objects: ids of the result.
    """

    def __init__(self, objects: Collection[int]) -> None:
        self._known = np.zeros(256, bool)
        self._known[[0, *objects]] = True
        self._first: dict[int, int] = {}

    def look(self, frame_idx: int, label_map: np.ndarray) -> None:
        """Look at the label map of a frame, uint8 H x W."""
        if self._known.take(label_map).all():
            return
        for label in np.unique(label_map[~self._known.take(label_map)]).tolist():
            self._first.setdefault(label, frame_idx)

    def warnings(self) -> list[str]:
        """Return a line per label that no object has."""
        return [
            f"masks have label {label}, first on frame {frame_idx}, which is no object of the "
            f"result, so it is not exported; `vos fix RESULT --mask {label}:FILE.png@{frame_idx}` "
            "makes it one"
            for label, frame_idx in sorted(self._first.items())
        ]
