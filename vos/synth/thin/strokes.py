"""Drawing sets of thin strokes as antialiased coverage, many images at once.

Everything is a round brush moved along a path: wires are thin paths, bodies thick ones, holes are
strokes that cut. A path is broken into short pieces; each piece touches only the pixels of its
own small square, and the piece that covers a pixel best owns it, so no order of drawing is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

_PIECE_PX = 8.0
_PIXELS_AT_ONCE = 2_000_000
_CODE_SHIFT = 32


@dataclass(frozen=True, slots=True)
class Stroke:
    """One brush path in the object's own frame, about [-1, 1] on both axes, y down.

    points: (k, 2).
    thin: half width in pixels of the label, per point.
    thick: half width in object units added to it, per point.
    group: which of the object's two colours.
    tone: brightness offset.
    cut: removes from the object instead of adding.
    """

    points: np.ndarray
    thin: np.ndarray
    thick: np.ndarray
    group: int = 0
    tone: float = 0.0
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Pieces:
    """Straight pieces of many strokes in pixels of the canvas.

    ends: x0, y0, x1, y1.
    radius: half width at both ends.
    image: which canvas.
    look: colour group and tone.
    """

    ends: Float[Tensor, "n 4"]
    radius: Float[Tensor, "n 2"]
    image: Int[Tensor, " n"]
    look: Float[Tensor, "n 2"]


@dataclass(frozen=True, slots=True)
class Painted:
    """Canvases with strokes on them, as `paint_pieces` makes them.

    cover: share of the pixel in [0, 1].
    across: where in the stroke the pixel is, -1 at its upper left border to 1 at the other.
    group: the colour group of the piece that owns the pixel.
    tone: the tone of that piece.
    """

    cover: Float[Tensor, "b r r"]
    across: Float[Tensor, "b r r"]
    group: Float[Tensor, "b r r"]
    tone: Float[Tensor, "b r r"]


def cut_up(
    strokes: Sequence[tuple[int, Stroke, np.ndarray, float]], unit_px: float, device: torch.device
) -> Pieces:
    """Break placed strokes into pieces of a few pixels.

    strokes: (image, stroke, its points in canvas pixels, canvas pixels per object unit).
    unit_px: canvas pixels per label pixel.
    """
    ends, radii, images, looks = [], [], [], []
    for image, stroke, points, scale in strokes:
        radius = stroke.thin * unit_px + stroke.thick * scale
        if len(points) == 1:
            points, radius = np.repeat(points, 2, 0), np.repeat(radius, 2)
        start, step = points[:-1], np.diff(points, axis=0)
        longest = np.maximum(_PIECE_PX, 2 * np.maximum(radius[:-1], radius[1:]))
        parts = np.maximum(1, np.ceil(np.hypot(step[:, 0], step[:, 1]) / longest)).astype(int)
        segment = np.repeat(np.arange(len(parts)), parts)
        rank = np.arange(len(segment)) - np.repeat(np.cumsum(parts) - parts, parts)
        low, high = rank / parts[segment], (rank + 1) / parts[segment]
        growth = np.diff(radius)[segment]
        ends.append(
            np.concatenate(
                [start[segment] + step[segment] * t[:, None] for t in (low, high)], axis=1
            )
        )
        radii.append(radius[:-1][segment, None] + growth[:, None] * np.stack([low, high], 1))
        images.append(np.full(len(segment), image))
        looks.append(np.tile([[stroke.group, stroke.tone]], (len(segment), 1)))
    if not ends:
        empty = torch.zeros(0, 4, device=device)
        return Pieces(empty, empty[:, :2], empty[:, 0].long(), empty[:, :2])
    return Pieces(
        _to(np.concatenate(ends), device),
        _to(np.concatenate(radii), device),
        torch.from_numpy(np.concatenate(images)).to(device),
        _to(np.concatenate(looks), device),
    )


def paint_pieces(pieces: Pieces, count: int, side: int) -> Painted:
    """Paint `count` canvases of `side` x `side` pixels. The edge is a ramp one pixel wide."""
    device = pieces.ends.device
    best = torch.zeros(count * side * side, dtype=torch.long, device=device)
    x0, y0, x1, y1 = pieces.ends.unbind(1)
    length = torch.hypot(x1 - x0, y1 - y0)
    reach = (length / 2 + pieces.radius.amax(1) + 1.5).ceil().long()
    left, top = ((x0 + x1) / 2).floor().long(), ((y0 + y1) / 2).floor().long()
    begin = [(v - reach).clamp(0, side) for v in (left, top)]
    wide, high = (
        (v + reach + 1).clamp(0, side) - b for v, b in zip((left, top), begin, strict=True)
    )
    areas = wide * high
    for chunk in _chunks(areas):
        area = areas[chunk]
        total = int(area.sum())
        if total == 0:
            continue
        piece = chunk.repeat_interleave(area, output_size=total)
        local = torch.arange(total, device=device) - (area.cumsum(0) - area).repeat_interleave(
            area, output_size=total
        )
        row = torch.div(local, wide[piece], rounding_mode="floor")
        px = local - row * wide[piece] + begin[0][piece]
        py = row + begin[1][piece]
        cover, _ = _cover(pieces, piece, px, py)
        seen = cover > 0
        piece, px, py = piece[seen], px[seen], py[seen]
        code = ((cover[seen] * 255).long() << _CODE_SHIFT) + piece + 1
        pixel = (pieces.image[piece] * side + py) * side + px
        best = best.scatter_reduce(0, pixel, code, "amax")
    hit = best.nonzero()[:, 0]
    owner = (best[hit] & ((1 << _CODE_SHIFT) - 1)) - 1
    cover, across = _cover(pieces, owner, hit % side, hit // side % side)
    planes = torch.zeros(4, count * side * side, device=device)
    planes[:, hit] = torch.stack([cover, across, *pieces.look[owner].unbind(1)])
    return Painted(*planes.view(4, count, side, side).unbind(0))


def _chunks(areas: Tensor) -> list[Tensor]:
    """Split the pieces into runs with at most about `_PIXELS_AT_ONCE` pixels each."""
    run = torch.div(areas.cumsum(0), _PIXELS_AT_ONCE, rounding_mode="floor")
    index = torch.arange(len(areas), device=areas.device)
    return [index[run == k] for k in range(int(run[-1]) + 1)] if len(areas) else []


def _cover(pieces: Pieces, piece: Tensor, px: Tensor, py: Tensor) -> tuple[Tensor, Tensor]:
    """Compute how much their pieces cover pixels (px, py), and where across the stroke they are."""
    x0, y0, x1, y1 = pieces.ends[piece].unbind(1)
    r0, r1 = pieces.radius[piece].unbind(1)
    dx, dy = px + 0.5 - x0, py + 0.5 - y0
    ux, uy = x1 - x0, y1 - y0
    along = ((dx * ux + dy * uy) / (ux * ux + uy * uy).clamp(min=1e-6)).clamp(0, 1)
    off_x, off_y = dx - along * ux, dy - along * uy
    radius = r0 + (r1 - r0) * along
    cover = (radius + 0.5 - torch.hypot(off_x, off_y)).clamp(0, 1)
    across = ((off_x + off_y) * 0.7 / radius.clamp(min=0.5)).clamp(-1, 1)
    return cover, across


def _to(values: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(values.astype(np.float32)).to(device)
