"""What a clip is written in: bodies with paint, on waves, before a camera. Plain numbers, no
pixels. `script` puts them together.

Everything that moves is a `Wave`, a closed-form function of the time in frames, so that a clip
can be drawn at any time, between frames too, which is what motion blur needs. Positions are
fractions of the frame, y points down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random

from vos.synth.config import ClipConfig
from vos.synth.parts import Shape, area
from vos.synth.shapes import any_shape

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

    `other` is its colour on the object's other side. `slide` moves the texture, in periods per
    frame, as on a ball that rolls.
    """

    colour: Colour
    texture: int
    strength: float
    grain: float
    offset: tuple[float, float]
    shade: float
    other: Colour | None = None
    slide: tuple[float, float] = (0.0, 0.0)


@dataclass(slots=True)
class Body:
    """One object of a clip. `label` 0 is scenery; 1 the target; others count up.

    `follow` is the index of a body whose position this one's is relative to, or -1. `attach`
    says how much of the camera's motion it takes: 1 as the backdrop, more when nearer, 0 for an
    object the camera follows. `squeeze` narrows it as if it turned away; `turning` is the rate
    per frame and the phase at which its paint changes to its other side and back. `opacity`
    below 1 is for shadows, which darken what they fall on and hide nothing.
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
    turning: tuple[float, float] = (0.0, 0.0)
    opacity: float = 1.0


@dataclass(frozen=True, slots=True)
class Camera:
    """Pan in frame widths, zoom as a logarithm, roll in radians."""

    x: Wave
    y: Wave
    log_zoom: Wave
    roll: Wave


@dataclass(slots=True)
class Scene:
    """A whole clip. `bodies` are in painting order, `palette` are the backdrop's region colours.

    `clutter` stands on the backdrop, in fractions of its side. `pace` is the time in frames
    between two pictures, `parallax` how much faster the lower edge of the backdrop moves.
    """

    bodies: list[Body]
    camera: Camera
    palette: list[Colour]
    blur: bool
    target: int
    clutter: list[Body] = field(default_factory=list)
    pace: float = 1.0
    parallax: float = 0.0


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


def any_body(
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
