"""What objects are made of: a small tree of parts that move against each other.

Every part is a swept blob: a segment of some length whose two ends have a radius, times an
outline given as radius over angle. A segment with a round outline is a limb; a segment of length
zero with any outline is a blob, a polygon, a star or a wheel. Lengths are in object units;
`scene` scales the whole object to the size it wants on screen. y points down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from random import Random

import numpy as np

from vos.synth.objects.outlines import Outline, flip

UP, DOWN, RIGHT, LEFT = -math.pi / 2, math.pi / 2, 0.0, math.pi


@dataclass(frozen=True, slots=True)
class Part:
    """One primitive of an object.

    parent: index of an earlier part, or -1 for the object itself.
    offset: the joint in the parent's frame.
    angle: the rest angle against the parent in radians.
    length: of the segment.
    radius: at the two ends of the segment.
    colour: a colour group of the object, so that two sleeves share a colour.
    swing: (amplitude, radians per frame, phase) of an oscillation of the angle.
    sway: the same of a second oscillation.
    outline: radius over angle; None for a round part.
    outline_to: the outline it deforms into and back; None for one that stays.
    wobble: (amplitude, radians per frame) of that deformation.
    ring: > 0 keeps only a band of that half width along the outline.
    hole: (x, y, radius) cut out.
    """

    parent: int
    offset: tuple[float, float]
    angle: float
    length: float
    radius: tuple[float, float]
    colour: int
    swing: tuple[float, float, float] = (0.0, 0.0, 0.0)
    sway: tuple[float, float, float] = (0.0, 0.0, 0.0)
    outline: Outline | None = None
    outline_to: Outline | None = None
    wobble: tuple[float, float] = (0.0, 0.0)
    ring: float = 0.0
    hole: tuple[float, float, float] = (0.0, 0.0, 0.0)


Shape = list[Part]


def any_swing(rng: Random, low: float, high: float) -> tuple[float, float, float]:
    """Draw at random an oscillation with an amplitude in [low, high] radians, for `Part.swing`."""
    return (rng.uniform(low, high), rng.uniform(0.08, 0.6), rng.uniform(0, 2 * math.pi))


def mirror(part: Part, sideways: bool) -> Part:
    """Mirror a part: swap left and right if `sideways`, else up and down."""
    x, y = part.offset
    amp, rate, phase = part.swing
    sway = (-part.sway[0], *part.sway[1:])
    angle = -part.angle
    if part.parent == -1 and sideways:
        x, y, angle = -x, -y, math.pi - part.angle  # y is flipped once more below
    outline = flip(part.outline)
    return replace(
        part, offset=(x, -y), angle=angle, swing=(-amp, rate, phase), sway=sway, outline=outline,
        outline_to=flip(part.outline_to), hole=(part.hole[0], -part.hole[1], part.hole[2]),
    )  # fmt: skip


def area(shape: Shape) -> float:
    """Estimate the area in square object units: the parts' areas, less what they usually share."""
    total = 0.0
    for part in shape:
        mean = sum(part.radius) / 2
        disc = math.pi * mean * mean
        if part.outline is not None:
            disc *= float(np.mean(part.outline**2))
        if part.ring:
            disc = 4 * math.pi * mean * part.ring
        total += disc + 2 * mean * part.length
    biggest = max((math.pi * (sum(p.radius) / 2) ** 2 for p in shape), default=0.0)
    return max(0.75 * total, 0.5 * biggest, 1e-3)


def extent(shape: Shape) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of the shape at rest, in object units.

    For outlines that is a little too wide.
    """
    frames: list[tuple[float, float, float]] = []
    xs: list[float] = []
    ys: list[float] = []
    for part in shape:
        x, y, turn = frames[part.parent] if part.parent >= 0 else (0.0, 0.0, 0.0)
        cos, sin = math.cos(turn), math.sin(turn)
        x, y = (
            x + cos * part.offset[0] - sin * part.offset[1],
            (y + sin * part.offset[0] + cos * part.offset[1]),
        )
        turn += part.angle
        frames.append((x, y, turn))
        reach = 1.0 if part.outline is None else float(part.outline.max())
        for share, radius in ((0.0, part.radius[0]), (part.length, part.radius[1])):
            if max(part.radius) > 0:
                xs += [x + share * math.cos(turn) + s * radius * reach for s in (-1, 1)]
                ys += [y + share * math.sin(turn) + s * radius * reach for s in (-1, 1)]
    return min(xs), min(ys), max(xs), max(ys)
