"""Objects whose outline is mostly detail, grown rather than built: hair, plants, insects, holes.

Each function draws one random object, as those of `shapes` do.
"""

from __future__ import annotations

import math

import numpy as np

from vos.synth.thin.paths import Drawing, Rng, any_width, arc, ring, spline, stroke
from vos.synth.thin.strokes import Stroke


def hair(rng: Rng) -> Drawing:
    """A head, a tuft or a furry body with strands that stand off."""
    out: Drawing = []
    size = rng.uniform(0.25, 0.55)
    squash = rng.uniform(0.5, 1.0)
    out.append(stroke(np.array([[0, -0.2 * size], [0, 0.2 * size]]), 0, size * 0.9))
    if rng.random() < 0.5:
        low = rng.uniform(0.4, 0.7)
        out.append(stroke(np.array([[0, size], [0, 1.0]]), 0, np.array([low * 0.5, low]), group=1))
    strands = int(rng.integers(50, 160))
    around = rng.choice([math.pi, 1.4 * math.pi, 2 * math.pi])
    bend, spread = rng.normal(0, 1.2), rng.uniform(0.1, 0.6)
    length = rng.uniform(0.15, 0.6)
    for a in -math.pi / 2 + (rng.random(strands) - 0.5) * around:
        root = 0.85 * size * np.array([np.cos(a), np.sin(a) * squash])
        turn = a + rng.normal(0, spread)
        reach = length * rng.uniform(0.4, 1.3) + 0.1 * size
        path = arc(root, turn, reach, bend + rng.normal(0, 0.5), 10)
        width = any_width(rng, 0.8, 1.8) * np.linspace(1.4, 0.6, len(path))
        out.append(stroke(path, width, tone=rng.normal(0, 0.08)))
    return out


def tree(rng: Rng) -> Drawing:
    """Branches that fork and taper, bare or with small leaves."""
    out: Drawing = []
    leafy, spread = rng.random() < 0.5, rng.uniform(0.3, 0.8)
    leaf = rng.uniform(0.015, 0.05)

    def grow(start: np.ndarray, turn: float, length: float, width: float, depth: int) -> None:
        path = arc(start, turn, length, rng.normal(0, 0.5), 8)
        out.append(
            stroke(path, np.linspace(width, max(0.7, 0.65 * width), 8), tone=rng.normal(0, 0.04))
        )
        if depth == 0:
            if leafy:
                for _ in range(int(rng.integers(2, 5))):
                    tip = path[-1] + rng.normal(0, 0.05, 2)
                    out.append(
                        _leaf(
                            rng, tip, rng.uniform(0, 2 * math.pi), leaf * rng.uniform(1.5, 3), leaf
                        )
                    )
            return
        for _ in range(int(rng.integers(2, 4))):
            at = path[int(rng.integers(4, 8))]
            angle = turn + rng.normal(0, spread)
            grow(at, angle, length * rng.uniform(0.55, 0.85), max(0.7, width * 0.65), depth - 1)

    grow(
        np.array([0.0, 1.0]),
        -math.pi / 2,
        rng.uniform(0.5, 0.8),
        any_width(rng, 3, 9),
        int(rng.integers(3, 6)),
    )
    return out


def _leaf(rng: Rng, tip: np.ndarray, turn: float, length: float, width: float) -> Stroke:
    path = arc(tip, turn, length, rng.normal(0, 0.4), 7)
    profile = np.sin(np.linspace(0.15, math.pi - 0.05, 7)) * width
    return stroke(path, 0.6, profile, group=1, tone=rng.normal(0, 0.08))


def fern(rng: Rng) -> Drawing:
    """A curved rib with barbs on both sides: fern, feather, palm, fish bone."""
    count, curl = int(rng.integers(12, 40)), rng.normal(0, 0.9)
    rib = arc(np.array([0.0, 1.0]), -math.pi / 2 - curl / 2, 2.0, curl, 60)
    step = np.gradient(rib, axis=0)
    lean, long_ = rng.uniform(0.3, 1.2), rng.uniform(0.25, 0.7)
    blade, width = rng.choice([0.0, 0.012, 0.03]), any_width(rng, 0.7, 1.6)
    out = [stroke(rib, np.linspace(3, 0.8, 60), group=1)]
    for i, t in enumerate(np.linspace(6, 59, count)):
        turn = math.atan2(step[int(t), 1], step[int(t), 0])
        reach = long_ * math.sin(math.pi * (0.1 + 0.88 * i / count)) + 0.05
        for side in (-1, 1):
            path = arc(rib[int(t)], turn + side * lean, reach, side * rng.normal(-0.3, 0.2), 8)
            profile = blade * np.sin(np.linspace(0.2, math.pi - 0.05, 8))
            out.append(
                stroke(path, width * np.linspace(1.2, 0.6, 8), profile, tone=rng.normal(0, 0.05))
            )
    return out


def holes(rng: Rng) -> Drawing:
    """A plate, a leaf or a ring with holes, slits or bites taken out."""
    out: Drawing = []
    kind = rng.integers(3)
    if kind == 0:  # a panel
        tall, corner = rng.uniform(0.4, 0.9), rng.uniform(0.02, 0.2)
        rows = np.linspace(-tall, tall, 12)
        out += [stroke(np.array([[-0.9, y], [0.9, y]]), 0, max(corner, tall / 11)) for y in rows]
        nx, ny = int(rng.integers(3, 12)), int(rng.integers(2, 10))
        gap = min(1.6 / nx, 1.6 * tall / ny)
        long_ = rng.choice([0.0, 0.0, 0.3]) * gap
        for x in np.linspace(-0.75, 0.75, nx):
            for y in np.linspace(-tall * 0.8, tall * 0.8, ny):
                slit = np.array([[x, y - long_], [x, y + long_]])
                out.append(stroke(slit, 0.5, gap * rng.uniform(0.2, 0.35), cut=True))
    elif kind == 1:  # a leaf with veins or bites
        path = arc(np.array([-0.95, 0.0]), rng.normal(0, 0.2), 1.9, rng.normal(0, 0.6), 24)
        out.append(
            stroke(path, 1, np.sin(np.linspace(0.05, math.pi - 0.02, 24)) * rng.uniform(0.3, 0.5))
        )
        out.append(
            stroke(arc(path[0], math.pi, 0.3, rng.normal(0, 0.5)), any_width(rng, 1, 3), group=1)
        )
        for _ in range(int(rng.integers(5, 40))):
            spot = path[int(rng.integers(2, 22))] + rng.normal(0, 0.2, 2)
            out.append(stroke(spot, 1.0, rng.exponential(0.03), cut=True))
    else:  # rings and links
        for _ in range(int(rng.integers(2, 7))):
            centre, radius = rng.uniform(-0.6, 0.6, 2), rng.uniform(0.15, 0.5)
            wide = rng.choice([0.0, 0.02, 0.08])
            out.append(
                stroke(ring(centre, radius), any_width(rng, 1, 4), wide, group=int(rng.integers(2)))
            )
    return out


def toothed(rng: Rng) -> Drawing:
    """A disc, a bar or a blob whose border is a row of fine teeth, spikes or fringes."""
    out: Drawing = []
    teeth, depth = int(rng.integers(20, 90)), rng.uniform(0.06, 0.35)
    root, tip = rng.uniform(1.5, 4), rng.choice([0.7, 0.7, 1.5])
    wild = rng.choice([0.0, 0.0, 0.25])
    if rng.random() < 0.6:
        lobes = np.ones(65)
        for k in (2, 3, 4):
            wave = np.cos(k * np.linspace(0, 2 * math.pi, 65) + rng.uniform(0, 6))
            lobes += 0.15 / k * rng.normal() * wave
        body = rng.uniform(0.45, 0.7)
        out.append(stroke(np.zeros((1, 2)), 0, body * 0.75))
        out.append(stroke(ring(np.zeros(2), body * 0.7 * lobes), 0, body * 0.3))
        for a in np.linspace(0, 2 * math.pi, teeth, endpoint=False):
            at = body * (0.7 * lobes[int(a / 2 / math.pi * 64)] + 0.22)
            start = at * np.array([np.cos(a), np.sin(a)])
            reach = (depth + 0.1 * body) * rng.uniform(1 - 2 * wild, 1)
            out.append(
                stroke(arc(start, a + rng.normal(0, wild), reach, 0, 3), np.linspace(root, tip, 3))
            )
    else:
        thick = rng.uniform(0.08, 0.3)
        out.append(stroke(np.array([[-0.9, 0], [0.9, 0]]), 0, thick, group=1))
        for x in np.linspace(-0.95, 0.95, teeth):
            for side in (-1, 1) if rng.random() < 0.3 else (1,):
                start = np.array([x, side * thick * 0.8])
                path = arc(
                    start, side * math.pi / 2 + rng.normal(0, 0.1 + wild), depth + 0.2 * thick, 0, 3
                )
                out.append(stroke(path, np.linspace(root, tip, 3)))
    return out


def tangle(rng: Rng) -> Drawing:
    """A cable, rope or bent wire that crosses itself."""
    out: Drawing = []
    for _ in range(int(rng.integers(1, 4))):
        knots = np.cumsum(rng.normal(0, 0.45, (int(rng.integers(5, 13)), 2)), 0)
        knots -= knots.mean(0)
        knots /= max(1.0, np.abs(knots).max())
        out.append(stroke(spline(knots, 14), any_width(rng, 0.8, 4), group=int(rng.integers(2))))
        if rng.random() < 0.4:
            out.append(stroke(knots[-1:], 1, rng.uniform(0.05, 0.12), group=1))
    return out


def insect(rng: Rng) -> Drawing:
    """A body with legs, feelers, a tail or whiskers."""
    out: Drawing = []
    path = arc(np.array([-0.45, 0.0]), rng.normal(0, 0.2), 0.9, rng.normal(0, 0.5), 16)
    waves = 1 + 0.35 * np.sin(np.linspace(0, rng.uniform(3, 14), 16))
    fat = np.sin(np.linspace(0.3, math.pi - 0.2, 16)) * waves * rng.uniform(0.1, 0.22)
    out.append(stroke(path, 1, fat))
    width = any_width(rng, 0.8, 2.2)
    for t in np.linspace(3, 12, int(rng.integers(3, 8))):
        for side in (-1, 1):
            turn, reach = side * (math.pi / 2 + rng.normal(0, 0.3)), rng.uniform(0.2, 0.45)
            upper = arc(path[int(t)], turn, reach + fat[int(t)], 0, 4)
            lower = arc(upper[-1], turn + side * rng.uniform(-0.9, 0.9), reach, 0.3 * side, 6)
            out.append(stroke(upper, width, group=1))
            out.append(stroke(lower, np.linspace(width, 0.7, 6), group=1))
    for side in (-1, 1):
        feeler = arc(
            path[-1], side * rng.uniform(0.1, 0.8), rng.uniform(0.3, 0.7), rng.normal(0, 1), 12
        )
        out.append(stroke(feeler, np.linspace(width, 0.7, 12)))
    if rng.random() < 0.4:
        tail = arc(
            path[0], math.pi + rng.normal(0, 0.3), rng.uniform(0.3, 0.8), rng.normal(0, 2), 16
        )
        out.append(stroke(tail, np.linspace(2.5, 0.8, 16)))
    return out
