"""Frames as encoders take them: colours are converted once, a matte is laid into each copy."""

from __future__ import annotations

import numpy as np
from av import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation

_ALPHA = {"bgra": (0, 3), "argb": (0, 0)}
"""Where alpha is in packed formats: the plane, and the byte of each pixel's four."""

_ONE_THREAD = 1
"""Of libswscale: several of its threads write over each other's pixels in some widths (FFmpeg 8.1,
to 4:4:4 of 10 bits)."""

_EXACT = Interpolation.BILINEAR | Interpolation.ACCURATE_RND  # to 10 bits all ways are

_BLACK, _WHITE = 64, 940  # of luma of 10 bits
_CHANNELS = 4
_COLOUR_PLANES = 3


def convert_colours(image: np.ndarray, pixel_format: str) -> VideoFrame:
    """Convert uint8 H x W x 3, RGB, to another format; what its alpha is does not matter."""
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    return _reformat(frame, pixel_format)


def convert_matte(matte: np.ndarray, pixel_format: str) -> VideoFrame:
    """Convert a matte, uint8 H x W, to the luma of a format without alpha."""
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(matte), format="gray")
    return _reformat(frame, pixel_format)


def lay_matte(colours: VideoFrame, matte: np.ndarray) -> VideoFrame:
    """Return a copy of these colours with a matte, uint8 H x W, as its straight alpha."""
    name = colours.format.name
    frame = VideoFrame(colours.width, colours.height, name)
    if name in _ALPHA:
        index, byte = _ALPHA[name]
        _copy(colours.planes[index], frame.planes[index])
        _view(frame.planes[index], np.uint8, _CHANNELS)[:, byte::_CHANNELS] = matte
    else:
        for index in range(_COLOUR_PLANES):
            _copy(colours.planes[index], frame.planes[index])
        alpha = frame.planes[_COLOUR_PLANES]
        if frame.format.components[_COLOUR_PLANES].bits == 10:
            _view(alpha, np.uint16)[:] = (matte.astype(np.uint16) << 2) | (matte >> 6)
        else:
            _view(alpha, np.uint8)[:] = matte
        _tag(frame)
    return frame


def read_alpha(frame: VideoFrame) -> np.ndarray:
    """Return the alpha of a frame that has one, uint8 H x W."""
    name = frame.format.name
    if name in _ALPHA:
        index, byte = _ALPHA[name]
        return _view(frame.planes[index], np.uint8, _CHANNELS)[:, byte::_CHANNELS].copy()
    alpha, bits = frame.planes[_COLOUR_PLANES], frame.format.components[_COLOUR_PLANES].bits
    if bits == 8:
        return _view(alpha, np.uint8).copy()
    return (_view(alpha, np.uint16) >> (bits - 8)).astype(np.uint8)


def read_colours(frame: VideoFrame) -> np.ndarray:
    """Return the colours of a frame that is BT.709 in video range, uint8 H x W x 3, RGB."""
    converted = frame.reformat(
        format="rgb24",
        src_colorspace=Colorspace.ITU709,
        interpolation=_EXACT,
        threads=_ONE_THREAD,
    )
    return converted.to_ndarray()


def read_luma(frame: VideoFrame) -> np.ndarray:
    """Return the luma of a frame of 10 bits in video range as a matte, uint8 H x W."""
    luma = _view(frame.planes[0], np.uint16).astype(np.float32)
    return np.clip(np.rint((luma - _BLACK) * (255 / (_WHITE - _BLACK))), 0, 255).astype(np.uint8)


def _copy(source: VideoPlane, target: VideoPlane) -> None:
    _memory(target)[:] = _memory(source)


def _view(plane: VideoPlane, kind: type[np.generic], values: int = 1) -> np.ndarray:
    """Look at a plane's memory as H x (W * values)."""
    rows = _memory(plane).view(kind).reshape(plane.height, -1)
    return rows[:, : plane.width * values]


def _memory(plane: VideoPlane) -> np.ndarray:
    return np.frombuffer(plane, np.uint8)  # pyright: ignore[reportCallIssue, reportArgumentType]


def _reformat(frame: VideoFrame, pixel_format: str) -> VideoFrame:
    if not pixel_format.startswith("yuv"):
        return frame.reformat(format=pixel_format, threads=_ONE_THREAD)
    converted = frame.reformat(
        format=pixel_format,
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
        interpolation=None if pixel_format.endswith("10le") else _EXACT,
        threads=_ONE_THREAD,
    )
    _tag(converted)
    return converted


def _tag(frame: VideoFrame) -> None:
    frame.colorspace, frame.color_range = Colorspace.ITU709, ColorRange.MPEG
    frame.color_primaries, frame.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
