"""Frames and masks as a browser takes them."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

KEEP = {"Cache-Control": "private, max-age=86400, immutable"}
"""Headers of what stays as it is while the page is open."""

_JPEG_QUALITY = 90
_THUMBNAIL_QUALITY = 60
_THUMBNAIL_SIDES_PX = (1280, 640, 320, 192)
_THUMBNAIL_BYTES = 128 * 2**20
_THUMBNAIL_BITS_PER_PIXEL = 2  # with much detail


def jpeg(image: np.ndarray, quality: int = _JPEG_QUALITY) -> bytes:
    """Encode uint8 H x W x 3 for looking at."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="JPEG", quality=quality)
    return buffer.getvalue()


class Thumbnails:
    """Small JPEGs of all frames, to show until a frame is decoded.

    frames: about how many will come; None where that is not known. They are the larger the fewer
    there are: 1280 to 192 pixels wide, some 200 to 5 kB each. Past 128 MiB no more are taken.
    """

    def __init__(self, frames: int | None = None) -> None:
        self._side_px = _side_px(frames)
        self._jpegs: dict[int, bytes] = {}
        self._room = _THUMBNAIL_BYTES

    def add(self, frame_idx: int, image: np.ndarray) -> None:
        """Keep a small copy of a frame, uint8 H x W x 3."""
        if self._room <= 0:
            return
        # Every n-th pixel: a proper reduction takes longer than decoding. Half the frame's size at
        # most: larger ones would delay indexing more than they help.
        width = max(image.shape)
        step = max(1, width // min(self._side_px, max(width // 2, _THUMBNAIL_SIDES_PX[-1])))
        small = np.ascontiguousarray(image[step // 2 :: step, step // 2 :: step])
        self._jpegs[frame_idx] = jpeg(small, _THUMBNAIL_QUALITY)
        self._room -= len(self._jpegs[frame_idx])

    def get(self, frame_idx: int) -> bytes | None:
        """Return a JPEG; None where there is none (yet)."""
        return self._jpegs.get(frame_idx)


def _side_px(frames: int | None) -> int:
    least = _THUMBNAIL_SIDES_PX[-1]
    if frames is None:
        return least
    most_pixels = 8 * _THUMBNAIL_BYTES / _THUMBNAIL_BITS_PER_PIXEL
    fits = (side for side in _THUMBNAIL_SIDES_PX if 3 * side**2 // 4 * frames < most_pixels)
    return next(fits, least)


def png(image: np.ndarray) -> bytes:
    """Encode uint8 H x W x 3 to the last bit."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def mask_png(label_map: np.ndarray) -> bytes:
    """Encode uint8 H x W of object ids as grey levels, which the page colours."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(label_map)).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()
