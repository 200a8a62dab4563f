"""Reading label maps: one decode per file, and a plain message for every file that is not one."""

from __future__ import annotations

import contextlib
import io
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from zlib_ng import zlib_ng as zlib

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PALETTE = 3  # PNG colour type
_LABEL_MODES = ("P", "L", "1")
_DEFLATE = 8  # low bits of the first byte of a zlib stream
_MIN_COMPRESSED = 8  # header, one block, checksum
_MAX_FILE_BYTES = 2**28
_MAX_PIXELS = 2**26  # twice what 8K has; a small file may say anything
_MAX_COMPRESSED = 1 << 18  # deflate grows at most 1032 times: no more than 271 MB from here


class MaskError(Exception):
    """A file that is not a readable label map; the text says why, without the file's name."""


def read_labels(path: Path) -> np.ndarray:
    """Read a palette or grey PNG as uint8 H x W; pixel value = object id, 0 = background.

    Raises:
        MaskError: missing, truncated, not an image, or in colours.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe or a device may never end
            raise MaskError("not a regular file")
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise MaskError("missing file") from None
    except OSError as error:
        raise MaskError(f"cannot be read ({error.strerror or error})") from error
    if len(data) > _MAX_FILE_BYTES:
        raise MaskError(f"over {_MAX_FILE_BYTES} bytes long, which no mask is")
    if not data.startswith(_SIGNATURE):
        return _decode_any(data)
    header, stream = _read_chunks(data)
    labels = _decode_plain_palette(header, stream)
    return _decode_any(data) if labels is None else labels


def check_header(path: Path) -> tuple[int, int]:
    """Read the size (height, width) of a mask file without decoding its pixels.

    Raises:
        MaskError: missing, not an image, in colours, or cut off.
    """
    try:
        with _quiet(), Image.open(path) as image:
            _check_mode(image)
            size_hw = image.height, image.width
            is_png = image.format == "PNG"
        if is_png:
            with path.open("rb") as file:
                file.seek(-min(12, path.stat().st_size), 2)
                if b"IEND" not in file.read():
                    raise MaskError("truncated PNG (it has no end); copy the file again")
    except FileNotFoundError:
        raise MaskError("missing file") from None
    except MaskError:
        raise
    except Exception as error:  # Pillow's format readers raise nearly anything on damaged data
        raise MaskError(f"not a readable image ({_one_line(error)})") from error
    return size_hw


def _check_mode(image: Image.Image) -> None:
    if image.width * image.height > _MAX_PIXELS:
        raise MaskError(f"{image.width}x{image.height} pixels; a mask has up to {_MAX_PIXELS}")
    if image.mode not in _LABEL_MODES:
        raise MaskError(
            f"is a {image.mode} image; a mask has one channel (P or L) whose pixel value is "
            "the object id"
        )


def _decode_any(data: bytes) -> np.ndarray:
    try:
        with _quiet(), Image.open(io.BytesIO(data)) as image:
            _check_mode(image)
            return np.array(image, np.uint8)
    except UnidentifiedImageError:
        raise MaskError("not a readable image (of no known format)") from None
    except MaskError:
        raise
    except Exception as error:  # Pillow's format readers raise nearly anything on damaged data
        raise MaskError(f"not a readable image ({_one_line(error)})") from error


def _read_chunks(data: bytes) -> tuple[bytes, bytes]:
    """Read the header and the compressed pixels of a PNG, and check the chunks' checksums.

    Pillow alone would let some files pass whose end is missing.
    """
    header, compressed = b"", []
    offset = len(_SIGNATURE)
    while offset + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, offset)
        kind, end = data[offset + 4 : offset + 8], offset + 8 + length
        if end + 4 > len(data):
            break
        if kind in (b"IHDR", b"IDAT"):
            (checksum,) = struct.unpack_from(">I", data, end)
            if zlib.crc32(data[offset + 4 : end]) != checksum:
                raise MaskError("damaged PNG (a checksum is wrong); copy the file again")
            if kind == b"IHDR":
                header = data[offset + 8 : end]
            else:
                compressed.append(data[offset + 8 : end])
        elif kind == b"IEND":
            return header, b"".join(compressed)
        offset = end + 4
    raise MaskError("truncated PNG (it has no end); copy the file again")


def _decode_plain_palette(header: bytes, stream: bytes) -> np.ndarray | None:
    """Decode the common case without Pillow's copies: 8-bit palette, not interlaced, unfiltered.

    Pillow, OpenCV and libpng write palette masks so. None for any other file.
    """
    if len(header) != 13 or not _MIN_COMPRESSED <= len(stream) <= _MAX_COMPRESSED:
        return None
    width, height, depth, colour_type, _, _, interlace = struct.unpack(">IIBBBBB", header)
    if depth != 8 or colour_type != _PALETTE or interlace or stream[0] & 15 != _DEFLATE:
        return None
    size = height * (width + 1)
    if not 0 < size <= _MAX_PIXELS:
        return None
    try:
        # Without the stream's header and checksum, whose verification takes a fifth of the time:
        # the chunks' own checksums have vouched for every byte.
        inflated = zlib.decompress(stream[2:-4], wbits=-zlib.MAX_WBITS, bufsize=size)
    except zlib.error:  # pyright: ignore[reportGeneralTypeIssues] - its stub says `Exception`
        return None
    if len(inflated) != size:
        return None
    rows = np.frombuffer(inflated, np.uint8).reshape(height, width + 1)
    return None if rows[:, 0].any() else rows[:, 1:]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Leave out Pillow's warnings of damage and of size, which are errors here or nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
