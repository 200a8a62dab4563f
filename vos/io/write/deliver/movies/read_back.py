"""Reading movies of an export back with a fresh decoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import numpy as np
from av import VideoFrame
from av.codec import CodecContext
from av.codec.context import ThreadType
from av.container import InputContainer
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from vos.errors import VerificationError
from vos.io.paths import display_name
from vos.io.read.container_file import open_container
from vos.io.write.deliver.format import Seen, Shot
from vos.io.write.deliver.movies.frames import read_alpha, read_colours, read_luma
from vos.io.write.deliver.movies.write import MovieCodec
from vos.io.write.deliver.timecode import read_timecode


def read_movies(
    folder: Path,
    shot: Shot,
    codec: MovieCodec,
    wanted: Callable[[int], bool],
    *,
    is_sampled: bool = False,
) -> Iterator[Seen]:
    """Read the movies of an export: see `ReadBack`.

    is_sampled: only count the frames that are not wanted, where each can be decoded alone.
    """
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
                frames = (
                    _decode_some(container, stream, wanted)
                    if is_sampled and codec.is_intra
                    else _decode(container, stream, codec)
                )
                for position, frame in enumerate(frames):
                    _check_count(path, position, shot)
                    matte = None
                    if frame is not None:
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
        stream.thread_type = ThreadType.AUTO
        yield from container.decode(stream)
        return
    context = cast(VideoCodecContext, CodecContext.create(codec.decoder, "r"))
    context.extradata = stream.codec_context.extradata
    for packet in container.demux(stream):
        yield from context.decode(packet if packet.size else None)


def _decode_some(
    container: InputContainer, stream: VideoStream, wanted: Callable[[int], bool]
) -> Iterator[VideoFrame | None]:
    """Decode the wanted frames of a stream in which a packet is a frame; None for the others."""
    stream.thread_type = ThreadType.SLICE  # a frame comes out before the next packet goes in
    packets = (packet for packet in container.demux(stream) if packet.size)
    for position, packet in enumerate(packets):
        if wanted(position):
            yield from packet.decode()
        else:
            yield None


def _check_count(path: Path, position: int, shot: Shot) -> None:
    if position >= len(shot.frames):
        raise VerificationError(
            f"{display_name(path.name)}: has more than {len(shot.frames)} frames: export again"
        )


def _check_frame(
    path: Path, frame: VideoFrame, position: int, shot: Shot, codec: MovieCodec
) -> None:
    is_size = (frame.height, frame.width) == shot.size_hw
    if not is_size or frame.format.name not in codec.decoded_formats:
        raise VerificationError(
            f"{display_name(path.name)}: frame {shot.frames[position]} is {frame.width} x "
            f"{frame.height} {frame.format.name}, not {shot.size_hw[1]} x {shot.size_hw[0]} "
            f"{codec.decoded_formats[0]}: export again"
        )


def _matte(frame: VideoFrame, codec: MovieCodec) -> np.ndarray:
    if codec.is_opaque:
        return read_colours(frame)
    return read_luma(frame) if codec.is_matte_only else read_alpha(frame)
