"""Where everything is at any time: the camera, the bodies and, by kinematics, their parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vos.synth.objects.outlines import ROUND, Outline
from vos.synth.scene import Scene, Wave

_STILL = Wave().row()


def waves(rows: Tensor, times: Tensor) -> Tensor:
    """Evaluate waves, given by their rows (b, n, 14), at times (b, t): (b, n, t)."""
    time = times[:, None, :]
    value = rows[..., 0, None] + rows[..., 1, None] * time
    for k in (2, 5, 8):
        amp, rate, phase = (rows[..., k + i, None] for i in range(3))
        value = value + amp * (torch.sin(rate * time + phase) - torch.sin(phase))
    height, middle, width = (rows[..., 11 + i, None] for i in range(3))
    u = ((time - middle) / width).clamp(-1, 1)
    return value + height * 0.5 * (1 + torch.cos(math.pi * u))


@dataclass(frozen=True, slots=True)
class Pose:
    """Similarity transforms over clips, things and times, each (b, n, t).

    x: position in frame widths.
    y: position in frame heights, down.
    angle: radians.
    scale: frame widths per object unit.
    stretch: share of its length that a segment shows.
    """

    x: Tensor
    y: Tensor
    angle: Tensor
    scale: Tensor
    stretch: Tensor


@dataclass(frozen=True, slots=True)
class View:
    """The camera at every time, each (b, t).

    x: pan in frame widths.
    y: pan in frame heights.
    zoom: factor.
    roll: radians.
    """

    x: Tensor
    y: Tensor
    zoom: Tensor
    roll: Tensor


def camera_view(scenes: Sequence[Scene], times: Tensor) -> View:
    """Compute where the camera of each clip is at `times` (b, t)."""
    rows = torch.tensor(
        [
            [w.row() for w in (s.camera.x, s.camera.y, s.camera.log_zoom, s.camera.roll)]
            for s in scenes
        ]
    ).to(times.device)
    x, y, zoom, roll = waves(rows, times).unbind(1)
    return View(x, y, zoom.exp(), roll)


def _pad(rows: list[list[list[float]]], width: int, filler: list[float]) -> Tensor:
    return torch.tensor([row + [filler] * (width - len(row)) for row in rows])


def body_poses(scenes: Sequence[Scene], times: Tensor, view: View) -> Pose:
    """Compute poses of all bodies on screen (b, bodies, t), padded with bodies without parts."""
    count = max(len(s.bodies) for s in scenes)
    device = times.device

    def track(get: str) -> Tensor:
        rows = [[getattr(body, get).row() for body in s.bodies] for s in scenes]
        return waves(_pad(rows, count, _STILL).to(device), times)

    x, y, log_scale, angle, squeeze = (track(n) for n in ("x", "y", "log_scale", "turn", "squeeze"))
    for b, scene in enumerate(scenes):
        for i, body in enumerate(scene.bodies):
            if body.follow >= 0:
                x[b, i] += x[b, body.follow]
                y[b, i] += y[b, body.follow]
    attach = torch.tensor(
        [[b.attach for b in s.bodies] + [0.0] * (count - len(s.bodies)) for s in scenes]
    ).to(device)[..., None]
    for b, scene in enumerate(scenes):
        for i, body in enumerate(scene.bodies):
            if body.follow >= 0:
                attach[b, i] = attach[b, body.follow]
    zoom, roll = view.zoom[:, None] ** attach, view.roll[:, None] * attach
    dx, dy = x - 0.5, y - 0.5
    cos, sin = torch.cos(roll), torch.sin(roll)
    screen_x = 0.5 + zoom * (cos * dx - sin * dy) + view.x[:, None] * attach
    screen_y = 0.5 + zoom * (sin * dx + cos * dy) + view.y[:, None] * attach
    return Pose(screen_x, screen_y, angle + roll, log_scale.exp() * zoom, squeeze)


@dataclass(frozen=True, slots=True)
class Parts:
    """All parts of all clips in painting order, padded to the longest clip with parts of radius 0.

    numbers: (b, parts, columns), see `Column`.
    outlines: (m, 2, bins), the distinct pairs of outlines.
    body: (b, parts), index of the body.
    parent: (b, parts), index of the part it hangs on, -1 for a root.
    texture: (b, parts), index in the pool.
    label: (b, parts), of the body.
    outline: (b, parts), index in `outlines`.
    shaped: (b, parts), whether it is not round.
    """

    numbers: Tensor
    outlines: Tensor
    body: Tensor
    parent: Tensor
    texture: Tensor
    label: Tensor
    outline: Tensor
    shaped: Tensor


class Column:
    """Columns of `Parts.numbers`, each named by its first.

    Swings are amplitude, rate, phase; wobbles amplitude, rate; colours red, green, blue. OTHER is
    what is added to the colour on the other side, TURNING the rate and phase of turning there,
    SLIDE the texture's motion, in periods per frame.
    """

    OX, OY, ANGLE, LENGTH, R0, R1, RING, HX, HY, HR = range(10)
    SWING, SWAY, WOBBLE, COLOUR, STRENGTH = 10, 13, 16, 18, 21
    GRAIN, U, V, SHADE, SOFT = range(22, 27)
    OTHER, TURNING, SLIDE, OPACITY = 27, 30, 32, 34
    COUNT = 35


def collect_parts(scenes: Sequence[Scene], device: torch.device) -> Parts:
    """Flatten the bodies of every clip into tables."""
    count = max(sum(len(body.shape) for body in scene.bodies) for scene in scenes)
    numbers = np.zeros((len(scenes), count, Column.COUNT), dtype=np.float32)
    indices = np.zeros((len(scenes), count, 6), dtype=np.int64)
    indices[..., 1] = -1
    pairs: list[tuple[Outline, Outline]] = [(ROUND, ROUND)]
    for b, scene in enumerate(scenes):
        k = 0
        for i, body in enumerate(scene.bodies):
            first = k
            for part in body.shape:
                paint = body.paints[part.colour % len(body.paints)]
                other = paint.other or paint.colour
                numbers[b, k] = (
                    *part.offset,
                    part.angle,
                    part.length,
                    *part.radius,
                    part.ring,
                    *part.hole,
                    *part.swing,
                    *part.sway,
                    *part.wobble,
                    *paint.colour,
                    paint.strength,
                    paint.grain,
                    *paint.offset,
                    paint.shade,
                    body.soft_px,
                    *(b - a for a, b in zip(paint.colour, other, strict=True)),
                    *body.turning,
                    *paint.slide,
                    body.opacity,
                )
                parent = first + part.parent if part.parent >= 0 else -1
                pair = 0
                if part.outline is not None:
                    pair = len(pairs)
                    pairs.append(
                        (part.outline, part.outline if part.outline_to is None else part.outline_to)
                    )
                shaped = part.outline is not None or part.hole[2] > 0
                indices[b, k] = (i, parent, paint.texture, body.label, pair, shaped)
                k += 1
    table = torch.from_numpy(indices).to(device)
    body, parent, texture, label, outline, shaped = table.unbind(-1)
    return Parts(
        torch.from_numpy(numbers).to(device),
        torch.from_numpy(np.array(pairs, dtype=np.float32)).to(device),
        body,
        parent,
        texture,
        label,
        outline,
        shaped.bool(),
    )


def part_poses(parts: Parts, bodies: Pose, times: Tensor) -> Pose:
    """Compute poses of all parts (b, parts, t) by forward kinematics."""
    batch, count = parts.body.shape
    steps = times.shape[1]
    n = parts.numbers
    bend = torch.zeros(batch, count, steps, device=times.device)
    for k in (Column.SWING, Column.SWAY):
        amp, rate, phase = (n[..., k + i, None] for i in range(3))
        bend = bend + amp * torch.sin(rate * times[:, None] + phase)
    rest = n[..., Column.ANGLE, None] + bend
    index = parts.body[..., None].expand(-1, -1, steps)
    root_x, root_y, root_angle, scale = (
        v.gather(1, index) for v in (bodies.x, bodies.y, bodies.angle, bodies.scale)
    )
    narrow = bodies.stretch.gather(1, index)
    # In the body's frame first, so that a squeeze narrows the whole body along one axis.
    x = torch.zeros_like(rest)
    y, angle = torch.zeros_like(rest), torch.zeros_like(rest)
    safe = parts.parent.clamp(min=0)
    is_child = (parts.parent >= 0)[..., None]
    for k in range(count):
        at = safe[:, k, None, None].expand(-1, 1, steps)
        px, py, pa = (
            torch.where(is_child[:, k], v.gather(1, at)[:, 0], 0.0) for v in (x, y, angle)
        )
        ox, oy = n[:, k, Column.OX, None], n[:, k, Column.OY, None]
        cos, sin = torch.cos(pa), torch.sin(pa)
        x[:, k] = px + cos * ox - sin * oy
        y[:, k] = py + sin * ox + cos * oy
        angle[:, k] = pa + rest[:, k]
    cos, sin = torch.cos(root_angle), torch.sin(root_angle)
    x = x * narrow
    run, rise = torch.cos(angle) * narrow, torch.sin(angle)
    return Pose(
        root_x + scale * (cos * x - sin * y),
        root_y + scale * (sin * x + cos * y),
        torch.atan2(rise, run) + root_angle,
        scale,
        torch.hypot(run, rise),
    )
