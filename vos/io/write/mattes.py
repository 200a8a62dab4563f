"""Soft mattes as grey PNGs, one per frame and object."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from vos.errors import InputError
from vos.frame import Frame, FrameResult
from vos.io.paths import display_name
from vos.io.write.mask_png import open_mask
from vos.io.write.png_sink import PngSink


class MatteSink(PngSink):
    """A sink for grey PNGs `<object id>/<frame name>.png`.

    A frame has one for each object that exists on it, even if absent: none before an object's
    first prompt, where it was tracked forward.
    """

    name = "mattes"
    what = "matte"

    def _files(self, frame: Frame, result: FrameResult) -> list[tuple[str, np.ndarray]]:
        return [(matte_name(i, frame.name), matte) for i, matte in sorted(result.mattes.items())]

    def _encode(self, pixels: np.ndarray) -> bytes:
        return encode_matte(pixels)


def matte_name(object_id: int, frame_name: str) -> str:
    """Return the name of a matte's file in the folder of mattes."""
    return f"{object_id}/{frame_name}.png"


def encode_matte(matte: np.ndarray) -> bytes:
    """Encode a matte, uint8 H x W, as a grey PNG."""
    if matte.dtype != np.uint8 or matte.ndim != 2:
        raise ValueError(f"a matte is uint8 H x W: {matte.dtype=}, {matte.shape=}")
    buffer = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(matte))
    image.save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def read_matte(path: Path, size_hw: tuple[int, int]) -> np.ndarray:
    """Read a matte, uint8 H x W. Raises InputError unless it is a grey PNG of this size."""
    with open_mask(path) as image:
        if image.mode != "L" or (image.height, image.width) != size_hw:
            raise InputError(
                f"{display_name(path)}: is {image.width} x {image.height} {image.mode}, where a "
                f"soft matte is {size_hw[1]} x {size_hw[0]} L: put the original back, or track "
                "again"
            )
        return np.array(image, dtype=np.uint8)
