"""Follow a box from frame to frame by its motion: a Kalman filter of constant velocity.

Each of the four numbers of a box is filtered for itself: neither its motion nor its noise depends
on the others, but for the height, which scales the noise. Source: the filter of SORT trackers, with
SAMURAI's constants (arXiv 2411.11922).
"""

from __future__ import annotations

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, all inclusive."""

Track = tuple[float, float, float, float, float]
"""Value, velocity, variance of the value, covariance of both, variance of the velocity."""

Motion = tuple[Track, Track, Track, Track]
"""The tracks of centre x, centre y, width by height, and height."""

_ASPECT_NOISE, _ASPECT_SPEED_NOISE, _ASPECT_SEEN_NOISE = 1e-2, 1e-5, 1e-1


def begin_motion(box: Box) -> Motion:
    """Return the motion of a box that was seen once: it stands still."""
    measures = _measure(box)
    height = measures[3]
    noise = _share_out(height / 10, _ASPECT_NOISE)
    speed_noise = _share_out(height / 16, _ASPECT_SPEED_NOISE)
    x, y, aspect, tall = (
        (value, 0.0, n * n, 0.0, s * s)
        for value, n, s in zip(measures, noise, speed_noise, strict=True)
    )
    return x, y, aspect, tall


def predict_motion(motion: Motion) -> Motion:
    """Return the motion one frame later."""
    height = motion[3][0]
    noise = _share_out(height / 20, _ASPECT_NOISE)
    speed_noise = _share_out(height / 160, _ASPECT_SPEED_NOISE)
    x, y, aspect, tall = (
        (p + v, v, pp + 2 * pv + vv + n * n, pv + vv, vv + s * s)
        for (p, v, pp, pv, vv), n, s in zip(motion, noise, speed_noise, strict=True)
    )
    return x, y, aspect, tall


def correct_motion(motion: Motion, box: Box) -> Motion:
    """Return the predicted motion, corrected by the box that was seen."""
    noise = _share_out(motion[3][0] / 20, _ASPECT_SEEN_NOISE)
    corrected: list[Track] = []
    for (p, v, pp, pv, vv), seen, n in zip(motion, _measure(box), noise, strict=True):
        total = pp + n * n
        off = seen - p
        corrected.append(
            (
                p + pp / total * off,
                v + pv / total * off,
                pp - pp * pp / total,
                pv - pp * pv / total,
                vv - pv * pv / total,
            )
        )
    x, y, aspect, tall = corrected
    return x, y, aspect, tall


def find_box(motion: Motion) -> Box:
    """Return the box where the motion has it."""
    (x, *_), (y, *_), (aspect, *_), (height, *_) = motion
    width = aspect * height
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def overlap(one: Box, other: Box) -> float:
    """Return the IoU of two boxes."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    tall = min(one[3], other[3]) - max(one[1], other[1])
    common = max(wide, 0.0) * max(tall, 0.0)
    union = _area(one) + _area(other) - common
    return common / union if union > 0 else 0.0


def _measure(box: Box) -> Box:
    """Return centre x, centre y, width by height, and height; a box without height has 1."""
    left, top, right, bottom = box
    height = (bottom - top) or 1.0
    return (left + right) / 2, (top + bottom) / 2, (right - left) / height, height


def _share_out(noise: float, of_aspect: float) -> Box:
    return noise, noise, of_aspect, noise


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
