"""What an object is put over: a colour, a checkerboard or its own clip, blurred."""

from __future__ import annotations

import functools

import numpy as np
from PIL import Image, ImageColor, ImageFilter

from vos.errors import Parameter, UsageError

CHECKER, BLUR, GREEN = "checker", "blur", "green"
KEY_GREEN = (0, 255, 0)
"""What keyers are made for; CSS calls this `lime`, and its own `green` is too dark."""

_LIGHT, _DARK = 153, 102
_SQUARES, _BLURS = 36, 40  # in the height of a frame
_LONGEST_COLOUR = 7  # of #rrggbb


def check_background(text: str) -> str:
    """Return a background as it is written down. Raises UsageError where there is none of it."""
    name = text.strip().lower()
    if name not in (CHECKER, BLUR):
        _parse_colour(name, text)
    return name


def _parse_colour(name: str, given: str) -> tuple[int, int, int]:
    if name == GREEN:
        return KEY_GREEN
    is_hex = name.startswith("#") and len(name) in (4, _LONGEST_COLOUR)
    try:
        if is_hex or name in ImageColor.colormap:
            red, green, blue = ImageColor.getrgb(name)[:3]
            return red, green, blue
    except ValueError:
        pass
    raise UsageError(
        Parameter("background", given),
        ": give a colour, by its CSS name or as #rrggbb, or checker, or blur",
    )


def draw_background(name: str, image: np.ndarray) -> np.ndarray:
    """Draw the background of a frame, uint8 H x W x 3.

    name: as `check_background` gives it.
    image: the frame, uint8 H x W x 3.
    """
    height, width = image.shape[:2]
    if name == CHECKER:
        return _checkerboard(height, width)
    if name == BLUR:
        return _blur(image)
    return np.broadcast_to(np.array(_parse_colour(name, name), np.uint8), image.shape)


@functools.lru_cache(maxsize=1)
def _checkerboard(height: int, width: int) -> np.ndarray:
    side = max(2, height // _SQUARES)
    is_light = (np.arange(height)[:, None] // side + np.arange(width) // side) % 2 == 0
    grey = np.where(is_light, np.uint8(_LIGHT), np.uint8(_DARK))
    return np.repeat(grey[..., None], 3, axis=2)


def _blur(image: np.ndarray) -> np.ndarray:
    """Blur by a fortieth of the shorter side; a quarter of the size is enough for that."""
    height, width = image.shape[:2]
    radius = min(height, width) / _BLURS
    factor = max(1, min(4, int(radius)))
    small = Image.fromarray(image).reduce(factor).filter(ImageFilter.GaussianBlur(radius / factor))
    return np.asarray(small.resize((width, height), Image.Resampling.BILINEAR))
