"""Label maps as palette PNGs: pixel value = object id, in the DAVIS colours. Lossless."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from vos.errors import InputError, VosError
from vos.io.paths import display_name

MAX_PIXELS = 2**26


@functools.cache
def davis_palette() -> np.ndarray:
    """Return the colours of PASCAL VOC and DAVIS: uint8 256 x 3 RGB, read-only.

    Bits 0, 1, 2 of the label go to red, green, blue, most significant bit first, then bits 3, 4,
    5, and so on: 0 black, 1 (128, 0, 0), 2 (0, 128, 0), 3 (128, 128, 0), ... 255 (224, 224, 192).
    """
    labels = np.arange(256)
    palette = np.zeros((256, 3), dtype=np.uint8)
    for bit in range(8):
        palette[:, bit % 3] |= (((labels >> bit) & 1) << (7 - bit // 3)).astype(np.uint8)
    palette.setflags(write=False)
    return palette


def encode_label_png(label_map: np.ndarray) -> bytes:
    """Encode a label map, uint8 H x W, as a palette PNG.

    The compression is a fast one: twice the speed of the default.
    """
    if label_map.dtype != np.uint8 or label_map.ndim != 2:
        raise ValueError(f"a label map is uint8 H x W: {label_map.dtype=}, {label_map.shape=}")
    image = Image.fromarray(np.ascontiguousarray(label_map))
    image.putpalette(davis_palette().tobytes())
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def read_label_png(path: Path) -> np.ndarray:
    """Read the label map in a palette, grey or 1-bit PNG: uint8 H x W. 1-bit files hold 0 and 1.

    Raises InputError when the file is missing, not a image, or has colour or 16-bit channels.
    """
    with open_mask(path) as image:
        if image.mode not in ("P", "L", "1"):
            raise InputError(
                f"{display_name(path)}: a {image.mode} picture; masks are palette, grey or "
                "1-bit PNGs with the object id as pixel value: save it as one"
            )
        return np.array(image, dtype=np.uint8)


@contextmanager
def open_mask(path: Path) -> Iterator[Image.Image]:
    """Open a mask with Pillow; what goes wrong inside is an InputError too."""
    try:
        if path.exists() and not path.is_file():  # a pipe or a device may never end
            raise InputError(f"{display_name(path)}: not a regular file; a mask is a PNG: check it")
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(
                    f"{display_name(path)}: {image.width}x{image.height} pixels; a mask has up to "
                    f"{MAX_PIXELS}, twice what 8K has: check it"
                )
            yield image
    except FileNotFoundError:
        raise InputError(
            f"{display_name(path)}: no such file; a mask is a PNG: check the name"
        ) from None
    except VosError:
        raise
    except Exception as error:  # Pillow's format readers raise nearly anything on damaged data
        reason = getattr(error, "strerror", None) or "damaged or not a picture"
        raise InputError(
            f"{display_name(path)}: cannot be read ({reason}); a mask is a PNG: check it"
        ) from error
