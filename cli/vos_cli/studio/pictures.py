"""Frames and masks as a browser takes them."""

from __future__ import annotations

import functools
import io

import numpy as np
from PIL import Image

from vos.io.overlay_draw import screen_colours

_JPEG_QUALITY = 90


def jpeg(image: np.ndarray) -> bytes:
    """For looking at; uint8 H x W x 3."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()


def png(image: np.ndarray) -> bytes:
    """To the last bit; uint8 H x W x 3."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def mask_png(label_map: np.ndarray) -> bytes:
    """Each object in its colour, the background transparent; uint8 H x W of ids."""
    picture = Image.fromarray(np.ascontiguousarray(label_map))
    picture.putpalette(screen_colours().tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", compress_level=1, transparency=0)
    return buffer.getvalue()


@functools.cache
def colours() -> list[str]:
    """CSS colours by object id, those of `mask_png`."""
    return ["#" + bytes(rgb).hex() for rgb in screen_colours()]
