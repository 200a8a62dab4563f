"""What happens in a clip.

Something passes in front; the target vanishes and returns, comes nearer, throws a shadow.
"""

from __future__ import annotations

import math
from random import Random

from vos.synth.config import ClipConfig
from vos.synth.objects.parts import Part, Shape, extent
from vos.synth.objects.shapes import any_shape, bar, blob, lattice, tree
from vos.synth.scene import Body, Paint, Scene, Wave, any_body

_COVER = 61


def passer(
    rng: Random, config: ClipConfig, pool: int, at: tuple[float, float], size: float
) -> Body:
    """Make a pole, a blob or anything else that stands or moves in front of the target's path."""
    side = rng.choice((-1, 1))
    width = math.sqrt(size)
    form = (bar(rng), True) if rng.random() < 0.5 else any_shape(rng, 0.2)
    big = math.exp(rng.uniform(math.log(0.01), math.log(0.12)))
    x = at[0] + side * (0.45 * width + 0.5 * math.sqrt(big) + rng.uniform(0.0, 0.25))
    body = any_body(
        rng,
        config,
        pool,
        big,
        60,
        config.target_speed * rng.random(),
        rng.uniform(1.0, 1.6),
        shape=form,
        at=(x, rng.uniform(0.2, 0.8)),
    )
    if len(form[0]) == 2 and rng.random() < 0.8:
        body.turn = Wave(math.pi / 2 + rng.gauss(0, 0.1))
    heading = -side * config.target_speed * rng.uniform(0.0, 1.2)
    body.x = Wave(x, heading)
    return body


def hide(
    rng: Random,
    config: ClipConfig,
    pool: int,
    frames: int,
    bodies: list[Body],
    index: int,
    size: float,
) -> None:
    """Make the target vanish for some frames: it leaves, or something larger passes over it."""
    target = bodies[index]
    middle = rng.uniform(0.45, 0.95) * (frames - 1)
    width = min(middle, rng.uniform(0.3, 0.6) * frames)
    reach = 1.3 * math.sqrt(size) + 0.15
    if rng.random() < 0.5:
        _leave(rng, target, middle, width, reach)
        return
    big = rng.uniform(1.5, 4.0) * size + 0.01
    distance = 0.7 * (math.sqrt(big) + math.sqrt(size)) + 0.1
    speed = max(distance / max(middle, 1.0), config.target_speed)
    _cover(rng, config, pool, bodies, index, min(big, 0.6), middle, speed)


def hide_and_return(
    rng: Random,
    config: ClipConfig,
    pool: int,
    frames: int,
    bodies: list[Body],
    index: int,
    size: float,
) -> None:
    """Make the target vanish early enough to be back for about the last third of `frames`.

    It leaves the frame, something passes over it, or it passes behind something that stands.
    """
    target = bodies[index]
    middle = rng.uniform(0.3, 0.55) * (frames - 1)
    kind = rng.random()
    if kind < 0.3:
        _leave(rng, target, middle, 0.9 * middle, 1.3 * math.sqrt(size) + 0.15)
        return
    if kind < 0.6:
        big = min(rng.choice((rng.uniform(2.0, 5.0) * size + 0.02, rng.uniform(0.2, 0.6))), 0.6)
        distance = 0.75 * (math.sqrt(big) + math.sqrt(size)) + 0.1
        _cover(rng, config, pool, bodies, index, big, middle, distance / max(0.8 * middle, 1.0))
        return
    # A tree, a wall, a van: the target walks behind it and comes out at its other side.
    left, _, right, _ = extent(target.shape)
    half = 0.5 * (right - left) * math.exp(target.log_scale.start)
    wide = min(half * rng.uniform(0.9, 1.5) + 0.01, 0.4)
    travel = (half + wide) * rng.uniform(1.1, 1.6)
    heading = 1 if target.x.start < 0.5 else -1
    pace = heading * travel / max(middle, 1.0)
    # Half of the way on either side of the middle of the frame, so that both ends are seen.
    start = min(max(0.5 - 0.5 * pace * frames, 0.1), 0.9)
    target.x = Wave(start, pace)
    post: Shape = [Part(-1, (-1.0, 0.0), 0.0, 2.0, (wide, wide * rng.uniform(0.8, 1.0)), 0)]
    cover = any_body(
        rng, config, pool, 0.1, _COVER, 0.0, target.attach, shape=(post, True), at=(0.5, 0.5)
    )
    cover.x = Wave(target.x.at(middle))
    cover.y = Wave(0.5)
    cover.log_scale = Wave()
    cover.turn = Wave(math.pi / 2 + rng.gauss(0, 0.06))
    cover.squeeze = Wave(1.0)
    bodies.append(cover)


def _leave(rng: Random, target: Body, middle: float, width: float, reach: float) -> None:
    """Move the target out at `middle` and back `width` later, at the side where it left."""
    side = rng.choice((-1, 1))
    goal = 1 + reach if side > 0 else -reach
    height = goal - target.x.at(middle)
    target.attach = 0.0
    target.x = Wave(target.x.start, 0.0, target.x.terms, (height, middle, width))


def _cover(
    rng: Random,
    config: ClipConfig,
    pool: int,
    bodies: list[Body],
    index: int,
    size: float,
    middle: float,
    speed: float,
) -> None:
    """Add a solid body of area `size` that passes over the target, right over it at `middle`."""
    outline_rng = Random(rng.random())
    form = blob(outline_rng)
    form = [part for part in form if part.ring == 0 and part.hole[2] == 0] or bar(outline_rng)
    cover = any_body(rng, config, pool, size, _COVER, 0.0, 0.0, shape=(form, False), at=(0.0, 0.0))
    pace = speed * rng.choice((-1, 1))
    cover.x = Wave(-pace * middle, pace)
    cover.y = Wave(0.0)
    cover.follow = index
    bodies.append(cover)


def approach(rng: Random, target: Body, size: float, frames: int) -> None:
    """Let the target grow or shrink by a factor of 1.5 to 3 over the clip, within the frame."""
    factor = rng.uniform(math.log(1.5), math.log(3.0))
    if size > 0.1 or rng.random() < 0.35:
        factor = -factor
    wave = target.log_scale
    target.log_scale = Wave(wave.start, factor / max(frames - 1, 1), wave.terms, wave.bump)


def veil(rng: Random, config: ClipConfig, pool: int) -> list[Body]:
    """Make one to three poles, fences or twigs near the camera, which stand still in the scene."""
    bodies = []
    near = rng.uniform(1.0, 1.5)
    for i in range(rng.randint(1, 3)):
        kind = rng.random()
        form: Shape
        if kind < 0.6:
            thick = rng.uniform(0.006, 0.05)
            form = [Part(-1, (-0.8, 0.0), 0.0, 1.6, (thick, thick * rng.uniform(0.7, 1.0)), 0)]
            turn = math.pi / 2 + rng.gauss(0, 0.12)
            if rng.random() < 0.2:
                turn = rng.gauss(0, 0.2)
        elif kind < 0.8:
            form, turn = lattice(rng), rng.gauss(0, 0.1)
        else:
            form, turn = tree(rng), rng.uniform(0, 2 * math.pi)
        at = (rng.uniform(0, 1), rng.uniform(0.3, 0.7))
        body = any_body(rng, config, pool, 0.05, 50 + i, 0.0, near, shape=(form, True), at=at)
        body.x, body.y, body.turn = Wave(at[0]), Wave(at[1]), Wave(turn)
        body.log_scale = Wave(0.0 if kind < 0.6 else math.log(rng.uniform(0.7, 1.3)))
        body.squeeze = Wave(1.0)
        bodies.append(body)
    return bodies


def cast_shadows(rng: Random, scene: Scene) -> None:
    """Put flat dark shadows under the feet of the target and the distractors, all to one side.

    A shadow is no part of its object.
    """
    reach, slant = rng.gauss(0, 0.5), abs(rng.gauss(0, 0.12))
    opacity = rng.uniform(0.2, 0.65)
    soft = rng.choice((1.0, 2.0, 4.0))
    shaded: list[Body] = []
    moved: dict[int, int] = {}
    for i, body in enumerate(scene.bodies):
        if body.label != 0 and body.label < 50 and abs(body.turn.start) < 0.6:
            shaded.append(_shadow(rng, body, reach, slant, opacity, soft))
        moved[i] = len(shaded)
        shaded.append(body)
    for body in shaded:
        body.follow = moved.get(body.follow, -1)
    scene.bodies[:] = shaded
    scene.target = moved[scene.target]


def _shadow(
    rng: Random, body: Body, reach: float, slant: float, opacity: float, soft: float
) -> Body:
    left, _, right, bottom = extent(body.shape)
    width, middle = right - left, (left + right) / 2
    flat = width * rng.uniform(0.03, 0.12)
    length = width * rng.uniform(0.4, 0.9) + abs(reach)
    angle = -slant if reach >= 0 else math.pi + slant
    start = middle - math.copysign(0.35 * width, reach)
    form: Shape = [
        Part(-1, (start, bottom - 0.5 * flat), angle, length, (flat, flat * rng.uniform(0.5, 1)), 0)
    ]
    ink = Paint((0.0, 0.0, 0.0), 0, 0.0, 1.0, (0.0, 0.0), 0.0)
    return Body(
        form, [ink], 0, body.x, body.y, body.log_scale, body.turn, body.attach,
        squeeze=body.squeeze, soft_px=soft, opacity=opacity,
    )  # fmt: skip
