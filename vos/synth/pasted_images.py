"""The images that pasted clips are made of, read from a folder and kept."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from random import Random

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

_KEPT = 256


def crop(file: Path, rng: Random, side: int) -> Tensor:
    """Cut a square piece of a photograph, mirrored half the time: (3, side, side)."""
    photograph = read_image(file, None)
    height, width = photograph.shape[1:]
    cut = round(min(height, width) * rng.uniform(0.45, 1.0))
    top, left = rng.randint(0, height - cut), rng.randint(0, width - cut)
    piece = photograph[None, :, top : top + cut, left : left + cut]
    piece = F.interpolate(
        piece, (side, side), mode="bilinear", align_corners=False, antialias=True
    )[0]
    return piece.flip(-1) if rng.random() < 0.5 else piece


@lru_cache(maxsize=_KEPT)
def read_image(file: Path, side: int | None) -> Tensor:
    """Read (3, h, w) of a photograph or (4, side, side) of a cut-out, in [0, 1]."""
    with Image.open(file) as image:
        if side is None:
            array = np.asarray(image.convert("RGB"))
        else:
            array = np.asarray(image.convert("RGBA").resize((side, side)))
    return torch.from_numpy(array.astype(np.float32) / 255).permute(2, 0, 1).contiguous()


@lru_cache
def list_files(folder: str, kind: str) -> tuple[Path, ...]:
    return tuple(sorted(Path(folder, kind).glob("*.*")))
