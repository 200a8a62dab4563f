"""Objects whose outline is mostly detail, made by people: lattices, wires, combs, frames.

Each function draws one random object as strokes in a frame of about [-1, 1]; thin widths are in
pixels of the label, so that they stay thin however large the object is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from vos.synth.thin.growths import fern, hair, holes, insect, tangle, toothed, tree
from vos.synth.thin.paths import Drawing, Rng, any_width, arc, ring, stroke


def lattice(rng: Rng) -> Drawing:
    """A fence, a grid or a chain-link mesh, with or without a frame."""
    rows, columns = rng.integers(3, 14), rng.integers(4, 18)
    width = any_width(rng)
    wave = rng.choice([0.0, 0.0, 0.02])
    slant = rng.choice([0.0, 0.0, 1.0])
    out: Drawing = []
    t = np.linspace(-1, 1, 25)
    for x in np.linspace(-1, 1, columns):
        path = np.stack([x + wave * np.sin(12 * t), t], 1)
        if slant:
            path = np.stack([x + (t + 1) * 0.5, t], 1)
            out.append(stroke(path * [1, 1] - [2 * 0.5, 0], width, group=1))
        out.append(stroke(path if not slant else path * [-1, 1], width))
    if not slant:
        out += [stroke(np.stack([t, 0 * t + y], 1), width) for y in np.linspace(-1, 1, rows)]
    if rng.random() < 0.6:
        frame = any_width(rng, 1.5, 6)
        low = -1.0 if not slant else -2.0
        corners = np.array([[low, -1], [-low, -1], [-low, 1], [low, 1], [low, -1]])
        out.append(stroke(corners, frame, group=1))
    return out


def fence(rng: Rng) -> Drawing:
    """Pickets or railings on two rails, some leaning."""
    count, width = int(rng.integers(6, 24)), any_width(rng, 0.8, 4)
    high = rng.uniform(0.4, 0.9)
    out = [
        stroke(np.array([[-1, y], [1, y + rng.normal(0, 0.02)]]), any_width(rng, 1, 4), group=1)
        for y in (-high * 0.5, high * 0.6)
    ]
    for x in np.linspace(-1, 1, count):
        lean = rng.normal(0, 0.02)
        top = -high * rng.uniform(0.9, 1.05)
        path = np.array([[x + lean, top], [x, high]])
        taper = np.array([0.6, width]) if rng.random() < 0.3 else width
        out.append(stroke(path, taper, tone=rng.normal(0, 0.06)))
    return out


def web(rng: Rng) -> Drawing:
    """Spokes and rings: a spider's web, an umbrella's ribs, a wheel."""
    spokes, rings = int(rng.integers(6, 20)), int(rng.integers(1, 8))
    width, hub = any_width(rng, 0.7, 2), rng.uniform(0.0, 0.2)
    turns = np.sort(rng.uniform(0, 2 * math.pi, spokes))
    if rng.random() < 0.6:
        turns = np.linspace(0, 2 * math.pi, spokes, endpoint=False)
    out = [
        stroke(np.array([[hub * np.cos(a), hub * np.sin(a)], [np.cos(a), np.sin(a)]]), width)
        for a in turns
    ]
    for radius in np.linspace(max(hub, 0.15), 1, rings + 1)[1:]:
        angles = np.append(turns, turns[0])
        if rng.random() < 0.5:
            path = radius * np.stack([np.cos(angles), np.sin(angles)], 1)
        else:
            path = ring(np.zeros(2), radius)
        out.append(stroke(path, width * rng.uniform(0.9, 1.6), group=1))
    if hub > 0.08:
        out.append(stroke(np.zeros((1, 2)), 0, hub, group=1))
    return out


def cycle(rng: Rng) -> Drawing:
    """Two spoked wheels joined by a frame of bars."""
    out: Drawing = []
    radius, spokes = rng.uniform(0.38, 0.46), int(rng.integers(8, 28))
    thin, bar = any_width(rng, 0.7, 1.2), any_width(rng, 1.5, 4)
    left, right = np.array([-0.52, 0.3]), np.array([0.52, 0.3])
    for hub in (left, right):
        out.append(stroke(ring(hub, radius), bar, group=1))
        for a in np.linspace(0, 2 * math.pi, spokes, endpoint=False) + rng.random():
            out.append(
                stroke(np.stack([hub, hub + radius * np.array([np.cos(a), np.sin(a)])]), thin)
            )
    seat, head, crank = np.array([-0.2, -0.3]), np.array([0.35, -0.35]), np.array([-0.05, 0.3])
    for a, b in (
        (left, seat),
        (left, crank),
        (seat, crank),
        (seat, head),
        (crank, head),
        (head, right),
    ):
        out.append(stroke(np.stack([a, b]), bar))
    out.append(stroke(np.array([[-0.32, -0.36], [-0.1, -0.36]]), bar * 1.8, group=1))
    out.append(stroke(np.array([[0.25, -0.5], [0.35, -0.45], [0.5, -0.5]]), bar))
    return out


def wires(rng: Rng) -> Drawing:
    """Cables that sag between poles with arms."""
    poles, cables = int(rng.integers(1, 4)), int(rng.integers(2, 7))
    out: Drawing = []
    xs = np.sort(rng.uniform(-0.9, 0.9, poles))
    hang = np.concatenate([[-1.2], xs, [1.2]])
    levels = np.linspace(-0.75, rng.uniform(-0.6, 0.1), cables)
    width = any_width(rng, 0.7, 1.6)
    for level in levels:
        for a, b in pairwise(hang):
            t = np.linspace(0, 1, 16)
            sag = rng.uniform(0.02, 0.2) * (b - a)
            path = np.stack([a + (b - a) * t, level + 4 * sag * t * (1 - t)], 1)
            out.append(stroke(path, width, group=1))
    for x in xs:
        foot = any_width(rng, 2, 6)
        out.append(stroke(np.array([[x, -0.9], [x, 1.0]]), np.array([foot * 0.7, foot])))
        for level in levels[:: max(1, cables // 3)]:
            out.append(stroke(np.array([[x - 0.15, level], [x + 0.15, level]]), foot * 0.6))
    return out


def truss(rng: Rng) -> Drawing:
    """A mast, crane or bridge of crossed bars."""
    cells, width = int(rng.integers(4, 13)), any_width(rng, 0.7, 2.2)
    foot, top = rng.uniform(0.12, 0.45), rng.uniform(0.04, 0.2)
    y = np.linspace(1, -1, cells + 1)
    half = np.linspace(foot, top, cells + 1)
    left, right = np.stack([-half, y], 1), np.stack([half, y], 1)
    out = [stroke(side, width * 1.5) for side in (left, right)]
    for i in range(cells):
        out.append(stroke(np.stack([left[i], right[i + 1]]), width, tone=0.05))
        out.append(stroke(np.stack([right[i], left[i + 1]]), width, tone=-0.05))
        out.append(stroke(np.stack([left[i], right[i]]), width))
    for i in rng.choice(cells, int(rng.integers(0, 4)), replace=False):
        reach = rng.uniform(0.2, 0.6)
        arm = np.array([[-reach, y[i]], [reach, y[i]]])
        out.append(stroke(arm, width * 1.3, group=1))
        out.append(stroke(np.stack([arm[0], left[min(i + 1, cells)]]), width, group=1))
        out.append(stroke(np.stack([arm[1], right[min(i + 1, cells)]]), width, group=1))
    return out


def comb(rng: Rng) -> Drawing:
    """A spine with teeth: comb, rake, brush, eyelashes."""
    count, width = int(rng.integers(8, 46)), any_width(rng, 0.7, 2.5)
    curl = rng.normal(0, 0.8) if rng.random() < 0.5 else 0.0
    spine = arc(np.array([-0.9, -0.3]), -curl / 2, 1.8, curl, 60)
    reach = rng.uniform(0.25, 0.9)
    out = [stroke(spine, 1.0, rng.uniform(0.01, 0.12), group=1)]
    if rng.random() < 0.4:
        out.append(stroke(np.stack([spine[0], spine[0] - [0.6, 0.1]]), 2.0, 0.03, group=1))
    step = np.gradient(spine, axis=0)
    for t in np.linspace(0, len(spine) - 1, count).astype(int):
        turn = math.atan2(step[t, 0], -step[t, 1]) + math.pi + rng.normal(0, 0.03)
        tooth = arc(spine[t], turn, reach * rng.uniform(0.9, 1.0), rng.normal(0, 0.1), 6)
        out.append(stroke(tooth, width * np.linspace(1.2, 0.6, 6)))
    return out


def frame(rng: Rng) -> Drawing:
    """Bars of a chair, rack, table or scaffold, seen in perspective."""
    nx, ny, nz = (int(n) for n in rng.integers(1, 4, 3))
    turn, tilt = rng.uniform(0, math.pi), rng.uniform(0.1, 0.6)
    width, keep = any_width(rng, 0.9, 4), rng.uniform(0.6, 1.0)

    def seen(p: np.ndarray) -> np.ndarray:
        x, y, z = (p - 0.5) * 2 * size
        x, z = x * math.cos(turn) - z * math.sin(turn), x * math.sin(turn) + z * math.cos(turn)
        y, z = y * math.cos(tilt) - z * math.sin(tilt), y * math.sin(tilt) + z * math.cos(tilt)
        return np.array([x, y]) / (1 + 0.25 * z)

    size = rng.uniform(0.4, 0.9, 3)
    grids = [np.linspace(0, 1, n + 1) for n in (nx, ny, nz)]
    out: Drawing = []
    for axis in range(3):
        first, second = (grids[k] for k in range(3) if k != axis)
        for a in first:
            for b in second:
                if rng.random() > keep:
                    continue
                ends = np.insert(np.array([[a, b], [a, b]]), axis, [0, 1], axis=1)
                out.append(
                    stroke(
                        np.stack([seen(ends[0]), seen(ends[1])]), width, tone=rng.normal(0, 0.08)
                    )
                )
    if rng.random() < 0.4:
        rows = [
            np.stack([seen(np.array([0, 0.5, z])), seen(np.array([1, 0.5, z]))])
            for z in np.linspace(0, 1, 24)
        ]
        out += [stroke(row, 3.0, 0.02, group=1) for row in rows]
    return out


SHAPES: dict[str, Callable[[Rng], Drawing]] = {
    shape.__name__: shape
    for shape in (
        lattice, fence, web, cycle, wires, truss, hair, comb, tree, fern, holes, toothed, tangle,
        frame, insect,
    )
}  # fmt: skip
"""All objects by name."""
