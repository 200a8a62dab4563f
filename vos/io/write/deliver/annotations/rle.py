"""Masks as COCO's run lengths, written and read by pycocotools."""

from __future__ import annotations

from typing import Any

import numpy as np

from vos.errors import UsageError


def load_pycocotools() -> Any:
    """Return the module `pycocotools.mask`. Raises UsageError where it is not installed."""
    try:
        from pycocotools import mask
    except ImportError:
        raise UsageError(
            "export: this format needs the package pycocotools; install it with "
            "`pip install 'vos[deliver]'`"
        ) from None
    return mask


def encode_mask(mask: np.ndarray) -> dict[str, Any]:
    """Encode a bool H x W mask: `size` is [H, W], `counts` COCO's compressed text."""
    encoded = load_pycocotools().encode(np.asfortranarray(mask, np.uint8))
    return {"size": [int(one) for one in encoded["size"]], "counts": encoded["counts"].decode()}


def measure_rle(rle: dict[str, Any]) -> tuple[int, list[float]]:
    """Return an encoded mask's area in pixels and its box as x, y, width and height."""
    module = load_pycocotools()
    return int(module.area(rle)), [float(one) for one in module.toBbox(rle)]


def decode_mask(rle: Any, size_hw: tuple[int, int]) -> np.ndarray:
    """Decode to uint8 H x W of 0 and 1. Raises ValueError for damage or another size."""
    if not isinstance(rle, dict) or list(rle["size"]) != list(size_hw):
        raise ValueError("a mask is of another size")
    if not isinstance(rle["counts"], str) or not rle["counts"].isascii():
        raise ValueError("a mask is no text of run lengths")
    return load_pycocotools().decode(rle)
