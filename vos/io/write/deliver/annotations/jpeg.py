"""The frames that annotations belong to, as JPEGs beside them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from vos.errors import VerificationError
from vos.io.paths import display_name
from vos.io.write.deliver.format import Shot
from vos.io.write.deliver.stills.png import write_new

_QUALITY = 95


def write_frame(path: Path, image: np.ndarray) -> None:
    """Write uint8 H x W x 3, RGB, as a new file."""
    data = io.BytesIO()
    Image.fromarray(image).save(data, format="JPEG", quality=_QUALITY)
    write_new(path, data.getvalue())


def check_frame(path: Path, shot: Shot, frame_idx: int) -> None:
    """Raise VerificationError where the image of a frame is not there or has another size."""
    try:
        with Image.open(path, formats=["JPEG"]) as image:
            size_hw = image.height, image.width
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise VerificationError(
            f"{display_name(path.name)}: the image of frame {frame_idx} is not there or no JPEG "
            f"({error}): export again"
        ) from error
    if size_hw != shot.size_hw:
        raise VerificationError(
            f"{display_name(path.name)}: the image of frame {frame_idx} is {size_hw[1]} x "
            f"{size_hw[0]}, not {shot.size_hw[1]} x {shot.size_hw[0]}: export again"
        )
