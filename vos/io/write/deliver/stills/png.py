"""PNGs of a delivery: written by Pillow, read back by FFmpeg's decoder."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import cast

import numpy as np
from av import VideoFrame
from av.codec import CodecContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from PIL import Image

_COMPRESSION = 1  # several times as fast as the default, for a tenth more bytes


def encode_png(image: np.ndarray) -> bytes:
    """Encode H x W, H x W x 3 or H x W x 4 of uint8, or H x W of uint16, as a PNG."""
    data = io.BytesIO()
    whole = np.ascontiguousarray(image)
    Image.fromarray(whole).save(data, format="PNG", compress_level=_COMPRESSION)
    return data.getvalue()


def decode_png(data: bytes) -> VideoFrame:
    """Decode a PNG. Raises FFmpegError, or ValueError where it is not one whole image."""
    context = cast(VideoCodecContext, CodecContext.create("png", "r"))
    (frame,) = [*context.decode(Packet(data)), *context.decode(None)]
    return frame


def write_new(path: Path, data: bytes) -> None:
    """Write a file that is not there yet and flush it to the disk. Raises OSError."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
