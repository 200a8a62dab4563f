"""Reading movies of an export back with a fresh decoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import numpy as np
from av import VideoFrame
from av.codec import CodecContext
from av.container import InputContainer
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream

from vos.errors import VerificationError
from vos.io.paths import display_name
from vos.io.read.container_file import open_container
from vos.io.write.deliver.format import OPAQUE, Seen, Shot
from vos.io.write.deliver.movies import MovieCodec
from vos.io.write.deliver.timecode import read_timecode

_BLACK, _WHITE = 64, 940  # of luma in 10 bits
_ALPHA = 3


def read_movies(
    folder: Path, shot: Shot, codec: MovieCodec, wanted: Callable[[int], bool]
) -> Iterator[Seen]:
    """Read the movies of an export: see `ReadBack`."""
    for target in shot.targets:
        path = folder / f"{target.stem}{codec.suffix}"
        if not path.is_file():
            raise VerificationError(f"{display_name(path.name)}: is not there: export again")
        position = -1
        try:
            with ExitStack() as stack:
                container = open_container(path, stack)
                stream = container.streams.video[0]
                _check_stream(path, stream, shot)
                for position, frame in enumerate(_decode(container, stream, codec)):
                    _check_frame(path, frame, position, shot, codec)
                    matte = _matte(frame, codec) if wanted(position) else None
                    yield Seen(position, target, matte)
        except (FFmpegError, IndexError) as error:
            raise VerificationError(
                f"{display_name(path.name)}: cannot be decoded after {position + 1} frames "
                f"({error}): export again"
            ) from error


def _check_stream(path: Path, stream: VideoStream, shot: Shot) -> None:
    aspect = stream.sample_aspect_ratio or 1
    found = {
        "rate": stream.average_rate,
        "timecode": read_timecode(path),
        "pixel aspect": aspect,
    }
    wanted = {
        "rate": shot.rate,
        "timecode": shot.timecode,
        "pixel aspect": shot.pixel_aspect,
    }
    for what, value in wanted.items():
        if not _is_same(found[what], value):
            raise VerificationError(
                f"{display_name(path.name)}: its {what} is {found[what]}, not {value}: export again"
            )


def _is_same(found: object, wanted: object) -> bool:
    """Compare, but let a fraction be off by what a container's ticks cannot hold."""
    if isinstance(found, str) or isinstance(wanted, str) or found is None or wanted is None:
        return found == wanted
    return abs(float(found) / float(wanted) - 1) < 1e-4  # pyright: ignore[reportArgumentType]


def _decode(
    container: InputContainer, stream: VideoStream, codec: MovieCodec
) -> Iterator[VideoFrame]:
    if codec.decoder is None:
        yield from container.decode(stream)
        return
    context = cast(VideoCodecContext, CodecContext.create(codec.decoder, "r"))
    context.extradata = stream.codec_context.extradata
    for packet in container.demux(stream):
        yield from context.decode(packet if packet.size else None)


def _check_frame(
    path: Path, frame: VideoFrame, position: int, shot: Shot, codec: MovieCodec
) -> None:
    if position >= len(shot.frames):
        raise VerificationError(
            f"{display_name(path.name)}: has more than {len(shot.frames)} frames: export again"
        )
    is_size = (frame.height, frame.width) == shot.size_hw
    if not is_size or frame.format.name not in codec.decoded_formats:
        raise VerificationError(
            f"{display_name(path.name)}: frame {shot.frames[position]} is {frame.width} x "
            f"{frame.height} {frame.format.name}, not {shot.size_hw[1]} x {shot.size_hw[0]} "
            f"{codec.decoded_formats[0]}: export again"
        )


def _matte(frame: VideoFrame, codec: MovieCodec) -> np.ndarray:
    if codec.is_matte_only:
        return _scale(frame, 0, _BLACK, _WHITE)
    if codec.is_opaque:
        return frame.reformat(format="rgb24", src_colorspace=Colorspace.ITU709).to_ndarray()
    if not codec.is_rgb:
        return _scale(frame, _ALPHA, 0, 2 ** frame.format.components[_ALPHA].bits - 1)
    return frame.reformat(format="rgba").to_ndarray()[..., 3]


def _scale(frame: VideoFrame, index: int, low: int, high: int) -> np.ndarray:
    """Return a plane as uint8 H x W, its values from low to high as 0 to 255.

    By hand: FFmpeg's own conversion gets the last columns of some widths wrong.
    """
    plane = frame.planes[index]
    kind = "<u2" if frame.format.components[index].bits > 8 else "u1"
    rows = np.frombuffer(memoryview(plane), kind).reshape(plane.height, -1)[:, : plane.width]
    values = (rows.astype(np.float32) - low) * (OPAQUE / (high - low))
    return values.round().clip(0, OPAQUE).astype(np.uint8)
