"""The geometry of prompts: polygons become masks, strokes become points. Pure NumPy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SCRIBBLE_MAX_POINTS = 8
SCRIBBLE_MIN_SPACING_PX = 8.0


def rasterise_polygon(
    vertices_xy_px: Sequence[tuple[float, float]], size_hw: tuple[int, int]
) -> np.ndarray:
    """Return the pixels whose centre (column + 0.5, row + 0.5) is inside the polygon: bool H x W.

    Inside is decided by the even-odd rule, so a self-crossing outline leaves holes. Left and top
    borders belong to the polygon, right and bottom ones do not: polygons that share an edge share
    no pixel. The rectangle (0, 0), (4, 0), (4, 3), (0, 3) gives exactly 4 x 3 pixels.
    """
    height, width = size_hw
    toggles = np.zeros((height, width + 1), dtype=np.uint8)
    start = np.asarray(vertices_xy_px, dtype=np.float64)
    for (x0, y0), (x1, y1) in zip(start, np.roll(start, -1, axis=0), strict=True):
        if y0 == y1:
            continue
        if y0 > y1:  # always downwards, so that a shared edge is computed with the same rounding
            x0, y0, x1, y1 = x1, y1, x0, y0
        first, last = (int(np.clip(np.ceil(y - 0.5), 0, height)) for y in (y0, y1))
        rows = np.arange(first, last)
        crossing_x = x0 + (rows + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
        columns = np.clip(np.ceil(crossing_x - 0.5), 0, width).astype(np.intp)
        toggles[rows, columns] ^= 1  # one edge meets each row once: no index repeats
    return np.bitwise_xor.accumulate(toggles, axis=1)[:, :width].astype(bool)


def points_along(stroke_xy_px: Sequence[tuple[float, float]]) -> np.ndarray:
    """Space points evenly along the stroke, from its start to its end: float64 N x 2.

    One point per 8 px of length, eight at most; a stroke shorter than that gives its middle.
    """
    stroke = np.asarray(stroke_xy_px, dtype=np.float64)
    walked = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(stroke, axis=0).T))])
    count = min(SCRIBBLE_MAX_POINTS, 1 + int(walked[-1] // SCRIBBLE_MIN_SPACING_PX))
    at = np.linspace(0.0, walked[-1], count) if count > 1 else walked[-1:] / 2
    return np.stack([np.interp(at, walked, stroke[:, axis]) for axis in (0, 1)], axis=1)


def line_pieces(path_xy_px: Sequence[tuple[float, float]], *, closed: bool) -> np.ndarray:
    """Cut a path into its pieces from vertex to vertex: float64 K x 2 x 2.

    A lone point is a piece of no length.
    """
    path = np.asarray(path_xy_px, dtype=np.float64)
    if closed:
        path = np.concatenate([path, path[:1]])
    elif len(path) == 1:
        path = np.repeat(path, 2, axis=0)
    return np.stack([path[:-1], path[1:]], axis=1)
