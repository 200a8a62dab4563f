"""What is done to the edges of a matte before it is delivered, each step off unless asked for.

In this order, to the matte of each object by itself; where it is 128 or more is the object:

1. despeckle PX: parts of at most PX x PX pixels go, and what is faint and belongs to no part.
   Pixels that touch at a corner are one part.
2. fill_holes PX: holes of at most PX x PX pixels are filled, and what is faintly clear inside. A
   hole is what the object encloses, corners included; what reaches the border of the frame is
   outside and never filled.
3. grow PX or shrink PX: a pixel gets the highest, or lowest, value of all pixels whose centres are
   at most PX away (a disc). The object goes on outside of the frame: it is not shrunk there.
4. smooth PX: the contour is that of the matte blurred with a Gaussian whose sigma is PX / 2, drawn
   with the edge of a soft matte, a pixel on either side. Corners and what is thinner than about PX
   are rounded off.
5. temporal N: each pixel gets the median of the frame itself and of N frames before and after it,
   fewer, and as many on both sides, where the masks or a scene begin or end.
6. feather PX: a Gaussian blur with a sigma of PX / 2: a hard edge reaches PX to either side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from vos.errors import Parameter, UsageError
from vos.io.write.deliver.components import find_small_parts

_OPAQUE = 255
_INSIDE = 128
_SOFT_PX = 3  # a soft matte is 0 or 255 further than that from its contour
_STEEPNESS = 4.0
_LEAST_SLOPE = 1e-6
_REACH_SIGMAS = 3

_MOST_AREA_SIDE_PX = 1000
_MOST_PX = 100
_MOST_FRAMES = 10


@dataclass(frozen=True, slots=True)
class Edges:
    """What is done to the edges of mattes; 0 is nothing.

    despeckle: side in pixels of a square that has the area of the largest speck that goes.
    fill_holes: the same of the largest hole that is filled.
    grow, shrink: by how many pixels; not both.
    smooth: about the size in pixels of what is smoothed off the contour.
    temporal: how many frames before and after are looked at.
    feather: how many pixels the edge fades over, to either side.
    """

    despeckle: float = 0
    fill_holes: float = 0
    grow: float = 0
    shrink: float = 0
    smooth: float = 0
    temporal: int = 0
    feather: float = 0

    @property
    def is_off(self) -> bool:
        """Tell whether nothing is done."""
        return not self.as_json()

    def check(self) -> None:
        """Raise UsageError for what cannot be."""
        for name in ("despeckle", "fill_holes"):
            self._check(name, 1, _MOST_AREA_SIDE_PX)
        for name in ("grow", "shrink"):
            self._check(name, 1, _MOST_PX)
        for name in ("smooth", "feather"):
            self._check(name, 0, _MOST_PX)
        self._check("temporal", 1, _MOST_FRAMES)
        if self.grow and self.shrink:
            raise UsageError(
                Parameter("grow", self.grow),
                " and ",
                Parameter("shrink", self.shrink),
                " undo each other; give one of them",
            )

    def _check(self, name: str, least: float, most: float) -> None:
        value, unit = getattr(self, name), "frames" if name == "temporal" else "pixels"
        if value and not least <= value <= most:  # of NaN as well
            above = f"from {least} to {most}" if least else f"above 0 and up to {most}"
            raise UsageError(
                Parameter(name, value), f": has to be {above} {unit}, or 0 for none: correct it"
            )

    def as_json(self) -> dict[str, float]:
        """Write what is on, by name."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in values.items() if value}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Edges:
        """Read what `as_json` wrote. Raises TypeError, ValueError, UsageError."""
        values: dict[str, Any] = {name: float(value) for name, value in found.items()}
        values["temporal"] = int(found.get("temporal", 0))
        edges = cls(**values)
        edges.check()
        return edges


OFF = Edges()
"""Edges are left as they are."""


def shape(matte: np.ndarray, edges: Edges) -> np.ndarray:
    """Do what comes before the temporal step to a matte, uint8 H x W; return a new one or it."""
    margin = math.ceil(edges.grow) + math.ceil(_reach(edges.smooth)) + 2 * _SOFT_PX

    def work(part: np.ndarray) -> np.ndarray:
        if edges.despeckle:
            part = _despeckle(part, edges.despeckle)
        if edges.fill_holes:
            part = _fill_holes(part, edges.fill_holes)
        if edges.grow:
            part = _grow(part, edges.grow)
        if edges.shrink:
            part = _OPAQUE - _grow(_OPAQUE - part, edges.shrink)
        return _smooth(part, edges.smooth) if edges.smooth else part

    is_off = not any((edges.despeckle, edges.fill_holes, edges.grow, edges.shrink, edges.smooth))
    return matte if is_off else _where_it_is(matte, margin, work)


def temporal_median(mattes: Sequence[np.ndarray]) -> np.ndarray:
    """Return the median of each pixel of an odd number of mattes."""
    work = list(mattes)
    middle = len(work) // 2
    for done in range(middle + 1):  # each round puts the highest of what is left last
        for index in range(len(work) - 1 - done):
            low = np.minimum(work[index], work[index + 1])
            work[index + 1] = np.maximum(work[index], work[index + 1])
            work[index] = low
    return work[middle]


def feather(matte: np.ndarray, edges: Edges) -> np.ndarray:
    """Do what comes after the temporal step to a matte; return a new one or it."""
    if not edges.feather:
        return matte

    def work(part: np.ndarray) -> np.ndarray:
        return np.rint(_blur(part, edges.feather / 2)).astype(np.uint8)

    return _where_it_is(matte, math.ceil(_reach(edges.feather)), work)


def _where_it_is(
    matte: np.ndarray, margin: int, work: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Do the work where the matte is not 0, and `margin` pixels around it."""
    rows, columns = np.flatnonzero(matte.any(1)), np.flatnonzero(matte.any(0))
    if not rows.size:
        return matte
    top, left = (max(int(one[0]) - margin - 1, 0) for one in (rows, columns))
    bottom, right = (int(one[-1]) + margin + 2 for one in (rows, columns))
    done = np.zeros_like(matte)
    done[top:bottom, left:right] = work(matte[top:bottom, left:right])
    return done


def _despeckle(matte: np.ndarray, side_px: float) -> np.ndarray:
    is_core = matte >= _INSIDE
    return _drop(matte, is_core, find_small_parts(is_core, side_px**2, has_diagonals=True))


def _fill_holes(matte: np.ndarray, side_px: float) -> np.ndarray:
    clear = _OPAQUE - matte
    is_core = clear >= _INSIDE
    holes = find_small_parts(is_core, side_px**2, has_diagonals=False, spares_border=True)
    return _OPAQUE - _drop(clear, is_core, holes)


def _drop(matte: np.ndarray, is_core: np.ndarray, small: np.ndarray) -> np.ndarray:
    """Keep of a matte the parts that are not small, with the soft edges around them."""
    kept = np.where(is_core & ~small, _OPAQUE, 0).astype(np.uint8)
    return np.where((_grow(kept, _SOFT_PX) > 0) & ~small, matte, 0).astype(np.uint8)


def _grow(matte: np.ndarray, radius_px: float) -> np.ndarray:
    """Return the highest value in a disc around each pixel. What is outside counts as 0."""
    row, reached = matte, 0  # each row's highest value, so many pixels to both sides
    grown = matte
    for dy in range(math.floor(radius_px), -1, -1):
        wanted = math.floor(math.sqrt(radius_px**2 - dy**2))
        while reached < wanted:
            step = min(wanted - reached, 2 * reached + 1)
            row = _with_shifted(row, row, step, axis=1)
            reached += step
        grown = _with_shifted(grown, row, dy, axis=0)
    return grown


def _with_shifted(base: np.ndarray, other: np.ndarray, step: int, *, axis: int) -> np.ndarray:
    """Return the higher of `base` and of `other` moved by so many pixels, either way."""
    if not step:
        return np.maximum(base, other)
    high = base.copy()
    if step < base.shape[axis]:
        moved, there = np.moveaxis(high, axis, 0), np.moveaxis(other, axis, 0)
        np.maximum(moved[step:], there[:-step], out=moved[step:])
        np.maximum(moved[:-step], there[step:], out=moved[:-step])
    return high


def _smooth(matte: np.ndarray, size_px: float) -> np.ndarray:
    return draw_soft_edge(_blur(matte, size_px / 2), _OPAQUE / 2)


def draw_soft_edge(values: np.ndarray, level: float) -> np.ndarray:
    """Make a matte that is opaque where values, float H x W, are above a level.

    Its edge is a pixel wide on either side of the contour. The formula is that of
    `vos.track.mattes` once more, which is in torch, and an export must not load torch.
    `test_exports_draw_the_same_edge` in tests/unit/track/test_mattes.py holds the two equal.
    """
    slope = np.hypot(_largest_difference(values, 1), _largest_difference(values, 0))
    distance = (values - level) / np.maximum(slope, _LEAST_SLOPE)
    # tanh of half is the sigmoid, and does not overflow.
    return np.rint(_OPAQUE / 2 * (1 + np.tanh(_STEEPNESS / 2 * distance))).astype(np.uint8)


def _largest_difference(values: np.ndarray, axis: int) -> np.ndarray:
    """Return the larger difference of each pixel to its two neighbours along one side."""
    steps = np.abs(np.diff(values, axis=axis))
    before = np.insert(steps, 0, 0, axis=axis)
    after = np.insert(steps, steps.shape[axis], 0, axis=axis)
    return np.maximum(before, after)


def _reach(size_px: float) -> float:
    return _REACH_SIGMAS * size_px / 2


def _blur(matte: np.ndarray, sigma_px: float) -> np.ndarray:
    """Blur with a Gaussian, float32 H x W. Beyond the border the last pixels go on."""
    reach = max(math.ceil(_REACH_SIGMAS * sigma_px), 1)
    weights = np.exp(-0.5 * (np.arange(reach + 1) / sigma_px) ** 2)
    weights = (weights / (weights[0] + 2 * weights[1:].sum())).astype(np.float32)
    values = matte.astype(np.float32)
    for axis in (0, 1):
        pad = [(reach, reach) if one == axis else (0, 0) for one in (0, 1)]
        padded = np.moveaxis(np.pad(values, pad, mode="edge"), axis, 0)
        count = values.shape[axis]
        total = weights[0] * padded[reach : reach + count]
        for step in range(1, reach + 1):
            low = padded[reach - step : reach - step + count]
            total += weights[step] * (low + padded[reach + step : reach + step + count])
        values = np.moveaxis(total, 0, axis)
    return np.clip(values, 0, _OPAQUE)
