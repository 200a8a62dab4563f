"""J: region similarity, the Jaccard index of two binary masks."""

from __future__ import annotations

import numpy as np

from vos_eval.metrics.packed import PackedBatch, count_bits


def jaccard(gt_mask: np.ndarray, pred_mask: np.ndarray) -> float:
    """Return |G and P| / |G or P| of two bool H x W masks; 1 when both are empty."""
    return ratio(
        int(np.count_nonzero(gt_mask & pred_mask)), int(np.count_nonzero(gt_mask | pred_mask))
    )


def count_regions(batch: PackedBatch) -> list[tuple[int, int, int]]:
    """Count the pixels of each pair of a batch: of the intersection, the union, the truth."""
    gt, pred = batch.rows(batch.buffer)
    counts = (count.tolist() for count in (count_bits(gt & pred), count_bits(gt), count_bits(pred)))
    return [(both, g + p - both, g) for both, g, p in zip(*counts, strict=True)]


def ratio(intersection: int, union: int) -> float:
    """Return intersection / union; 1 when the union is empty."""
    return intersection / union if union else 1.0


def smoothed_ratio(intersection: int, union: int) -> float:
    """Return (intersection + 1) / (union + 1), which is MOSEv2's J."""
    return (intersection + 1) / (union + 1)
