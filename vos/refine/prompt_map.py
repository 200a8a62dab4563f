"""The dense prompt map that refiners share: clicks, strokes, outlines and a mask as an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from vos.model.types import ModelPrompt
from vos.refine.memory_gate import at_side

MIN_RADIUS_CELLS = 2
REFERENCE_SIDE = 256
LOGIT_SCALE = 10.0
# Distances held at once: 64 MB per float tensor, whatever the number of strokes.
CELLS_AT_ONCE = 1 << 24
BOX_CORNERS = (2, 3)

Channel = Literal["pos", "neg", "mask"]


@dataclass(frozen=True, slots=True)
class PromptMapConfig:
    """How a prompt is drawn.

    stride: model pixels per map cell, a divisor of 16; the map's side is S / stride.
    radius_px: of clicks and half the width of lines, in cells of a map of side 256; scaled with the
        side and rounded, at least 2.
    channels: what to draw, in this order.
    mask_as: the mask channel holds probabilities, logits / 10 clipped to +-1, or {0, 1}.
    boxes: draw a box as an outline into "pos".
    segments: draw strokes and polygon outlines.
    """

    stride: Literal[1, 2, 4, 8, 16] = 4
    radius_px: float = 3.0
    channels: tuple[Channel, ...] = ("pos", "neg", "mask")
    mask_as: Literal["prob", "logit", "binary"] = "prob"
    boxes: bool = False
    segments: bool = True

    def __post_init__(self) -> None:
        if not self.channels or len(set(self.channels)) != len(self.channels):
            raise ValueError(
                f"channels {list(self.channels)}: each of pos, neg, mask at most once and one of "
                "them at least; correct the list"
            )

    def radius_cells(self, side: int) -> int:
        """Return the radius on a map of this side."""
        return max(MIN_RADIUS_CELLS, int(self.radius_px * side / REFERENCE_SIDE + 0.5))


class PromptMap(nn.Module):
    """A module that draws prompts, without parameters and deterministically, on its input's device.

    A cell (column i, row j) is painted where its centre (i + 0.5, j + 0.5) is at most the radius
    away from a click or a line. Source: disks as SegNext (`DistMaps`, use_disks) and SAM2Refiner
    (3.3); lines are the union of the disks along them.
    """

    def __init__(self, config: PromptMapConfig):
        super().__init__()
        self.config = config

    def forward(
        self,
        prompt: ModelPrompt | None,
        mask_logits: Float[Tensor, "b 1 h w"] | None,
        *,
        image_size: int,
        batch: int,
        device: torch.device,
    ) -> Float[Tensor, "b k m m"]:
        """Draw the map: k channels in the config's order, float32 in [0, 1] ([-1, 1] for "logit").

        prompt: None leaves the click channels empty, as do points labelled -1; `prompt.mask` is not
        drawn. mask_logits: the mask channel at any size, None for zeros; its gradient is kept.
        image_size: S, the coordinates' range.
        """
        config = self.config
        side = image_size // config.stride
        planes: dict[str, Tensor] = {}
        if prompt is not None and {"pos", "neg"} & set(config.channels):
            lines, labels = self._lines(prompt, batch, device)
            planes["pos"], planes["neg"] = _paint(
                lines / config.stride, labels, side, config.radius_cells(side)
            )
        if mask_logits is not None and "mask" in config.channels:
            planes["mask"] = self._encode(at_side(mask_logits, side))[:, 0]
        empty = torch.zeros(batch, side, side, device=device)
        return torch.stack([planes.get(name, empty) for name in config.channels], dim=1)

    def _encode(self, logits: Tensor) -> Tensor:
        match self.config.mask_as:
            case "prob":
                return logits.sigmoid()
            case "logit":
                return (logits / LOGIT_SCALE).clamp(-1, 1)
            case "binary":
                return (logits > 0).float()

    def _lines(
        self, prompt: ModelPrompt, batch: int, device: torch.device
    ) -> tuple[Float[Tensor, "b p 2 2"], Int[Tensor, "b p"]]:
        """Return everything to draw as line pieces; a click is a piece of no length."""
        lines = [torch.zeros(batch, 0, 2, 2, device=device)]
        labels = [torch.zeros(batch, 0, dtype=torch.int64, device=device)]
        if prompt.points_xy is not None and prompt.labels is not None:
            lines.append(prompt.points_xy.float()[:, :, None].expand(-1, -1, 2, -1))
            labels.append(prompt.labels.long())
            if self.config.boxes:
                outline, marks = _box_outline(prompt.points_xy.float(), prompt.labels)
                lines.append(outline)
                labels.append(marks)
        if (
            self.config.segments
            and prompt.segments is not None
            and prompt.segment_labels is not None
        ):
            lines.append(prompt.segments.float())
            labels.append(prompt.segment_labels.long())
        return torch.cat(lines, dim=1), torch.cat(labels, dim=1)


def _box_outline(
    points_xy: Float[Tensor, "b n 2"], labels: Int[Tensor, "b n"]
) -> tuple[Float[Tensor, "b 4 2 2"], Int[Tensor, "b 4"]]:
    """Return the four edges of each row's box (one at most), padding where a row has none."""
    marks = [labels == corner for corner in BOX_CORNERS]
    (x1, y1), (x2, y2) = ((points_xy * mark[..., None]).sum(dim=1).unbind(dim=-1) for mark in marks)
    around = torch.stack([x1, y1, x2, y1, x2, y2, x1, y2], dim=-1).reshape(-1, 4, 2)
    edges = torch.stack([around, around.roll(-1, dims=1)], dim=2)
    complete = marks[0].any(dim=1) & marks[1].any(dim=1)
    return edges, torch.where(complete, 1, -1)[:, None].expand(-1, 4)


def _paint(
    lines: Float[Tensor, "b p 2 2"], labels: Int[Tensor, "b p"], side: int, radius: int
) -> tuple[Float[Tensor, "b m m"], Float[Tensor, "b m m"]]:
    """Return the positive and the negative plane of lines in map cells."""
    b = labels.shape[0]
    painted = torch.zeros(2, b, side, side, dtype=torch.bool, device=lines.device)
    at_once = max(1, CELLS_AT_ONCE // (b * side * side))
    for some, marks in zip(lines.split(at_once, 1), labels.split(at_once, 1), strict=True):
        covered = _within(some, side, radius)
        for plane, sign in enumerate((1, 0)):
            painted[plane] |= (covered & (marks == sign)[..., None, None]).any(dim=1)
    positive, negative = painted.float()
    return positive, negative


def _within(lines: Float[Tensor, "b p 2 2"], side: int, radius: int) -> Bool[Tensor, "b p m m"]:
    """Mark the cells whose centre is at most `radius` away from each line piece."""
    centre = torch.arange(side, device=lines.device) + 0.5
    (x1, y1), (x2, y2) = ((end[..., 0], end[..., 1]) for end in lines.unbind(dim=2))
    along_x, along_y = (x2 - x1)[..., None, None], (y2 - y1)[..., None, None]
    from_x = centre[None, :] - x1[..., None, None]
    from_y = centre[:, None] - y1[..., None, None]
    length_sq = (along_x**2 + along_y**2).clamp(min=torch.finfo(lines.dtype).tiny)
    at = ((from_x * along_x + from_y * along_y) / length_sq).clamp(0, 1)
    return (from_x - at * along_x) ** 2 + (from_y - at * along_y) ** 2 <= radius**2
