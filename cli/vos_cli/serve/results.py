"""Results as JSON: masks as run lengths, scores as numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from vos.frame import FrameResult


def result_json(result: FrameResult) -> dict[str, Any]:
    """Return one frame's masks and scores as JSON values."""
    masks = result.masks
    return {
        "frame_idx": result.frame_idx,
        "pts_s": float(result.pts),
        "name": result.name,
        "is_corrupt": result.is_corrupt,
        "objects": [
            {
                "object_id": object_id,
                "iou_pred": _number(scores.iou_pred),
                "object_score": _number(scores.object_score),
                "area_px": int(masks[object_id].sum()),
                "mask": encode_rle(masks[object_id]),
            }
            for object_id, scores in sorted(result.objects.items())
        ],
    }


def encode_rle(mask: np.ndarray) -> dict[str, list[int]]:
    """Return a bool H x W mask as COCO's uncompressed run lengths.

    `counts` are lengths of runs in column-major order, of background and object in turn, background
    first; `size` is height and width.
    """
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    starts = np.concatenate(([0], changes, [flat.size]))
    counts = np.diff(starts).tolist()
    return {"size": list(mask.shape), "counts": [0, *counts] if flat[0] else counts}


def decode_rle(size_hw: Sequence[int], counts: Sequence[int]) -> np.ndarray:
    """Return the bool H x W mask of run lengths."""
    is_object = np.arange(len(counts)) % 2 == 1
    return np.repeat(is_object, counts).reshape(tuple(size_hw), order="F")


def _number(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None
