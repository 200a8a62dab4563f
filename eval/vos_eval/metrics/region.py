"""J: region similarity, the Jaccard index of two binary masks."""

from __future__ import annotations

import numpy as np

from vos_eval.metrics.packed import PackedBatch, count_bits


def jaccard(gt_mask: np.ndarray, pred_mask: np.ndarray) -> float:
    """Return |G and P| / |G or P| of two bool H x W masks; 1 when both are empty."""
    return ratio(
        int(np.count_nonzero(gt_mask & pred_mask)), int(np.count_nonzero(gt_mask | pred_mask))
    )


def jaccard_packed(batch: PackedBatch) -> list[float]:
    """Return J of each pair of a batch."""
    gt, pred = batch.rows(batch.buffer)
    intersections, unions = count_bits(gt & pred), count_bits(gt | pred)
    return [ratio(*pair) for pair in zip(intersections.tolist(), unions.tolist(), strict=True)]


def ratio(intersection: int, union: int) -> float:
    """Return intersection / union; 1 when the union is empty."""
    return intersection / union if union else 1.0
