"""Resize images on the device as Pillow does, to the same grey levels but for a few."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from vos.model.preprocess import resize_image

_PROBE_SEED = 0


def resize_pixels(
    pixels: UInt8[Tensor, "b h w 3"], side: int, *, rows_first: bool
) -> Float[Tensor, "b 3 s s"]:
    """Resize bicubically, antialiased, to whole grey levels from 0 to 255.

    As in Pillow each axis is resized by itself, and rounded in between: about one grey level in
    10,000 differs from Pillow's, by one. rows_first: see `resizes_rows_first`.
    """
    image = pixels.permute(0, 3, 1, 2).contiguous().float()
    height, width = image.shape[-2:]
    if (height, width) == (side, side):
        return image
    between = (side, width) if rows_first else (height, side)
    return _resize(_resize(image, between), (side, side))


@lru_cache(maxsize=16)
def resizes_rows_first(size_hw: tuple[int, int], side: int) -> bool:
    """Tell whether Pillow resizes the height of images of this size before their width.

    Which it does depends on its version, so it is tried out.
    """
    noise = np.random.default_rng(_PROBE_SEED).integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    wanted = torch.from_numpy(resize_image(noise, side)).permute(2, 0, 1)
    pixels = torch.from_numpy(noise)[None]
    differ = [
        int((resize_pixels(pixels, side, rows_first=rows_first)[0] != wanted).sum())
        for rows_first in (False, True)
    ]
    return differ[1] < differ[0]


def _resize(image: Tensor, size_hw: tuple[int, int]) -> Tensor:
    resized = F.interpolate(image, size_hw, mode="bicubic", antialias=True, align_corners=False)
    return resized.round().clamp(0, 255)
