"""J and F over time as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from vos_eval.protocols.base import ObjectScore

_WIDTH, _HEIGHT = 360, 116
_LEFT, _RIGHT, _TOP, _BOTTOM = 26, 6, 8, 18
_MAX_POINTS = 240
COLOURS = 8


def object_plot(item: ObjectScore) -> str:
    """Draw J and F over the scored frames."""
    title = f"{item.video} object {item.object_id}: J and F of {len(item.j)} frames"
    return plot([("f", item.f), ("j", item.j)], item.frames, title)


def curves(frames: Sequence[str], series: Sequence[np.ndarray], title: str) -> str:
    """Draw one number of several predictions over the frames, each in its own colour.

    frames: those of the longest series; the others end with them.
    """
    named = [(f"c{index % COLOURS}", values) for index, values in enumerate(series)]
    return plot(named, frames, title)


def plot(lines: Iterable[tuple[str, np.ndarray]], frames: Sequence[str], title: str) -> str:
    """Draw values from 0 to 1 over frames; long videos show the lowest frame of each bin.

    lines: the class that gives each its style, and a value per frame, NaN where there is none.
        Those that begin later end with the last frame.
    frames: their names.
    title: for those who do not see it.
    """
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
    drawn = "".join(
        f'<path d="{_path(values, len(frames), per_bin, inner_h)}" class="{name}"/>'
        for name, values in lines
    )
    ends = (
        f'<text x="{_LEFT}" y="{_HEIGHT - 4}" class="tick">{escape(frames[0])}</text>'
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 4}" class="tick" text-anchor="end">'
        f"{escape(frames[-1])}</text>"
    )
    title = escape(title)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{title}">'
        f"<title>{title}</title>{''.join(grid)}{drawn}{ends}</svg>"
    )


def _lowest(values: np.ndarray, per_bin: int) -> np.ndarray:
    if per_bin <= 1:
        return values
    return np.fmin.reduceat(values, np.arange(0, len(values), per_bin))


def _path(values: np.ndarray, frame_count: int, per_bin: int, height: float) -> str:
    """Return the line of values that end with the last frame, broken where there is none."""
    lowest = _lowest(values, per_bin)
    bins = -(-frame_count // per_bin)
    step = (_WIDTH - _LEFT - _RIGHT) / max(bins - 1, 1)
    skipped = bins - len(lowest)
    runs: list[list[str]] = [[]]
    for index, value in enumerate(lowest.tolist()):
        if math.isnan(value):
            runs.append([])
        else:
            x, y = _LEFT + (skipped + index) * step, _TOP + (1 - value) * height
            runs[-1].append(f"{x:.1f} {y:.1f}")
    return "".join("M" + "L".join(_as_line(run, len(lowest) == 1)) for run in runs if run)


def _as_line(points: list[str], is_all: bool) -> list[str]:
    """Return points that can be seen: a single one is a short line, or one over the whole plot."""
    if len(points) > 1:
        return points
    x, y = points[0].split()
    end = _WIDTH - _RIGHT if is_all else float(x) + 1
    return [*points, f"{end} {y}"]
