"""A clip that a second square enters, and a finder that sees squares by their colour."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from vos.frame import Frame

SIZE_HW = (64, 96)
ENTERS = 4
"""The frame that the blue square is first seen on."""

_COLOURS = ((230, 120, 60), (60, 90, 230), (240, 240, 80))


def picture(index: int) -> np.ndarray:
    """Draw an orange square that moves right and, later, a blue one that moves left."""
    image = np.full((*SIZE_HW, 3), (40, 60, 40), np.uint8)
    image[8:32, 8 + index : 32 + index] = _COLOURS[0]
    if index >= ENTERS:
        image[36:60, 60 - index : 84 - index] = _COLOURS[1]
    return image


def clip(folder: Path, count: int) -> Path:
    """Write it as images without loss."""
    folder.mkdir()
    for index in range(count):
        Image.fromarray(picture(index)).save(folder / f"{index:03}.png")
    return folder


def squares(frame: Frame) -> list[np.ndarray]:
    """Find the squares of a frame, bool H x W, one after the other."""
    masks = [(frame.image == colour).all(-1) for colour in _COLOURS]
    return [mask for mask in masks if mask.any()]
