"""J and F over time as inline SVG."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from vos_eval.protocols.base import ObjectScore

_WIDTH, _HEIGHT = 360, 116
_LEFT, _RIGHT, _TOP, _BOTTOM = 26, 6, 8, 18
_MAX_POINTS = 240
COLOURS = 8


def object_plot(item: ObjectScore) -> str:
    """Draw J and F over the scored frames; long videos show the lowest frame of each bin."""
    title = f"{item.video} object {item.object_id}: J and F of {len(item.j)} frames"
    return _plot(item.frames, (("f", item.f), ("j", item.j)), title)


def curves(frames: Sequence[str], series: Sequence[np.ndarray], title: str) -> str:
    """Draw one number of several predictions over the frames, each in its own colour.

    frames: those of the longest series; the others end with them.
    """
    named = [(f"c{index % COLOURS}", values) for index, values in enumerate(series)]
    return _plot(frames, named, title)


def _plot(frames: Sequence[str], series: Iterable[tuple[str, np.ndarray]], title: str) -> str:
    per_bin = -(-len(frames) // _MAX_POINTS)
    inner_h = _HEIGHT - _TOP - _BOTTOM
    grid = []
    for value in (0, 0.5, 1):
        y = _TOP + (1 - value) * inner_h
        grid.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>'
            f'<text x="{_LEFT - 5}" y="{y + 3.5:.1f}" class="tick" text-anchor="end">'
            f"{100 * value:.0f}</text>"
        )
    lines = "".join(
        f'<path d="{_path(values, len(frames), per_bin, inner_h)}" class="{name}"/>'
        for name, values in series
    )
    ends = (
        f'<text x="{_LEFT}" y="{_HEIGHT - 4}" class="tick">{escape(frames[0])}</text>'
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 4}" class="tick" text-anchor="end">'
        f"{escape(frames[-1])}</text>"
    )
    title = escape(title)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{title}">'
        f"<title>{title}</title>{''.join(grid)}{lines}{ends}</svg>"
    )


def _lowest(values: np.ndarray, per_bin: int) -> np.ndarray:
    if per_bin <= 1:
        return values
    return np.minimum.reduceat(values, np.arange(0, len(values), per_bin))


def _path(values: np.ndarray, frame_count: int, per_bin: int, height: float) -> str:
    """Return the line of values that end with the last of the frames."""
    lowest = _lowest(values, per_bin)
    bins = -(-frame_count // per_bin)
    width = _WIDTH - _LEFT - _RIGHT
    step, skipped = width / max(bins - 1, 1), bins - len(lowest)
    points = [
        f"{_LEFT + (skipped + index) * step:.1f} {_TOP + (1 - value) * height:.1f}"
        for index, value in enumerate(lowest)
    ]
    if len(points) == 1:
        points.append(f"{_WIDTH - _RIGHT} {points[0].split()[1]}")
    return "M" + "L".join(points)
