"""Boundary IoU of single images, as HQ-SAM computes it."""

from __future__ import annotations

import math

import numpy as np

from vos_eval.metrics.region import ratio

BAND_SHARE = 0.02  # of the image diagonal


def band_width_px(size_hw: tuple[int, int]) -> int:
    """Return the width of the boundary band: 2 % of the diagonal, half to even, at least 1."""
    return max(1, round(BAND_SHARE * math.sqrt(size_hw[0] ** 2 + size_hw[1] ** 2)))


def boundary_band(mask: np.ndarray) -> np.ndarray:
    """Return the pixels of a bool H x W mask that `d` erosions with a 3 x 3 square remove.

    Outside the image is background, so the image border counts as boundary. Eroding d times with
    a 3 x 3 square is one erosion with a square of side 2d + 1, done along rows and columns.
    """
    reach = band_width_px((mask.shape[0], mask.shape[1]))
    return mask & ~_erode_along_rows(_erode_along_rows(mask, reach).T, reach).T


def _erode_along_rows(mask: np.ndarray, reach: int) -> np.ndarray:
    """Keep the pixels whose 2 * reach + 1 neighbours in the row are all set; outside is False."""
    padded = np.pad(mask, ((0, 0), (reach + 1, reach)))
    count = np.cumsum(padded, axis=1, dtype=np.int32)
    return count[:, 2 * reach + 1 :] - count[:, : -2 * reach - 1] == 2 * reach + 1


def boundary_iou(gt_mask: np.ndarray, pred_mask: np.ndarray) -> float:
    """Return the IoU of the boundary bands of two bool H x W masks; 1 when both are empty."""
    gt_band, pred_band = boundary_band(gt_mask), boundary_band(pred_mask)
    return ratio(
        int(np.count_nonzero(gt_band & pred_band)), int(np.count_nonzero(gt_band | pred_band))
    )
