"""What a clip is written in: bodies with paint, on waves, before a camera.

There are plain numbers and no pixels here; `clip_script` puts them together.

Everything that moves is a `Wave`, a closed-form function of the time in frames, so that a clip
can be drawn at any time, between frames too, which is what motion blur needs. Positions are
fractions of the frame, y points down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random

from vos.synth.config import ClipConfig
from vos.synth.objects.parts import Shape, area
from vos.synth.objects.shapes import any_shape

Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Wave:
    """A smooth function of the time t in frames, which is `start` at time 0.

    It is `start + slope t + sum a (sin(w t + p) - sin p) + height hill((t - time) / width)`, where
    `hill` rises smoothly from 0 at -1 to 1 at 0 and falls to 0 at 1.

    start: value at time 0.
    slope: change per frame.
    terms: (a, w, p) of each oscillation, three at most.
    bump: (height, time, width) of the hill.
    """

    start: float = 0.0
    slope: float = 0.0
    terms: tuple[tuple[float, float, float], ...] = ()
    bump: tuple[float, float, float] = (0.0, 0.0, 1.0)

    def row(self) -> list[float]:
        """Return the 14 numbers that `poses.waves` evaluates."""
        flat = [value for term in self.terms[:3] for value in term]
        return [self.start, self.slope, *flat, *([0.0] * (9 - len(flat))), *self.bump]

    def at(self, time: float) -> float:
        """Return the value at a time in frames."""
        value = self.start + self.slope * time
        for amp, rate, phase in self.terms:
            value += amp * (math.sin(rate * time + phase) - math.sin(phase))
        height, middle, width = self.bump
        u = max(-1.0, min(1.0, (time - middle) / width))
        return value + height * 0.5 * (1 + math.cos(math.pi * u))


@dataclass(frozen=True, slots=True)
class Paint:
    """What a colour group of an object looks like.

    colour: base colour.
    texture: index in the pool.
    strength: of the texture.
    grain: texels per pixel at the first frame.
    offset: where the texture starts, in periods.
    shade: how much darker the side away from the light is.
    other: the colour on the object's other side; None for the same.
    slide: how the texture moves, in periods per frame, as on a ball that rolls.
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
    """One object of a clip.

    shape: its parts.
    paints: what its colour groups look like.
    label: 0 is scenery, 1 the target; others count up.
    x: position in frame widths.
    y: position in frame heights, down.
    log_scale: logarithm of its size in frame widths per object unit.
    turn: angle in radians.
    attach: how much of the camera's motion it takes: 1 as the backdrop, more when nearer, 0 for an
        object the camera follows.
    follow: index of a body whose position this one's is relative to, or -1.
    squeeze: narrows it, as if it turned away.
    soft_px: width of its edge.
    turning: rate per frame and phase at which its paint changes to its other side and back.
    opacity: below 1 for shadows, which darken what they fall on and hide nothing.
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
    """How the camera moves.

    x: pan in frame widths.
    y: pan in frame heights.
    log_zoom: logarithm of the zoom factor.
    roll: radians.
    """

    x: Wave
    y: Wave
    log_zoom: Wave
    roll: Wave


@dataclass(slots=True)
class Scene:
    """A whole clip.

    bodies: in painting order.
    camera: how it moves.
    palette: colours of the backdrop's regions.
    blur: whether motion blurs.
    target: index of the target in `bodies`.
    clutter: bodies that stand on the backdrop, in fractions of its side.
    pace: moments between two frames.
    parallax: how much faster than its middle the lower edge of the backdrop moves.
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
    """Draw at random a colour in [0, 1]: greys and dull colours often, saturated ones sometimes."""
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
    """Draw at random a colour close to another one."""
    red, green, blue = (min(max(c + rng.gauss(0, spread), 0.0), 1.0) for c in colour)
    return (red, green, blue)


def any_wave(rng: Random, start: float, speed: float, slow: float = 0.08) -> Wave:
    """Draw at random a smooth path through `start` of about `speed` per frame, without a drift."""
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
    """Draw at random an object's colours and textures; related to `near` where that is given."""
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
    """Draw at random a body of area `size` (fraction of the frame) at `at` or anywhere."""
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
    """Draw at random a still camera, or pan, zoom, roll and shake."""
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
