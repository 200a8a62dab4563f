"""Clips in which a tracker may lose an object, or take another one for it.

clips = draw_trials("crossing", count=20, frames=40, size=256)

Label 1 is the target; label 2 is a twin of the same shape and paint, where there is one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from types import MappingProxyType

import torch

from vos.synth.clips import Clips, draw
from vos.synth.config import ClipConfig
from vos.synth.objects.parts import Part
from vos.synth.scene import (
    Body,
    Scene,
    Wave,
    any_body,
    any_camera,
    any_colour,
    near_colour,
)

_CONFIG = ClipConfig(camera=0.4, camera_speed=0.004, thin=0.0, motion_blur=0.0)
_OCCLUDER = 60
_POOL = 4096
"""Seed of the textures: training never comes to it."""


def draw_trials(kind: str, *, count: int, frames: int, size: int, seed: int = 0) -> Clips:
    """Draw `count` clips of one of `TRIALS`, the same ones for the same arguments."""
    make = TRIALS[kind]

    def write(rng: Random, pool: int) -> list[Scene]:
        return [make(rng, pool, frames) for _ in range(count)]

    number = list(TRIALS).index(kind)
    cpu = torch.device("cpu")
    return draw(write, frames, size, 3 * seed + number, cpu, _CONFIG, pool=_POOL + seed)


def _cross(rng: Random, pool: int, frames: int) -> Scene:
    """Let a target and its twin meet in the middle; they pass each other, or turn back."""
    target = _any_target(rng, pool)
    twin = _make_twin(rng, target)
    height = rng.uniform(0.35, 0.65)
    turns_back = rng.random() < 0.35
    for body, side in ((target, -1), (twin, 1)):
        start = 0.5 + side * rng.uniform(0.24, 0.3)
        way = -side * rng.uniform(0.48, 0.56)
        if turns_back:
            middle = 0.5 * frames
            body.x = replace(_sway(rng, start), bump=(0.5 * way, middle, 0.8 * middle))
        else:
            body.x = replace(_sway(rng, start), slope=way / frames)
        body.y = _sway(rng, height + rng.uniform(-0.03, 0.03))
    return _scene(rng, [target, twin] if rng.random() < 0.5 else [twin, target], target)


def _occlude(rng: Random, pool: int, frames: int) -> Scene:
    """Let a target pass behind something wide, for about half of the clip."""
    target = _any_target(rng, pool)
    twin = _make_twin(rng, target)
    height = rng.uniform(0.35, 0.6)
    heading = rng.choice((-1, 1))
    start = 0.5 - heading * rng.uniform(0.34, 0.38)
    target.x = replace(_sway(rng, start), slope=heading * rng.uniform(0.7, 0.76) / frames)
    target.y = _sway(rng, height)
    twin.x, twin.y = _sway(rng, rng.uniform(0.3, 0.7)), _sway(rng, 0.88)
    half = rng.uniform(0.22, 0.25)
    cover = any_body(
        rng,
        _CONFIG,
        pool,
        0.2,
        _OCCLUDER,
        0.0,
        1.0,
        shape=([Part(-1, (-0.1, 0.0), 0.0, 0.2, (half, half), 0)], True),
    )
    cover.x, cover.y = Wave(0.5), Wave(height)
    cover.log_scale, cover.turn, cover.squeeze = Wave(), Wave(math.pi / 2), Wave(1.0)
    return _scene(rng, [twin, target, cover], target)


def _leave(rng: Random, pool: int, frames: int) -> Scene:
    """Let a target leave the frame and come back; its twin stays."""
    target = _any_target(rng, pool)
    twin = _make_twin(rng, target)
    side = rng.choice((-1, 1))
    start = 0.5 + side * rng.uniform(0.12, 0.2)
    way = side * (0.95 - abs(start - 0.5))
    target.x = replace(_sway(rng, start), bump=(way, 0.45 * frames, 0.42 * frames))
    target.y = _sway(rng, rng.uniform(0.3, 0.45))
    twin.x = _sway(rng, 0.5 - side * rng.uniform(0.15, 0.25))
    twin.y = _sway(rng, rng.uniform(0.7, 0.8))
    return _scene(rng, [twin, target], target)


TRIALS: Mapping[str, Callable[[Random, int, int], Scene]] = MappingProxyType(
    {"crossing": _cross, "occlusion": _occlude, "return": _leave}
)
"""By name: twins that cross, a long occlusion, an exit and return."""


def _any_target(rng: Random, pool: int) -> Body:
    near = any_colour(rng)
    size = math.exp(rng.uniform(math.log(0.012), math.log(0.03)))
    return any_body(rng, _CONFIG, pool, size, 1, 0.0, 0.0, near)


def _make_twin(rng: Random, target: Body) -> Body:
    """Make a body of the target's shape and nearly its paint."""
    spread = rng.choice((0.0, 0.02, 0.06))
    paints = [replace(p, colour=near_colour(rng, p.colour, spread)) for p in target.paints]
    twin = replace(target, label=2, paints=paints)
    twin.log_scale = Wave(target.log_scale.start + rng.uniform(-0.1, 0.1))
    return twin


def _sway(rng: Random, start: float) -> Wave:
    """Return a place that is nearly kept."""
    terms = ((rng.uniform(0.003, 0.01), rng.uniform(0.15, 0.4), rng.uniform(0, 6.28)),)
    return Wave(start, 0.0, terms)


def _scene(rng: Random, bodies: list[Body], target: Body) -> Scene:
    palette = [any_colour(rng, 0.6) for _ in range(4)]
    return Scene(bodies, any_camera(rng, _CONFIG), palette, False, bodies.index(target))
