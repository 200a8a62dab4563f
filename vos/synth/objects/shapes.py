"""Procedural objects: blobs, balls, chains, trees of limbs, sails, bars; and the choice of one.

Each function makes one random object, as those of `creatures` do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from vos.synth.objects.creatures import animal, cycle, person, vehicle
from vos.synth.objects.outlines import any_outline, harmonic, polygon
from vos.synth.objects.parts import DOWN, UP, Part, Shape, any_swing, mirror


def blob(rng: Random) -> Shape:
    """One deforming outline, often with a hole, with patches of other colours on it."""
    outline = any_outline(rng)
    other = harmonic(rng, 0.35) if rng.random() < 0.6 else outline
    hole = (0.0, 0.0, 0.0)
    ring = 0.0
    kind = rng.random()
    if kind < 0.12:
        hole = (rng.uniform(-0.3, 0.3), rng.uniform(-0.3, 0.3), rng.uniform(0.15, 0.4))
    elif kind < 0.2:
        ring = rng.uniform(0.06, 0.2)
    wobble = (rng.uniform(0.1, 0.6), rng.uniform(0.08, 0.6))
    parts = [
        Part(-1, (0, 0), 0, 0, (1, 1), 0, outline=outline, outline_to=other, wobble=wobble,
             ring=ring, hole=hole)
    ]  # fmt: skip
    if ring == 0 and hole[2] == 0:
        for i in range(rng.choice((0, 0, 1, 2, 3))):
            radius, turn = rng.uniform(0.12, 0.4), rng.uniform(0, 2 * math.pi)
            reach = rng.uniform(0, 0.75 - radius)
            at = (reach * math.cos(turn), reach * math.sin(turn))
            parts.append(
                Part(0, at, turn, 0, (radius, radius), 1 + i, outline=any_outline(rng),
                     swing=any_swing(rng, 0, 0.5))
            )  # fmt: skip
    return parts


def ball(rng: Random) -> Shape:
    """A round body with spots, as balls, fruit and heads are."""
    parts = [Part(-1, (0, 0), 0, 0, (1, 1), 0)]
    for i in range(rng.randint(0, 5)):
        turn = i * 1.3 + rng.random()
        at = (0.6 * math.cos(turn), 0.6 * math.sin(turn))
        radius = rng.uniform(0.12, 0.3)
        parts.append(Part(0, at, turn, 0, (radius, radius), 1, outline=polygon(rng)))
    return parts


def chain(rng: Random) -> Shape:
    """A snake, tail or rope: segments bending one after another."""
    count, thick = rng.randint(4, 9), rng.uniform(0.03, 0.14)
    rate, amp = rng.uniform(0.1, 0.6), rng.uniform(0.1, 0.5)
    taper = rng.uniform(0.75, 1.0)
    two = rng.choice((0, 1))
    parts: Shape = []
    for i in range(count):
        swing = (amp, rate, -0.9 * i)
        radius = (thick * taper**i, thick * taper ** (i + 1))
        offset = (0.2 if i else -0.1 * count, 0.0)
        parts.append(
            Part(i - 1, offset, rng.gauss(0, 0.15), 0.2, radius, two * (i % 2), swing=swing)
        )
    return parts


def tree(rng: Random) -> Shape:
    """A random body of limbs and blobs jointed to each other."""
    core = rng.uniform(0.15, 0.35)
    parts = [
        Part(-1, (0, 0), rng.uniform(0, 6.28), rng.choice((0.0, 0.3, 0.6)), (core, core * 0.8), 0,
             outline=any_outline(rng))
    ]  # fmt: skip
    for _ in range(rng.randint(2, 9)):
        parent = rng.randrange(len(parts))
        length = rng.uniform(0.1, 0.5)
        thick = rng.choice((0.015, 0.03, 0.06, 0.1))
        along = parts[parent].length or core * 0.6
        outline = any_outline(rng) if rng.random() < 0.25 else None
        parts.append(
            Part(parent, (along * rng.random(), 0), rng.uniform(0, 6.28), length,
                 (thick, thick * rng.uniform(0.5, 1.2)), rng.randint(0, 4), outline=outline,
                 swing=any_swing(rng, 0.1, 0.7))
        )  # fmt: skip
    return parts


def lattice(rng: Random) -> Shape:
    """A fence, comb or grid of thin bars."""
    bars, thick = rng.randint(3, 7), rng.uniform(0.015, 0.05)
    parts = [Part(-1, (-0.5, -0.3), 0, 1.0, (thick, thick), 0)]
    if rng.random() < 0.6:
        parts.append(Part(-1, (-0.5, 0.3), 0, 1.0, (thick, thick), 0))
    for i in range(bars):
        x = -0.5 + i / (bars - 1)
        parts.append(Part(-1, (x, -0.35), DOWN, 0.7, (thick, thick), 1, swing=(0.04, 0.3, i)))
    return parts


def sail(rng: Random) -> Shape:
    """A large flat panel with stripes on a thin mast over a small hull."""
    panel, blown = polygon(rng), harmonic(rng, 0.2)
    parts = [
        Part(-1, (0, 0.45), UP, 1.0, (0.02, 0.02), 3),
        Part(-1, (0.05, -0.1), 0.2, 0, (0.42, 0.42), 0, outline=panel, outline_to=blown,
             wobble=(0.3, 0.2)),
    ]  # fmt: skip
    for y in (-0.2, 0.0, 0.15)[: rng.randint(1, 3)]:
        parts.append(Part(1, (-0.2, y), 0, 0.35, (0.03, 0.05), 1))
    parts.append(Part(-1, (-0.3, 0.47), 0, 0.6, (0.03, 0.02), 2))
    return parts


def bar(rng: Random) -> Shape:
    """A pole, plank or trunk."""
    thick = rng.uniform(0.02, 0.15)
    return [
        Part(-1, (-0.5, 0), 0, 1.0, (thick, thick * rng.uniform(0.6, 1.0)), 0),
        Part(0, (rng.uniform(0.2, 0.8), 0), 0, 0.15, (thick * 0.9, thick * 0.9), 1),
    ]


_TEMPLATES: tuple[tuple[Callable[[Random], Shape], float], ...] = (
    (blob, 0.2), (ball, 0.05), (person, 0.22), (animal, 0.14), (vehicle, 0.09), (cycle, 0.09),
    (chain, 0.05), (tree, 0.11), (sail, 0.05),
)  # fmt: skip
UPRIGHT = (person, vehicle, cycle, animal, sail)
"""Templates that stand on the ground: they are rotated little."""


def any_shape(rng: Random, thin: float) -> tuple[Shape, bool]:
    """Make a random shape, mirrored half of the time; say whether it stands upright.

    thin: share of thin structures.
    """
    if rng.random() < thin:
        template = rng.choice((lattice, bar))
    else:
        makers, weights = zip(*_TEMPLATES, strict=True)
        template = rng.choices(makers, weights)[0]
    shape = template(rng)
    if rng.random() < 0.5:
        shape = [mirror(part, template in UPRIGHT) for part in shape]
    return shape, template in UPRIGHT
