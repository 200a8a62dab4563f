"""A rectangle of a frame, and what was found on it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from vos.prompts.kinds import ObjectPrompt

_CORNERS = (2, 3)
"""SAM 2's labels of a box's first and last corner. A prompt's points begin with them."""


@dataclass(frozen=True, slots=True)
class CutOut:
    """A rectangle of a frame.

    top, left: of its first pixel.
    height, width: in pixels.
    size_hw: of the frame.
    """

    top: int
    left: int
    height: int
    width: int
    size_hw: tuple[int, int]

    def crop(self, image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "ch cw 3"]:
        """Return that part of the frame."""
        rows = slice(self.top, self.top + self.height)
        return np.ascontiguousarray(image[rows, self.left : self.left + self.width])

    def move(self, prompt: ObjectPrompt) -> ObjectPrompt:
        """Return a prompt on the frame as one on the cut-out."""
        offset = np.array([self.left, self.top], dtype=np.float32)
        return replace(
            prompt,
            points_xy_px=prompt.points_xy_px - offset,
            segments_xy_px=prompt.segments_xy_px - offset,
        )

    @property
    def whole(self) -> CutOut:
        """Return the frame itself as a cut-out."""
        return CutOut(0, 0, *self.size_hw, self.size_hw)


def cut_around(prompt: ObjectPrompt, size_hw: tuple[int, int], zoom: float) -> CutOut | None:
    """Return the square around a box, moved into the frame, or cut off where the frame is smaller.

    zoom: the square's side, in longer sides of the box; 0 for no cut-out.

    None where there is no box, where a mask is given, where a point lies outside the square, and
    where the square holds the whole frame.
    """
    if zoom == 0 or prompt.mask is not None or tuple(prompt.labels[:2]) != _CORNERS:
        return None
    (x1, y1), (x2, y2) = prompt.points_xy_px[:2].tolist()
    frame_h, frame_w = size_hw
    side = zoom * max(x2 - x1, y2 - y1, 1.0)
    height, width = min(round(side), frame_h), min(round(side), frame_w)
    if (height, width) == size_hw or min(height, width) < 1:
        return None
    top = int(np.clip(round((y1 + y2 - height) / 2), 0, frame_h - height))
    left = int(np.clip(round((x1 + x2 - width) / 2), 0, frame_w - width))
    x, y = prompt.points_xy_px.T
    inside = (x >= left) & (x <= left + width) & (y >= top) & (y <= top + height)
    return CutOut(top, left, height, width, size_hw) if inside.all() else None


def sample(
    logits: Float[Tensor, "1 1 r r"], cut: CutOut, onto: CutOut, side: int
) -> tuple[Float[Tensor, "1 1 s s"], Bool[Tensor, "1 1 s s"]]:
    """Return a cut-out's logits on another one of `side` x `side` cells, and which cells it has."""
    middle = (torch.arange(side, device=logits.device) + 0.5) / side
    x = 2 * (onto.left + middle * onto.width - cut.left) / cut.width - 1
    y = 2 * (onto.top + middle * onto.height - cut.top) / cut.height - 1
    grid = torch.stack(torch.broadcast_tensors(x[None, :], y[:, None]), dim=-1)[None]
    placed = F.grid_sample(logits, grid, padding_mode="border", align_corners=False)
    return placed, (grid.abs() <= 1).all(-1)[:, None]
