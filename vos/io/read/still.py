"""One still image as RGB, whatever its mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from vos.errors import InputError
from vos.io.paths import display_name, require_readable_file

_SIXTEEN_BIT_MAX = 65535


@dataclass(frozen=True, slots=True)
class StillHeader:
    """What a still says of itself before it is decoded.

    size_hw: as stored, EXIF orientation not applied.
    format: "jpeg", "png", ...
    mode: Pillow's.
    """

    size_hw: tuple[int, int]
    format: str
    mode: str


def read_header(path: Path) -> StillHeader:
    """Read a still's header. Raises InputError if the file is missing, empty or no image."""
    with _open(path) as image:
        width, height = image.size
        return StillHeader((height, width), (image.format or "unknown").lower(), image.mode)


def read_still(path: Path) -> np.ndarray:
    """Read the image as displayed: uint8 H x W x 3, RGB, EXIF orientation applied.

    Alpha is dropped, the colour under it stays. 16-bit grey is scaled to 8; CMYK, palette and
    bilevel images are converted; colour profiles are ignored. Raises InputError if the file is
    broken, naming it.
    """
    with _open(path) as image:
        image.load()
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I"):
            return _from_wide_grey(path, upright)
        if upright.mode == "F":
            raise InputError(
                f"{display_name(path)}: floating-point pixels have no fixed range; convert the "
                "images to 8 or 16 bits per channel"
            )
        if upright.mode in ("P", "PA", "LA"):
            upright = upright.convert("RGBA")
        return np.array(upright.convert("RGB"))


def _from_wide_grey(path: Path, image: Image.Image) -> np.ndarray:
    grey = np.asarray(image).astype(np.int64)
    if grey.min() < 0 or grey.max() > _SIXTEEN_BIT_MAX:
        raise InputError(
            f"{display_name(path)}: grey values from {grey.min()} to {grey.max()} exceed 16 bits; "
            "convert the images to 8 or 16 bits"
        )
    narrow = ((grey * 255 + _SIXTEEN_BIT_MAX // 2) // _SIXTEEN_BIT_MAX).astype(np.uint8)
    return np.repeat(narrow[:, :, None], 3, axis=2)


@contextmanager
def _open(path: Path) -> Iterator[Image.Image]:
    require_readable_file(path)
    try:
        with Image.open(path) as image:
            yield image
    except InputError:
        raise
    except UnidentifiedImageError:
        raise InputError(
            f"{display_name(path)}: not an image despite its name; replace or remove it"
        ) from None
    # Pillow's format readers raise nearly anything on damaged data.
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        reason = display_name(str(error)) or type(error).__name__
        raise InputError(
            f"{display_name(path)}: broken image ({reason}); replace or remove it"
        ) from None
