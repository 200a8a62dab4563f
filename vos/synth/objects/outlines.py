"""Closed outlines as radius over angle: ellipses, boxes, polygons, wheels and random harmonics."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import numpy.typing as npt

OUTLINE_BINS = 64
"""Samples of an outline over one turn."""

Outline = npt.NDArray[np.float64]
"""Radius over angle, (OUTLINE_BINS,), the angle of bin i being i / OUTLINE_BINS of a turn."""

_ANGLES = np.arange(OUTLINE_BINS) * (2 * math.pi / OUTLINE_BINS)
ROUND: Outline = np.ones(OUTLINE_BINS)


def ellipse(aspect: float) -> Outline:
    """Make an ellipse with half axes 1 along x and `aspect` along y."""
    return 1 / np.hypot(np.cos(_ANGLES), np.sin(_ANGLES) / aspect)


def rectangle(aspect: float, power: float = 8.0) -> Outline:
    """Make a superellipse with half axes 1 and `aspect`; high powers have sharp corners."""
    x, y = np.abs(np.cos(_ANGLES)), np.abs(np.sin(_ANGLES) / aspect)
    return np.asarray((x**power + y**power) ** (-1 / power), dtype=np.float64)


def polygon(rng: Random) -> Outline:
    """Make a star-shaped polygon with 3 to 9 corners at random angles and radii."""
    count = rng.randint(3, 9)
    spread = rng.choice((0.0, 0.2, 0.5))
    turns = [(i + rng.uniform(-0.2, 0.2)) / count * 2 * math.pi for i in range(count)]
    radii = [1 - spread * rng.random() for _ in turns]
    corner = np.array([*turns, turns[0] + 2 * math.pi])
    radius = np.array([*radii, radii[0]])
    angle = turns[0] + (_ANGLES - turns[0]) % (2 * math.pi)
    at = np.clip(np.searchsorted(corner, angle, side="right") - 1, 0, count - 1)
    a0, a1, r0, r1 = corner[at], corner[at + 1], radius[at], radius[at + 1]
    cross = r0 * np.sin(angle - a0) + r1 * np.sin(a1 - angle)
    return np.clip(r0 * r1 * np.sin(a1 - a0) / np.maximum(cross, 1e-3), 0.1, 1.0)


def harmonic(rng: Random, roughness: float) -> Outline:
    """Sum harmonics 2 to 7 with falling amplitude: `roughness` 0 is a disc, 0.5 is spiky."""
    outline = np.ones(OUTLINE_BINS)
    for k in range(2, 8):
        outline += rng.gauss(0, roughness / k**0.7) * np.cos(k * _ANGLES + rng.uniform(0, 6.28))
    return np.maximum(outline, 0.25)


def gear(rng: Random) -> Outline:
    """Make a wheel with teeth."""
    teeth, depth = rng.randint(5, 10), rng.uniform(0.15, 0.35)
    return np.asarray(1 - depth * (np.sin(teeth * _ANGLES) > 0), dtype=np.float64)


def any_outline(rng: Random) -> Outline:
    """Choose one of the outlines above."""
    kind = rng.random()
    if kind < 0.4:
        return harmonic(rng, rng.uniform(0.1, 0.45))
    if kind < 0.65:
        return polygon(rng)
    if kind < 0.8:
        return ellipse(rng.uniform(0.3, 1.0))
    if kind < 0.92:
        return rectangle(rng.uniform(0.3, 1.0), rng.choice((3.0, 6.0, 10.0)))
    return gear(rng)


def flip(outline: Outline | None) -> Outline | None:
    """Mirror the outline in the x axis."""
    return None if outline is None else np.roll(outline[::-1], 1)
