"""Things that stand on the ground: people, animals, vehicles, cycles with riders.

Each function makes one random object.
"""

from __future__ import annotations

import math
from random import Random

from vos.synth.objects.outlines import any_outline, ellipse, polygon, rectangle
from vos.synth.objects.parts import DOWN, LEFT, UP, Part, Shape, any_swing


def person(rng: Random) -> Shape:
    """Hips, trunk, head, two-part arms and legs with a gait; sometimes thin lines held in hand."""
    rate, step = rng.uniform(0.1, 0.7), rng.uniform(0.15, 0.8)
    phase, bulk = rng.uniform(0, 6.28), rng.uniform(0.8, 1.4)
    lean = rng.gauss(0, 0.25)
    bend = abs(rng.gauss(0, 0.6))
    shin_colour, shoe = rng.choice((1, 3)), 5
    sleeve = rng.choice((0, 2))

    def leg(parts: Shape, shift: float) -> None:
        thigh = len(parts)
        swing = (step, rate, phase + shift)
        angle = DOWN - bend * 0.5 + rng.gauss(0, 0.12)
        parts.append(Part(-1, (0, 0), angle, 0.24, (0.07 * bulk, 0.055 * bulk), 1, swing=swing))
        swing = (step * 0.7, rate, phase + shift + 1.2)
        parts.append(
            Part(
                thigh, (0.24, 0), bend + 0.1, 0.24, (0.052 * bulk, 0.036), shin_colour, swing=swing
            )
        )
        parts.append(Part(thigh + 1, (0.24, 0), -1.4, 0.08, (0.036, 0.028), shoe))

    def arm(parts: Shape, trunk: int, shift: float) -> None:
        upper = len(parts)
        angle = LEFT + rng.gauss(0, 0.5)
        swing = (step * 0.9, rate, phase + shift)
        parts.append(Part(trunk, (0.28, 0), angle, 0.17, (0.05 * bulk, 0.04), sleeve, swing=swing))
        angle = -rng.uniform(0.0, 1.6)
        swing = (step * 0.5, rate, phase + shift + 0.8)
        parts.append(Part(upper, (0.17, 0), angle, 0.16, (0.036, 0.028), 2, swing=swing))

    parts: Shape = []
    sway = (rng.uniform(0, 0.2), rate, rng.uniform(0, 6))
    leg(parts, 0)
    # The far arm is drawn before the trunk it hangs on; an unseen twin of the trunk carries it.
    twin = len(parts)
    parts.append(Part(-1, (0, 0), UP + lean, 0.3, (0.0, 0.0), 0, sway=sway))
    arm(parts, twin, math.pi)
    leg(parts, math.pi)
    trunk = len(parts)
    parts.append(Part(-1, (0, 0), UP + lean, 0.3, (0.085 * bulk, 0.1 * bulk), 0, sway=sway))
    if rng.random() < 0.3:
        parts.append(Part(trunk, (0.2, -0.1), 0, 0.1, (0.07, 0.07), 6, outline=rectangle(0.8, 5.0)))
    head = len(parts)
    size = rng.uniform(0.07, 0.09)
    parts.append(
        Part(trunk, (0.46, 0), 0, 0, (size, size), 2, outline=ellipse(0.8),
             sway=(0.2, 0.2, phase))
    )  # fmt: skip
    cover = rng.uniform(0.7, 1.1)
    at = (0.03, -0.02)
    parts.append(Part(head, at, 0.6, 0.02, (size * cover, size * 0.7), 4, outline=ellipse(0.8)))
    arm(parts, trunk, 0)
    if rng.random() < 0.12:
        hand = len(parts) - 1
        for _ in range(rng.randint(1, 3)):
            parts.append(
                Part(hand, (0.16, 0), rng.uniform(-0.6, 0.6) - 1.2, rng.uniform(0.3, 0.8),
                     (0.008, 0.008), 6)
            )  # fmt: skip
    return parts


def animal(rng: Random) -> Shape:
    """A four-legged or two-legged body with neck, head and tail; leg length and bulk vary."""
    rate, step = rng.uniform(0.1, 0.7), rng.uniform(0.15, 0.7)
    phase = rng.uniform(0, 6.28)
    bulk, leg = rng.uniform(0.11, 0.24), rng.uniform(0.14, 0.34)
    thin = rng.uniform(0.018, 0.05)
    leg_colour = rng.choice((0, 1))
    two_legged = rng.random() < 0.3
    roots = (0.25,) if two_legged else (0.02, 0.48)
    parts: Shape = []

    def legs(shift: float) -> None:
        for i, x in enumerate(roots):
            upper = len(parts)
            swing = (step, rate, phase + shift + 2.0 * i)
            parts.append(
                Part(-1, (x, bulk * 0.4), DOWN, leg, (thin * 1.6, thin), leg_colour, swing=swing)
            )
            swing = (step * 0.7, rate, phase + shift + 2.0 * i + 1)
            parts.append(
                Part(upper, (leg, 0), 0.15, leg, (thin, thin * 0.7), leg_colour, swing=swing)
            )

    legs(math.pi)
    body = len(parts)
    parts.append(
        Part(-1, (0, 0), rng.gauss(0, 0.08), 0.5, (bulk, bulk * rng.uniform(0.8, 1.2)), 0,
             outline=ellipse(rng.uniform(0.8, 1.0)))
    )  # fmt: skip
    legs(0)
    neck, reach = len(parts), rng.uniform(0.1, 0.4)
    swing = any_swing(rng, 0.0, 0.4)
    parts.append(
        Part(
            body, (0.5, 0), -rng.uniform(0.2, 1.3), reach, (bulk * 0.55, bulk * 0.4), 0, swing=swing
        )
    )
    swing = any_swing(rng, 0.0, 0.5)
    parts.append(
        Part(
            neck, (reach, 0), rng.uniform(0.2, 1.2), 0.14, (bulk * 0.5, bulk * 0.25), 2, swing=swing
        )
    )
    tail = len(parts)
    swing = any_swing(rng, 0.1, 0.6)
    parts.append(
        Part(
            body,
            (-bulk * 0.7, 0),
            LEFT + rng.uniform(-0.8, 0.8),
            0.18,
            (0.03, 0.02),
            1,
            swing=swing,
        )
    )
    parts.append(Part(tail, (0.18, 0), 0.2, 0.14, (0.02, 0.012), 1, swing=swing))
    if rng.random() < 0.5:
        parts.append(
            Part(body, (0.25, 0), 0, 0, (bulk * 0.7, bulk * 0.7), 3, outline=any_outline(rng))
        )
    return parts


def _wheels(rng: Random, base: float, y: float, radius: float, spin: float) -> Shape:
    parts: Shape = []
    for x in (-base / 2, base / 2):
        parts.append(Part(-1, (x, y), 0, 0, (radius, radius), 4))
        hub = radius * rng.uniform(0.4, 0.7)
        parts.append(
            Part(-1, (x, y), spin, 0, (hub, hub), 5, outline=polygon(Random(int(radius * 1e4))))
        )
    return parts


def vehicle(rng: Random) -> Shape:
    """A body, a cabin with windows, wheels, lamps."""
    height = rng.uniform(0.16, 0.3)
    body = rectangle(height / 0.6, rng.choice((4.0, 8.0)))
    cabin_width, cabin_height = rng.uniform(0.25, 0.5), rng.uniform(0.12, 0.24)
    shift = rng.uniform(-0.15, 0.15)
    parts = [
        Part(-1, (shift, -height), 0, 0, (cabin_width, cabin_width), 0,
             outline=rectangle(cabin_height / cabin_width * 1.2, 3.5)),
    ]  # fmt: skip
    for x in (-0.5, 0.5):
        half = cabin_width * 0.36
        at = (shift + x * cabin_width, -height * 1.05)
        parts.append(Part(-1, at, 0, 0, (half, half), 1, outline=rectangle(0.8, 5.0)))
    parts.append(Part(-1, (0, 0), 0, 0, (0.6, 0.6), 0, outline=body))
    if rng.random() < 0.6:
        parts.append(Part(-1, (-0.5, height * 0.1), 0, 1.0, (0.03, 0.03), 2))
    parts.append(Part(-1, (0.54, -0.03), 0, 0, (0.05, 0.05), 3))
    return parts + _wheels(rng, rng.uniform(0.6, 0.8), height * 0.9, rng.uniform(0.11, 0.17), 0)


def cycle(rng: Random) -> Shape:
    """Two spoked rings, a frame of thin tubes, often with a rider."""
    radius = rng.uniform(0.17, 0.22)
    width = rng.uniform(0.012, 0.05)
    parts: Shape = []
    for x in (-0.3, 0.3):
        parts.append(Part(-1, (x, 0.2), 0, 0, (radius, radius), 4, ring=width))
    for start, end in (((-0.3, 0.2), (-0.1, -0.05)), ((-0.1, -0.05), (0.22, -0.06)),
                       ((-0.1, -0.05), (0.0, 0.2)), ((0.0, 0.2), (0.22, -0.06)),
                       ((0.3, 0.2), (0.2, -0.16)), ((-0.3, 0.2), (0.0, 0.2))):  # fmt: skip
        dx, dy = end[0] - start[0], end[1] - start[1]
        parts.append(Part(-1, start, math.atan2(dy, dx), math.hypot(dx, dy), (width, width), 5))
    if rng.random() < 0.75:
        lean = rng.uniform(0.2, 0.9)
        sway = any_swing(rng, 0, 0.2)
        rate = rng.uniform(0.1, 0.6)
        hip = (-0.12, -0.12)
        leg = len(parts)
        parts.append(Part(-1, hip, 0.7, 0.24, (0.06, 0.05), 1, swing=(0.5, rate, 0)))
        parts.append(Part(leg, (0.24, 0), 1.1, 0.22, (0.045, 0.03), 1, swing=(0.4, rate, 1)))
        trunk = len(parts)
        parts.append(Part(-1, hip, UP + lean, 0.28, (0.075, 0.085), 0, sway=sway))
        parts.append(Part(trunk, (0.4, 0), 0, 0, (0.075, 0.075), 3, outline=ellipse(0.85)))
        parts.append(Part(trunk, (0.25, 0), 1.2, 0.17, (0.045, 0.036), 0, sway=sway))
        parts.append(Part(len(parts) - 1, (0.17, 0), -0.5, 0.16, (0.036, 0.028), 2, sway=sway))
    return parts
