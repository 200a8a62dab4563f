"""Paths that objects of thin structures are made of, in the object's own frame."""

from __future__ import annotations

import math

import numpy as np

from vos.synth.thin.strokes import Stroke

Drawing = list[Stroke]
Rng = np.random.Generator


def stroke(
    points: np.ndarray,
    thin: float | np.ndarray,
    thick: float | np.ndarray = 0.0,
    group: int = 0,
    tone: float = 0.0,
    cut: bool = False,
) -> Stroke:
    """Make a stroke of a path; the widths are per point or the same for all."""
    points = np.asarray(points, float).reshape(-1, 2)
    count = len(points)
    return Stroke(
        points,
        np.broadcast_to(np.asarray(thin, float), count),
        np.broadcast_to(np.asarray(thick, float), count),
        group,
        tone,
        cut,
    )


def any_width(rng: Rng, low: float = 0.7, high: float = 3.0) -> float:
    """Draw at random a half width in label pixels, thin ones more often."""
    return float(low * (high / low) ** (rng.random() ** 1.3))


def arc(start: np.ndarray, turn: float, length: float, bend: float, count: int = 12) -> np.ndarray:
    """Make a path from `start` in direction `turn` that bends by `bend` radians on its way."""
    angle = turn + bend * np.linspace(0, 1, count)
    step = length / (count - 1) * np.stack([np.cos(angle), np.sin(angle)], 1)
    return start + np.concatenate([np.zeros((1, 2)), np.cumsum(step[:-1], 0)])


def spline(knots: np.ndarray, count: int) -> np.ndarray:
    """Make a smooth (Catmull-Rom) path through the knots, `count` points per gap."""
    padded = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    t = np.linspace(0, 1, count, endpoint=False)[:, None]
    a, b, c, d = (padded[i : len(padded) - 3 + i, None] for i in range(4))
    path = 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    )
    return np.concatenate([path.reshape(-1, 2), knots[-1:]])


def ring(centre: np.ndarray, radius: float | np.ndarray, count: int = 64) -> np.ndarray:
    """Make a closed path around `centre`; `radius` is per point or the same for all."""
    angle = np.linspace(0, 2 * math.pi, count + 1)
    radius = np.broadcast_to(radius, count + 1)[:, None]
    return centre + radius * np.stack([np.cos(angle), np.sin(angle)], 1)
