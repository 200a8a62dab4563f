"""A proof of life: the embedded model follows a square for a few frames."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from vos.api import load
from vos.frame import Frame
from vos.prompts import Box

_SIDE_PX = 128
_SQUARE_PX = 48
_STEP_PX = 4
_FRAMES = 8


def track_square() -> tuple[int, float]:
    """Returns the number of frames and the mean IoU with the true square after the first frame."""
    left, top, right, bottom = _box(0)
    session = load("nano", device="cpu").session([Box(1, (left, top, right, bottom))])
    overlaps: list[float] = []
    for index, result in enumerate(session.run(_frame(i) for i in range(_FRAMES))):
        truth = _truth(index)
        mask = result.masks[1]
        overlaps.append(float((mask & truth).sum() / (mask | truth).sum()))
    return _FRAMES, float(np.mean(overlaps[1:]))


def _box(index: int) -> tuple[int, int, int, int]:
    left, top = 20 + index * _STEP_PX, 40
    return left, top, left + _SQUARE_PX, top + _SQUARE_PX


def _truth(index: int) -> np.ndarray:
    left, top, right, bottom = _box(index)
    truth = np.zeros((_SIDE_PX, _SIDE_PX), dtype=bool)
    truth[top:bottom, left:right] = True
    return truth


def _frame(index: int) -> Frame:
    """An orange square on a green gradient, so that it stands out without being alone."""
    image = np.empty((_SIDE_PX, _SIDE_PX, 3), dtype=np.uint8)
    image[:] = (30, 70, 40)
    image[..., 1] += np.arange(_SIDE_PX, dtype=np.uint8)[:, None] // 2
    image[_truth(index)] = (230, 120, 40)
    return Frame(image, Fraction(index, 24), index, f"{index:05}")
