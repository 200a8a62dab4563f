"""What makes an object hard to tell by its looks.

Patches in the backdrop's colours, a crowd of its like, another side that it turns to the camera.
"""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

from vos.synth.config import ClipConfig
from vos.synth.scene import Body, Colour, Paint, Scene, any_body, any_colour, any_wave, near_colour

_CROWD = 20
"""The label of a crowd's first body."""


def patch_colours(rng: Random, paints: list[Paint], palette: list[Colour]) -> list[Paint]:
    """Give some of the paints colours of the palette: parts that only belonging tells apart."""
    return [
        replace(paint, colour=near_colour(rng, rng.choice(palette), 0.04))
        if rng.random() < 0.4
        else paint
        for paint in paints
    ]


def make_crowd(
    rng: Random,
    config: ClipConfig,
    pool: int,
    target: Body,
    size: float,
    speed: float,
    attach: float,
) -> list[Body]:
    """Make three to six bodies of the target's shape and nearly its colours."""
    crowd = []
    shape = (target.shape, abs(target.turn.start) < 0.6)
    for i in range(rng.randint(3, 6)):
        area = min(size * math.exp(rng.gauss(0, 0.25)), 0.08)
        spread = rng.choice((0.01, 0.04, 0.1))
        paints = [replace(p, colour=near_colour(rng, p.colour, spread)) for p in target.paints]
        body = any_body(rng, config, pool, area, _CROWD + i, speed, attach, None, shape, paints)
        body.turn = any_wave(rng, target.turn.start + rng.gauss(0, 0.1), 0.01)
        crowd.append(body)
    return crowd


def disguise(rng: Random, config: ClipConfig, scene: Scene) -> None:
    """Give a share of the moving bodies another side, and a texture that slides as on a ball."""
    for body in scene.bodies:
        if body.label not in range(1, 50) or rng.random() >= config.turning:
            continue
        spread = rng.choice((0.05, 0.12, 0.25))
        slides = rng.random() < 0.5
        slide = (rng.gauss(0, 0.006), rng.gauss(0, 0.006)) if slides else (0.0, 0.0)
        body.paints = [
            replace(
                paint,
                other=any_colour(rng)
                if rng.random() < 0.2
                else near_colour(rng, paint.colour, spread),
                slide=slide,
            )
            for paint in body.paints
        ]
        # From its first side (0) on, so that the prompt shows what is seen less and less.
        body.turning = (rng.uniform(0.02, 0.15), rng.choice((0.0, rng.uniform(0, math.pi))))
