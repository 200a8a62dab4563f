"""What Pillow leaves out of a still: the low byte of 16-bit colour, and that it is HDR."""

from __future__ import annotations

import struct
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from PIL import Image

from vos.io.read.signatures import is_heif

HDR_TRANSFERS = {16: "pq", 18: "hlg"}
"""The transfer functions that are tone-mapped, by their number in H.273."""

UNKNOWN = "unknown"
"""Stands for the transfer function of a HEIF that FFmpeg cannot open to look for it."""

_PNG_HEAD = 8
_MOST_CHUNKS = 64
_CHUNK = struct.Struct(">I4s")
_PACKED = ("rgb48", "rgba64", "ya16", "gray16")
_ORIENTATION = 0x0112
_WIDE_COLOUR = ("RGB;16", "RGBA;16", "RGBX;16", "LA;16")


def is_wide_colour(image: Image.Image) -> bool:
    """Tell whether a file has colour of 16 bits, of which Pillow would keep the high byte."""
    if image.format not in ("PNG", "TIFF") or not image.tile:  # pyright: ignore[reportAttributeAccessIssue]
        return False
    args = image.tile[0][3]  # pyright: ignore[reportAttributeAccessIssue]
    raw_mode = args[0] if isinstance(args, tuple) else args
    return isinstance(raw_mode, str) and raw_mode.startswith(_WIDE_COLOUR)


def read_transfer(path: Path, image: Image.Image) -> tuple[str, int] | None:
    """Return the HDR transfer function that a still names, and its primaries; None for SDR."""
    if image.format == "PNG":
        return _png_transfer(path)
    if image.format == "AVIF" or is_heif(path):
        return _heif_transfer(path)
    return None


def read_wide(path: Path, orientation: int) -> np.ndarray:
    """Decode a PNG or the first page of a TIFF, of 16 bits: uint16 H x W x 3, upright.

    orientation: EXIF's.

    Raises FFmpegError or what else FFmpeg's readers raise on damaged data.
    """
    from vos.io.read.container_file import open_container  # FFmpeg loads slowly

    with ExitStack() as stack:
        frame = next(open_container(path, stack).decode(video=0))
    if not frame.format.name.startswith(_PACKED):
        frame = frame.reformat(format="rgb48le")
    channels = len(frame.format.components)
    order = ">u2" if frame.format.name.endswith("be") else "<u2"
    rows = np.frombuffer(memoryview(frame.planes[0]), order)  # pyright: ignore[reportArgumentType]
    rows = rows.reshape(frame.height, -1)[:, : frame.width * channels]
    values = rows.reshape(frame.height, frame.width, channels).astype(np.uint16)
    colour = values[..., :3] if channels >= 3 else np.repeat(values[..., :1], 3, axis=2)
    return _upright(colour, orientation)


def read_orientation(image: Image.Image) -> int:
    """Return EXIF's orientation of an image that is not loaded yet, 1 where it has none."""
    return image.getexif().get(_ORIENTATION, 1)


def _upright(image: np.ndarray, orientation: int) -> np.ndarray:
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)


def _png_transfer(path: Path) -> tuple[str, int] | None:
    """Read the chunk `cICP`, which stands before the pixels."""
    with path.open("rb") as file:
        file.seek(_PNG_HEAD)
        for _ in range(_MOST_CHUNKS):
            head = file.read(_CHUNK.size)
            if len(head) < _CHUNK.size:
                return None
            size, kind = _CHUNK.unpack(head)
            if kind == b"cICP":
                primaries, transfer, *_rest = (*file.read(4), 0, 0)
                name = HDR_TRANSFERS.get(transfer)
                return None if name is None else (name, primaries)
            if kind == b"IDAT":
                return None
            file.seek(size + 4, 1)
    return None


def _heif_transfer(path: Path) -> tuple[str, int] | None:
    from av.error import FFmpegError

    from vos.io.read.container_file import open_container

    try:
        with ExitStack() as stack:
            stream = open_container(path, stack).streams.video[0]
            context = stream.codec_context
            name = HDR_TRANSFERS.get(context.color_trc)
            return None if name is None else (name, context.color_primaries)
    except (FFmpegError, LookupError, AttributeError):
        return UNKNOWN, 0
