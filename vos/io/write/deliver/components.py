"""Connected parts of a mask, found as runs of pixels along its rows."""

from __future__ import annotations

import numpy as np


def find_small_parts(
    mask: np.ndarray, most_area: float, *, has_diagonals: bool, spares_border: bool = False
) -> np.ndarray:
    """Return the parts of a mask that have at most this many pixels, bool H x W.

    has_diagonals: whether pixels that only touch at a corner belong together.
    spares_border: leave out parts that touch the border of the mask.
    """
    height, width = mask.shape
    stride = width + 2  # so that no run touches one of another row
    rows, starts, ends = _find_runs(mask)
    if not rows.size:
        return np.zeros_like(mask, dtype=bool)
    part = _join(rows * stride + starts, rows * stride + ends, stride, has_diagonals=has_diagonals)
    areas = np.bincount(part, ends - starts)
    is_small = areas <= most_area
    if spares_border:
        at_border = (rows == 0) | (rows == height - 1) | (starts == 0) | (ends == width)
        is_small[part[at_border]] = False
    chosen = is_small[part]
    edges = np.zeros((height, width + 1), np.int8)
    edges[rows[chosen], starts[chosen]] = 1
    # Runs of a row never touch, so that no end lies on a start.
    edges[rows[chosen], ends[chosen]] = -1
    return np.cumsum(edges[:, :-1], axis=1, dtype=np.int8).astype(bool)


def _find_runs(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return row, first column and column after the last of each run, in reading order."""
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), np.int8)
    padded[:, 1:-1] = mask
    steps = np.diff(padded, axis=1)
    rows, starts = np.nonzero(steps == 1)
    _, ends = np.nonzero(steps == -1)
    return rows, starts, ends


def _join(starts: np.ndarray, ends: np.ndarray, stride: int, *, has_diagonals: bool) -> np.ndarray:
    """Return the part of each run, as the index of one of its runs.

    starts, ends: places in reading order, rows being `stride` apart.
    """
    reach = 1 if has_diagonals else 0
    first = np.searchsorted(ends, starts + stride - reach, side="right")
    last = np.searchsorted(starts, ends + stride + reach, side="left")
    counts = np.maximum(last - first, 0)
    above = np.repeat(np.arange(starts.size), counts)
    offsets = np.arange(above.size) - np.repeat(np.cumsum(counts) - counts, counts)
    below = np.repeat(first, counts) + offsets
    part = np.arange(starts.size)
    while True:
        one, other = part[above], part[below]
        if np.array_equal(one, other):
            return part
        np.minimum.at(part, np.maximum(one, other), np.minimum(one, other))
        while not np.array_equal(part, shorter := part[part]):
            part = shorter
