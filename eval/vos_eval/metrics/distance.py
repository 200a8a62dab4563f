"""The exact Euclidean distance of every pixel to the nearest background pixel."""

from __future__ import annotations

import numpy as np


def squared_distance(mask: np.ndarray) -> np.ndarray:
    """Return the squared distance to the nearest False pixel, int64 H x W; outside is False.

    Exact: the lower envelope of parabolas (Felzenszwalb and Huttenlocher, 2012), found for all
    columns at once by widening the search until no farther row can be nearer.
    """
    height, width = mask.shape
    padded = np.pad(mask, 1)
    along_row = _distance_along_rows(padded)[:, 1:-1] ** 2
    best = along_row.copy()
    offset = 1
    # A row at distance `offset` adds offset^2, so it cannot improve pixels that are nearer.
    while offset <= height and int(best.max()) > offset * offset:
        added = offset * offset
        np.minimum(best[offset:], along_row[:-offset] + added, out=best[offset:])
        np.minimum(best[:-offset], along_row[offset:] + added, out=best[:-offset])
        offset += 1
    return best[1:-1].reshape(height, width)


def _distance_along_rows(mask: np.ndarray) -> np.ndarray:
    """Return the distance to the nearest False pixel of the row; both ends of a row are False."""
    columns = np.arange(mask.shape[1], dtype=np.int64)
    left = np.maximum.accumulate(np.where(mask, -1, columns), axis=1)
    right = np.minimum.accumulate(np.where(mask, mask.shape[1], columns)[:, ::-1], axis=1)[:, ::-1]
    return np.minimum(columns - left, right - columns)
