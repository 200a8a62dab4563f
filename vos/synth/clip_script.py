"""The script of a clip: which objects are in it, how each moves, how the camera moves."""

from __future__ import annotations

import math
from random import Random

from vos.synth.config import ClipConfig
from vos.synth.disguise import disguise, make_crowd, patch_colours
from vos.synth.events import approach, cast_shadows, hide, hide_and_return, passer, veil
from vos.synth.objects.shapes import bar, blob
from vos.synth.scene import (
    Body,
    Scene,
    Wave,
    any_body,
    any_camera,
    any_colour,
    any_paints,
    any_wave,
    near_colour,
)

_CLUTTER_AREAS = (0.001, 0.06)


def any_scene(rng: Random, config: ClipConfig, frames: int, pool: int) -> Scene:
    """Draw at random the script of one clip of `frames` frames.

    pool: number of textures to choose from.
    """
    palette = [any_colour(rng, 0.6) for _ in range(4)]
    if rng.random() < 0.5:
        palette = [near_colour(rng, palette[0], 0.15) for _ in range(4)]
    camera = any_camera(rng, config)
    pace = rng.uniform(1.0, config.pace) if config.pace > 1 else 1.0
    span = frames if pace == 1 else max(frames, round(frames * pace))
    bodies: list[Body] = []
    for _ in range(rng.randint(0, config.scenery)):
        near = rng.choice(palette) if rng.random() < 0.5 else None
        form = (bar(rng) if rng.random() < 0.3 else blob(rng), False)
        size = math.exp(rng.uniform(math.log(0.003), math.log(0.15)))
        body = any_body(rng, config, pool, size, 0, 0.0, rng.uniform(0.8, 1.3), near, form)
        body.x, body.y, body.log_scale = (Wave(w.start) for w in (body.x, body.y, body.log_scale))
        body.turn = Wave(math.pi / 2 + rng.gauss(0, 0.15))
        bodies.append(body)

    low, high = config.min_area, config.max_area
    if config.small and rng.random() < config.small:
        low, high = config.small_area
    size = math.exp(rng.uniform(math.log(low), math.log(high)))
    near = rng.choice(palette) if rng.random() < config.camouflage else None
    margin = 0.12 + 0.25 * math.sqrt(size)
    at = (rng.uniform(margin, 1 - margin), rng.uniform(margin, 1 - margin))
    speed = config.target_speed * rng.choice((0.15, 0.5, 1.0, 1.5))
    attach = rng.choice((0.0, 0.3, 1.0))
    target = any_body(rng, config, pool, size, 1, speed, attach, near, at=at)
    if config.patches and rng.random() < config.patches:
        target.paints = patch_colours(rng, target.paints, palette)

    behind, front = _others(rng, config, pool, target, size, speed, attach)
    if config.crowd and rng.random() < config.crowd:
        behind += make_crowd(rng, config, pool, target, size, speed, attach)
    bodies += behind
    index = len(bodies)
    bodies += [target, *front]
    if config.approach and rng.random() < config.approach:
        approach(rng, target, size, span)
    if frames >= 4 and rng.random() < config.disappear:
        if config.returns and rng.random() < config.returns:
            hide_and_return(rng, config, pool, span, bodies, index, size)
        else:
            hide(rng, config, pool, span, bodies, index, size)
    elif rng.random() < config.occluder:
        bodies.append(passer(rng, config, pool, at, size))
    scene = Scene(bodies, camera, palette, rng.random() < config.motion_blur, index, pace=pace)
    if config.veil and rng.random() < config.veil:
        bodies += veil(rng, config, pool)
    if config.turning:
        disguise(rng, config, scene)
    if config.shadow and rng.random() < config.shadow:
        cast_shadows(rng, scene)
    if config.parallax:
        scene.parallax = rng.choice((0.0, rng.uniform(-0.2, 1.0))) * config.parallax
    if config.clutter:
        # It costs a still as much as everything else, a clip little.
        most = config.clutter if frames > 1 else config.clutter // 3
        scene.clutter = _clutter(rng, config, pool, scene, most)
    return scene


def _others(
    rng: Random,
    config: ClipConfig,
    pool: int,
    target: Body,
    size: float,
    speed: float,
    attach: float,
) -> tuple[list[Body], list[Body]]:
    """Draw at random the distractors behind the target and those in front of it."""
    behind, front = [], []
    for i in range(rng.randint(0, config.distractors)):
        shape = paints = None
        kind = rng.random()
        other = size * math.exp(rng.gauss(0, 0.6))
        both = config.twin_shape + config.twin_texture
        if kind < config.twin_shape or both <= kind < both + config.twin:
            shape = (target.shape, abs(target.turn.start) < 0.6)
            other = size * math.exp(rng.gauss(0, 0.2))
        if config.twin_shape <= kind < both + config.twin:
            paints = target.paints
        body = any_body(
            rng,
            config,
            pool,
            min(other, 0.25),
            2 + i,
            speed,
            rng.choice((attach, 1.0)),
            None,
            shape,
            paints,
        )
        if shape is not None:
            body.turn = any_wave(rng, target.turn.start + rng.gauss(0, 0.1), 0.01)
        # Whatever passes in front starts away from the target, so that the first frame shows it.
        reach = 0.6 * (math.sqrt(size) + math.sqrt(other))
        x, y = body.x.start - target.x.start, body.y.start - target.y.start
        (front if math.hypot(x, y) > reach and rng.random() < 0.5 else behind).append(body)
    return behind, front


def _clutter(rng: Random, config: ClipConfig, pool: int, scene: Scene, most: int) -> list[Body]:
    """Draw at random what stands on the backdrop: in its colours, the target's paint, or any."""
    low, high = (math.log(v) for v in _CLUTTER_AREAS)
    bodies = []
    for _ in range(rng.randint(0, most)):
        near = rng.choice(scene.palette) if rng.random() < 0.4 else None
        paints = any_paints(rng, config, pool, near, groups=3)
        if rng.random() < 0.15:
            paints = scene.bodies[scene.target].paints
        form = (bar(rng) if rng.random() < 0.35 else blob(rng), False)
        size = math.exp(rng.uniform(low, high))
        body = any_body(rng, config, pool, size, 0, 0.0, 0.0, None, form, paints)
        if rng.random() < 0.5:
            body.turn = Wave(rng.choice((0.0, math.pi / 2)) + rng.gauss(0, 0.03))
        bodies.append(body)
    return bodies
