"""What makes a box hard to read: bars across it, and thin parts that stretch it.

A child between the posts of a swing, a surfer on long lines: most of the box is not the object, and
the largest thing in it is something else.
"""

from __future__ import annotations

import math
from random import Random

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

_FINER = 3
"""Lines are drawn so much larger, for smooth borders."""


def draw_bars(rng: Random, side: int) -> Tensor:
    """Draw posts, an A-frame or a fence that reach from border to border.

    Returns: alpha, float (1, side, side), 0 to 1.
    """
    count, width = rng.randint(2, 4), rng.uniform(0.03, 0.12)
    kind = rng.choice(("posts", "frame", "fence"))
    lines = []
    for index in range(count if kind != "fence" else 2 * count):
        x = rng.uniform(0.05, 0.95)
        lean = {"posts": rng.gauss(0, 0.05), "fence": 0.0, "frame": rng.gauss(0, 0.4)}[kind]
        if kind == "fence" and index % 2:
            lines.append((0.0, x, 1.0, x))
        else:
            lines.append((x, 0.0, x + lean, 1.0))
    if rng.random() < 0.5:
        y = rng.uniform(0.0, 0.3)
        lines.append((0.0, y, 1.0, y + rng.gauss(0, 0.1)))
    scale = 0.4 if kind == "fence" else 1.0
    return _draw(lines, [scale * width * rng.uniform(0.7, 1.3) for _ in lines], side)


def add_thin_parts(
    rng: Random, paint: Tensor, alpha: Tensor, *, own_paint: bool
) -> tuple[Tensor, Tensor]:
    """Shrink an object and tie long thin parts to it: chains, lines, poles.

    paint: float (3, p, p). Its colours times its alpha where `own_paint`; else what it is filled
    with, which stays as it is. alpha: float (1, s, s).

    Returns: both, of the same sizes.
    """
    side = alpha.shape[-1]
    shrink = rng.uniform(1.3, 2.2)
    reach = 0.5 * (1 - 1 / shrink)
    x, y = 0.5 + rng.uniform(-reach, reach), 0.5 + rng.uniform(-reach, reach)
    alpha = _shrink(alpha, shrink, x, y)
    lines = []
    heading = rng.uniform(0, math.tau)
    for _ in range(rng.randint(1, 3)):
        angle = heading + rng.gauss(0, 0.25)
        length = rng.uniform(0.4, 0.9)
        start = rng.uniform(-0.5, 0.5) * 0.5 / shrink
        lines.append(
            (
                x - start * math.sin(angle),
                y + start * math.cos(angle),
                x + length * math.cos(angle),
                y + length * math.sin(angle),
            )
        )
    width = rng.uniform(0.008, 0.025)
    thin = _draw(lines, [width] * len(lines), side) * (1 - alpha)
    if own_paint:
        colour = torch.tensor([rng.random() for _ in range(3)])[:, None, None]
        if rng.random() < 0.6:
            colour = colour * 0.3
        paint = _shrink(paint, shrink, x, y) + colour * thin
    return paint, alpha + thin


def _shrink(image: Tensor, by: float, x: float, y: float) -> Tensor:
    """Return the image so much smaller around (x, y), on as large a canvas."""
    theta = torch.tensor([[by, 0.0, by * (1 - 2 * x)], [0.0, by, by * (1 - 2 * y)]])[None]
    grid = F.affine_grid(theta, [1, *image.shape], align_corners=False)
    return F.grid_sample(image[None], grid, align_corners=False)[0]


def _draw(lines: list[tuple[float, float, float, float]], widths: list[float], side: int) -> Tensor:
    canvas = Image.new("L", (_FINER * side, _FINER * side))
    draw = ImageDraw.Draw(canvas)
    for (x0, y0, x1, y1), width in zip(lines, widths, strict=True):
        ends = [_FINER * side * v for v in (x0, y0, x1, y1)]
        draw.line(ends, fill=255, width=max(1, round(_FINER * side * width)))
    small = canvas.resize((side, side), Image.Resampling.BOX)
    return torch.from_numpy(np.asarray(small, dtype=np.float32) / 255)[None]
