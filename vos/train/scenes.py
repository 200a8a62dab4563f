"""The script of a clip: which objects are in it, how each moves, how the camera moves. Plain
numbers, no pixels.

Everything that moves is a `Wave`, a closed-form function of the time in frames, so that a clip
can be drawn at any time, between frames too, which is what motion blur needs. Positions are
fractions of the frame, y points down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random

from vos.train.parts import Shape, area
from vos.train.shapes import any_shape, bar, blob

Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Wave:
    """`start + slope t + sum a (sin(w t + p) - sin p) + bump_height bump((t - bump_time) /
    bump_width)`.

    It is `start` at time 0. `bump` is a smooth hill from 0 to 1 to 0 over [-1, 1].
    """

    start: float = 0.0
    slope: float = 0.0
    terms: tuple[tuple[float, float, float], ...] = ()
    bump: tuple[float, float, float] = (0.0, 0.0, 1.0)

    def row(self) -> list[float]:
        """The 14 numbers `raster.waves` evaluates."""
        flat = [value for term in self.terms[:3] for value in term]
        return [self.start, self.slope, *flat, *([0.0] * (9 - len(flat))), *self.bump]

    def at(self, time: float) -> float:
        """The value at a time in frames."""
        value = self.start + self.slope * time
        for amp, rate, phase in self.terms:
            value += amp * (math.sin(rate * time + phase) - math.sin(phase))
        height, middle, width = self.bump
        u = max(-1.0, min(1.0, (time - middle) / width))
        return value + height * 0.5 * (1 + math.cos(math.pi * u))


@dataclass(frozen=True, slots=True)
class Paint:
    """What a colour group of an object looks like: base colour, texture in the pool, its strength,
    grain, offset.
    """

    colour: Colour
    texture: int
    strength: float
    grain: float
    offset: tuple[float, float]
    shade: float


@dataclass(slots=True)
class Body:
    """One object of a clip. `label` 0 is scenery; 1 the target; others count up.

    `follow` is the index of a body whose position this one's is relative to, or -1. `attach`
    says how much of the camera's motion it takes: 1 as the backdrop, more when nearer, 0 for an
    object the camera follows. `squeeze` narrows it as if it turned away.
    """

    shape: Shape
    paints: list[Paint]
    label: int
    x: Wave
    y: Wave
    log_scale: Wave
    turn: Wave
    attach: float = 1.0
    follow: int = -1
    squeeze: Wave = field(default_factory=lambda: Wave(1.0))
    soft_px: float = 1.0


@dataclass(frozen=True, slots=True)
class Camera:
    """Pan in frame widths, zoom as a logarithm, roll in radians."""

    x: Wave
    y: Wave
    log_zoom: Wave
    roll: Wave


@dataclass(slots=True)
class Scene:
    """A whole clip. `bodies` are in painting order, `palette` are the backdrop's region colours."""

    bodies: list[Body]
    camera: Camera
    palette: list[Colour]
    blur: bool
    target: int


@dataclass(frozen=True, slots=True)
class ClipConfig:
    """How hard the clips are. Shares and probabilities are in [0, 1]; areas are fractions of the
    frame; speeds are frame widths per frame. The defaults are used for training and for the
    fixed held-out set.
    """

    min_area: float = 0.006
    max_area: float = 0.4
    visible_area: float = 0.004
    target_speed: float = 0.03
    thin: float = 0.08
    camera: float = 0.75
    camera_speed: float = 0.02
    scenery: int = 4
    distractors: int = 3
    twin_shape: float = 0.3
    twin_texture: float = 0.2
    camouflage: float = 0.2
    occluder: float = 0.45
    disappear: float = 0.2
    motion_blur: float = 0.2
    defocus: float = 0.12
    compression: float = 0.3
    noise: float = 0.5
    colour_shift: float = 0.5
    texture: float = 1.0
    shading: float = 1.0


def any_colour(rng: Random, vivid: float = 1.0) -> Colour:
    """A colour in [0, 1]: greys and dull colours often, saturated ones sometimes."""
    light, hue = rng.random(), rng.uniform(0, 2 * math.pi)
    if rng.random() < 0.6:
        hue = rng.choice((-0.6, -1.0, -2.0, 2.3)) + rng.gauss(0, 0.3)  # earth, skin, leaves, sky
    chroma = rng.choice((0.01, 0.03, 0.06, 0.1, 0.16, 0.3)) * rng.uniform(0.5, 1.5) * vivid
    red, green, blue = (chroma * math.cos(hue + shift) for shift in (0.0, 2.09, 4.19))
    return (
        min(max(light + red, 0.02), 0.98),
        min(max(light + green, 0.02), 0.98),
        min(max(light + blue, 0.02), 0.98),
    )


def near_colour(rng: Random, colour: Colour, spread: float) -> Colour:
    """A colour close to another one."""
    red, green, blue = (min(max(c + rng.gauss(0, spread), 0.0), 1.0) for c in colour)
    return (red, green, blue)


def any_wave(rng: Random, start: float, speed: float, slow: float = 0.08) -> Wave:
    """A smooth random path through `start` of about `speed` per frame, without a drift."""
    terms = []
    for rate in (
        slow * rng.uniform(0.5, 1.5),
        0.25 * rng.uniform(0.6, 1.6),
        0.7 * rng.uniform(0.7, 1.3),
    ):
        share = 0.8 if not terms else 0.35
        # Bounded amplitude: a slow path must not run many frames away.
        amp = min(speed * share * abs(rng.gauss(0, 1)) / rate, 0.6)
        terms.append((amp, rate, rng.uniform(0, 2 * math.pi)))
    return Wave(start, 0.0, tuple(terms))


def any_paints(
    rng: Random, config: ClipConfig, pool: int, near: Colour | None = None, groups: int = 8
) -> list[Paint]:
    """Colours and textures of an object; related to `near` where that is given."""
    first = any_colour(rng)
    strength = rng.choice((0.02, 0.06, 0.12, 0.22))
    texture = rng.randrange(pool)
    shade = rng.uniform(0.0, 0.35) * config.shading
    paints = []
    for i in range(groups):
        if near is not None:
            colour = near_colour(rng, near, 0.06 if i else 0.04)
        elif i and rng.random() < 0.25:
            colour = near_colour(rng, first, 0.08)
        else:
            colour = first if i == 0 else any_colour(rng)
        if rng.random() < 0.4:
            texture = rng.randrange(pool)
        offset = (rng.random(), rng.random())
        grain = rng.choice((0.5, 0.8, 1.2, 2.0))
        here = strength * rng.uniform(0.4, 1.6) * config.texture
        paints.append(Paint(colour, texture, here, grain, offset, shade))
    return paints


def _body(
    rng: Random,
    config: ClipConfig,
    pool: int,
    size: float,
    label: int,
    speed: float,
    attach: float,
    near: Colour | None = None,
    shape: tuple[Shape, bool] | None = None,
    paints: list[Paint] | None = None,
    at: tuple[float, float] | None = None,
) -> Body:
    """A body of area `size` (fraction of the frame) at `at` or anywhere."""
    form, upright = shape or any_shape(rng, config.thin)
    scale = math.sqrt(size / area(form))
    x, y = at or (rng.uniform(0, 1), rng.uniform(0, 1))
    spin = 0.01 if upright else rng.choice((0.0, 0.02, 0.06, 0.15))
    start = rng.gauss(0, 0.1) if upright else rng.uniform(0, 2 * math.pi)
    growth = rng.choice((0.003, 0.01, 0.025))
    squeeze = Wave(1.0)
    if rng.random() < 0.5:
        squeeze = Wave(
            1.0, 0.0, ((rng.uniform(0.05, 0.22), rng.uniform(0.08, 0.3), rng.uniform(0, 6.28)),)
        )
    return Body(
        form,
        paints or any_paints(rng, config, pool, near),
        label,
        any_wave(rng, x, speed),
        any_wave(rng, y, speed * 0.7),
        any_wave(rng, math.log(scale), growth),
        any_wave(rng, start, spin),
        attach,
        squeeze=squeeze,
        soft_px=rng.choice((1.0, 1.0, 1.3, 2.0)),
    )


def any_camera(rng: Random, config: ClipConfig) -> Camera:
    """A still camera, or pan, zoom, roll and shake."""
    if rng.random() >= config.camera:
        return Camera(Wave(), Wave(), Wave(), Wave())
    speed = config.camera_speed * rng.choice((0.3, 1.0, 2.0))
    shake = rng.choice((0.0, 0.0, 0.002, 0.006))

    def path(rate: float) -> Wave:
        wave = any_wave(rng, 0.0, rate)
        jitter = (shake, rng.uniform(1.5, 2.8), rng.uniform(0, 6.28))
        return Wave(0.0, 0.0, (*wave.terms[:2], jitter))

    zoom = any_wave(rng, 0.0, rng.choice((0.0, 0.004, 0.012)))
    roll = any_wave(rng, 0.0, rng.choice((0.0, 0.0, 0.006)))
    return Camera(path(speed), path(speed * 0.4), zoom, roll)


def any_scene(rng: Random, config: ClipConfig, frames: int, pool: int) -> Scene:
    """Draws the script of one clip of `frames` frames; `pool` is the number of textures to choose
    from.
    """
    palette = [any_colour(rng, 0.6) for _ in range(4)]
    if rng.random() < 0.5:
        palette = [near_colour(rng, palette[0], 0.15) for _ in range(4)]
    camera = any_camera(rng, config)
    bodies: list[Body] = []
    for _ in range(rng.randint(0, config.scenery)):
        near = rng.choice(palette) if rng.random() < 0.5 else None
        form = (bar(rng) if rng.random() < 0.3 else blob(rng), False)
        size = math.exp(rng.uniform(math.log(0.003), math.log(0.15)))
        body = _body(rng, config, pool, size, 0, 0.0, rng.uniform(0.8, 1.3), near, form)
        body.x, body.y, body.log_scale = (Wave(w.start) for w in (body.x, body.y, body.log_scale))
        body.turn = Wave(math.pi / 2 + rng.gauss(0, 0.15))
        bodies.append(body)

    size = math.exp(rng.uniform(math.log(config.min_area), math.log(config.max_area)))
    near = rng.choice(palette) if rng.random() < config.camouflage else None
    margin = 0.12 + 0.25 * math.sqrt(size)
    at = (rng.uniform(margin, 1 - margin), rng.uniform(margin, 1 - margin))
    speed = config.target_speed * rng.choice((0.15, 0.5, 1.0, 1.5))
    attach = rng.choice((0.0, 0.3, 1.0))
    target = _body(rng, config, pool, size, 1, speed, attach, near, at=at)

    behind, front = [], []
    for i in range(rng.randint(0, config.distractors)):
        shape = paints = None
        kind = rng.random()
        other = size * math.exp(rng.gauss(0, 0.6))
        if kind < config.twin_shape:
            shape = (target.shape, abs(target.turn.start) < 0.6)
            other = size * math.exp(rng.gauss(0, 0.2))
        elif kind < config.twin_shape + config.twin_texture:
            paints = target.paints
        body = _body(
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
        away = math.hypot(body.x.start - at[0], body.y.start - at[1]) > reach
        (front if away and rng.random() < 0.5 else behind).append(body)
    bodies += behind
    index = len(bodies)
    bodies += [target, *front]
    if frames >= 4 and rng.random() < config.disappear:
        _hide(rng, config, pool, frames, bodies, index, size)
    elif rng.random() < config.occluder:
        bodies.append(_passer(rng, config, pool, at, size))
    return Scene(bodies, camera, palette, rng.random() < config.motion_blur, index)


def _passer(
    rng: Random, config: ClipConfig, pool: int, at: tuple[float, float], size: float
) -> Body:
    """A pole, a blob or anything else that stands or moves in front of the target's path."""
    side = rng.choice((-1, 1))
    width = math.sqrt(size)
    form = (bar(rng), True) if rng.random() < 0.5 else any_shape(rng, 0.2)
    big = math.exp(rng.uniform(math.log(0.01), math.log(0.12)))
    x = at[0] + side * (0.45 * width + 0.5 * math.sqrt(big) + rng.uniform(0.0, 0.25))
    body = _body(
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


def _hide(
    rng: Random,
    config: ClipConfig,
    pool: int,
    frames: int,
    bodies: list[Body],
    index: int,
    size: float,
) -> None:
    """Makes the target vanish for some frames: it leaves the frame, or something larger passes over
    it.
    """
    target = bodies[index]
    middle = rng.uniform(0.45, 0.95) * (frames - 1)
    width = min(middle, rng.uniform(0.3, 0.6) * frames)
    reach = 1.3 * math.sqrt(size) + 0.15
    if rng.random() < 0.5:
        side = rng.choice((-1, 1))
        goal = 1 + reach if side > 0 else -reach
        height = goal - target.x.at(middle)
        target.attach = 0.0
        target.x = Wave(target.x.start, 0.0, target.x.terms, (height, middle, width))
        return
    big = rng.uniform(1.5, 4.0) * size + 0.01
    outline_rng = Random(rng.random())
    form = blob(outline_rng)
    form = [part for part in form if part.ring == 0 and part.hole[2] == 0] or bar(outline_rng)
    cover = _body(
        rng, config, pool, min(big, 0.6), 61, 0.0, 0.0, shape=(form, False), at=(0.0, 0.0)
    )
    distance = 0.7 * (math.sqrt(big) + math.sqrt(size)) + 0.1
    pace = max(distance / max(middle, 1.0), config.target_speed) * rng.choice((-1, 1))
    cover.x = Wave(-pace * middle, pace)
    cover.y = Wave(0.0)
    cover.follow = index
    bodies.append(cover)
