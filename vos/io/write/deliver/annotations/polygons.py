"""Masks as polygons, exactly, and polygons as masks.

Readers make whole pixels of a polygon's corners, and fill it with its outline, as OpenCV does:
Ultralytics cuts them and supervision rounds them. So a corner lies in the pixel that it belongs to,
where both give that pixel: less than half a pixel from its top and left. Whoever asks instead which
centres of pixels a polygon holds gets a mask without its last columns and rows.

Pixels that touch in a corner belong together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

_NEAR, _FAR = 0.1, 0.4  # of a pixel, where its corners are
_SAMPLE = 0.25  # between them
_MOST_MEASURED = 512
_RIGHT, _DOWN, _LEFT, _UP = range(4)
_TL, _TR, _BL, _BR = (-1, -1), (1, -1), (-1, 1), (1, 1)

# What a walk with the object on its right does in a corner, by the pixels around it that are the
# object's, as 8 top left + 4 top right + 2 bottom left + 1 bottom right: the way in, the way out,
# and the pixels that it passes through. Two pixels that touch there are passed through one by one.
_TURNS = {
    0b0001: [(_UP, _RIGHT, [_BR])],
    0b0010: [(_RIGHT, _DOWN, [_BL])],
    0b1000: [(_DOWN, _LEFT, [_TL])],
    0b0100: [(_LEFT, _UP, [_TR])],
    0b1110: [(_LEFT, _DOWN, [_TL])],
    0b1101: [(_UP, _LEFT, [_TR])],
    0b0111: [(_RIGHT, _UP, [_BR])],
    0b1011: [(_DOWN, _RIGHT, [_BL])],
    0b1001: [(_DOWN, _RIGHT, [_TL, _BR]), (_UP, _LEFT, [_BR, _TL])],
    0b0110: [(_LEFT, _DOWN, [_TR, _BL]), (_RIGHT, _UP, [_BL, _TR])],
}


def trace_polygons(mask: np.ndarray) -> list[np.ndarray]:
    """Return a polygon for each part of a bool H x W mask, float64 N x 2 of x and y in pixels.

    A hole is joined to the outline by a bridge of no width, along a row of the part's own pixels.
    """
    top, left = 0, 0
    if mask.any():  # a small object in a large frame costs what it is large
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        top, left = int(rows[0]), int(columns[0])
        mask = mask[top : rows[-1] + 1, left : columns[-1] + 1]
    walk = _Walk(mask)
    return [np.array(walk.follow(one)) + np.array([left, top]) for one in walk.outlines()]


def join_polygons(polygons: Sequence[np.ndarray]) -> tuple[np.ndarray, int]:
    """Join polygons to one by bridges of no width, each to what is near among those before it.

    Returns it, and how many pixels the bridges are long: a program that draws outlines draws them.
    """
    whole, *others = sorted(polygons, key=len, reverse=True)
    length_px = 0
    for part in others:
        here, there = _thin(len(whole)), _thin(len(part))
        steps = np.abs(whole[here][:, None] - part[there][None]).max(axis=2)
        i, j = np.unravel_index(int(steps.argmin()), steps.shape)
        length_px += int(np.ceil(steps[i, j]))
        at, start = int(here[i]), int(there[j])
        around = np.roll(part, -start, axis=0)
        whole = np.concatenate([whole[: at + 1], around, around[:1], whole[at:]])
    return whole, length_px


def _thin(count: int) -> np.ndarray:
    """Return the indices of some points, few enough to measure all their distances."""
    return np.unique(np.linspace(0, count - 1, min(count, _MOST_MEASURED)).astype(int))


def fill_polygons(polygons: Sequence[np.ndarray], size_hw: tuple[int, int]) -> np.ndarray:
    """Return the pixels that polygons hold at a quarter of their width and height, bool H x W.

    Where several hold it, every second one takes it out.
    """
    height, width = size_hw
    flips = np.zeros((height, width + 1), np.uint8)
    for polygon in polygons:
        for edge in zip(polygon.tolist(), np.roll(polygon, -1, axis=0).tolist(), strict=True):
            # From its upper end, so that a bridge is rounded the same way there and back.
            (x0, y0), (x1, y1) = sorted(edge, key=lambda point: point[1])
            low, high = (np.clip(np.ceil(one - _SAMPLE), 0, height) for one in (y0, y1))
            rows = np.arange(int(low), int(high))
            if rows.size:
                x = x0 + (rows + _SAMPLE - y0) * (x1 - x0) / (y1 - y0)
                flips[rows, np.clip(np.ceil(x - _SAMPLE), 0, width).astype(int)] ^= 1
    return np.bitwise_xor.accumulate(flips, axis=1)[:, :width].astype(bool)


def _shift(corner: int, side: int) -> float:
    """Move a corner between pixels into the one before it (-1) or behind it (1)."""
    return corner + _NEAR if side > 0 else corner - 1 + _FAR


class _Walk:
    """The corners of a mask's outlines, each with the one that comes next."""

    def __init__(self, mask: np.ndarray) -> None:
        height, width = mask.shape
        padded = np.pad(mask, 1).astype(np.uint8)
        codes = padded[:-1, :-1] * 8 + padded[:-1, 1:] * 4 + padded[1:, :-1] * 2 + padded[1:, 1:]
        self._points: list[tuple[float, float]] = []
        corners: list[tuple[int, int]] = []
        comes: dict[int, list[int]] = defaultdict(list)
        leaves: dict[int, list[int]] = defaultdict(list)
        passes: list[tuple[int, int]] = []
        for y, x in np.argwhere(np.isin(codes, list(_TURNS))).tolist():
            for way_in, way_out, pixels in _TURNS[codes[y, x]]:
                first = len(corners)
                for dx, dy in pixels:
                    corners.append((x, y))
                    self._points.append((_shift(x, dx), _shift(y, dy)))
                comes[way_in].append(first)
                leaves[way_out].append(len(corners) - 1)
                passes += [(first, first + 1)] * (len(pixels) - 1)
        self._corners = corners
        self._next = [0] * len(corners)
        for one, other in passes:
            self._next[one] = other
        # Edges on one line do not overlap, so their starts and ends are in the same order.
        for way in range(4):
            is_level = way in (_RIGHT, _LEFT)

            def place(node: int, is_level: bool = is_level) -> tuple[int, int]:
                x, y = corners[node]
                return (y, x) if is_level else (x, y)

            starts, ends = sorted(leaves[way], key=place), sorted(comes[way], key=place)
            for start, end in zip(starts, ends, strict=True):
                self._next[start] = end
        self._ups = leaves[_UP]
        self._downs = leaves[_DOWN]
        self._size = height, width

    def outlines(self) -> list[int]:
        """Join the holes to what is around them; return a corner of each outline."""
        seen = bytearray(len(self._corners))
        outlines, holes = [], []
        for node in range(len(self._corners)):
            if seen[node]:
                continue
            loop = [node]
            seen[node] = 1
            while (after := self._next[loop[-1]]) != node:
                seen[after] = 1
                loop.append(after)
            area = sum(
                self._corners[one][0] * self._corners[self._next[one]][1]
                - self._corners[self._next[one]][0] * self._corners[one][1]
                for one in loop
            )
            if area > 0:
                outlines.append(node)
            else:
                holes.append(loop)
        if holes:
            self._join(holes)
        return outlines

    def _join(self, holes: list[list[int]]) -> None:
        """Join each hole, from its left side, to the edge that ends the pixels left of it."""
        edges = [(self._corners[one], self._corners[self._next[one]][1], one) for one in self._ups]
        rows: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for (x, start), end, node in edges:
            for row in range(end, start):
                rows[row].append((x, node))
        downs = set(self._downs)
        bridges: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
        for loop in holes:
            left = min((one for one in loop if one in downs), key=lambda one: self._corners[one])
            x, row = self._corners[left]
            _, edge = max(one for one in rows[row] if one[0] < x)
            bridges[edge].append((row, x, left))
        for edge, some in bridges.items():
            x_edge = self._corners[edge][0] + _NEAR
            end, at = self._next[edge], edge
            for row, x, left in sorted(some, reverse=True):  # the edge goes up
                y = row + _SAMPLE
                out, there = self._add(x_edge, y), self._add(_shift(x, -1), y)
                back, home = self._add(_shift(x, -1), y), self._add(x_edge, y)
                self._next[at], self._next[out] = out, there
                self._next[there], self._next[left] = self._next[left], back
                self._next[back] = at = home
            self._next[at] = end

    def _add(self, x: float, y: float) -> int:
        self._points.append((x, y))
        self._next.append(0)
        return len(self._points) - 1

    def follow(self, start: int) -> list[tuple[float, float]]:
        """Return the points of a loop."""
        points = [self._points[start]]
        node = self._next[start]
        while node != start:
            points.append(self._points[node])
            node = self._next[node]
        return points
